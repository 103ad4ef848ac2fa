//! Limits and intervals of a conference, and what it is told of endpoints.

use std::time::Duration;

use crate::bandwidth::BandwidthConfig;
use crate::identifiers::EndpointId;

/// Settings of a conference; the defaults are those Jitsi's bridge uses.
#[derive(Clone, Debug)]
pub struct ConferenceConfig {
    /// Seed of the SSRCs made up for rewriting and feedback; differs per conference.
    pub seed: u64,
    /// Bridge-wide limit on forwarded video sources.
    pub last_n: Option<i32>,
    /// Limits by conference size: from this many endpoints on, this last-N.
    pub last_n_limits: Vec<(usize, i32)>,
    /// Slots for rewritten video streams, and most video sources any receiver gets.
    pub video_slots: usize,
    /// Slots for rewritten audio streams.
    pub audio_slots: usize,
    /// Forward only this many of the loudest (and the dominant speaker).
    pub loudest: Option<usize>,
    /// Endpoint without any packet for this long is inactive.
    pub inactivity: Duration,
    /// Endpoint that never sent a packet is inactive after this long.
    pub first_packet_timeout: Duration,
    /// Endpoint without activity for this long has expired.
    pub expiry: Duration,
    /// Endpoint that was never active has expired after this long.
    pub never_active_expiry: Duration,
    /// Text of `ServerHello`'s version field, when it is to be told.
    pub version: Option<String>,
    /// Whether the estimate may limit what is sent.
    pub trust_estimate: bool,
    /// Bounds of the estimates.
    pub bandwidth: BandwidthConfig,
}

impl Default for ConferenceConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            last_n: None,
            last_n_limits: Vec::new(),
            video_slots: 50,
            audio_slots: 50,
            loudest: None,
            inactivity: Duration::from_secs(8),
            first_packet_timeout: Duration::from_secs(15),
            expiry: Duration::from_secs(60),
            never_active_expiry: Duration::from_secs(120),
            version: None,
            trust_estimate: true,
            bandwidth: BandwidthConfig::default(),
        }
    }
}

/// An endpoint to be created.
#[derive(Clone, Debug)]
pub struct EndpointDescription {
    /// Its id.
    pub id: EndpointId,
    /// Receives only and is not seen by others.
    pub is_visitor: bool,
    /// Gets a bounded set of SSRCs instead of the senders' own.
    pub ssrc_rewriting: bool,
    /// Streams carry their media line's id; only with rewriting.
    pub mid_demux: bool,
}

impl EndpointDescription {
    /// An ordinary endpoint without capabilities.
    pub fn new(id: impl Into<EndpointId>) -> Self {
        Self {
            id: id.into(),
            is_visitor: false,
            ssrc_rewriting: false,
            mid_demux: false,
        }
    }
}

/// Small generator for SSRCs (`SplitMix64`): unpredictability is not needed, difference is.
#[derive(Clone, Debug)]
pub(super) struct SsrcGenerator(u64);

impl SsrcGenerator {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let ssrc = (mixed >> 32) as u32;
        // Zero and all ones are legal but often stand for "none".
        if ssrc == 0 || ssrc == u32::MAX {
            1
        } else {
            ssrc
        }
    }
}
