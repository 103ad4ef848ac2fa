//! The real conference in a worker: audio and video from one participant to another, over sockets.
#![expect(clippy::expect_used, reason = "tests name what must hold")]

mod support;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use jitctl_bridge::media::{WorkerConfig, WorkerHandle};
use jitctl_loopback::Participant;
use jitctl_media::codec::Codec;
use jitctl_media::conference::{
    Conference, ConferenceConfig, EndpointDescription, MediaDescription, PayloadType,
};
use jitctl_media::engine::EndpointKey;
use jitctl_media::identifiers::{SourceName, Ssrc};
use jitctl_media::rtp::HeaderFields;
use jitctl_media::source::{MediaKind, SourceDescription};
use jitctl_media::transport::TransportOptions;
use jitctl_media::transport::dtls::Identity;
use support::{in_engine, turn_until, turn_until_joined, worker};

const AUDIO: u32 = 100;
const VIDEO: u32 = 200;

fn media() -> [MediaDescription; 2] {
    [
        MediaDescription {
            kind: MediaKind::Audio,
            payload_types: vec![PayloadType::new(111, Codec::Opus)],
            extensions: Vec::new(),
        },
        MediaDescription {
            kind: MediaKind::Video,
            payload_types: vec![PayloadType::new(96, Codec::Vp8)],
            extensions: Vec::new(),
        },
    ]
}

fn source(name: &str, kind: MediaKind, ssrc: u32) -> SourceDescription {
    SourceDescription::from_groups(SourceName::from(name), kind, &[Ssrc(ssrc)], &[], &[])
}

/// Participants in one conference; the first sends audio and video.
fn call<const COUNT: usize>(worker: &WorkerHandle<Conference>) -> Vec<Participant> {
    let conference = in_engine(worker, |engine, now| {
        engine.add_conference(now, Conference::new(now, ConferenceConfig::default()))
    });
    let identity = Arc::new(Identity::generate().expect("a certificate"));
    (0..COUNT)
        .map(|number| {
            let address = "127.0.0.1:0".parse().expect("an address");
            let mut participant =
                Participant::bind(address, Arc::clone(&identity), true).expect("bound");
            let remote = participant.description(false);
            let description = in_engine(worker, move |engine, now| {
                let endpoint = engine
                    .command(now, conference, |room, _| {
                        let endpoint = room
                            .create_endpoint(now, EndpointDescription::new(number.to_string()))
                            .expect("a new id");
                        room.add_media(endpoint, &media()).expect("known");
                        if number == 0 {
                            for (name, kind, ssrc) in [
                                ("first-a0", MediaKind::Audio, AUDIO),
                                ("first-v0", MediaKind::Video, VIDEO),
                            ] {
                                room.set_sources(
                                    now,
                                    endpoint,
                                    kind,
                                    vec![source(name, kind, ssrc)],
                                )
                                .expect("free");
                            }
                        }
                        endpoint
                    })
                    .expect("a conference");
                let key = EndpointKey {
                    conference,
                    endpoint,
                };
                let description = engine
                    .add_endpoint(now, key, TransportOptions::default())
                    .expect("an endpoint");
                engine.set_remote(now, key, remote).expect("usable");
                description
            });
            participant
                .join(Instant::now(), &description)
                .expect("joins");
            participant
        })
        .collect()
}

/// Asks for all pictures.
fn watch(participant: &mut Participant) {
    let constraints =
        r#"{"colibriClass":"ReceiverVideoConstraints","defaultConstraints":{"maxHeight":720}}"#;
    participant
        .send_message(Instant::now(), constraints)
        .expect("open");
}

/// A VP8 key frame of 640 x 360 in one packet, with picture identifier and temporal layer.
fn key_frame(picture: u8) -> Vec<u8> {
    let mut payload = vec![0x90, 0xE0, 0x80, picture, picture, 0x00];
    payload.extend([0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01]);
    payload.extend([0x33; 200]);
    payload
}

/// Bursts of more than is written before it is sent: what one receiver has been sent makes room for
/// the next, and nothing of it gets mixed up.
#[test]
fn bursts_for_many_arrive_whole_and_in_order() {
    const BURST: u16 = 100;
    const WANTED: usize = 1_500;
    let worker: WorkerHandle<Conference> = worker("127.0.0.1:0", WorkerConfig::default());
    let mut participants = call::<6>(&worker);
    turn_until_joined(&mut participants);
    for receiver in &mut participants[1..] {
        watch(receiver);
    }
    let received = &std::cell::RefCell::new(vec![Vec::new(); 6]);
    let mut number = 0u16;
    turn_until(
        &mut participants,
        "all bursts",
        |index, payload| {
            let (count, filling) = payload[16..].split_first_chunk().expect("a burst's packet");
            let count = u16::from_be_bytes(*count);
            assert_eq!(filling, [count.to_be_bytes()[1]; 1_100]);
            received.borrow_mut()[index].push(count);
        },
        |participants| {
            // The worker looks at nothing until the whole burst is there.
            let (release, held) = channel::<()>();
            worker
                .run(move |_, _| {
                    let _ = held.recv();
                })
                .expect("the worker runs");
            for _ in 0..BURST {
                number += 1;
                let fields = HeaderFields {
                    payload_type: 96,
                    marker: true,
                    sequence_number: number,
                    timestamp: u32::from(number) * 3_000,
                    ssrc: VIDEO,
                };
                let low = number.to_be_bytes()[1];
                let mut frame = key_frame(low);
                frame.truncate(16);
                frame.extend(number.to_be_bytes());
                frame.extend([low; 1_100]);
                participants[0]
                    .send_rtp(&fields, &[], &frame)
                    .expect("sent");
            }
            drop(release);
            let received = received.borrow();
            received[1..].iter().all(|packets| packets.len() >= WANTED)
        },
    );
    for packets in &received.borrow()[1..] {
        assert!(packets.is_sorted_by(|one, next| one < next));
    }
}

#[test]
fn audio_flows_at_once_and_video_when_it_is_asked_for() {
    let worker: WorkerHandle<Conference> = worker("127.0.0.1:0", WorkerConfig::default());
    let mut participants = call::<2>(&worker);
    turn_until_joined(&mut participants);
    watch(&mut participants[1]);

    let (mut audio, mut video) = (0u32, 0u32);
    let mut number = 0u16;
    let counts = &std::cell::RefCell::new((&mut audio, &mut video));
    turn_until(
        &mut participants,
        "audio and video",
        |index, payload| {
            assert_eq!(index, 1, "only the second receives");
            let mut counts = counts.borrow_mut();
            match payload.last() {
                Some(0x22) => *counts.0 += 1,
                Some(0x33) => *counts.1 += 1,
                other => panic!("payload ends in {other:?}"),
            }
        },
        |participants| {
            number += 1;
            let fields = |payload_type, ssrc, clock: u32| HeaderFields {
                payload_type,
                marker: true,
                sequence_number: number,
                timestamp: u32::from(number) * clock,
                ssrc,
            };
            participants[0]
                .send_rtp(&fields(111, AUDIO, 960), &[], &[0x22; 80])
                .expect("sent");
            let frame = key_frame(number.to_be_bytes()[1]);
            participants[0]
                .send_rtp(&fields(96, VIDEO, 3000), &[], &frame)
                .expect("sent");
            let counts = counts.borrow();
            *counts.0 >= 20 && *counts.1 >= 20
        },
    );
}
