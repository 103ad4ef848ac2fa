//! The program: sockets, tasks and the way out.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jitctl_daemon::config::ConfigError;
use jitctl_daemon::{VERSION, systemd};
use jitctl_wire::Jid;
use jitctl_xmpp::ClientConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::brewery::task::Account;
use crate::config::FocusConfig;
use crate::handover::{self, Commit, Handover};
use crate::requests::Conferences;
use crate::rooms::Rooms;
use crate::state::FocusState;
use crate::{component, http};

/// How long requests over HTTP may take to be answered at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

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
    let listener = listen(address).await.map_err(|error| RunError::Http {
        address,
        detail: error.to_string(),
    })?;
    let directory = handover::directory(config.handover.directory.as_ref());
    let account_name = format!("{}@{}", config.xmpp.username, config.xmpp.domain);
    let left = directory
        .as_deref()
        .and_then(|directory| Handover::take(directory, &account_name));
    let journal = directory.as_deref().map(handover::journal);
    let Logins {
        mut account,
        component,
        occupant,
    } = logins;
    account.acknowledge_confirmed_only = journal.is_some();
    account.resume = left.as_ref().map(|left| left.session.clone());
    let brewery = left.as_ref().map(|left| left.brewery.clone());
    let state = Arc::new(FocusState::new(config));
    let rooms = Rooms::start(state.clone(), journal, left);
    let conferences: Arc<dyn Conferences> = Arc::new(rooms.clone());
    let stopping = watch::Sender::new(false);
    let http = tokio::spawn(serve_http(
        listener,
        state.clone(),
        rooms.clone(),
        stopping.subscribe(),
    ));
    let mut helpers = JoinSet::new();
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
    let (account, events) = Account::start(
        state.clone(),
        conferences,
        occupant,
        account,
        brewery.unwrap_or_default(),
    );
    let account = tokio::spawn(account.run(events, stopping.subscribe()));
    tracing::info!(version = VERSION, http = %address, "jitctl-focus started");
    systemd::ready(&state.summary());

    stop.await;
    tracing::info!("asked to stop");
    systemd::stopping();
    stopping.send_replace(true);
    if let Ok(account) = account.await {
        part(account, &rooms).await;
    }
    component_stopping.send_replace(true);
    let _ = component.await;
    // Whoever asked before gets an answer; whoever asks now waits for the next process.
    let _ = tokio::time::timeout(LAST_ANSWERS, http).await;
    helpers.shutdown().await;
    tracing::info!("jitctl-focus stopped");
    Ok(())
}

/// Leaves everything to the next process, or ends the session where that cannot be.
async fn part(account: Account, rooms: &Rooms) {
    let Some(mut journal) = rooms.suspend().await else {
        return account.leave().await;
    };
    let Some(session) = account.detach().await else {
        tracing::warn!("the server keeps no session for the next focus: meetings end");
        return;
    };
    match journal.commit(&Commit::new(&session, true)) {
        Ok(()) => tracing::info!("left rooms and session to the next focus"),
        Err(error) => {
            tracing::error!(%error, "cannot leave rooms to the next focus: meetings end");
        }
    }
}

/// Waits until the focus is to stop.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Without a sender the program is over as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// The socket of an earlier process where systemd kept it, else a new one, kept for the next.
async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if let Some(kept) = systemd::kept_listener(address) {
        kept.set_nonblocking(true)?;
        return TcpListener::from_std(kept);
    }
    let listener = TcpListener::bind(address).await?;
    systemd::keep_listener(&listener);
    Ok(listener)
}

async fn serve_http(
    listener: TcpListener,
    state: Arc<FocusState>,
    rooms: Rooms,
    mut stopping: watch::Receiver<bool>,
) {
    let server = axum::serve(listener, http::router(state, rooms))
        .with_graceful_shutdown(async move { stopped(&mut stopping).await });
    if let Err(error) = server.await {
        tracing::error!(%error, "the HTTP server ended");
    }
}
