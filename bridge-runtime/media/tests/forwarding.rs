//! What participants of a meeting see and hear of each other.
#![expect(clippy::expect_used, reason = "tests name what must hold")]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jitctl_media::channel::{ChannelMessage, EndpointStats, ReceiverVideoConstraints};
use jitctl_media::codec::Codec;
use jitctl_media::conference::{
    ConferenceConfig, EndpointDescription, MediaDescription, PayloadType,
};
use jitctl_media::identifiers::EndpointIndex;
use jitctl_media::rtp::Header;
use jitctl_media::source::MediaKind;
use support::{OPUS, RTX, World};

fn forwarded_at(world: &World, position: usize) -> Vec<String> {
    let messages = &world.participants[position].messages;
    messages
        .iter()
        .rev()
        .find_map(|(_, message)| match message {
            ChannelMessage::ForwardedSources { forwarded_sources } => {
                Some(forwarded_sources.clone())
            }
            _ => None,
        })
        .unwrap_or_default()
}

#[test]
fn every_participant_sees_and_hears_every_other() {
    let mut world = three_cameras();
    world.run(1_000);
    for receiver in 0..3 {
        for sender in 0..3 {
            if sender == receiver {
                continue;
            }
            let (video, audio) = {
                let sender = &world.participants[sender].client;
                (sender.video_ssrcs()[0], sender.audio_ssrc())
            };
            let client = &world.participants[receiver].client;
            let decoder = client.decoder(video);
            assert!(decoder.shown_in(3_000, 4_000).count() >= 28);
            assert!(
                decoder
                    .shown
                    .iter()
                    .all(|frame| usize::from(frame.sender) == sender)
            );
            assert!(
                decoder
                    .shown_in(3_000, 4_000)
                    .all(|frame| frame.encoding == 2)
            );
            assert!(client.audio[&audio].len() > 180);
        }
    }
}

#[test]
fn a_key_frame_arrives_within_a_second_of_joining() {
    let mut world = World::new();
    world.join();
    world.join();
    world.constrain(0, -1, 720, &[]);
    world.constrain(1, -1, 720, &[]);
    world.run(5_000);
    let newcomer = world.join();
    world.constrain(newcomer, -1, 720, &[]);
    world.run(2_000);
    for sender in 0..2 {
        let decoder = world.participants[newcomer]
            .client
            .decoder(world.video_ssrc(sender));
        let first = decoder.shown[0];
        // The newcomer's clock starts when it joins.
        assert!(first.key && first.milliseconds < 1_000, "{first:?}");
    }
}

#[test]
fn no_video_is_sent_before_the_client_asked_for_any() {
    let mut world = World::new();
    world.join();
    world.join();
    world.run(2_000);
    assert!(world.participants[0].client.decoders.is_empty());
    assert!(forwarded_at(&world, 0).is_empty());
    // The limit of an older client is no wish yet, and leaves the first wish its default.
    let index = world.participants[0].index;
    let mut say = |message| {
        world
            .conference
            .handle_channel_message(world.now, index, message);
        world.run(2_000);
        !world.participants[0].client.decoders.is_empty()
    };
    assert!(!say(ChannelMessage::LastNChangedEvent { last_n: 1 }));
    let wish = ReceiverVideoConstraints::default();
    assert!(say(ChannelMessage::ReceiverVideoConstraints(wish)));
}

#[test]
fn layers_follow_the_constraints_without_a_freeze() {
    let mut world = World::new();
    world.join();
    world.join();
    world.constrain(0, -1, 720, &[]);
    world.run(3_000);
    world.constrain(0, -1, 180, &[]);
    world.run(3_000);
    world.constrain(0, -1, 360, &[]);
    world.run(3_000);
    let decoder = world.participants[0].client.decoder(world.video_ssrc(1));
    assert!(
        decoder
            .shown_in(2_000, 3_000)
            .all(|frame| frame.encoding == 2)
    );
    assert!(
        decoder
            .shown_in(4_500, 6_000)
            .all(|frame| frame.encoding == 0)
    );
    assert!(
        decoder
            .shown_in(8_000, 9_000)
            .all(|frame| frame.encoding == 1)
    );
    assert!(
        decoder.longest_freeze(1_000, 9_000) < 500,
        "{}",
        decoder.longest_freeze(1_000, 9_000)
    );
}

