//! What an operator or a deployment decides.

use std::fmt;
use std::time::Duration;

use crate::offer::CodecSettings;

/// Settings of every conference.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own for operators"
)]
pub struct Settings {
    /// People in a room before anybody is invited.
    pub min_participants: usize,
    /// How long the focus waits for the first person after a request.
    pub initial_timeout: Duration,
    /// How long the session of somebody left alone is kept.
    pub single_participant_timeout: Duration,
    /// The first person becomes owner, and the next when nobody is.
    pub auto_owner: bool,
    /// Accounts of this XMPP domain alone become owners (secure domain).
    pub authenticated_domain: Option<String>,
    /// SSRCs a participant may announce.
    pub max_ssrcs_per_user: usize,
    /// Groups of SSRCs a participant may announce.
    pub max_groups_per_user: usize,
    /// People who may send unmuted audio at a time; further ones start muted.
    pub max_audio_senders: usize,
    /// People who may send unmuted video at a time; further ones start muted.
    pub max_video_senders: usize,
    /// Data channels are offered.
    pub sctp: bool,
    /// SSRC rewriting for clients that announce it.
    pub ssrc_rewriting: bool,
    /// Mid demultiplexing together with SSRC rewriting.
    pub rtp_mid_demux: bool,
    /// Shortest time between two restarts of one participant.
    pub restart_min_interval: Duration,
    /// Restarts of one participant in [`restart_window`](Self::restart_window).
    pub restart_max: usize,
    /// The window of [`restart_max`](Self::restart_max).
    pub restart_window: Duration,
    /// From this many participants on, later ones start with the microphone muted.
    pub start_audio_muted: Option<usize>,
    /// From this many participants on, later ones start with the camera muted.
    pub start_video_muted: Option<usize>,
    /// Clients report statistics of their connections, as the first of them said.
    pub rtcstats: bool,
    /// By size of the conference (lower bound): how long changes of sources are gathered before
    /// they are announced. The highest bound that is reached counts.
    pub source_delays: Vec<(usize, Duration)>,
    /// Codecs and header extensions.
    pub codecs: CodecSettings,
    /// Version shown in the focus's presence.
    pub version: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_participants: 2,
            initial_timeout: Duration::from_secs(15),
            single_participant_timeout: Duration::from_secs(20),
            auto_owner: true,
            authenticated_domain: None,
            max_ssrcs_per_user: 20,
            max_groups_per_user: 20,
            max_audio_senders: usize::MAX,
            max_video_senders: usize::MAX,
            sctp: true,
            ssrc_rewriting: true,
            rtp_mid_demux: true,
            restart_min_interval: Duration::from_secs(5),
            restart_max: 5,
            restart_window: Duration::from_secs(60),
            start_audio_muted: None,
            start_video_muted: None,
            rtcstats: false,
            source_delays: Vec::new(),
            codecs: CodecSettings::default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Random identifiers, from outside so that tests repeat.
pub struct Entropy(Box<dyn FnMut() -> u128 + Send>);

impl Entropy {
    /// Wraps a source of random numbers.
    pub fn new(source: impl FnMut() -> u128 + Send + 'static) -> Self {
        Self(Box::new(source))
    }

    /// A Jingle session identifier.
    pub(crate) fn session_id(&mut self) -> String {
        let value = format!("{:032x}", self.0());
        value.get(16..).unwrap_or_default().to_owned()
    }

    /// A UUID of version 4 (RFC 9562 5.4).
    pub(crate) fn uuid(&mut self) -> String {
        let value = self.0() & !(0xf000 << 64) & !(0xc << 60) | (0x4000 << 64) | (0x8 << 60);
        let text = format!("{value:032x}");
        let part = |range| text.get(range).unwrap_or_default();
        [
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32),
        ]
        .join("-")
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Entropy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_form_of_a_version_4_uuid() {
        for value in [0, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let uuid = Entropy::new(move || value).uuid();
            assert_eq!(uuid.len(), 36);
            assert_eq!(&uuid[14..15], "4");
            assert_eq!(&uuid[19..20], if value == u128::MAX { "b" } else { "8" });
        }
    }
}
