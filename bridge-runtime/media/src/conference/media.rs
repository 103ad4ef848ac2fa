//! What an endpoint negotiated: payload types, header extensions, feedback.

use crate::codec::Codec;
use crate::source::MediaKind;

/// One negotiated payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the feedback kinds on the wire"
)]
pub struct PayloadType {
    /// Number, 0 to 127.
    pub id: u8,
    /// Codec.
    pub codec: Codec,
    /// For RTX: payload type of what is retransmitted.
    pub associated: Option<u8>,
    /// Understands generic NACK.
    pub nack: bool,
    /// Understands PLI.
    pub pli: bool,
    /// Understands FIR.
    pub fir: bool,
    /// Sends and understands transport-wide feedback.
    pub transport_cc: bool,
    /// Understands REMB.
    pub remb: bool,
}

impl PayloadType {
    /// A payload type without feedback.
    pub const fn new(id: u8, codec: Codec) -> Self {
        Self {
            id,
            codec,
            associated: None,
            nack: false,
            pli: false,
            fir: false,
            transport_cc: false,
            remb: false,
        }
    }
}

/// Media of one kind as negotiated; values accumulate over several descriptions.
#[derive(Clone, Debug)]
pub struct MediaDescription {
    /// Audio or video.
    pub kind: MediaKind,
    /// Payload types.
    pub payload_types: Vec<PayloadType>,
    /// Header extensions: id and URI.
    pub extensions: Vec<(u8, String)>,
}

/// Header extensions the forwarder reads or writes; zero means not negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// Audio level, RFC 6464.
    pub audio_level: u8,
    /// Video orientation (3GPP CVO).
    pub video_orientation: u8,
    /// Absolute send time.
    pub absolute_send_time: u8,
    /// Transport-wide sequence number.
    pub transport_sequence: u8,
    /// Media line, RFC 8843.
    pub mid: u8,
    /// AV1 dependency descriptor.
    pub dependency_descriptor: u8,
}

impl ExtensionIds {
    fn set(&mut self, id: u8, uri: &str) {
        let field = match uri {
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level" => &mut self.audio_level,
            "urn:3gpp:video-orientation" => &mut self.video_orientation,
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" => {
                &mut self.absolute_send_time
            }
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01" => {
                &mut self.transport_sequence
            }
            "urn:ietf:params:rtp-hdrext:sdes:mid" => &mut self.mid,
            "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension" => {
                &mut self.dependency_descriptor
            }
            // Not read, not kept.
            _ => return,
        };
        *field = id;
    }
}

#[derive(Clone, Copy, Debug)]
struct Payload {
    codec: Codec,
    /// For RTX the media's payload type, for media its RTX payload type; 255 for none.
    partner: u8,
}

const NO_PARTNER: u8 = 255;

/// Everything negotiated with one endpoint.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the feedback kinds on the wire"
)]
pub(super) struct NegotiatedMedia {
    payloads: Box<[Option<Payload>; 128]>,
    pub(super) extensions: ExtensionIds,
    pub(super) receives_audio: bool,
    pub(super) receives_video: bool,
    pub(super) nack: bool,
    pub(super) pli: bool,
    pub(super) fir: bool,
    pub(super) transport_cc: bool,
    pub(super) remb: bool,
    pub(super) rtx: bool,
    /// First video payload type, used for padding.
    pub(super) first_video: Option<u8>,
}

impl NegotiatedMedia {
    pub(super) fn new() -> Self {
        Self {
            payloads: Box::new([None; 128]),
            extensions: ExtensionIds::default(),
            receives_audio: false,
            receives_video: false,
            nack: false,
            pli: false,
            fir: false,
            transport_cc: false,
            remb: false,
            rtx: false,
            first_video: None,
        }
    }

    pub(super) fn add(&mut self, media: &MediaDescription) {
        for payload_type in &media.payload_types {
            let id = payload_type.id & 0x7f;
            let partner = self.payloads[usize::from(id)].map_or(NO_PARTNER, |known| known.partner);
            self.payloads[usize::from(id)] = Some(Payload {
                codec: payload_type.codec,
                partner: payload_type.associated.unwrap_or(partner),
            });
            if payload_type.codec == Codec::Rtx {
                self.rtx = true;
            } else if media.kind == MediaKind::Video {
                self.first_video.get_or_insert(id);
                self.nack |= payload_type.nack;
                self.pli |= payload_type.pli;
                self.fir |= payload_type.fir;
                self.remb |= payload_type.remb;
            }
            self.transport_cc |= payload_type.transport_cc;
        }
        self.link_retransmissions();
        match media.kind {
            MediaKind::Audio => self.receives_audio |= !media.payload_types.is_empty(),
            MediaKind::Video => self.receives_video |= !media.payload_types.is_empty(),
        }
        for (id, uri) in &media.extensions {
            self.extensions.set(*id, uri);
        }
    }

    fn link_retransmissions(&mut self) {
        for id in 0..128_u8 {
            let Some(rtx) = self.payloads[usize::from(id)] else {
                continue;
            };
            if rtx.codec != Codec::Rtx {
                continue;
            }
            if let Some(Some(media)) = self.payloads.get_mut(usize::from(rtx.partner)) {
                media.partner = id;
            }
        }
    }

    /// Whether the endpoint wants to be told what its way up carries: it sends nothing to tell
    /// that from at its own end.
    pub(super) const fn wants_estimates(&self) -> bool {
        self.remb && !self.transport_cc && self.extensions.absolute_send_time != 0
    }

    pub(super) fn codec(&self, payload_type: u8) -> Option<Codec> {
        self.payloads[usize::from(payload_type & 0x7f)].map(|payload| payload.codec)
    }

    /// The RTX payload type of a media one, or the other way round.
    pub(super) fn partner(&self, payload_type: u8) -> Option<u8> {
        self.payloads[usize::from(payload_type & 0x7f)]
            .map(|payload| payload.partner)
            .filter(|partner| *partner != NO_PARTNER)
    }
}
