//! RTP, RTCP, STUN, SRTP and the payloads of codecs.

use std::hint::black_box;

use jitctl_media::codec::{Codec, VideoFacts, av1, h264, red, vp8, vp9};
use jitctl_media::identifiers::Ssrc;
use jitctl_media::rtcp::{RtcpPacket, RtcpPackets, RtcpWriter};
use jitctl_media::rtp::{self, Header, HeaderFields, write_header};
use jitctl_media::srtp::{MAX_OVERHEAD, MasterKey, Profile, Protector, SrtpError, Unprotector};
use jitctl_media::transport::stun::{Builder, Class, IntegrityKey, Message, answer_to_stranger};

use super::{Target, none};
use crate::corpus::Recordings;

const fn target(name: &'static str, made: fn() -> Vec<Vec<u8>>, run: fn(&[u8])) -> Target {
    Target {
        name,
        recordings: Recordings::None,
        made,
        run,
    }
}

pub(super) const RTP: Target = target("rtp", rtp_packets, |input| {
    black_box(rtp::classify(input));
    let mut packet = input.to_vec();
    let Ok(header) = Header::parse(&packet) else {
        return;
    };
    assert!(
        header.length() <= packet.len(),
        "a header within its packet"
    );
    for id in 0..=255 {
        black_box(header.extension(&packet, id));
    }
    for extension in header.extensions(&packet) {
        black_box(extension.data(&packet));
    }
    black_box(header.csrcs(&packet).count());
    if let Ok(payload) = header.payload(&packet) {
        assert!(payload.end <= packet.len(), "a payload within its packet");
        black_box(red::primary(&packet[payload]));
    }
    rtp::rewrite::blank_extensions(&mut packet, &header, |id| id % 2 == 0);
    rtp::rewrite::set_sequence_number(&mut packet, 7);
    rtp::rewrite::set_ssrc(&mut packet, 9);
    let again = Header::parse(&packet).expect("a rewritten packet is one");
    assert_eq!((again.sequence_number, again.ssrc), (7, 9));
});

pub(super) const RTCP: Target = target("rtcp", rtcp_packets, |input| {
    let mut packets = RtcpPackets::new(input);
    for packet in &mut packets {
        match packet {
            RtcpPacket::Nack { lost, .. } => {
                black_box(lost.count());
            }
            RtcpPacket::TransportFeedback(feedback) => {
                black_box(feedback.packets().count());
            }
            other => {
                black_box(format!("{other:?}"));
            }
        }
    }
    black_box(packets.is_malformed());
});

pub(super) const STUN: Target = target("stun", stun_messages, |input| {
    let remote = ([192, 0, 2, 1], 4242).into();
    if let Some(answer) = answer_to_stranger(input, remote) {
        assert!(answer.len() <= input.len(), "nobody is flooded");
    }
    if let Ok(message) = Message::parse(input) {
        black_box(message.fragments());
        let key = IntegrityKey::new("a password of twenty-two").expect("a key");
        black_box(message.has_integrity(&key));
    }
});

pub(super) const SRTP: Target = target("srtp", protected_packets, |input| {
    for profile in PROFILES {
        let mut unprotector = Unprotector::new(profile, &master_key(profile)).expect("a key");
        // Twice: the second time it is a replay, whatever it was the first time.
        for _ in 0..2 {
            let mut packet = input.to_vec();
            if let Ok(header) = Header::parse(&packet) {
                let _ = black_box(unprotector.unprotect_rtp(&header, &mut packet));
            }
            let mut packet = input.to_vec();
            let _ = black_box(unprotector.unprotect_rtcp(&mut packet));
        }
    }
});

pub(super) const VP8: Target = target("vp8", vp8_payloads, |input| {
    if let Some(descriptor) = vp8::Descriptor::parse(input) {
        let mut payload = input.to_vec();
        descriptor.rewrite(&mut payload, 0x7abc, 9);
        let again = vp8::Descriptor::parse(&payload);
        assert!(again.is_some(), "a rewritten descriptor is one");
    }
    video(Codec::Vp8, input);
});

