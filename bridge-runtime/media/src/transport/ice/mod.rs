//! ICE for one data stream with one component: connectivity checks, nomination, consent.
//!
//! [`Agent`] is a full agent in either role; it starts as soon as the peer's credentials are known,
//! with no candidate at all if need be, and learns peer-reflexive ones from authenticated checks.
//! Nothing a datagram says is acted upon before its MESSAGE-INTEGRITY held, role conflicts
//! included. After nomination the path stays under watch: consent is renewed, and when the peer
//! moves (a NAT rebinding, another network) the agent nominates the path on which it answers.
//!
//! RFC 8445 (ICE), RFC 7675 (consent). Not done: TCP candidates, mDNS names, relayed local
//! candidates, more than one component.

mod agent;
mod candidate;
mod checks;

pub use agent::Agent;
pub use candidate::{
    AddressPlan, CandidateKind, LocalCandidate, Mapping, RemoteCandidate, is_private,
};

use std::net::SocketAddr;
use std::time::Duration;

use super::random::{self, RandomError};

/// Which side nominates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This side nominates: the bridge towards endpoints.
    Controlling,
    /// The peer nominates.
    Controlled,
}

/// User name fragment and password of one side (RFC 8445 section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `ufrag`, the receiver's half comes first in USERNAME.
    pub fragment: String,
    /// `pwd`, the key of MESSAGE-INTEGRITY.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("fragment", &self.fragment)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Fresh credentials: a fragment of 50 random bits behind `prefix`, a password of 130.
    ///
    /// # Errors
    /// [`RandomError`].
    pub fn random(prefix: &str) -> Result<Self, RandomError> {
        Ok(Self {
            fragment: format!("{prefix}{}", random::ice_characters::<10>()?),
            password: random::ice_characters::<26>()?,
        })
    }
}

/// Times of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IceConfig {
    /// Pace of ordinary checks; triggered ones leave at once (`Ta` of RFC 8445 section 14.2).
    pub check_interval: Duration,
    /// First retransmission of a check; doubled up to [`IceConfig::retransmission_limit`].
    pub retransmission: Duration,
    /// Longest pause between two attempts on one pair.
    pub retransmission_limit: Duration,
    /// Attempts before a pair counts as failed.
    pub attempts: u8,
    /// Without a valid pair after this time the agent reports failure.
    pub connect_timeout: Duration,
    /// Mean time between consent checks, randomised by 0.8 to 1.2 (RFC 7675 section 5.1).
    pub consent_interval: Duration,
    /// Pause before an unanswered consent check is repeated.
    pub consent_retransmission: Duration,
    /// Without an answer for this long consent is lost.
    pub consent_timeout: Duration,
    /// A selected path silent for this long is probed when the peer checks another one.
    pub silence: Duration,
}

impl Default for IceConfig {
    fn default() -> Self {
        Self {
            check_interval: Duration::from_millis(10),
            retransmission: Duration::from_millis(100),
            retransmission_limit: Duration::from_millis(1600),
            attempts: 12,
            connect_timeout: Duration::from_secs(30),
            consent_interval: Duration::from_secs(5),
            consent_retransmission: Duration::from_millis(500),
            consent_timeout: Duration::from_secs(30),
            silence: Duration::from_millis(500),
        }
    }
}

/// A path between this host and the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// Address of the local socket.
    pub local: SocketAddr,
    /// Address of the peer.
    pub remote: SocketAddr,
}

/// What the agent reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceEvent {
    /// A first pair is valid: packets may be sent, DTLS may start.
    Connected(Route),
    /// Packets are to be sent on another path from now on.
    RouteChanged(Route),
    /// No pair became valid in time, or consent was lost. The agent still listens: a check that
    /// succeeds later reports [`IceEvent::Connected`] again.
    Failed,
}

/// Why a STUN message was dropped. Each is counted by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// USERNAME is missing or not ours.
    #[error("stun username is missing or unknown: drop the check")]
    Username,
    /// MESSAGE-INTEGRITY is missing or wrong.
    #[error("stun message integrity is missing or wrong: drop the message")]
    Integrity,
    /// An attribute that must be understood is not.
    #[error("stun request has an unknown required attribute: drop it")]
    UnknownAttribute,
    /// An answer to no question, or from another address than asked.
    #[error("stun answer matches no check: drop it")]
    UnexpectedAnswer,
    /// A key could not be prepared.
    #[error("stun password cannot be used as a key")]
    Key,
    /// The random generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}
