//! The meeting that is measured: one camera, and receivers that want it and report what arrives, as
//! browsers do.

use std::time::Instant;

use jitctl_loopback::{Participant, ParticipantError};
use jitctl_media::bandwidth::BandwidthConfig;
use jitctl_media::channel::{ChannelMessage, ConstraintsMessage, ReceiverVideoConstraints};
use jitctl_media::codec::Codec;
use jitctl_media::conference::{
    Conference, ConferenceConfig, ConferenceError, EndpointDescription, MediaDescription,
    PayloadType,
};
use jitctl_media::identifiers::{EndpointIndex, Ssrc};
use jitctl_media::rtp::HeaderFields;
use jitctl_media::source::{EncodingDescription, MediaKind, SourceDescription, VideoType};

/// Media bytes of a full packet.
const PAYLOAD: usize = 1150;
pub(crate) const FRAMES_PER_SECOND: u32 = 30;
/// A frame out of so many is a key frame.
const KEY_FRAMES: u32 = 30;

const VP8: u8 = 100;
const RTX: u8 = 96;
const TRANSPORT_SEQUENCE: u8 = 5;
const CAMERA: Ssrc = Ssrc(1111);
const CAMERA_RTX: Ssrc = Ssrc(1112);

/// A conference with everything on; its estimates begin above the camera's rate, lest their growth be
/// measured.
pub(crate) fn conference(now: Instant, kilobits_per_second: u32) -> Conference {
    let rate = u64::from(kilobits_per_second) * 1000;
    let bandwidth = BandwidthConfig {
        start: (rate * 2).max(2_500_000),
        maximum: (rate * 4).max(20_000_000),
        ..BandwidthConfig::default()
    };
    let config = ConferenceConfig {
        bandwidth,
        ..ConferenceConfig::default()
    };
    Conference::new(now, config)
}

/// Lets one more in; the first has the camera.
pub(crate) fn enter(
    conference: &mut Conference,
    now: Instant,
    number: u32,
) -> Result<EndpointIndex, ConferenceError> {
    let description = EndpointDescription::new(format!("{number:08x}"));
    let endpoint = conference.create_endpoint(now, description)?;
    conference.add_media(endpoint, &[media()])?;
    if number == 0 {
        conference.set_sources(now, endpoint, MediaKind::Video, vec![camera()])?;
    }
    let constraints = ReceiverVideoConstraints {
        last_n: Some(-1),
        default_constraints: Some(ConstraintsMessage {
            max_height: 720,
            max_frame_rate: None,
        }),
        ..ReceiverVideoConstraints::default()
    };
    let message = ChannelMessage::ReceiverVideoConstraints(constraints);
    conference.handle_channel_message(now, endpoint, message);
    Ok(endpoint)
}

fn media() -> MediaDescription {
    let vp8 = PayloadType {
        nack: true,
        pli: true,
        transport_cc: true,
        ..PayloadType::new(VP8, Codec::Vp8)
    };
    let rtx = PayloadType {
        associated: Some(VP8),
        ..PayloadType::new(RTX, Codec::Rtx)
    };
    let uri = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    MediaDescription {
        kind: MediaKind::Video,
        payload_types: vec![vp8, rtx],
        extensions: vec![(TRANSPORT_SEQUENCE, uri.to_owned())],
    }
}

fn camera() -> SourceDescription {
    SourceDescription {
        name: "00000000-v0".into(),
        kind: MediaKind::Video,
        encodings: vec![EncodingDescription {
            ssrc: CAMERA,
            rtx: Some(CAMERA_RTX),
        }],
        video_type: VideoType::Camera,
        synthetic: false,
    }
}

/// One end of the meeting outside the bridge.
pub(crate) struct End {
    pub(crate) participant: Participant,
    frame: u32,
    sequence: u16,
}

impl End {
    /// Reports what arrives.
    pub(crate) fn new(mut participant: Participant) -> Self {
        participant.answer_transport_cc(TRANSPORT_SEQUENCE);
        Self {
            participant,
            frame: 0,
            sequence: 0,
        }
    }

    /// Sends a frame of so many bytes; returns how many packets.
    pub(crate) fn send_frame(&mut self, bytes: usize) -> Result<u64, ParticipantError> {
        self.frame += 1;
        let key = self.frame % KEY_FRAMES == 1;
        let [.., high, low] = self.frame.to_be_bytes();
        let (mut left, mut packets) = (bytes, 0);
        while left > 0 {
            let length = left.min(PAYLOAD);
            let is_first = packets == 0;
            left -= length;
            packets += 1;
            self.sequence = self.sequence.wrapping_add(1);
            let fields = HeaderFields {
                payload_type: VP8,
                marker: left == 0,
                sequence_number: self.sequence,
                timestamp: self.frame.wrapping_mul(90_000 / FRAMES_PER_SECOND),
                ssrc: CAMERA.0,
            };
            // The descriptor of RFC 7741: picture id and TL0PICIDX.
            let mut payload = [0x55; PAYLOAD];
            let start = if is_first { 0x90 } else { 0x80 };
            payload[..6].copy_from_slice(&[
                start,
                0xc0,
                0x80 | high & 0x7f,
                low,
                low,
                u8::from(!key),
            ]);
            let extensions = [(TRANSPORT_SEQUENCE, &self.sequence.to_be_bytes()[..])];
            self.participant
                .send_rtp(&fields, &extensions, &payload[..length.max(6)])?;
        }
        Ok(packets)
    }
}
