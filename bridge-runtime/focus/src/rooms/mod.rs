//! Conferences at the edge: one task owns them all, feeds them stanzas, answers, bridge news and
//! the time, and carries out what they ask for.
//!
//! Decisions are made in `jitctl-conference`; here are channels and timers only. One task is
//! enough: a conference works only when something happens in its room.

mod admission;
mod book;
mod capabilities;
mod describe;
mod keeper;
mod logins;
mod moves;
mod pins;
mod selector;
mod task;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jitctl_conference::SavedConference;
use jitctl_wire::conference_request::{ConferenceReply, ConferenceRequest};
use jitctl_wire::moderation::AvModeration;
use jitctl_wire::namespace::FOCUS;
use jitctl_wire::{Condition, Element, Iq, Jid, Presence, StanzaError};
use jitctl_xmpp::{Client, SavedSession};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

pub use admission::{Admission, Refusal};
pub use moves::{Moved, Share};
pub use pins::{Pin, PinnedTo};

use crate::brewery::BridgeEvent;
use crate::handover::{Handover, Journal};
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
    /// A presence of the brewery, for the next process.
    Brewery(Presence),
    /// Everything that came with this session so far was put in before.
    Checkpoint(SavedSession),
    /// Somebody ends a login.
    LogOut {
        client: Client,
        iq: Iq,
        session: String,
    },
    /// An operator's command.
    Command(Command),
    /// Another process goes on with everything.
    Suspend(oneshot::Sender<Option<Journal>>),
}

/// What the task of an earlier process left.
#[derive(Debug, Default)]
pub(crate) struct SavedRooms {
    pub(crate) conferences: Vec<SavedConference>,
    pub(crate) logins: logins::Logins,
    pub(crate) pins: pins::Pins,
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
    /// Gives somebody a new session.
    Reinvite {
        /// Room, bare address.
        room: Jid,
        /// Nickname.
        participant: String,
        /// Whether they were there.
        done: oneshot::Sender<bool>,
    },
    /// Moves conferences to other bridges.
    Move {
        /// Which, and how many people of them.
        share: Share,
        /// Who was moved; `None` when there is no such room, person or bridge.
        done: oneshot::Sender<Option<Moved>>,
    },
    /// Holds a room to a version of bridges, or to one bridge.
    Pin {
        /// Room, bare address.
        room: Jid,
        /// What to.
        to: PinnedTo,
        /// For how long.
        lasts: Duration,
        /// It is done.
        done: oneshot::Sender<()>,
    },
    /// Takes a pin away.
    Unpin {
        /// Room, bare address.
        room: Jid,
        /// Whether there was one.
        done: oneshot::Sender<bool>,
    },
    /// The pins that hold.
    Pins {
        /// By room.
        done: oneshot::Sender<BTreeMap<Jid, Pin>>,
    },
    /// Ends a conference.
    End {
        /// Room, bare address.
        room: Jid,
        /// Whether there was one.
        done: oneshot::Sender<bool>,
    },
    /// Counts.
    Count {
        /// The numbers of now.
        done: oneshot::Sender<RoomCounts>,
    },
    /// Describes the rooms.
    Describe {
        /// One room, or all.
        room: Option<Jid>,
        /// With everything that the next process would be told.
        full: bool,
        /// JSON.
        done: oneshot::Sender<Value>,
    },
    /// Describes what clients can do.
    DescribeCapabilities {
        /// JSON.
        done: oneshot::Sender<Value>,
    },
}

/// Totals since the start, and how many there are now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomCounts {
    /// Conferences now.
    pub conferences: usize,
    /// People in them now.
    pub participants: usize,
    /// People in the largest.
    pub largest: usize,
    /// Pairs of people who meet now.
    pub pairs: usize,
    /// Conferences now by their size; the last counts all larger ones.
    pub sizes: [usize; 22],
    /// Conferences opened since the start.
    pub created: u64,
    /// Requests for conferences.
    pub requests: u64,
    /// People who came since the start.
    pub joined: u64,
    /// People moved because their bridge went.
    pub moved: u64,
    /// Times that a bridge was taken out of a conference.
    pub bridges_removed: u64,
    /// People an operator moved, by nickname of the bridge they left.
    pub moved_by_request: BTreeMap<String, u64>,
    /// Clients whose ICE failed.
    pub ice_failed: u64,
    /// New sessions that clients asked for.
    pub restarts: u64,
    /// New ICE credentials that clients asked for.
    pub ice_restarts: u64,
    /// Those refused: too many in a short time.
    pub ice_restarts_refused: u64,
}

