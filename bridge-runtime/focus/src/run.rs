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
use crate::handover::{self, Handover};
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
            .map_err(ConfigError::unusable(path, "choose another nickname"))?;
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
    let directory = handover::directory(config.handover.directory.as_ref());
    let account_name = format!("{}@{}", config.xmpp.username, config.xmpp.domain);
    let left = directory
        .as_deref()
        .and_then(|directory| Handover::take(directory, &account_name));
    let Logins {
        mut account,
        component,
        occupant,
    } = logins;
    let (brewery, saved_rooms) = match left {
        Some(left) => {
            account.resume = Some(left.session());
            (left.brewery, Some(left.rooms))
        }
        None => (None, None),
    };
    let state = Arc::new(FocusState::new(config));
    let rooms = Rooms::start(state.clone(), saved_rooms);
    let conferences: Arc<dyn Conferences> = Arc::new(rooms.clone());
    let stopping = watch::Sender::new(false);
    let mut helpers = JoinSet::new();
    helpers.spawn(serve_http(listener, state.clone(), rooms.clone()));
    // The task itself is the sign of life: it runs on the same threads as everything else.
    helpers.spawn(systemd::feed_watchdog(|| true));
    // Clients ask at the component: it comes first and goes last.
    let component_stopping = watch::Sender::new(false);
    let component = tokio::spawn(component::run(
        state.clone(),
        conferences.clone(),
        component,
        component_stopping.subscribe(),
    ));
    let (account, events) = Account::start(state.clone(), conferences, occupant, account, brewery);
    let account = tokio::spawn(account.run(events, stopping.subscribe()));
    tracing::info!(version = VERSION, http = %address, "jitctl-focus started");
    systemd::ready(&state.summary());

    stop.await;
    tracing::info!("asked to stop");
    systemd::stopping();
    stopping.send_replace(true);
    if let Ok(account) = account.await {
        part(account, &rooms, directory.as_deref()).await;
    }
    component_stopping.send_replace(true);
    let _ = component.await;
    helpers.shutdown().await;
    tracing::info!("jitctl-focus stopped");
    Ok(())
}

/// Leaves everything to the next process, or ends the session where that cannot be.
async fn part(account: Account, rooms: &Rooms, directory: Option<&Path>) {
    let Some(directory) = directory else {
        return account.leave().await;
    };
    let Some(saved) = rooms.suspend().await else {
        return account.leave().await;
    };
    let Some((session, brewery)) = account.detach().await else {
        tracing::warn!("the server keeps no session for the next focus: meetings end");
        return;
    };
    match Handover::new(session, brewery, saved).leave(directory) {
        Ok(()) => tracing::info!("left rooms and session to the next focus"),
        Err(error) => {
            tracing::error!(%error, directory = %directory.display(), "cannot leave rooms to the next focus: meetings end");
        }
    }
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
