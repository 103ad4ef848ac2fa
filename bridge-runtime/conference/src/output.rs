//! What a conference asks its surroundings to do.

use jitctl_wire::{Element, Iq, Jid, Presence, StanzaError};

/// Ties an answer to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this presence.
    Presence(Presence),
    /// Send this request; its outcome comes back through
    /// [`Conference::handle_answer`](crate::Conference::handle_answer).
    Request {
        /// Which request.
        id: RequestId,
        /// The stanza; the stream fills in its id.
        iq: Iq,
    },
    /// Send this answer.
    Answer(Iq),
    /// Something worth a log line or a counter.
    Event(Event),
}

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It was done.
    Result(Option<Element>),
    /// It was refused.
    Error(StanzaError),
    /// Nobody answered in time.
    Timeout,
}

/// What happened, for logs and counters.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The focus is in the room; clients may be told `ready`.
    Ready,
    /// Somebody came.
    Joined {
        /// Nickname of the participant.
        participant: String,
    },
    /// An invitation went out.
    Invited {
        /// Nickname of the participant.
        participant: String,
        /// Occupant address of the bridge.
        bridge: Jid,
    },
    /// A participant accepted.
    Accepted {
        /// Nickname of the participant.
        participant: String,
    },
    /// A participant has no bridge and waits for one.
    NoBridge {
        /// Nickname of the participant.
        participant: String,
    },
    /// A bridge is out of this conference.
    BridgeRemoved {
        /// Occupant address of the bridge.
        bridge: Jid,
        /// How many of its participants are invited again.
        moved: usize,
        /// Why, in words.
        why: String,
    },
    /// A participant asked for a new session.
    RestartRequested {
        /// Nickname of the participant.
        participant: String,
        /// Whether it was granted.
        granted: bool,
    },
    /// A participant says that ICE failed on its session; granted, it is invited anew.
    IceFailed {
        /// Nickname of the participant.
        participant: String,
        /// Whether it was granted.
        granted: bool,
    },
    /// A participant asked for new ICE credentials on the running session.
    IceRestartRequested {
        /// Nickname of the participant.
        participant: String,
        /// Whether it was granted.
        granted: bool,
    },
    /// One participant could not be served.
    ParticipantFailed {
        /// Nickname of the participant.
        participant: String,
        /// Why, in words.
        why: String,
    },
    /// The conference is over; nothing follows.
    Ended(EndReason),
}

/// Why a conference is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// Nobody came after a request.
    NobodyJoined,
    /// Everybody left.
    Empty,
    /// The room was destroyed, or the focus was removed from it.
    RemovedFromRoom,
    /// The focus is not owner of the room.
    NotOwner,
    /// The server refused the focus.
    JoinRefused(String),
    /// Asked for from outside.
    Stopped,
}
