//! Payload types and header extensions, with the numbers Jitsi has always used.

use jitctl_wire::rtp::{HeaderExtension, MediaDescription, MediaKind, PayloadType, RtcpFeedback};

use crate::features::Features;

const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// A video codec that may be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    /// AV1.
    Av1,
    /// VP8 (RFC 7741).
    Vp8,
    /// H.264 (RFC 6184).
    H264,
    /// VP9 (RFC 9628).
    Vp9,
}

impl VideoCodec {
    fn name(self) -> &'static str {
        match self {
            Self::Av1 => "AV1",
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
            Self::Vp9 => "VP9",
        }
    }

    /// Numbers of the codec and of its retransmissions.
    fn numbers(self) -> (u8, u8) {
        match self {
            Self::Av1 => (41, 42),
            Self::Vp8 => (100, 96),
            Self::H264 => (107, 99),
            Self::Vp9 => (101, 97),
        }
    }

    fn parameters(self) -> Vec<(String, String)> {
        match self {
            Self::H264 => parameters(&[(
                "profile-level-id",
                "42e01f;level-asymmetry-allowed=1;packetization-mode=1;",
            )]),
            Self::Av1 | Self::Vp8 | Self::Vp9 => Vec::new(),
        }
    }
}

/// Which codecs are offered, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecSettings {
    /// Video codecs in the order of the offer; clients have a preference of their own.
    pub video: Vec<VideoCodec>,
    /// Redundant audio for clients that announce it.
    pub opus_red: bool,
}

impl Default for CodecSettings {
    fn default() -> Self {
        Self {
            video: vec![
                VideoCodec::Av1,
                VideoCodec::Vp8,
                VideoCodec::H264,
                VideoCodec::Vp9,
            ],
            opus_red: false,
        }
    }
}

pub(super) fn audio(settings: &CodecSettings, features: Features) -> MediaDescription {
    let mut media = MediaDescription::new(MediaKind::Audio);
    let feedback: Vec<RtcpFeedback> = features
        .transport_cc
        .then(|| feedback("transport-cc", None))
        .into_iter()
        .collect();
    let red = settings.opus_red && features.opus_red;
    let mut opus_parameters = parameters(&[("minptime", "10")]);
    if !red {
        opus_parameters.extend(parameters(&[("useinbandfec", "1")]));
    }
    media.payload_types.push(PayloadType {
        id: 111,
        name: "opus".to_owned(),
        clock_rate: Some(48_000),
        channels: Some(2),
        parameters: opus_parameters,
        feedback: feedback.clone(),
    });
    if red {
        media.payload_types.push(PayloadType {
            id: 112,
            name: "red".to_owned(),
            clock_rate: Some(48_000),
            channels: Some(2),
            // A bare value: RFC 2198 names its blocks without a key.
            parameters: parameters(&[("", "111/111")]),
            feedback,
        });
    }
    media.payload_types.push(PayloadType {
        id: 126,
        name: "telephone-event".to_owned(),
        clock_rate: Some(8_000),
        ..PayloadType::default()
    });
    media.header_extensions = extensions(&[
        (1, AUDIO_LEVEL, true),
        (10, MID, true),
        (5, TRANSPORT_CC, features.transport_cc),
    ]);
    media.extmap_allow_mixed = true;
    media
}

pub(super) fn video(settings: &CodecSettings, features: Features) -> MediaDescription {
    let mut media = MediaDescription::new(MediaKind::Video);
    let mut codec_feedback = vec![
        feedback("ccm", Some("fir")),
        feedback("nack", None),
        feedback("nack", Some("pli")),
    ];
    if features.transport_cc {
        codec_feedback.push(feedback("transport-cc", None));
    } else if features.remb {
        codec_feedback.push(feedback("goog-remb", None));
    }
    for codec in &settings.video {
        media.payload_types.push(PayloadType {
            id: codec.numbers().0,
            name: codec.name().to_owned(),
            clock_rate: Some(90_000),
            channels: None,
            parameters: codec.parameters(),
            feedback: codec_feedback.clone(),
        });
    }
    for codec in settings.video.iter().filter(|_| features.rtx) {
        let (number, retransmissions) = codec.numbers();
        media.payload_types.push(PayloadType {
            id: retransmissions,
            name: "rtx".to_owned(),
            clock_rate: Some(90_000),
            channels: None,
            parameters: parameters(&[("apt", &number.to_string())]),
            feedback: Vec::new(),
        });
    }
    let av1 = settings.video.contains(&VideoCodec::Av1);
    media.header_extensions = extensions(&[
        (11, DEPENDENCY_DESCRIPTOR, av1),
        (10, MID, true),
        (3, ABS_SEND_TIME, true),
        (5, TRANSPORT_CC, features.transport_cc),
    ]);
    media.extmap_allow_mixed = true;
    media
}

fn parameters(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn feedback(kind: &str, subtype: Option<&str>) -> RtcpFeedback {
    RtcpFeedback {
        kind: kind.to_owned(),
        subtype: subtype.map(str::to_owned),
    }
}

fn extensions(list: &[(u8, &str, bool)]) -> Vec<HeaderExtension> {
    list.iter()
        .filter(|(_, _, offered)| *offered)
        .map(|(id, uri, _)| HeaderExtension {
            id: *id,
            uri: (*uri).to_owned(),
        })
        .collect()
}
