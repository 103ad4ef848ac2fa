//! What the parts of the focus share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::brewery::{Bridge, BridgeRegistry, Health};
use crate::config::FocusConfig;
use crate::selection::Candidate;

/// How a connection is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ConnectionState {
    /// Our address while connected.
    pub jid: Option<String>,
    /// Whether the brewery is joined.
    pub joined: bool,
    /// The last trouble, in words.
    pub trouble: Option<String>,
    /// Times the connection was lost.
    pub disconnects: u64,
}

/// The two connections of the focus.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Connections {
    /// The account.
    pub account: ConnectionState,
    /// The component.
    pub component: ConnectionState,
}

/// Why the focus is not healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unhealthy {
    /// The focus itself does not work.
    Hard(String),
    /// Something it needs is missing.
    Soft(String),
}

/// Shared state.
#[derive(Debug)]
pub struct FocusState {
    /// The configuration.
    pub config: FocusConfig,
    registry: Mutex<BridgeRegistry>,
    connections: Mutex<Connections>,
    wake: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FocusState {
    /// The state at start.
    pub fn new(config: FocusConfig) -> Self {
        let registry =
            BridgeRegistry::new(config.bridges, &config.xmpp.domain, &config.xmpp.nickname);
        Self {
            config,
            registry: Mutex::new(registry),
            connections: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// The bridges; hold it only for a look.
    pub fn registry(&self) -> MutexGuard<'_, BridgeRegistry> {
        lock(&self.registry)
    }

    /// Lets the account's task carry out what the registry wants now.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// How the connections are.
    pub fn connections(&self) -> Connections {
        lock(&self.connections).clone()
    }

    pub(crate) fn update_connections(&self, change: impl FnOnce(&mut Connections)) {
        change(&mut lock(&self.connections));
        jitctl_daemon::systemd::status(&self.summary());
    }

    /// All bridges as selection sees them.
    pub fn candidates(&self, now: Instant) -> Vec<Candidate> {
        let registry = self.registry();
        let config = *registry.config();
        registry
            .bridges()
            .map(|bridge| Candidate {
                occupant: bridge.occupant.clone(),
                operational: bridge.is_operational(now, config.failure_reset()),
                shutting_down: bridge.shutting_down,
                graceful_shutdown: bridge.graceful_shutdown,
                drain: bridge.drain,
                version: bridge.version.clone(),
                region: bridge.region.clone(),
                stress: bridge.corrected_stress(now, config.participant_rampup()),
                participants: 0,
            })
            .collect()
    }

    /// Whether conferences can be held.
    ///
    /// # Errors
    /// What is missing.
    pub fn check_health(&self, now: Instant) -> Result<(), Unhealthy> {
        let connections = self.connections();
        if connections.account.jid.is_none() {
            let why = connections
                .account
                .trouble
                .unwrap_or_else(|| String::from("connecting"));
            return Err(Unhealthy::Hard(format!("not connected to XMPP: {why}")));
        }
        if connections.component.jid.is_none() {
            let why = connections
                .component
                .trouble
                .unwrap_or_else(|| String::from("connecting"));
            return Err(Unhealthy::Hard(format!("component not connected: {why}")));
        }
        let usable = |bridge: &Candidate| bridge.operational && !bridge.graceful_shutdown;
        if self.candidates(now).iter().any(usable) {
            return Ok(());
        }
        Err(Unhealthy::Soft(String::from("no operational bridge")))
    }

    /// The bridges for display.
    pub fn describe_bridges(&self, now: Instant) -> Value {
        let registry = self.registry();
        registry
            .bridges()
            .map(|bridge| describe(&registry, bridge, now))
            .collect()
    }

    /// State in words, for `systemctl status`.
    pub fn summary(&self) -> String {
        let connections = self.connections();
        let bridges = self.registry().bridges().count();
        let state = |connection: &ConnectionState| match (&connection.jid, &connection.trouble) {
            (Some(_), _) => String::from("connected"),
            (None, Some(trouble)) => trouble.clone(),
            (None, None) => String::from("connecting"),
        };
        format!(
            "{bridges} bridges; account: {}; component: {}",
            state(&connections.account),
            state(&connections.component)
        )
    }
}

fn describe(registry: &BridgeRegistry, bridge: &Bridge, now: Instant) -> Value {
    let config = registry.config();
    let health = match &bridge.health {
        Health::Unknown => "unknown",
        Health::Healthy => "healthy",
        Health::TimedOut => "timed out",
        Health::Failed(reason) => reason,
    };
    json!({
        "nickname": bridge.nickname(),
        "occupant": bridge.occupant.as_str(),
        "jid": bridge.addresses.first().map(jitctl_wire::Jid::as_str),
        "jids": bridge.addresses.iter().map(jitctl_wire::Jid::as_str).collect::<Vec<_>>(),
        "version": bridge.version,
        "region": bridge.region,
        "relay_id": bridge.relay_id,
        "stress": bridge.stress,
        "corrected_stress": bridge.corrected_stress(now, config.participant_rampup()),
        "endpoints": bridge.endpoints,
        "operational": bridge.is_operational(now, config.failure_reset()),
        "healthy": bridge.health == Health::Healthy && bridge.says_healthy != Some(false),
        "health": health,
        "drain": bridge.drain,
        "graceful_shutdown": bridge.graceful_shutdown,
        "shutting_down": bridge.shutting_down,
        "nickname_clash": registry.has_clash(&bridge.occupant),
        "last_presence_age_seconds": now.duration_since(bridge.last_presence).as_secs_f64(),
    })
}
