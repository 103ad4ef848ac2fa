//! One room: who is in it, over which bridge, and who hears of whom.
//!
//! Everything that comes in ends in [`Conference::advance`], which looks at the whole state and
//! does what is due: ask for features, invite, announce, end. So no input needs to know what
//! others may have missed; only changes of sources are noted, as comparing all would cost too much.

mod announce;
mod bridges;
mod invite;
mod jingle;
mod moderation;
mod participant;
mod room;
mod saved;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use jitctl_wire::colibri2::MediaSource;
use jitctl_wire::namespace::MUC_OWNER;
use jitctl_wire::{Element, Iq, Jid};
use serde::{Deserialize, Serialize};

use crate::output::{Answer, EndReason, Event, Output, RequestId};
use crate::selector::BridgeSelector;
use crate::settings::{Entropy, Settings};
use moderation::AvModerationState;
use participant::{Muted, Participant, Session};
pub use saved::SavedConference;
pub use view::{ConferenceView, ParticipantView};

/// A room under the focus's control.
#[derive(Debug)]
pub struct Conference {
    settings: Settings,
    entropy: Entropy,
    room: Jid,
    /// Our address in the room.
    occupant: Jid,
    /// Our real address.
    focus: Jid,
    state: State,
    meeting_id: String,
    participants: BTreeMap<String, Participant>,
    /// Whose sources changed since clients were last looked at.
    changed: BTreeSet<String>,
    /// How many people were ever here; gives start-muted positions.
    seen: usize,
    /// The bridges that carry this conference.
    bridges: BTreeMap<Jid, BridgeUse>,
    /// Somebody waits for a bridge.
    bridge_missing: bool,
    av_moderation: AvModerationState,
    /// What a moderator wants newcomers to start with.
    start_muted: Muted,
    /// Bare real addresses of people who logged in over another connection (secure domain).
    authenticated: BTreeSet<String>,
    /// Bridges that the next invitations avoid.
    avoided: Vec<Jid>,
    /// What our last presence said, to send it only on change.
    presence_sent: Option<Element>,
    pending: BTreeMap<RequestId, Purpose>,
    next_request: u64,
    outputs: VecDeque<Output>,
    /// Nobody came since the last request.
    empty_deadline: Option<Instant>,
    /// Somebody is alone since.
    alone_deadline: Option<Instant>,
}

/// How far the focus is in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Joining,
    Configuring,
    Ready,
    Ended,
}

/// A bridge as this conference uses it.
#[derive(Debug, Default)]
struct BridgeUse {
    /// The sources it sends its own feedback from.
    feedback: Vec<MediaSource>,
    /// Whether the conference was created there.
    created: bool,
    /// Its region.
    region: Option<String>,
}

/// Why a request was made.
#[derive(Debug, Clone)]
enum Purpose {
    RoomForm,
    RoomConfig,
    GrantOwner,
    Features { nick: String },
    Allocate { nick: String, bridge: Jid },
    Update { nicks: Vec<String>, bridge: Jid },
    IceRestart { nick: String, bridge: Jid },
    Offer { nick: String, sid: String },
    Untracked,
}

impl Conference {
    /// Joins a room. `focus` is our full real address; our nickname there is its local part.
    ///
    /// # Errors
    /// A local part that cannot be a nickname.
    pub fn new(
        now: Instant,
        room: Jid,
        focus: Jid,
        settings: Settings,
        mut entropy: Entropy,
    ) -> Result<Self, jitctl_wire::JidError> {
        let occupant = room.with_resource(focus.local().unwrap_or("focus"))?;
        let meeting_id = entropy.uuid();
        let mut conference = Self {
            empty_deadline: Some(now + settings.initial_timeout),
            settings,
            entropy,
            room,
            occupant,
            focus,
            state: State::Joining,
            meeting_id,
            participants: BTreeMap::new(),
            changed: BTreeSet::new(),
            seen: 0,
            bridges: BTreeMap::new(),
            bridge_missing: false,
            av_moderation: AvModerationState::default(),
            start_muted: Muted::default(),
            authenticated: BTreeSet::new(),
            avoided: Vec::new(),
            presence_sent: None,
            pending: BTreeMap::new(),
            next_request: 0,
            outputs: VecDeque::new(),
            alone_deadline: None,
        };
        conference.join();
        Ok(conference)
    }

