//! What the parts of the bridge share: life cycle, drain, connections, last self-test.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jitctl_daemon::{CpuMeter, VERSION, threads, utc_timestamp};
use jitctl_wire::brewery::BridgeStats;
use serde::Serialize;
use tokio::sync::watch;

use crate::conference::ConferenceService;
use crate::config::BridgeConfig;

/// Stages on the way out; there is no way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LifeCycle {
    /// Serving.
    Running,
    /// No new conferences; waits for the last endpoint.
    GracefulShutdown,
    /// The focus moves everybody away now.
    ShuttingDown,
    /// Leaving the brewery.
    Leaving,
}

/// One connection, for display.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectionState {
    /// The brewery room.
    pub brewery: String,
    /// Our address while connected.
    pub jid: Option<String>,
    /// Whether the room is joined.
    pub joined: bool,
    /// The last trouble, in words.
    pub trouble: Option<String>,
}

#[derive(Debug, Default)]
struct SelfTest {
    at: Option<Instant>,
    failure: Option<String>,
    stress: f64,
}

/// Results of a self-test older than this mean that the bridge hangs.
const SELF_TEST_STALE: Duration = Duration::from_secs(30);

/// Shared state.
pub struct BridgeState {
    /// The configuration.
    pub config: BridgeConfig,
    /// Media.
    pub service: Arc<dyn ConferenceService>,
    drain: AtomicBool,
    life_cycle: watch::Sender<LifeCycle>,
    connections: Mutex<Vec<ConnectionState>>,
    self_test: Mutex<SelfTest>,
    cpu: Mutex<CpuMeter>,
    refused_requests: AtomicU64,
    disconnects: AtomicU64,
}