#[test]
fn senders_are_told_the_largest_height_anybody_wants() {
    let mut world = World::new();
    for _ in 0..3 {
        world.join();
    }
    let told = |world: &World, position: usize| {
        world.participants[position]
            .messages
            .iter()
            .filter_map(|(_, message)| match message {
                ChannelMessage::SenderSourceConstraints { max_height, .. } => Some(*max_height),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    world.run(100);
    assert_eq!(told(&world, 0), [0]);
    world.constrain(1, -1, 180, &[]);
    world.run(100);
    world.constrain(2, -1, 720, &[]);
    world.run(100);
    world.constrain(2, 0, 720, &[]);
    world.run(100);
    assert_eq!(told(&world, 0), [0, 180, 720, 180]);
}

#[test]
fn last_n_follows_the_speakers_and_clients_are_told() {
    let mut world = World::new();
    for _ in 0..4 {
        world.join();
    }
    world.constrain(0, 1, 180, &[]);
    world.participants[2].client.loudness = 80;
    world.run(3_000);
    assert_eq!(forwarded_at(&world, 0), [world.video_name(2)]);
    world.participants[2].client.loudness = 0;
    world.participants[3].client.loudness = 80;
    world.run(4_000);
    assert_eq!(forwarded_at(&world, 0), [world.video_name(3)]);
    let speakers: Vec<_> = world.participants[1]
        .messages
        .iter()
        .filter_map(|(_, message)| match message {
            ChannelMessage::DominantSpeakerEndpointChangeEvent {
                dominant_speaker_endpoint,
                ..
            } => Some(dominant_speaker_endpoint.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(speakers.last(), Some(&world.id(3)));
}

#[test]
fn the_bridge_limits_videos_by_the_size_of_the_conference() {
    let mut world = World::with(ConferenceConfig {
        last_n: Some(2),
        last_n_limits: vec![(4, 1)],
        ..ConferenceConfig::default()
    });
    for _ in 0..4 {
        world.join();
    }
    let newcomer = world.participants[3].index;
    world.constrain(0, -1, 180, &[]);
    world.run(3_000);
    assert_eq!(forwarded_at(&world, 0).len(), 1);
    world.conference.expire_endpoint(world.now, newcomer);
    world.run(3_000);
    assert_eq!(forwarded_at(&world, 0).len(), 2);
}

#[test]
fn statistics_of_a_participant_go_to_all_of_a_few_and_to_those_who_watch_of_many() {
    let mut world = World::new();
    for _ in 0..20 {
        world.join();
    }
    let sender = 19;
    let told = |world: &mut World| {
        let rest = serde_json::Map::new();
        let stats = ChannelMessage::EndpointStats(EndpointStats { from: None, rest });
        let index = world.participants[sender].index;
        for participant in &mut world.participants {
            participant.messages.clear();
        }
        world
            .conference
            .handle_channel_message(world.now, index, stats);
        world.run(10);
        let id = world.id(sender);
        let has_it = |message: &ChannelMessage| match message {
            ChannelMessage::EndpointStats(stats) => stats.from.as_deref() == Some(&id),
            _ => false,
        };
        let told = world.participants.iter().enumerate();
        told.filter(|(_, one)| one.messages.iter().any(|(_, message)| has_it(message)))
            .map(|(position, _)| position)
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&mut world), (0..sender).collect::<Vec<_>>());
    world.join();
    let wanted = world.video_name(sender);
    world.constrain(3, 1, 0, &[&wanted]);
    world.run(1_000);
    assert_eq!(told(&mut world), [3]);
}

#[test]
fn only_the_loudest_are_heard_where_that_is_asked_for() {
    let mut world = World::with(ConferenceConfig {
        loudest: Some(1),
        ..ConferenceConfig::default()
    });
    for loudness in [0, 100, 70, 40] {
        let position = world.join();
        world.participants[position].client.loudness = loudness;
    }
    world.run(1_000);
    let heard = |world: &World| {
        [1, 2, 3].map(|sender| {
            let ssrc = world.participants[sender].client.audio_ssrc();
            let packets = world.participants[0].client.audio.get(&ssrc);
            packets.map_or(0, Vec::len)
        })
    };
    let before = heard(&world);
    world.run(2_000);
    let gained: Vec<usize> = std::iter::zip(heard(&world), before)
        .map(|(now, before)| now - before)
        .collect();
    assert!(gained[0] > 80, "{gained:?}");
    assert_eq!(gained[1..], [0, 0]);
}

#[test]
fn silence_is_not_forwarded_and_leaves_no_gap() {
    let mut world = World::new();
    world.join();
    world.join();
    world.participants[1].client.loudness = 60;
    world.run(1_000);
    world.participants[1].client.loudness = 0;
    world.run(2_000);
    world.participants[1].client.loudness = 60;
    world.run(1_000);
    let audio = world.participants[1].client.audio_ssrc();
    let packets = &world.participants[0].client.audio[&audio];
    assert!(
        packets
            .windows(2)
            .all(|pair| pair[1].1.wrapping_sub(pair[0].1) == 1)
    );
    let in_silence = packets
        .iter()
        .filter(|(time, _)| (1_100..3_000).contains(time));
    assert_eq!(in_silence.count(), 0);
    assert!(packets.len() > 90);
}

#[test]
fn force_muted_media_is_dropped() {
    let mut world = World::new();
    world.join();
    world.join();
    world.participants[1].client.loudness = 60;
    world.constrain(0, -1, 180, &[]);
    let index = world.participants[1].index;
    world.conference.set_force_mute(index, true, true);
    world.run(2_000);
    let client = &world.participants[0].client;
    assert!(client.audio.is_empty());
    assert!(client.decoders.is_empty());
    assert!(world.conference.counters().refused > 50);
}

#[test]
fn visitors_receive_but_are_neither_seen_nor_heard() {
    let mut world = World::new();
    world.join();
    let visitor = world.join_as(
        EndpointDescription {
            is_visitor: true,
            ..EndpointDescription::new("visitor1")
        },
        true,
    );
    world.participants[0].client.loudness = 60;
    world.constrain(visitor, -1, 720, &[]);
    world.run(12_000);
    let video = world.video_ssrc(0);
    assert!(
        world.participants[visitor]
            .client
            .decoder(video)
            .shown
            .len()
            > 300
    );
    assert!(world.participants[0].client.audio.is_empty());
    assert!(world.participants[0].client.decoders.is_empty());
}

#[test]
fn spoofed_and_unknown_streams_are_dropped_and_counted() {
    let mut world = World::new();
    world.join();
    world.join();
    world.constrain(0, -1, 180, &[]);
    world.run(1_000);
    let before = world.conference.counters().unknown_ssrc;
    let spoofer = world.participants[1].index;
    let mut packet = vec![0x80, 100, 0, 1, 0, 0, 0, 0];
    packet.extend_from_slice(&world.video_ssrc(0).to_be_bytes());
    packet.extend_from_slice(&[0x90, 0xe0, 0x80, 1, 1, 0, 0, 0, 0]);
    let now = world.now;
    world
        .conference
        .handle_rtp(now, spoofer, &mut packet, &mut world.egress);
    world.conference.forward(now, &mut world.egress);
    assert!(world.egress.0.is_empty());
    assert_eq!(world.conference.counters().unknown_ssrc, before + 1);
}

#[test]
fn everything_of_an_endpoint_goes_when_it_leaves() {
    let mut world = World::new();
    for _ in 0..3 {
        world.join();
    }
    for position in 0..3 {
        world.constrain(position, -1, 180, &[]);
    }
    world.run(2_000);
    let leaver = world.participants[2].index;
    world.conference.expire_endpoint(world.now, leaver);
    world.run(500);
    assert_eq!(world.conference.endpoint_count(), 2);
    assert_eq!(forwarded_at(&world, 0), [world.video_name(1)]);
    let snapshot = world.conference.snapshot(world.now);
    assert_eq!(snapshot["sources"].as_array().unwrap().len(), 4);
    assert_eq!(snapshot["endpoints"].as_array().unwrap().len(), 2);
}

/// A meeting of three with running cameras, the same each time.
fn three_cameras() -> World {
    let mut world = World::new();
    for _ in 0..3 {
        world.join();
    }
    for position in 0..3 {
        world.participants[position].client.loudness = 60;
        world.constrain(position, -1, 720, &[]);
    }
    world.run(3_000);
    world
}

/// Sequence numbers, timestamps and payloads by receiver and SSRC.
type Streams = BTreeMap<(EndpointIndex, u32), Vec<(u16, u32, Vec<u8>)>>;

/// Sends two seconds of pictures into the conference and forwards after so many packets: what each
/// receiver got of each stream, in order.
fn forwarded_in_batches_of(packets: usize) -> Streams {
    let mut world = three_cameras();
    world.egress.0.clear();
    let mut waiting = 0;
    for _ in 0..2_000 {
        world.now += Duration::from_millis(1);
        for participant in &mut world.participants {
            for mut datagram in participant.client.produce(world.now) {
                if datagram.is_rtcp {
                    continue;
                }
                let bytes = &mut datagram.bytes;
                world
                    .conference
                    .handle_rtp(world.now, participant.index, bytes, &mut world.egress);
                waiting += 1;
                if waiting % packets == 0 {
                    world.conference.forward(world.now, &mut world.egress);
                }
            }
        }
    }
    world.conference.forward(world.now, &mut world.egress);
    assert_eq!(world.conference.waiting_bytes(), 0);
    let mut streams = Streams::new();
    for (receiver, datagram) in world.egress.0 {
        if datagram.is_rtcp {
            continue;
        }
        let header = Header::parse(&datagram.bytes).expect("a packet");
        let payload = datagram.bytes[header.length()..].to_vec();
        streams.entry((receiver, header.ssrc)).or_default().push((
            header.sequence_number,
            header.timestamp,
            payload,
        ));
    }
    streams
}

#[test]
fn redundant_audio_reaches_who_knows_it_and_is_stripped_for_others() {
    const RED: u8 = 63;
    let mut world = World::new();
    for _ in 0..3 {
        world.join();
    }
    let redundant = MediaDescription {
        kind: MediaKind::Audio,
        payload_types: vec![PayloadType::new(RED, Codec::Red)],
        extensions: vec![],
    };
    for participant in &world.participants[..2] {
        let media = std::slice::from_ref(&redundant);
        let added = world.conference.add_media(participant.index, media);
        added.expect("an endpoint");
    }
    // A block of three bytes that was sent before, then the primary one.
    let payload = [0x80 | OPUS, 0, 0, 3, OPUS, 1, 2, 3, 9, 8];
    let mut packet = vec![0x80, RED, 0, 7, 0, 0, 3, 192];
    packet.extend(world.participants[0].client.audio_ssrc().to_be_bytes());
    packet.extend(payload);
    let sender = world.participants[0].index;
    let (now, egress) = (world.now, &mut world.egress);
    world
        .conference
        .handle_rtp(now, sender, &mut packet, egress);
    let sent = world.egress.0.drain(..).map(|(receiver, datagram)| {
        let header = Header::parse(&datagram.bytes).expect("a packet");
        let payload = datagram.bytes[header.length()..].to_vec();
        (receiver, header.payload_type, payload)
    });
    let [one, other] = [1, 2].map(|position| world.participants[position].index);
    let expected = [(one, RED, payload.to_vec()), (other, OPUS, vec![9, 8])];
    assert_eq!(sent.collect::<Vec<_>>(), expected);
}

/// Where browsers begin to encrypt end to end: descriptors and frame headers stay clear.
const CLEAR_VIDEO: usize = 16;
const CLEAR_AUDIO: usize = 1;

#[test]
fn media_encrypted_end_to_end_passes_untouched_while_layers_are_followed() {
    let mut world = three_cameras();
    let mut noise = 1_u64;
    let mut sent = HashSet::new();
    let mut received = 0;
    for height in [720, 180, 360] {
        world.constrain(0, -1, height, &[]);
        for _ in 0..1_000 {
            world.now += Duration::from_millis(1);
            for participant in &mut world.participants {
                for mut datagram in participant.client.produce(world.now) {
                    let bytes = &mut datagram.bytes;
                    let index = participant.index;
                    if datagram.is_rtcp {
                        let egress = &mut world.egress;
                        world
                            .conference
                            .handle_rtcp(world.now, index, bytes, egress);
                        continue;
                    }
                    let header = Header::parse(bytes).expect("a packet");
                    // Repairs are of packets from before.
                    let sealed = match header.payload_type {
                        RTX => bytes.len(),
                        _ => header.length() + clear(&header),
                    };
                    for byte in &mut bytes[sealed..] {
                        noise = noise
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1);
                        *byte = (noise >> 56) as u8;
                    }
                    sent.insert(bytes[sealed..].to_vec());
                    let egress = &mut world.egress;
                    world.conference.handle_rtp(world.now, index, bytes, egress);
                }
            }
            world.conference.forward(world.now, &mut world.egress);
            world
                .conference
                .handle_timeout(world.now, &mut world.egress);
            for (receiver, datagram) in std::mem::take(&mut world.egress.0) {
                let client = &mut world.participants[receiver.as_usize()].client;
                client.consume(world.now, &datagram);
                if datagram.is_rtcp {
                    continue;
                }
                let header = Header::parse(&datagram.bytes).expect("a packet");
                let payload = &datagram.bytes[header.payload(&datagram.bytes).expect("a payload")];
                // What came before is not encrypted: probes are copies of it, too.
                let is_old = |payload: &[u8]| payload[9..].iter().all(|byte| *byte == 0x77);
                if header.payload_type != RTX && !payload.is_empty() && !is_old(payload) {
                    assert!(sent.contains(&payload[clear(&header)..]));
                    received += 1;
                }
            }
        }
        let end = world.milliseconds();
        let decoder = world.participants[0].client.decoder(world.video_ssrc(1));
        let encoding = [180, 360, 720].iter().position(|of| *of == height);
        let mut lately = decoder.shown_in(end - 300, end).map(|frame| frame.encoding);
        assert!(
            lately.all(|shown| Some(usize::from(shown)) == encoding),
            "{height}"
        );
    }
    assert!(received > 3_000, "{received}");
}

fn clear(header: &Header) -> usize {
    match header.payload_type {
        OPUS => CLEAR_AUDIO,
        _ => CLEAR_VIDEO,
    }
}

#[test]
fn packets_that_come_together_leave_as_if_each_had_come_alone() {
    let alone = forwarded_in_batches_of(1);
    // Pictures of two others and their sound, at each of three.
    assert_eq!(alone.len(), 12);
    assert!(alone.values().all(|packets| packets.len() > 90));
    for packets in [2, 7, 64] {
        let together = forwarded_in_batches_of(packets);
        assert!(together == alone, "{packets} at a time");
    }
}

#[test]
fn what_waits_of_a_source_that_goes_is_dropped() {
    let mut world = three_cameras();
    world.egress.0.clear();
    let leaver = world.participants[0].index;
    for _ in 0..100 {
        world.now += Duration::from_millis(1);
        for mut datagram in world.participants[0].client.produce(world.now) {
            if !datagram.is_rtcp {
                world.conference.handle_rtp(
                    world.now,
                    leaver,
                    &mut datagram.bytes,
                    &mut world.egress,
                );
            }
        }
    }
    assert!(world.conference.waiting_bytes() > 10_000);
    world.egress.0.clear();
    world.conference.expire_endpoint(world.now, leaver);
    world.conference.forward(world.now, &mut world.egress);
    assert!(world.egress.0.is_empty());
}
