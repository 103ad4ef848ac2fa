//! A worker with real sockets and participants on the loopback interface.
#![expect(clippy::expect_used, reason = "tests name what must hold")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jitctl_bridge::media::{MediaSocket, WorkerConfig, WorkerHandle};
use jitctl_loopback::Participant;
use jitctl_media::engine::{ConferenceIndex, EndpointKey, Repeater};
use jitctl_media::identifiers::EndpointIndex;
use jitctl_media::rtp::HeaderFields;
use jitctl_media::transport::dtls::Identity;
use jitctl_media::transport::{Drop, LocalDescription, TransportEvent, TransportOptions};
use support::{PATIENCE, in_engine, turn_until, turn_until_joined, worker, workers};

fn key(conference: ConferenceIndex, endpoint: u32) -> EndpointKey {
    EndpointKey {
        conference,
        endpoint: EndpointIndex(endpoint),
    }
}

/// Joins `count` participants to a conference of their own.
fn call(worker: &WorkerHandle<Repeater>, count: u32, family: &str) -> Vec<Participant> {
    let conference = in_engine(worker, |engine, now| {
        engine.add_conference(now, Repeater::default())
    });
    let identity = Arc::new(Identity::generate().expect("a certificate"));
    (0..count)
        .map(|index| {
            let address = family.parse().expect("an address");
            let mut participant =
                Participant::bind(address, Arc::clone(&identity), true).expect("bound");
            let remote = participant.description(false);
            let description: LocalDescription = in_engine(worker, move |engine, now| {
                let key = key(conference, index);
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

fn media_reaches_everybody_else(worker: &WorkerHandle<Repeater>, family: &str) {
    let mut participants = call(worker, 3, family);
    turn_until_joined(&mut participants);
    let mut received = [0u32; 3];
    for round in 0..10u16 {
        for number in 0..5u16 {
            let fields = HeaderFields {
                payload_type: 96,
                marker: number == 4,
                sequence_number: 65_530u16.wrapping_add(round * 5 + number),
                timestamp: u32::from(round) * 3000,
                ssrc: 1234,
            };
            let length = if number == 4 { 300 } else { 1100 };
            participants[0]
                .send_rtp(&fields, &[], &[7; 1100][..length])
                .expect("connected");
        }
        let expected = u32::from(round + 1) * 5;
        let counts = &std::cell::RefCell::new(&mut received);
        turn_until(
            &mut participants,
            "media",
            |index, payload| {
                assert!(payload.iter().all(|byte| *byte == 7));
                counts.borrow_mut()[index] += 1;
            },
            |_| counts.borrow()[1] == expected && counts.borrow()[2] == expected,
        );
    }
    assert_eq!(received, [0, 50, 50]);
    participants[2]
        .send_message(Instant::now(), "{\"echo\":1}")
        .expect("open");
    turn_until(
        &mut participants,
        "the echo",
        |_, _| {},
        |participants| {
            participants[2].poll_event()
                == Some(TransportEvent::ChannelMessage("{\"echo\":1}".to_owned()))
        },
    );
}

#[test]
fn three_participants_join_and_one_is_heard_by_the_others() {
    let worker: WorkerHandle<Repeater> = worker("127.0.0.1:0", WorkerConfig::default());
    media_reaches_everybody_else(&worker, "127.0.0.1:0");
    let traffic = in_engine(&worker, |engine, _| engine.traffic());
    assert_eq!((traffic.packets_in, traffic.packets_out), (50, 100));
    assert!(traffic.runs_out <= 100);
}

#[test]
fn without_segmentation_and_with_waiting_the_same_arrives() {
    let config = WorkerConfig {
        without_segmentation: true,
        coalesce: Duration::from_millis(2),
    };
    let worker: WorkerHandle<Repeater> = worker("127.0.0.1:0", config);
    media_reaches_everybody_else(&worker, "127.0.0.1:0");
}

#[test]
fn workers_share_a_port_and_hand_over_what_is_not_theirs() {
    let workers = workers("127.0.0.1:0", WorkerConfig::default(), 2);
    // The kernel spreads the clients by their ports: of 12 calls with 3 clients each some arrive
    // at the wrong worker, whichever owns the call.
    for _ in 0..6 {
        for worker in &workers {
            media_reaches_everybody_else(worker, "127.0.0.1:0");
        }
    }
}

#[test]
fn a_port_in_use_is_not_shared_unknowingly() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address");
    assert!(MediaSocket::bind_group(address, 2).is_err());
}

#[test]
fn ipv6_works_alike() {
    let worker: WorkerHandle<Repeater> = worker("[::1]:0", WorkerConfig::default());
    media_reaches_everybody_else(&worker, "[::1]:0");
}

#[test]
fn strangers_are_dropped_and_counted() {
    let worker: WorkerHandle<Repeater> = worker("127.0.0.1:0", WorkerConfig::default());
    let mut participants = call(&worker, 2, "127.0.0.1:0");
    let bridge = participants[0].transport().description();
    drop(bridge);
    turn_until(
        &mut participants,
        "joining",
        |_, _| {},
        |participants| {
            participants
                .iter()
                .all(|participant| participant.transport().is_connected())
        },
    );
    let target = participants[0]
        .transport()
        .route()
        .expect("connected")
        .remote;
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
    let mut rtp = [0x80; 100];
    rtp[1] = 96;
    for datagram in [&rtp[..], &[22; 60], &[0; 20], &[99; 10]] {
        stranger.send_to(datagram, target).expect("sent");
    }
    let start = Instant::now();
    loop {
        let counters = in_engine(&worker, |engine, _| engine.counters());
        if counters.get(Drop::UnknownAddress) == 2
            && counters.get(Drop::MalformedStun) == 1
            && counters.get(Drop::NotMedia) == 1
        {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{counters:?}");
    }
}

#[test]
fn removed_endpoints_leave_nothing_behind() {
    let worker: WorkerHandle<Repeater> = worker("127.0.0.1:0", WorkerConfig::default());
    for _ in 0..3 {
        let mut participants = call(&worker, 2, "127.0.0.1:0");
        turn_until(
            &mut participants,
            "joining",
            |_, _| {},
            |participants| {
                participants
                    .iter()
                    .all(|participant| participant.transport().is_connected())
            },
        );
        let room = in_engine(&worker, |engine, now| {
            engine.remove_conference(now, ConferenceIndex(0)).is_some()
        });
        assert!(room, "the first index is used again and again");
    }
    assert!(in_engine(&worker, |engine, _| engine.poll_timeout()).is_none());
}
