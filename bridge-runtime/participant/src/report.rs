//! What a participant saw: plain numbers for tables and JSON.

use std::collections::BTreeMap;

use serde::Serialize;

/// What came of one source of somebody else.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceReport {
    /// Name of the source; empty when the focus never told of it.
    pub name: String,
    /// Endpoint it belongs to.
    pub owner: String,
    /// `audio` or `video`.
    pub kind: &'static str,
    /// The stream it came on.
    pub ssrc: u32,
    /// Packets received, retransmitted ones included, each once.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Mean rate while it flowed, in kbit/s.
    pub kilobits: f64,
    /// Key frames that began.
    pub key_frames: u64,
}

/// What a participant saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Its endpoint identifier.
    pub endpoint: String,
    /// Addresses the bridge offered, the first of kind host first.
    pub bridge: Vec<String>,
    /// Region of the bridge.
    pub region: Option<String>,
    /// Whether it sends video.
    pub sends_video: bool,
    /// Sources of others.
    pub sources: Vec<SourceReport>,
    /// Packets sent.
    pub sent_packets: u64,
    /// Payload bytes sent.
    pub sent_bytes: u64,
    /// Packets that came as retransmissions.
    pub retransmissions: u64,
    /// Messages on the bridge channel by class.
    pub messages: BTreeMap<String, u64>,
    /// Payloads of endpoint messages, as they came.
    pub endpoint_messages: Vec<String>,
}

impl Report {
    /// Packets received of everybody.
    pub fn packets(&self) -> u64 {
        self.sources.iter().map(|source| source.packets).sum()
    }

    /// Packets of everybody that never came.
    pub fn lost(&self) -> u64 {
        self.sources.iter().map(|source| source.lost).sum()
    }

    /// Rate of everything received, in kbit/s.
    pub fn kilobits(&self) -> f64 {
        self.sources.iter().map(|source| source.kilobits).sum()
    }
}
