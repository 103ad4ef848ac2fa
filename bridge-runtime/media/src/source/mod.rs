//! Sources as signalled, and the quality layers of a video source.
//!
//! A layer is one quality a receiver can get: an encoding (simulcast SSRC), a spatial and a
//! temporal layer. Heights and presence start as the usual guess and are corrected by what the
//! stream itself shows.

mod layers;
mod meter;
mod video_type;

pub use layers::{Layer, LayerIndex, LayerMeter, MAXIMUM_ENCODINGS, MAXIMUM_LAYERS};
pub use meter::RateMeter;
pub use video_type::VideoType;

use crate::identifiers::{SourceName, Ssrc};

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Audio.
    Audio,
    /// Video.
    Video,
}

/// One encoding of a source: its stream and the stream of its retransmissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodingDescription {
    /// SSRC of the media.
    pub ssrc: Ssrc,
    /// SSRC of its retransmissions (FID group), if any.
    pub rtx: Option<Ssrc>,
}

/// A source as signalling describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceDescription {
    /// Name, unique in the conference.
    pub name: SourceName,
    /// Kind of media.
    pub kind: MediaKind,
    /// Encodings in the order of the SIM group, lowest first; one without simulcast. The first
    /// is the primary one, on whose SSRC receivers get the source.
    pub encodings: Vec<EncodingDescription>,
    /// What it shows at first.
    pub video_type: VideoType,
    /// Made by a server, delivered to explicit subscribers only.
    pub synthetic: bool,
}

impl SourceDescription {
    /// Groups a flat signalled source: SSRCs in order, SIM and FID groups by SSRC. Groups of
    /// fewer than two SSRCs and SSRCs that are not listed are ignored.
    pub fn from_groups(
        name: SourceName,
        kind: MediaKind,
        ssrcs: &[Ssrc],
        simulcast: &[Ssrc],
        retransmission: &[(Ssrc, Ssrc)],
    ) -> Self {
        let is_repair = |ssrc: &Ssrc| retransmission.iter().any(|(_, repair)| repair == ssrc);
        let simulcast: Vec<Ssrc> = simulcast
            .iter()
            .copied()
            .filter(|ssrc| ssrcs.contains(ssrc) && !is_repair(ssrc))
            .collect();
        let media: Vec<Ssrc> = if simulcast.len() >= 2 {
            simulcast
        } else {
            let primary = ssrcs.iter().copied().find(|ssrc| !is_repair(ssrc));
            primary.into_iter().collect()
        };
        let encodings = media
            .into_iter()
            .take(MAXIMUM_ENCODINGS)
            .map(|ssrc| EncodingDescription {
                ssrc,
                rtx: retransmission
                    .iter()
                    .find(|(media, _)| *media == ssrc)
                    .map(|(_, repair)| *repair),
            })
            .collect();
        Self {
            name,
            kind,
            encodings,
            video_type: VideoType::Camera,
            synthetic: false,
        }
    }

    /// Whether both describe the same streams, whatever they say these show.
    pub fn has_streams_of(&self, other: &Self) -> bool {
        self.name == other.name && self.kind == other.kind && self.encodings == other.encodings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulcast_and_retransmission_groups_become_encodings() {
        let ssrcs: Vec<Ssrc> = (1..=6).map(|number| Ssrc(number * 100)).collect();
        let pairs = [(100, 200), (300, 400), (500, 600)].map(|(a, b)| (Ssrc(a), Ssrc(b)));
        let source = SourceDescription::from_groups(
            "a-v0".into(),
            MediaKind::Video,
            &ssrcs,
            &[Ssrc(100), Ssrc(300), Ssrc(500)],
            &pairs,
        );
        let found: Vec<_> = source
            .encodings
            .iter()
            .map(|encoding| (encoding.ssrc, encoding.rtx.unwrap()))
            .collect();
        assert_eq!(found, pairs);
    }

    #[test]
    fn a_source_without_groups_has_one_encoding() {
        let source = SourceDescription::from_groups(
            "a-a0".into(),
            MediaKind::Audio,
            &[Ssrc(7)],
            &[Ssrc(7)],
            &[],
        );
        assert_eq!(
            source.encodings,
            [EncodingDescription {
                ssrc: Ssrc(7),
                rtx: None
            }]
        );
    }
}
