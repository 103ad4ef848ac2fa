//! How far a participant came, leg by leg, and why it came no further.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The parts of a call, in the order in which they come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    /// Login, conference request, joining the room, and the offer of the focus.
    Signalling,
    /// A path to the bridge.
    Ice,
    /// Keys agreed on with the bridge.
    Dtls,
    /// Something authentic came from the bridge.
    Srtp,
    /// Somebody else's media came.
    Forwarding,
    /// The bridge's greeting came on the data channel.
    DataChannel,
}

impl Leg {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Signalling,
        Self::Ice,
        Self::Dtls,
        Self::Srtp,
        Self::Forwarding,
        Self::DataChannel,
    ];
}

impl fmt::Display for Leg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Signalling => "signalling",
            Self::Ice => "ICE",
            Self::Dtls => "DTLS",
            Self::Srtp => "SRTP",
            Self::Forwarding => "forwarding",
            Self::DataChannel => "data channel",
        })
    }
}

/// Why a participant does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{leg}: {reason}")]
pub struct Trouble {
    /// What failed.
    pub leg: Leg,
    /// Why, in words.
    pub reason: String,
}

impl Trouble {
    pub(crate) fn new(leg: Leg, reason: impl Into<String>) -> Self {
        Self {
            leg,
            reason: reason.into(),
        }
    }
}

/// When each leg came about, counted from the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The room was joined; the offer may still be out, as for somebody who is alone.
    pub joined: Option<Duration>,
    /// The offer came and was accepted.
    pub signalling: Option<Duration>,
    /// See [`Leg::Ice`].
    pub ice: Option<Duration>,
    /// See [`Leg::Dtls`].
    pub dtls: Option<Duration>,
    /// See [`Leg::Srtp`].
    pub srtp: Option<Duration>,
    /// See [`Leg::Forwarding`].
    pub forwarding: Option<Duration>,
    /// See [`Leg::DataChannel`].
    pub data_channel: Option<Duration>,
    /// How often the session was taken up anew, as when a bridge was lost.
    pub moves: u32,
    /// What it fails at; later progress may still undo it.
    pub trouble: Option<Trouble>,
}

impl Progress {
    /// When a leg came about.
    pub fn leg(&self, leg: Leg) -> Option<Duration> {
        match leg {
            Leg::Signalling => self.signalling,
            Leg::Ice => self.ice,
            Leg::Dtls => self.dtls,
            Leg::Srtp => self.srtp,
            Leg::Forwarding => self.forwarding,
            Leg::DataChannel => self.data_channel,
        }
    }

    /// The first leg that did not come about.
    pub fn missing(&self) -> Option<Leg> {
        Leg::ALL.into_iter().find(|leg| self.leg(*leg).is_none())
    }
}