pub(super) const VP9: Target = target("vp9", vp9_payloads, |input| {
    if let Some(descriptor) = vp9::Descriptor::parse(input) {
        let mut payload = input.to_vec();
        descriptor.rewrite(&mut payload, 0x7abc, 9);
        let again = vp9::Descriptor::parse(&payload);
        assert!(again.is_some(), "a rewritten descriptor is one");
    }
    video(Codec::Vp9, input);
});

pub(super) const AV1: Target = target("av1", dependency_descriptors, |input| {
    let mut structure = None;
    // The second is read with the structure of the first.
    let middle = input.len() / 2;
    for part in [input, &input[..middle], &input[middle..]] {
        let _ = black_box(av1::Descriptor::parse(part, &mut structure));
        black_box(VideoFacts::parse(
            Codec::Av1,
            &[],
            Some(part),
            &mut structure,
        ));
        if let Some(structure) = &structure {
            for layer in 0..64 {
                black_box(structure.target_for(layer % 8, layer / 8));
                black_box(structure.is_subset(layer % 8, layer / 8));
            }
        }
        let mut element = part.to_vec();
        av1::Descriptor::rewrite_frame_number(&mut element, 77);
    }
});

pub(super) const H264: Target = target("h264", h264_payloads, |input| {
    black_box(h264::starts_key_frame(input));
    video(Codec::H264, input);
});

pub(super) const RED: Target = target("red", red_payloads, |input| {
    black_box(red::primary(input));
});

fn video(codec: Codec, payload: &[u8]) {
    black_box(VideoFacts::parse(codec, payload, None, &mut None));
}

const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80];

fn master_key(profile: Profile) -> MasterKey {
    MasterKey::new(profile, &[7; 16], &[9; 14][..profile.salt_length()]).expect("a key")
}

