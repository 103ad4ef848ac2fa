//! What a client is offered: codecs, header extensions, transport (XEP-0167, 0294, 0343).
//!
//! Numbers of payload types and header extensions are the same for everybody, as bridges forward
//! them unchanged.

mod codecs;

pub use codecs::{CodecSettings, VideoCodec};

use jitctl_wire::ice::IceUdpTransport;
use jitctl_wire::jingle::{Application, Content, Creator, Description, SctpMap};
use jitctl_wire::rtp::{MediaDescription, MediaKind};

use crate::features::Features;

/// The contents of a session-initiate, all with the same transport.
pub(crate) fn contents(
    media: &[MediaDescription],
    transport: &IceUdpTransport,
    sctp_port: Option<u16>,
) -> Vec<Content> {
    let mut contents: Vec<Content> = media
        .iter()
        .map(|media| {
            let mut description = Description::new(Application::Rtp(media.clone()));
            description.rtcp_mux = true;
            if media.kind == MediaKind::Audio {
                description.max_packet_time = Some(60);
            }
            Content {
                description: Some(description),
                transport: Some(transport.clone()),
                ..Content::new(media.kind.name(), Creator::Initiator)
            }
        })
        .collect();
    if let Some(number) = sctp_port {
        contents.push(Content {
            description: Some(Description {
                rtcp_mux: true,
                ..Description::new(Application::Data)
            }),
            transport: Some(transport.clone()),
            sctp: Some(SctpMap {
                number,
                protocol: "webrtc-datachannel".to_owned(),
                streams: Some(1024),
            }),
            ..Content::new("data", Creator::Initiator)
        });
    }
    contents
}

/// The media descriptions for a client of these features.
pub(crate) fn media(settings: &CodecSettings, features: Features) -> Vec<MediaDescription> {
    let mut media = Vec::new();
    if features.audio {
        media.push(codecs::audio(settings, features));
    }
    if features.video {
        media.push(codecs::video(settings, features));
    }
    media
}
