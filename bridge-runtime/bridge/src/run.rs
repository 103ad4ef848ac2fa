//! The program: sockets, tasks and the way out.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jitctl_daemon::config::ConfigError;
use jitctl_daemon::{VERSION, systemd};
use jitctl_wire::Jid;
use jitctl_xmpp::ClientConfig;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::brewery::Brewery;
use crate::conference::{ConferenceQueue, ConferenceService};
use crate::config::BridgeConfig;
use crate::state::{BridgeState, LifeCycle};
use crate::{http, instance};

const SELF_TEST_INTERVAL: Duration = Duration::from_secs(5);

/// The bridge cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The HTTP address cannot be had.
    #[error("cannot listen on {address} for HTTP (`http.private`): {detail}")]
    Http {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
}

/// Logins with their secrets and authorities read.
#[derive(Debug)]
pub struct Connections(Vec<(Jid, ClientConfig)>);

impl Connections {
    /// Reads authorities and, unless only checking outside systemd, passwords.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn prepare(config: &BridgeConfig, path: &Path) -> Result<Self, ConfigError> {
        let mut connections = Vec::new();
        for xmpp in &config.xmpp {
            let nickname = config.identity.nickname.as_str();
            let occupant = xmpp
                .brewery
                .with_resource(nickname)
                .map_err(ConfigError::unusable(path, "choose another nickname"))?;
            let mut client = ClientConfig::new(xmpp.target(path)?, xmpp.credentials(path)?);
            client.resource = Some(
                xmpp.resource
                    .clone()
                    .unwrap_or_else(|| instance::resource(config)),
            );
            connections.push((occupant, client));
        }
        Ok(Self(connections))
    }
}

/// Runs the bridge until `stop` completes or HTTP asks for the end.
///
/// # Errors
/// A socket cannot be bound.
pub async fn run(
    config: BridgeConfig,
    connections: Connections,
    service: Arc<dyn ConferenceService>,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let address = config.http.private;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| RunError::Http {
            address,
            detail: error.to_string(),
        })?;
    let state = Arc::new(BridgeState::new(config, service));
    state.self_test(Instant::now());
    let mut helpers = JoinSet::new();
    let queue = ConferenceQueue::new(state.service.clone());
    helpers.spawn(serve_http(listener, state.clone(), queue.clone()));
    helpers.spawn(test_itself(state.clone()));
    helpers.spawn(watch_endpoints(state.clone()));
    let watched = state.clone();
    helpers.spawn(systemd::feed_watchdog(move || {
        watched.check_health(Instant::now()).is_ok()
    }));

    let mut breweries = JoinSet::new();
    for (index, (occupant, client)) in connections.0.into_iter().enumerate() {
        let (brewery, events) =
            Brewery::start(state.clone(), queue.clone(), index, occupant, client);
        breweries.spawn(brewery.run(events));
    }
    tracing::info!(
        version = VERSION,
        nickname = %state.config.identity.nickname,
        http = %address,
        "jitctl-bridge started"
    );
    systemd::ready(&state.summary());

    let mut stages = state.watch();
    let ended_by_http = stages.wait_for(|stage| *stage >= LifeCycle::ShuttingDown);
    tokio::select! {
        () = stop => tracing::info!("asked to stop"),
        _ = ended_by_http => {}
    }
    systemd::stopping();
    state.advance(LifeCycle::ShuttingDown);
    wait_for_moves(&state).await;
    state.advance(LifeCycle::Leaving);
    breweries.join_all().await;
    helpers.shutdown().await;
    tracing::info!("jitctl-bridge stopped");
    Ok(())
}

async fn serve_http(listener: TcpListener, state: Arc<BridgeState>, queue: ConferenceQueue) {
    if let Err(error) = axum::serve(listener, http::router(state, queue)).await {
        tracing::error!(%error, "the HTTP server ended");
    }
}

async fn test_itself(state: Arc<BridgeState>) {
    let mut ticks = tokio::time::interval(SELF_TEST_INTERVAL);
    loop {
        ticks.tick().await;
        state.self_test(Instant::now());
    }
}

/// A graceful shutdown ends with the last endpoint.
async fn watch_endpoints(state: Arc<BridgeState>) {
    let mut stages = state.watch();
    if stages
        .wait_for(|stage| *stage >= LifeCycle::GracefulShutdown)
        .await
        .is_err()
    {
        return;
    }
    while state.statistics().local_endpoints > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    state.advance(LifeCycle::ShuttingDown);
}

/// The focus moves people away as soon as it reads `shutting_down`.
async fn wait_for_moves(state: &BridgeState) {
    let asked = Instant::now();
    // Let the presence reach the focus even when nobody is here.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let grace = state.config.operation.shutdown_grace();
    while state.statistics().local_endpoints > 0 && asked.elapsed() < grace {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
