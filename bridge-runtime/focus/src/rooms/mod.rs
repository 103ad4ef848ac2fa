//! Conferences at the edge: one task owns them all, feeds them stanzas, answers, bridge news and
//! the time, and carries out what they ask for.
//!
//! Decisions are made in `jitctl-conference`; here are channels and timers only. One task is
//! enough: a conference works only when something happens in its room.

mod admission;
mod book;
mod selector;
mod task;

use std::collections::BTreeMap;
use std::sync::Arc;

use jitctl_wire::conference_request::{ConferenceReply, ConferenceRequest};
use jitctl_wire::moderation::AvModeration;
use jitctl_wire::{Element, Iq, Jid, Presence};
use jitctl_xmpp::Client;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

pub use admission::{Admission, Refusal};

use crate::brewery::BridgeEvent;
use crate::requests::Conferences;
use crate::state::FocusState;

/// What comes in.
#[derive(Debug)]
enum Input {
    /// A client asks for a room; the answer goes back over the same connection.
    Asked {
        client: Client,
        iq: Iq,
        request: ConferenceRequest,
    },
    /// The same over HTTP.
    AskedByHttp {
        request: ConferenceRequest,
        reply: oneshot::Sender<Result<ConferenceReply, Refusal>>,
    },
    /// An IQ of an occupant.
    Iq(Iq),
    /// A presence out of a room.
    Presence(Presence),
    /// News of the AV moderation component.
    AvModeration(AvModeration),
    /// The account is logged in.
    Online {
        client: Client,
        jid: Jid,
        resumed: bool,
    },
    /// The account is not; its session may come back.
    Offline { resumable: bool },
    /// Something happened to a bridge.
    Bridge(BridgeEvent),
    /// An operator's command.
    Command(Command),
}

/// What operators do to rooms.
#[derive(Debug)]
pub enum Command {
    /// Removes somebody from a room.
    Kick {
        /// Room, bare address.
        room: Jid,
        /// Nickname.
        participant: String,
        /// Whether they were there.
        done: oneshot::Sender<bool>,
    },
    /// Gives somebody a new session on a bridge chosen anew.
    Move {
        /// Room, bare address.
        room: Jid,
        /// Nickname.
        participant: String,
        /// Whether they were there.
        done: oneshot::Sender<bool>,
    },
    /// Ends a conference.
    End {
        /// Room, bare address.
        room: Jid,
        /// Whether there was one.
        done: oneshot::Sender<bool>,
    },
    /// Describes the rooms.
    Describe {
        /// One room, or all.
        room: Option<Jid>,
        /// JSON.
        done: oneshot::Sender<Value>,
    },
}

/// Totals since the start, and how many there are now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomCounts {
    /// Conferences now.
    pub conferences: usize,
    /// People in them now.
    pub participants: usize,
    /// People in the largest.
    pub largest: usize,
    /// Conferences opened since the start.
    pub created: u64,
    /// People moved because their bridge went.
    pub moved: u64,
    /// New sessions that clients asked for.
    pub restarts: u64,
}

/// A handle on the task.
#[derive(Debug, Clone)]
pub struct Rooms {
    inputs: mpsc::UnboundedSender<Input>,
    counts: Arc<std::sync::Mutex<RoomCounts>>,
    conference_service: String,
}

impl Rooms {
    /// Starts the task on the current runtime.
    pub fn start(state: Arc<FocusState>) -> Self {
        let (inputs, receiver) = mpsc::unbounded_channel();
        let counts = Arc::default();
        let rooms = Self {
            inputs,
            counts: Arc::clone(&counts),
            conference_service: state.config.xmpp.muc.clone(),
        };
        tokio::spawn(task::Task::new(state, counts).run(receiver));
        rooms
    }

    /// The numbers of now.
    pub fn counts(&self) -> RoomCounts {
        *self
            .counts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A conference request over HTTP.
    ///
    /// # Errors
    /// It is refused, or the focus is stopping.
    pub async fn request(&self, request: ConferenceRequest) -> Result<ConferenceReply, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.put(Input::AskedByHttp { request, reply });
        answer.await.unwrap_or(Err(Refusal::Unavailable))
    }

    /// Removes somebody from a room; says whether they were there.
    pub async fn kick(&self, room: Jid, participant: String) -> bool {
        self.command(|done| Command::Kick {
            room,
            participant,
            done,
        })
        .await
        .unwrap_or(false)
    }

    /// Moves somebody to a bridge chosen anew; says whether they were there.
    pub async fn move_participant(&self, room: Jid, participant: String) -> bool {
        self.command(|done| Command::Move {
            room,
            participant,
            done,
        })
        .await
        .unwrap_or(false)
    }

    /// Ends a conference; says whether there was one.
    pub async fn end(&self, room: Jid) -> bool {
        self.command(|done| Command::End { room, done })
            .await
            .unwrap_or(false)
    }

    /// Describes one room, or all.
    pub async fn describe(&self, room: Option<Jid>) -> Value {
        self.command(|done| Command::Describe { room, done })
            .await
            .unwrap_or(Value::Null)
    }

    async fn command<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (done, answer) = oneshot::channel();
        self.put(Input::Command(command(done)));
        answer.await.ok()
    }

    fn put(&self, input: Input) {
        // The task ends with the program only.
        let _ = self.inputs.send(input);
    }

    fn is_room(&self, address: &Jid) -> bool {
        address.domain() == self.conference_service
    }
}

impl Conferences for Rooms {
    fn handle_request(&self, client: &Client, iq: Iq) -> Option<Iq> {
        let payload = iq.payload.as_ref()?;
        if ConferenceRequest::matches(payload) {
            let Ok(request) = ConferenceRequest::parse(payload) else {
                return Some(iq);
            };
            self.put(Input::Asked {
                client: client.clone(),
                iq,
                request,
            });
            return None;
        }
        if iq.from.as_ref().is_some_and(|from| self.is_room(from)) {
            self.put(Input::Iq(iq));
            return None;
        }
        Some(iq)
    }

    fn handle_stanza(&self, _account: &Client, stanza: &Element) {
        if stanza.name() == "presence" {
            if let Ok(presence) = Presence::parse(stanza)
                && presence
                    .from
                    .as_ref()
                    .is_some_and(|from| self.is_room(from))
            {
                self.put(Input::Presence(presence));
            }
        } else if let Some(news) = AvModeration::of(stanza) {
            self.put(Input::AvModeration(news));
        }
    }

    fn handle_online(&self, client: &Client, jid: &Jid, resumed: bool) {
        self.put(Input::Online {
            client: client.clone(),
            jid: jid.clone(),
            resumed,
        });
    }

    fn handle_offline(&self, resumable: bool) {
        self.put(Input::Offline { resumable });
    }

    fn handle_bridge(&self, event: &BridgeEvent) {
        self.put(Input::Bridge(event.clone()));
    }
}

/// Properties of every reply.
fn reply_properties(authentication: bool) -> BTreeMap<String, String> {
    [
        ("authentication".to_owned(), authentication.to_string()),
        ("visitors-supported".to_owned(), "false".to_owned()),
    ]
    .into()
}
