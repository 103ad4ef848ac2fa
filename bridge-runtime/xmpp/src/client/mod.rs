//! A connection that stays: logs in, reconnects with backoff, resumes, routes IQs.
//!
//! [`Client::connect`] starts one task that owns the socket. Reading never waits for anybody:
//! events go through an unbounded channel, writing happens beside reading. Requests go out in the
//! order of the calls to [`Client::request`], and their answers wake the caller alone.

pub(crate) mod machine;
mod pending;
mod task;

use std::future::Future;
use std::time::Duration;

use jitctl_wire::{Element, Iq, Jid, StanzaError};
use tokio::sync::{mpsc, oneshot};

use crate::backoff::Backoff;
use crate::credentials::Credentials;
use crate::failure::Failure;
use crate::login::Target;
use crate::stream::SavedSession;

/// How to connect.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Where.
    pub target: Target,
    /// As whom.
    pub credentials: Credentials,
    /// Resource to ask for; without one the server picks it.
    pub resource: Option<String>,
    /// Acknowledge stanzas and resume after a lost connection (XEP-0198).
    pub stream_management: bool,
    /// Acknowledge to the server only what [`Client::confirm`] was told of, so that it sends the
    /// rest again to whoever goes on with the session.
    pub acknowledge_confirmed_only: bool,
    /// Silence after which the server is asked for a sign of life; after as long again the
    /// connection counts as lost.
    pub keepalive: Duration,
    /// Time allowed for a login.
    pub login_timeout: Duration,
    /// Waiting times between attempts.
    pub backoff: Backoff,
    /// Path of the WebSocket to speak through, such as `/xmpp-websocket`; the target's address is
    /// then that of a web server. Without one it is that of an XMPP server.
    pub websocket: Option<String>,
    /// The session of an earlier process, to go on with if the server still has it.
    pub resume: Option<SavedSession>,
}

impl ClientConfig {
    /// The usual settings: stream management, 10 s of silence, 15 s for a login.
    pub fn new(target: Target, credentials: Credentials) -> Self {
        Self {
            target,
            credentials,
            resource: None,
            stream_management: true,
            acknowledge_confirmed_only: false,
            keepalive: Duration::from_secs(10),
            login_timeout: Duration::from_secs(15),
            backoff: Backoff::default(),
            websocket: None,
            resume: None,
        }
    }
}

/// What a connection tells its owner, in order.
#[derive(Debug)]
pub enum ClientEvent {
    /// Logged in.
    Online {
        /// Our full address.
        jid: Jid,
        /// The earlier session goes on: rooms are still joined.
        resumed: bool,
    },
    /// The connection is down, or an attempt to log in failed.
    Offline {
        /// Why.
        failure: Failure,
        /// When the next attempt starts.
        retry_in: Duration,
        /// The session may still be resumed; until told otherwise, rooms count as joined.
        resumable: bool,
    },
    /// A request to answer with [`Client::send`].
    Request(Iq),
    /// A presence, message, or anything that is no IQ.
    Stanza(Element),
    /// The session as it was after everything that was told before; see [`Client::checkpoint`].
    Checkpoint(SavedSession),
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IqError {
    /// Not logged in.
    #[error("not connected")]
    Offline,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The session ended before the answer came.
    #[error("the connection was lost before the answer came")]
    Lost,
    /// The answer is an error.
    #[error("refused: {0}")]
    Refused(StanzaError),
}

/// A handle on a connection; clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::UnboundedSender<Command>,
}

#[derive(Debug)]
enum Command {
    Send(Element),
    Request {
        iq: Iq,
        timeout: Duration,
        answer: oneshot::Sender<Result<Option<Element>, IqError>>,
    },
    Checkpoint,
    Confirm {
        id: String,
        received: u32,
    },
    StopReading,
    Detach {
        done: oneshot::Sender<Option<SavedSession>>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

impl Client {
    /// Starts the connection on the current tokio runtime. It ends with [`Client::close`], or
    /// when all handles or the receiver are gone.
    pub fn connect(config: ClientConfig) -> (Self, mpsc::UnboundedReceiver<ClientEvent>) {
        let (commands, command_receiver) = mpsc::unbounded_channel();
        let (events, event_receiver) = mpsc::unbounded_channel();
        tokio::spawn(task::run(config, command_receiver, events));
        (Self { commands }, event_receiver)
    }

    /// Sends a stanza; while the session may be resumed it is kept, while offline it is dropped.
    pub fn send(&self, stanza: Element) {
        // A closed connection drops stanzas like an offline one.
        let _ = self.commands.send(Command::Send(stanza));
    }

    /// Sends a request and waits for its answer. The request is on its way when this returns,
    /// even before the future is polled.
    pub fn request(
        &self,
        iq: Iq,
        timeout: Duration,
    ) -> impl Future<Output = Result<Option<Element>, IqError>> + Send + use<> {
        let (answer, receiver) = oneshot::channel();
        let sent = self
            .commands
            .send(Command::Request {
                iq,
                timeout,
                answer,
            })
            .is_ok();
        async move {
            if !sent {
                return Err(IqError::Offline);
            }
            match tokio::time::timeout(timeout, receiver).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(IqError::Lost),
                Err(_) => Err(IqError::Timeout),
            }
        }
    }

    /// Asks for a [`ClientEvent::Checkpoint`]. Nothing comes while there is no connection, or when
    /// the server keeps no sessions.
    pub fn checkpoint(&self) {
        let _ = self.commands.send(Command::Checkpoint);
    }

    /// What was received up to a checkpoint need not come again, whatever happens to this process;
    /// see [`ClientConfig::acknowledge_confirmed_only`].
    pub fn confirm(&self, checkpoint: SavedSession) {
        let SavedSession { id, received, .. } = checkpoint;
        let _ = self.commands.send(Command::Confirm { id, received });
    }

    /// Takes nothing from the server any more. The receiver of events ends after those that came
    /// before; sending goes on until [`Client::detach`].
    pub fn stop_reading(&self) {
        let _ = self.commands.send(Command::StopReading);
    }

    /// Sends what is queued and drops the connection without ending the session, which the server
    /// keeps for a while (XEP-0198): another process goes on with it through
    /// [`ClientConfig::resume`]. `None` when the server does not offer that.
    pub async fn detach(&self) -> Option<SavedSession> {
        let (done, receiver) = oneshot::channel();
        self.commands.send(Command::Detach { done }).ok()?;
        receiver.await.ok().flatten()
    }

    /// Sends what is queued, closes the stream in an orderly way and ends the connection.
    pub async fn close(&self) {
        let (done, receiver) = oneshot::channel();
        if self.commands.send(Command::Close { done }).is_ok() {
            let _ = receiver.await;
        }
    }
}