fn packet(extensions: &[(u8, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 1500];
    let fields = HeaderFields {
        payload_type: 100,
        marker: true,
        sequence_number: 65_530,
        timestamp: 90_000,
        ssrc: 0x1234_5678,
    };
    let length = write_header(&mut packet, &fields, extensions).expect("room");
    packet.truncate(length);
    packet.extend(payload);
    packet
}

fn rtp_packets() -> Vec<Vec<u8>> {
    let long = [1; 40];
    let mut padded = packet(&[(1, &[20])], &[5; 20]);
    padded[0] |= 0x20;
    padded.extend([0, 0, 3]);
    let mut contributed = packet(&[], &[5; 20]);
    contributed[0] |= 2;
    vec![
        packet(&[], &[0; 100]),
        packet(&[(1, &[20]), (5, &[0, 9])], &[1; 30]),
        packet(&[(3, &long), (200, &[])], &[1; 30]),
        padded,
        contributed,
    ]
}

fn rtcp_packets() -> Vec<Vec<u8>> {
    let (sender, media) = (Ssrc(1), Ssrc(2));
    let write = |write: fn(&mut RtcpWriter<'_>, Ssrc, Ssrc) -> Option<()>| {
        let mut buffer = vec![0; 1500];
        let mut writer = RtcpWriter::new(&mut buffer);
        let _ = writer.receiver_report(sender, &[]);
        write(&mut writer, sender, media).expect("room");
        let length = writer.len();
        buffer.truncate(length);
        buffer
    };
    // Feedback of eight packets, one lost: a run of "small delta", then a vector.
    let feedback = vec![
        0x8f, 205, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0, 8, 0, 1, 2, 3, 0x20, 7, 0xa0, 0, 1, 2, 3,
        4,
    ];
    vec![
        write(|writer, sender, _| writer.source_description(sender)),
        write(|writer, sender, media| {
            writer.picture_loss(sender, media)?;
            writer.goodbye(sender)
        }),
        write(|writer, sender, media| writer.full_intra_request(sender, media, 3)),
        write(|writer, sender, media| writer.nack(sender, media, &[1, 2, 9, 65_000])),
        write(|writer, sender, media| writer.receiver_estimate(sender, 900_000, &[media])),
        feedback,
    ]
}

fn stun_messages() -> Vec<Vec<u8>> {
    let key = IntegrityKey::new("a password of twenty-two").expect("a key");
    let builder = |class| Builder::new(class, &[3; 12]);
    let mut check = builder(Class::Request);
    check
        .username("receiver", "sender")
        .priority(1)
        .controlled(5)
        .use_candidate();
    let mut answer = builder(Class::Success);
    answer.xor_mapped_address(([203, 0, 113, 9], 4242).into());
    let mut far = builder(Class::Success);
    far.xor_mapped_address((std::net::Ipv6Addr::LOCALHOST, 1).into());
    let mut error = builder(Class::Error);
    error.error_code(487, "role conflict");
    let mut padded = builder(Class::Request);
    padded.software("twenty bytes of name");
    vec![
        check.finish(&key),
        answer.finish(&key),
        far.finish_unsigned(),
        error.finish(&key),
        padded.finish_unsigned(),
    ]
}

fn protected_packets() -> Vec<Vec<u8>> {
    type Protect = fn(&mut Protector, &mut [u8], usize) -> Result<usize, SrtpError>;
    let media = rtp_packets().into_iter();
    let control = rtcp_packets().into_iter();
    let plain: Vec<(Vec<u8>, Protect)> = media
        .map(|packet| (packet, Protector::protect_rtp as Protect))
        .chain(control.map(|packet| (packet, Protector::protect_rtcp as Protect)))
        .collect();
    let mut packets = Vec::new();
    for profile in PROFILES {
        for (mut packet, protect) in plain.clone() {
            let mut protector = Protector::new(profile, &master_key(profile)).expect("a key");
            let length = packet.len();
            packet.resize(length + MAX_OVERHEAD, 0);
            let protected = protect(&mut protector, &mut packet, length).expect("room");
            packet.truncate(protected);
            packets.push(packet);
        }
    }
    packets
}

fn vp8_payloads() -> Vec<Vec<u8>> {
    let frame = [0x10, 2, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1, 0x33, 0x33];
    let descriptors: [&[u8]; 4] = [
        &[0x10],
        &[0x90, 0xe0, 0x80, 5, 5, 0],
        &[0x90, 0x80, 0x05],
        &[0x00],
    ];
    let with_frame = |descriptor: &&[u8]| [*descriptor, &frame].concat();
    descriptors.iter().map(with_frame).collect()
}

fn vp9_payloads() -> Vec<Vec<u8>> {
    let payloads: [&[u8]; 4] = [
        &[0x8c, 0x80, 5, 1, 2],
        // Picture, layer, scalability structure with sizes and a picture group.
        &[
            0xae, 0x80, 5, 0x10, 7, 0x38, 2, 0x80, 1, 0x68, 2, 0x14, 1, 9,
        ],
        &[0xfc, 0x85, 0x20, 3, 1, 2],
        &[0x08, 1],
    ];
    payloads.iter().map(|payload| payload.to_vec()).collect()
}

fn dependency_descriptors() -> Vec<Vec<u8>> {
    let elements: [&[u8]; 4] = [
        // Start and end of a frame, template 0, frame 1.
        &[0xc0, 0, 1],
        // With a structure: three temporal layers of one spatial one.
        &[
            0xc0, 0, 1, 0x80, 0x02, 0x14, 0xea, 0xa8, 0x60, 0x41, 0x4d, 0x34, 0x13, 0x83, 0x84,
            0x4c,
        ],
        &[0x83, 0, 2, 0x40, 0x07],
        &[0x40, 0xff, 0xff, 0x60, 0x01, 0x02, 0x03, 0x04],
    ];
    elements.iter().map(|element| element.to_vec()).collect()
}

fn h264_payloads() -> Vec<Vec<u8>> {
    let payloads: [&[u8]; 4] = [
        &[0x67, 0x42, 0, 0x1f],
        // STAP-A of parameter sets, FU-A of a key frame's start and end.
        &[0x78, 0, 4, 0x67, 0x42, 0, 0x1f, 0, 2, 0x68, 0xce],
        &[0x7c, 0x85, 1, 2, 3],
        &[0x7c, 0x45, 1],
    ];
    payloads.iter().map(|payload| payload.to_vec()).collect()
}

fn red_payloads() -> Vec<Vec<u8>> {
    let mut payloads = none();
    payloads.push([&[0xef, 0x0f, 0, 4, 111][..], &[1, 2, 3, 4, 9, 9, 9]].concat());
    payloads.push([&[111][..], &[9; 40]].concat());
    payloads
}