/// A handle on the task.
#[derive(Debug, Clone)]
pub struct Rooms {
    inputs: mpsc::UnboundedSender<Input>,
    conference_service: String,
    /// The component that tells who may unmute.
    av_moderation: String,
}

impl Rooms {
    /// Starts the task on the current runtime, with what an earlier process left; what it knows
    /// itself it writes into the journal.
    pub(crate) fn start(
        state: Arc<FocusState>,
        journal: Option<Journal>,
        left: Option<Handover>,
    ) -> Self {
        let (inputs, receiver) = mpsc::unbounded_channel();
        let rooms = Self {
            inputs,
            conference_service: state.config.xmpp.muc.clone(),
            av_moderation: format!("avmoderation.{}", state.config.xmpp.client_domain),
        };
        let mut task = task::Task::new(state, journal);
        if let Some(left) = left {
            task.restore(left);
        }
        tokio::spawn(task.run(receiver));
        rooms
    }

    /// The numbers of now.
    pub async fn counts(&self) -> RoomCounts {
        self.command(|done| Command::Count { done })
            .await
            .unwrap_or_default()
    }

    /// Ends the task's work without ending conferences; everything is in the journal, for a last
    /// commit. What comes later is not served.
    pub(crate) async fn suspend(&self) -> Option<Journal> {
        let (done, answer) = oneshot::channel();
        self.put(Input::Suspend(done));
        answer.await.ok().flatten()
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

    /// Gives somebody a new session; says whether they were there.
    pub async fn reinvite(&self, room: Jid, participant: String) -> bool {
        self.command(|done| Command::Reinvite {
            room,
            participant,
            done,
        })
        .await
        .unwrap_or(false)
    }

    /// Moves conferences to other bridges; `None` when there is no such room, person or bridge.
    pub async fn move_away(&self, share: Share) -> Option<Moved> {
        self.command(|done| Command::Move { share, done })
            .await
            .flatten()
    }

    /// Holds a room to a version of bridges, or to one bridge.
    pub async fn pin(&self, room: Jid, to: PinnedTo, lasts: Duration) {
        let done = self.command(|done| Command::Pin {
            room,
            to,
            lasts,
            done,
        });
        done.await.unwrap_or_default();
    }

    /// Takes a pin away; says whether there was one.
    pub async fn unpin(&self, room: Jid) -> bool {
        self.command(|done| Command::Unpin { room, done })
            .await
            .unwrap_or(false)
    }

    /// The pins that hold.
    pub async fn pins(&self) -> BTreeMap<Jid, Pin> {
        self.command(|done| Command::Pins { done })
            .await
            .unwrap_or_default()
    }

    /// Ends a conference; says whether there was one.
    pub async fn end(&self, room: Jid) -> bool {
        self.command(|done| Command::End { room, done })
            .await
            .unwrap_or(false)
    }

    /// Describes one room, or all; `full` with everything that is known.
    pub async fn describe(&self, room: Option<Jid>, full: bool) -> Value {
        self.command(|done| Command::Describe { room, full, done })
            .await
            .unwrap_or(Value::Null)
    }

    /// Features of clients, by what their presences announce.
    pub async fn describe_capabilities(&self) -> Value {
        self.command(|done| Command::DescribeCapabilities { done })
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
            let request = match ConferenceRequest::parse(payload) {
                Ok(request) => request,
                Err(error) => {
                    let refusal =
                        StanzaError::new(Condition::BadRequest).with_text(error.to_string());
                    client.send(iq.refusal(refusal).to_element());
                    return None;
                }
            };
            self.put(Input::Asked {
                client: client.clone(),
                iq,
                request,
            });
            return None;
        }
        if payload.is("logout", FOCUS) {
            let session = payload.attribute("session-id").unwrap_or_default();
            self.put(Input::LogOut {
                client: client.clone(),
                session: session.to_owned(),
                iq,
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
        } else if stanza.attribute("from") == Some(self.av_moderation.as_str())
            && let Some(news) = AvModeration::of(stanza)
        {
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

    fn handle_brewery(&self, presence: &Presence) {
        self.put(Input::Brewery(presence.clone()));
    }

    fn handle_checkpoint(&self, session: SavedSession) {
        self.put(Input::Checkpoint(session));
    }
}
