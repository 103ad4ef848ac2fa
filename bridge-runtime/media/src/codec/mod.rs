//! What the payload of a video or audio packet tells a forwarder, per codec.
//!
//! Parsers read descriptors only, never a picture, and take any bytes without panic. A payload
//! that cannot be understood (end-to-end encrypted ones included, whose descriptors are clear)
//! is forwarded by generic rules.

pub mod av1;
pub mod h264;
pub mod red;
pub mod vp8;
pub mod vp9;

use std::sync::Arc;

use serde::Serialize;

/// A codec the forwarder knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// VP8, RFC 7741.
    Vp8,
    /// VP9, RFC 9628.
    Vp9,
    /// AV1 with the dependency descriptor.
    Av1,
    /// H.264, RFC 6184.
    H264,
    /// Retransmissions, RFC 4588.
    Rtx,
    /// Opus, RFC 7587.
    Opus,
    /// Redundant audio, RFC 2198.
    Red,
    /// Telephone events, comfort noise and whatever else is negotiated as audio.
    OtherAudio,
    /// Any other video.
    OtherVideo,
}

impl Codec {
    /// The codec of an encoding name from signalling, by kind of media.
    pub fn from_name(name: &str, is_video: bool) -> Self {
        let known = [
            ("vp8", Self::Vp8),
            ("vp9", Self::Vp9),
            ("av1", Self::Av1),
            ("h264", Self::H264),
            ("rtx", Self::Rtx),
            ("opus", Self::Opus),
            ("red", Self::Red),
        ];
        let found = known
            .iter()
            .find(|(known_name, _)| known_name.eq_ignore_ascii_case(name));
        match found {
            Some((_, codec)) => *codec,
            None if is_video => Self::OtherVideo,
            None => Self::OtherAudio,
        }
    }
}

/// Codec facts of one video packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Descriptor {
    /// VP8 with its offsets.
    Vp8(vp8::Descriptor),
    /// VP9 with its offsets.
    Vp9(vp9::Descriptor),
    /// AV1 with the mandatory part of its dependency descriptor and its template's layers.
    Av1(av1::Descriptor),
    /// Anything that is only switched at key frames.
    #[default]
    Generic,
}

/// What forwarding needs to know of a video packet, whatever the codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoFacts {
    /// Whether the packet starts a key frame (of its encoding).
    pub starts_key_frame: bool,
    /// Whether the packet starts a frame, as far as can be told.
    pub starts_frame: bool,
    /// Spatial layer within the encoding.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// Codec facts.
    pub descriptor: Descriptor,
}

impl VideoFacts {
    /// Reads the payload of a packet of `codec`; AV1 comes with its dependency descriptor
    /// element and the structure last seen on the stream.
    pub fn parse(
        codec: Codec,
        payload: &[u8],
        dependency_descriptor: Option<&[u8]>,
        structure: &mut Option<Arc<av1::Structure>>,
    ) -> Self {
        match codec {
            Codec::Vp8 => vp8::Descriptor::parse(payload).map(Self::from_vp8),
            Codec::Vp9 => vp9::Descriptor::parse(payload).map(Self::from_vp9),
            Codec::Av1 => dependency_descriptor
                .and_then(|bytes| av1::Descriptor::parse(bytes, structure))
                .map(Self::from_av1),
            Codec::H264 => Some(Self {
                starts_key_frame: h264::starts_key_frame(payload),
                starts_frame: false,
                ..Self::default()
            }),
            _ => None,
        }
        .unwrap_or_default()
    }

    fn from_vp8(descriptor: vp8::Descriptor) -> Self {
        Self {
            starts_key_frame: descriptor.starts_key_frame,
            starts_frame: descriptor.starts_frame,
            spatial: 0,
            temporal: descriptor.temporal.unwrap_or(0),
            descriptor: Descriptor::Vp8(descriptor),
        }
    }

    fn from_vp9(descriptor: vp9::Descriptor) -> Self {
        Self {
            starts_key_frame: descriptor.starts_key_frame(),
            starts_frame: descriptor.starts_frame,
            spatial: descriptor.spatial,
            temporal: descriptor.temporal,
            descriptor: Descriptor::Vp9(descriptor),
        }
    }

    fn from_av1(descriptor: av1::Descriptor) -> Self {
        Self {
            starts_key_frame: descriptor.starts_key_frame,
            starts_frame: descriptor.starts_frame,
            spatial: descriptor.spatial,
            temporal: descriptor.temporal,
            descriptor: Descriptor::Av1(descriptor),
        }
    }
}
