//! `[conference]`: what people get at most, whatever they ask for.

use std::path::Path;

use jitctl_daemon::config::ConfigError;
use jitctl_media::conference::ConferenceConfig;
use serde::Deserialize;

/// Most streams of one kind that SSRC rewriting can be given for one participant.
const MOST_STREAMS: usize = 1000;

/// `[conference]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConferenceLimits {
    /// Videos a participant gets at most.
    pub last_n: Option<u16>,
    /// The same for large conferences.
    pub last_n_by_size: Vec<SizeLimit>,
    /// Voices that are forwarded, beside that of the dominant speaker.
    pub loudest: Option<usize>,
    /// Video streams of a participant, and video streams with SSRC rewriting.
    pub video_streams: usize,
    /// Audio streams of a participant with SSRC rewriting.
    pub audio_streams: usize,
}

/// An entry of `last_n_by_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeLimit {
    /// From so many participants on.
    pub participants: usize,
    /// Videos a participant gets at most.
    pub last_n: u16,
}

impl Default for ConferenceLimits {
    fn default() -> Self {
        let core = ConferenceConfig::default();
        Self {
            last_n: None,
            last_n_by_size: Vec::new(),
            loudest: None,
            video_streams: core.video_slots,
            audio_streams: core.audio_slots,
        }
    }
}

impl ConferenceLimits {
    pub(super) fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let invalid = |message: &str, remedy: &str| {
            Err(ConfigError::invalid(
                path,
                format!("`conference.{message}"),
                remedy,
            ))
        };
        if self.loudest == Some(0) {
            return invalid("loudest` is 0", "leave it out to forward every voice");
        }
        let streams = 1..=MOST_STREAMS;
        if !streams.contains(&self.video_streams) || !streams.contains(&self.audio_streams) {
            return invalid(
                "video_streams` or `conference.audio_streams` is not from 1 to 1000",
                "leave them at 50, which fills every screen",
            );
        }
        let mut sizes: Vec<usize> = self
            .last_n_by_size
            .iter()
            .map(|by| by.participants)
            .collect();
        sizes.sort_unstable();
        if sizes.windows(2).any(|pair| pair.first() == pair.last()) {
            return invalid(
                "last_n_by_size` names one size twice",
                "keep one limit for each size",
            );
        }
        Ok(())
    }

    /// What the media core is told.
    #[must_use]
    pub fn settings(&self) -> ConferenceConfig {
        let by_size = self.last_n_by_size.iter();
        ConferenceConfig {
            last_n: self.last_n.map(i32::from),
            last_n_limits: by_size
                .map(|by| (by.participants, i32::from(by.last_n)))
                .collect(),
            loudest: self.loudest,
            video_slots: self.video_streams,
            audio_slots: self.audio_streams,
            ..ConferenceConfig::default()
        }
    }
}