    /// Address of the room.
    pub fn room(&self) -> &Jid {
        &self.room
    }

    /// How many people are in the room.
    pub fn participant_count(&self) -> usize {
        self.participants.len()
    }

    /// Whether clients may be told `ready`.
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether it is over.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let announcements = self
            .participants
            .values()
            .filter_map(|participant| participant.session.open()?.tell_at);
        announcements
            .chain(self.empty_deadline)
            .chain(self.alone_deadline)
            .min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant, bridges: &mut dyn BridgeSelector) {
        if self.empty_deadline.is_some_and(|deadline| deadline <= now) {
            self.end(EndReason::NobodyJoined);
            return;
        }
        if self.alone_deadline.is_some_and(|deadline| deadline <= now) {
            self.alone_deadline = None;
            self.expire_lonely_sessions();
        }
        self.advance(now, bridges);
    }

    /// Somebody proved who they are over another connection: they become owner here.
    pub fn note_authenticated(&mut self, person: &Jid) {
        self.authenticated.insert(person.bare().to_owned());
        self.grant_owner();
    }

    /// Somebody asked for the room again: it is not abandoned.
    pub fn handle_request(&mut self, now: Instant) {
        if self.empty_deadline.is_some() {
            self.empty_deadline = Some(now + self.settings.initial_timeout);
        }
    }

    /// A request of ours was answered.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        id: RequestId,
        answer: Answer,
        bridges: &mut dyn BridgeSelector,
    ) {
        let Some(purpose) = self.pending.remove(&id) else {
            return;
        };
        match purpose {
            Purpose::RoomForm => self.room_form_answered(&answer),
            Purpose::RoomConfig => self.room_configured(now),
            Purpose::GrantOwner | Purpose::Untracked => {}
            Purpose::Features { nick } => self.features_answered(&nick, id, &answer),
            Purpose::Allocate { nick, bridge } => {
                self.allocated(now, id, &nick, &bridge, answer, bridges);
            }
            Purpose::Update { nicks, bridge } => {
                self.update_answered(now, &nicks, &bridge, &answer, bridges);
            }
            Purpose::IceRestart { nick, bridge } => {
                self.ice_restart_answered(now, &nick, &bridge, answer, bridges);
            }
            Purpose::Offer { nick, sid } => self.offer_answered(&nick, &sid, &answer),
        }
        self.advance(now, bridges);
    }

    /// Ends the conference from outside; people stay in the room without a focus.
    pub fn stop(&mut self) {
        self.end(EndReason::Stopped);
    }

    /// Ends the meeting for all: the room is destroyed.
    pub fn destroy(&mut self, reason: &str) {
        if self.state == State::Ended {
            return;
        }
        let destroy = Element::new("destroy", MUC_OWNER)
            .with_child(Element::new("reason", MUC_OWNER).with_text(reason.to_owned()));
        let query = Element::new("query", MUC_OWNER).with_child(destroy);
        self.request(Purpose::Untracked, Iq::set(Some(self.room.clone()), query));
        self.end(EndReason::Stopped);
    }

    /// Does whatever is due.
    fn advance(&mut self, now: Instant, bridges: &mut dyn BridgeSelector) {
        if self.state != State::Ready {
            return;
        }
        self.ask_features();
        self.grant_owner();
        self.invite_due(now, bridges);
        self.announce_due(now);
        self.watch_loneliness(now);
        self.publish_presence();
    }

    fn end(&mut self, reason: EndReason) {
        if self.state == State::Ended {
            return;
        }
        self.state = State::Ended;
        for bridge in std::mem::take(&mut self.bridges).into_keys() {
            self.expire_conference(&bridge);
        }
        self.participants.clear();
        self.empty_deadline = None;
        self.alone_deadline = None;
        self.leave_room();
        self.outputs.push_back(Output::Event(Event::Ended(reason)));
    }

    fn request(&mut self, purpose: Purpose, iq: Iq) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.pending.insert(id, purpose);
        self.outputs.push_back(Output::Request { id, iq });
        id
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Takes a participant's session away; says which bridge carried it.
    fn take_session(&mut self, nick: &str) -> Option<Session> {
        let participant = self.participants.get_mut(nick)?;
        participant.sources = crate::sources::Sources::default();
        let session = std::mem::take(&mut participant.session);
        self.sources_changed(nick);
        Some(session)
    }
}
