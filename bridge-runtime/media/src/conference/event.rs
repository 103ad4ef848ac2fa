//! What a conference tells its owner, and why it refuses a command.

use crate::channel::ChannelMessage;
use crate::identifiers::{EndpointId, EndpointIndex, SourceName, Ssrc};

/// Something the owner has to act on.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A message for an endpoint's bridge channel. The owner drops it when no channel is open.
    Channel {
        /// Whose channel.
        endpoint: EndpointIndex,
        /// What to send.
        message: ChannelMessage,
    },
    /// An endpoint has shown no sign of life for too long; the owner expires it.
    EndpointTimedOut {
        /// Which one.
        endpoint: EndpointIndex,
        /// Its id.
        id: EndpointId,
    },
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConferenceError {
    /// An endpoint with that id exists.
    #[error("endpoint `{0}` exists already: expire it first")]
    EndpointExists(EndpointId),
    /// No such endpoint.
    #[error("endpoint is not known: create it first")]
    UnknownEndpoint,
    /// The SSRC belongs to another endpoint or twice to this one.
    #[error("ssrc {0} is in use: choose another")]
    SsrcInUse(Ssrc),
    /// The source name belongs to another endpoint.
    #[error("source name `{0}` is in use: choose another")]
    NameInUse(SourceName),
    /// More sources or encodings than one endpoint may have.
    #[error("{0} sources exceed the limit of an endpoint: signal fewer")]
    TooManySources(usize),
    /// A visitor may not send.
    #[error("a visitor may not have sources: drop them")]
    VisitorWithSources,
}

/// Counts of what happened, for statistics and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// RTP packets taken in.
    pub packets_received: u64,
    /// RTP bytes taken in.
    pub bytes_received: u64,
    /// RTP packets handed out.
    pub packets_sent: u64,
    /// RTP bytes handed out.
    pub bytes_sent: u64,
    /// Retransmissions handed out, part of the packets sent.
    pub retransmissions_sent: u64,
    /// Retransmissions taken in.
    pub retransmissions_received: u64,
    /// Padding packets and copies sent as probes.
    pub probes_sent: u64,
    /// Not RTP, or a payload that contradicts its header.
    pub malformed: u64,
    /// SSRC not signalled, or not by this endpoint.
    pub unknown_ssrc: u64,
    /// Payload type not negotiated.
    pub unknown_payload_type: u64,
    /// Came twice.
    pub duplicates: u64,
    /// Dropped by force mute or because a visitor sent it.
    pub refused: u64,
    /// Silence that need not be heard.
    pub silence_dropped: u64,
    /// Key frames taken in.
    pub key_frames_received: u64,
    /// Participants who fell silent.
    pub disconnected: u64,
    /// Participants who came back.
    pub reconnected: u64,
    /// Changes of the dominant speaker.
    pub dominant_speaker_changes: u64,
    /// Key frame requests received.
    pub key_frame_requests_received: u64,
    /// Key frame requests sent.
    pub key_frame_requests_sent: u64,
    /// Packets receivers asked for again.
    pub nacked: u64,
    /// Packets asked for that were no longer there.
    pub nack_misses: u64,
    /// Packets not sent again because the path is too narrow.
    pub nack_refusals: u64,
    /// Packets asked of senders.
    pub nacks_sent: u64,
    /// RTCP compounds that end in a contradiction.
    pub malformed_rtcp: u64,
}
