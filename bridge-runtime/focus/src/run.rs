//! The program: sockets, tasks and the way out.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jitctl_daemon::config::ConfigError;
use jitctl_daemon::{VERSION, systemd};
use jitctl_wire::Jid;
use jitctl_xmpp::ClientConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::brewery::task::Account;
use crate::config::FocusConfig;
use crate::requests::Conferences;
use crate::rooms::Rooms;
use crate::state::FocusState;
use crate::{component, http};

/// The focus cannot run.
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
pub struct Logins {
    account: ClientConfig,
    component: ClientConfig,
    occupant: Jid,
}

impl Logins {
    /// Reads authorities and secrets.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn prepare(config: &FocusConfig, path: &Path) -> Result<Self, ConfigError> {
        let occupant = config
            .xmpp
            .brewery
            .with_resource(&config.xmpp.nickname)
            .map_err(|error| {
                ConfigError::invalid(path, error.to_string(), "choose another nickname")
            })?;
        Ok(Self {
            account: config.xmpp.client(path)?,
            component: config.component.client(path)?,
            occupant,
        })
    }
}

/// Runs the focus until `stop` completes.
///
/// # Errors
/// A socket cannot be bound.
pub async fn run(
    config: FocusConfig,
    logins: Logins,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let address = config.http.private;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| RunError::Http {
            address,
            detail: error.to_string(),
        })?;
    let state = Arc::new(FocusState::new(config));
    let rooms = Rooms::start(state.clone());
    let conferences: Arc<dyn Conferences> = Arc::new(rooms.clone());
    let stopping = watch::Sender::new(false);
    let mut helpers = JoinSet::new();
    helpers.spawn(serve_http(listener, state.clone(), rooms));
    // The task itself is the sign of life: it runs on the same threads as everything else.
    helpers.spawn(systemd::feed_watchdog(|| true));
    let mut connections = JoinSet::new();
    let (account, events) = Account::start(
        state.clone(),
        conferences.clone(),
        logins.occupant,
        logins.account,
    );
    connections.spawn(account.run(events, stopping.subscribe()));
    connections.spawn(component::run(
        state.clone(),
        conferences,
        logins.component,
        stopping.subscribe(),
    ));
    tracing::info!(version = VERSION, http = %address, "jitctl-focus started");
    systemd::ready(&state.summary());

    stop.await;
    tracing::info!("asked to stop");
    systemd::stopping();
    stopping.send_replace(true);
    connections.join_all().await;
    helpers.shutdown().await;
    tracing::info!("jitctl-focus stopped");
    Ok(())
}

/// Waits until the focus is to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Without a sender the program is over as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn serve_http(listener: TcpListener, state: Arc<FocusState>, rooms: Rooms) {
    if let Err(error) = axum::serve(listener, http::router(state, rooms)).await {
        tracing::error!(%error, "the HTTP server ended");
    }
}
