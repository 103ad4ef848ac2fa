//! The table of parsers that a network reaches.
//!
//! A target takes any bytes and returns; it panics only when the code under test does, or breaks a
//! promise that is cheap to check: what was understood can be written, and what was written is
//! understood again.

mod packets;
mod requests;
mod sessions;
mod stanzas;

use crate::corpus::Recordings;

/// One parser, or a few that read the same input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder below `corpus/`.
    pub name: &'static str,
    /// Recordings to start from.
    pub recordings: Recordings,
    /// Inputs made in code, where nothing was recorded.
    pub made: fn() -> Vec<Vec<u8>>,
    /// Reads an input.
    pub run: fn(&[u8]),
}

/// All targets.
pub const ALL: &[Target] = &[
    packets::RTP,
    packets::RTCP,
    packets::STUN,
    packets::SRTP,
    packets::VP8,
    packets::VP9,
    packets::AV1,
    packets::H264,
    packets::RED,
    sessions::DTLS,
    sessions::SCTP,
    sessions::TRANSPORT,
    requests::BRIDGE_CHANNEL,
    requests::COLIBRI_JSON,
    requests::CONFERENCE_JSON,
    requests::SOURCES_JSON,
    stanzas::COLIBRI,
    stanzas::JINGLE,
    stanzas::STANZAS,
    stanzas::XML_STREAM,
    stanzas::XMPP_CLIENT,
    stanzas::XMPP_WEBSOCKET,
    stanzas::XMPP_COMPONENT,
];

/// The target of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}

fn none() -> Vec<Vec<u8>> {
    Vec::new()
}