impl std::fmt::Debug for BridgeState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BridgeState")
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BridgeState {
    /// The state at start.
    pub fn new(config: BridgeConfig, service: Arc<dyn ConferenceService>) -> Self {
        let connections = config
            .xmpp
            .iter()
            .map(|xmpp| ConnectionState {
                brewery: xmpp.brewery.to_string(),
                jid: None,
                joined: false,
                trouble: None,
            })
            .collect();
        Self {
            drain: AtomicBool::new(config.operation.initial_drain),
            config,
            service,
            life_cycle: watch::Sender::new(LifeCycle::Running),
            connections: Mutex::new(connections),
            self_test: Mutex::default(),
            cpu: Mutex::default(),
            refused_requests: AtomicU64::new(0),
            disconnects: AtomicU64::new(0),
        }
    }

    /// Counts a request that is answered with an error.
    pub(crate) fn count_refused_request(&self) {
        self.refused_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests were answered with an error.
    pub fn refused_requests(&self) -> u64 {
        self.refused_requests.load(Ordering::Relaxed)
    }

    /// Counts a connection to XMPP that was lost.
    pub(crate) fn count_disconnect(&self) {
        self.disconnects.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections to XMPP were lost.
    pub fn disconnects(&self) -> u64 {
        self.disconnects.load(Ordering::Relaxed)
    }

    /// Where on the way out the bridge is.
    pub fn life_cycle(&self) -> LifeCycle {
        *self.life_cycle.borrow()
    }

    /// Goes on to a later stage; an earlier one is ignored.
    pub fn advance(&self, to: LifeCycle) {
        self.life_cycle.send_if_modified(|current| {
            let later = to > *current;
            if later {
                *current = to;
            }
            later
        });
    }

    /// Follows the stages.
    pub fn watch(&self) -> watch::Receiver<LifeCycle> {
        self.life_cycle.subscribe()
    }

    /// Whether the bridge drains.
    pub fn is_draining(&self) -> bool {
        self.drain.load(Ordering::Relaxed)
    }

    /// Drains or not; told to the focus at once.
    pub fn set_drain(&self, drain: bool) {
        if self.drain.swap(drain, Ordering::Relaxed) != drain {
            tracing::info!(drain, "drain mode changed");
            // Wakes the brewery tasks, which publish.
            self.life_cycle.send_modify(|_| {});
        }
    }

    /// Changes what is shown of a connection.
    pub fn update_connection(&self, index: usize, change: impl FnOnce(&mut ConnectionState)) {
        if let Some(connection) = lock(&self.connections).get_mut(index) {
            change(connection);
        }
    }

    /// All connections.
    pub fn connections(&self) -> Vec<ConnectionState> {
        lock(&self.connections).clone()
    }

    /// Runs the internal checks and measures the load.
    pub fn self_test(&self, now: Instant) {
        let failure = self.service.check_health().err();
        let cpu = lock(&self.cpu).measure(now);
        let mut test = lock(&self.self_test);
        if failure != test.failure {
            if let Some(reason) = &failure {
                tracing::error!(reason, "unhealthy");
            } else {
                tracing::info!("healthy again");
            }
        }
        test.failure = failure;
        test.at = Some(now);
        if let Some(cpu) = cpu {
            test.stress = cpu;
        }
    }

    /// Own opinion of the bridge's health.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check_health(&self, now: Instant) -> Result<(), String> {
        let test = lock(&self.self_test);
        if let Some(failure) = &test.failure {
            return Err(failure.clone());
        }
        match test.at {
            None => Err(String::from("no self-test yet")),
            Some(at) if now.duration_since(at) > SELF_TEST_STALE => {
                Err(String::from("the last self-test is older than 30 s"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Everything the bridge publishes.
    pub fn statistics(&self) -> BridgeStats {
        let mut stats = BridgeStats::default();
        self.service.fill_statistics(&mut stats);
        let life_cycle = self.life_cycle();
        let connections = self.connections();
        let count = |test: fn(&ConnectionState) -> bool| {
            connections
                .iter()
                .filter(|connection| test(connection))
                .count() as u64
        };
        stats.stress_level = stats.stress_level.max(lock(&self.self_test).stress);
        stats.average_participant_stress = self.config.load.average_participant_stress;
        stats.threads = threads();
        stats.graceful_shutdown = life_cycle == LifeCycle::GracefulShutdown;
        stats.shutting_down = life_cycle >= LifeCycle::ShuttingDown;
        stats.drain = self.is_draining();
        stats.current_timestamp = utc_timestamp(SystemTime::now());
        stats.muc_clients_configured = connections.len() as u64;
        stats.mucs_configured = connections.len() as u64;
        stats.muc_clients_connected = count(|connection| connection.jid.is_some());
        stats.mucs_joined = count(|connection| connection.joined);
        stats.healthy = self.check_health(Instant::now()).is_ok();
        // Opaque to the optimiser: the string stays one piece of the program, which a test of
        // mixed versions replaces in a copy.
        std::hint::black_box(VERSION).clone_into(&mut stats.version);
        stats.region.clone_from(&self.config.identity.region);
        stats
    }

    /// The brewery's state in words, for `systemctl status`.
    pub fn summary(&self) -> String {
        let connections = self.connections();
        let joined = connections
            .iter()
            .filter(|connection| connection.joined)
            .count();
        let mut text = format!("in {joined} of {} breweries", connections.len());
        for connection in connections.iter().filter(|connection| !connection.joined) {
            if let Some(trouble) = &connection.trouble {
                text.push_str("; ");
                text.push_str(&connection.brewery);
                text.push_str(": ");
                text.push_str(trouble);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::conference::NoMedia;
    use crate::config::REFERENCE;

    fn state() -> BridgeState {
        let config = jitctl_daemon::config::read(REFERENCE, Path::new("x")).unwrap();
        BridgeState::new(config, Arc::new(NoMedia))
    }

    #[test]
    fn the_life_cycle_only_goes_forward_and_is_published() {
        let state = state();
        assert!(!state.statistics().graceful_shutdown);
        state.advance(LifeCycle::GracefulShutdown);
        assert!(state.statistics().graceful_shutdown);
        state.advance(LifeCycle::ShuttingDown);
        state.advance(LifeCycle::Running);
        assert_eq!(state.life_cycle(), LifeCycle::ShuttingDown);
        assert!(state.statistics().shutting_down);
    }

    #[test]
    fn drain_false_is_published_from_the_start() {
        let state = state();
        let published = state.statistics().to_element().to_xml();
        assert!(
            published.contains("<stat name='drain' value='false'/>"),
            "{published}"
        );
        state.set_drain(true);
        assert!(state.statistics().drain);
    }

    #[test]
    fn health_needs_a_fresh_self_test() {
        let state = state();
        let now = Instant::now();
        assert!(state.check_health(now).is_err());
        state.self_test(now);
        assert_eq!(state.check_health(now), Ok(()));
        assert!(state.check_health(now + SELF_TEST_STALE * 2).is_err());
    }
}
