//! What a participant may send without harming the others, and what churn leaves behind.
#![expect(
    clippy::cast_possible_truncation,
    reason = "random numbers are drawn below small bounds"
)]

mod support;

use jitctl_media::channel::ChannelMessage;
use jitctl_media::conference::EndpointDescription;
use jitctl_media::identifiers::Ssrc;
use jitctl_media::source::{MediaKind, SourceDescription};
use support::World;

struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Flips, cuts, extends.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.next(6) {
        match random.next(8) {
            0 => bytes.truncate(random.next(bytes.len() + 1)),
            1 => bytes.extend(std::iter::repeat_n(random.next(256) as u8, random.next(30))),
            _ if bytes.is_empty() => {}
            _ => {
                // Headers are where the parsers are.
                let position = random.next(bytes.len().min(48));
                bytes[position] = random.next(256) as u8;
            }
        }
    }
}

#[test]
fn mutated_packets_of_one_participant_do_not_disturb_the_others() {
    let mut world = World::new();
    for _ in 0..3 {
        let position = world.join();
        world.participants[position].client.loudness = 50;
    }
    for position in 0..2 {
        world.constrain(position, -1, 360, &[]);
    }
    world.run(2_000);
    let mut random = Random(0x1234_5678_9abc_def1);
    let hostile = world.participants[2].index;
    let mut templates = vec![];
    for _ in 0..60 {
        world.now += std::time::Duration::from_millis(1);
        templates.extend(world.participants[2].client.produce(world.now));
    }
    // The hostile one's own streams may break; nobody needs to decode them.
    world.undecoded = world.participants[2].client.video_ssrcs();
    for round in 0..2_000 {
        for _ in 0..10 {
            let mut datagram = templates[random.next(templates.len())].clone();
            mutate(&mut random, &mut datagram.bytes);
            if datagram.is_rtcp || random.next(5) == 0 {
                world.conference.handle_rtcp(
                    world.now,
                    hostile,
                    &datagram.bytes,
                    &mut world.egress,
                );
            } else {
                world.conference.handle_rtp(
                    world.now,
                    hostile,
                    &mut datagram.bytes,
                    &mut world.egress,
                );
            }
        }
        world.participants[2].client.sends_video = false;
        world.participants[2].client.sends_audio = false;
        if round % 2 == 0 {
            world.run(3);
        }
    }
    let end = world.participants[0]
        .client
        .decoder(world.video_ssrc(1))
        .last_progress;
    let decoder = world.participants[0].client.decoder(world.video_ssrc(1));
    assert!(
        decoder.longest_freeze(1_000, end) < 300,
        "{}",
        decoder.longest_freeze(1_000, end)
    );
    assert!(end > 4_500, "{end}");
    let counters = world.conference.counters();
    assert!(counters.malformed > 100, "{counters:?}");
    assert!(counters.unknown_ssrc > 100, "{counters:?}");
}

#[test]
fn joins_and_leaves_leave_nothing_behind() {
    let mut world = World::new();
    world.join();
    world.constrain(0, -1, 180, &[]);
    let now = world.now;
    let churn = |world: &mut World, round: u32| {
        let id = format!("guest{round}");
        let index = world
            .conference
            .create_endpoint(now, EndpointDescription::new(id.as_str()))
            .unwrap();
        let client = support::client::Client::new(&id, 50, now, true);
        world
            .conference
            .add_media(index, &support::browser_media(true))
            .unwrap();
        for (kind, sources) in client.descriptions() {
            world
                .conference
                .set_sources(now, index, kind, sources)
                .unwrap();
        }
        world.conference.set_transport_ready(now, index, true);
        world.conference.handle_timeout(
            now + std::time::Duration::from_millis(u64::from(round) * 15),
            &mut world.egress,
        );
        world.conference.expire_endpoint(now, index);
        while world.conference.poll_event().is_some() {}
        world.egress.0.clear();
    };
    for round in 0..50 {
        churn(&mut world, round);
    }
    let measured = allocation_counter::measure(|| {
        for round in 50..10_000 {
            churn(&mut world, round);
        }
    });
    assert!(
        measured.bytes_current < 64 * 1024,
        "{} bytes kept",
        measured.bytes_current
    );
    assert_eq!(world.conference.endpoint_count(), 1);
}

#[test]
fn nobody_can_say_what_the_source_of_another_shows() {
    let mut world = World::new();
    let says = |world: &mut World, position: usize, name: &str, video_type: &str| {
        let message = ChannelMessage::SourceVideoTypeMessage {
            source_name: name.to_owned(),
            video_type: video_type.to_owned(),
            endpoint_id: None,
        };
        let index = world.participants[position].index;
        world
            .conference
            .handle_channel_message(world.now, index, message);
    };
    let hostile = world.join();
    // Before the other one is there, with all the room such messages have, and afterwards.
    says(&mut world, hostile, "abcd0001-v0", "none");
    for guess in 0..1_000 {
        says(&mut world, hostile, &format!("guess{guess}-v0"), "none");
    }
    let shown = world.join();
    assert_eq!(world.video_name(shown), "abcd0001-v0");
    says(&mut world, hostile, "abcd0001-v0", "none");
    world.constrain(hostile, -1, 180, &[]);
    world.run(2_000);
    let ssrc = world.video_ssrc(shown);
    let frames = world.participants[hostile].client.decoder(ssrc).shown.len();
    assert!(frames > 30, "{frames}");

    // What somebody says of an own source holds, also before it is signalled.
    says(&mut world, shown, "abcd0001-v1", "desktop");
    let [_, (kind, mut sources)] = world.participants[shown].client.descriptions();
    let screen = [Ssrc(0x7000_0001)];
    sources.push(SourceDescription::from_groups(
        "abcd0001-v1".into(),
        kind,
        &screen,
        &[],
        &[],
    ));
    let owner = world.participants[shown].index;
    world
        .conference
        .set_sources(world.now, owner, kind, sources)
        .unwrap();
    let snapshot = world.conference.snapshot(world.now).to_string();
    assert!(snapshot.contains(r#""video_type":"desktop""#), "{snapshot}");
}

#[test]
fn a_source_may_not_take_anothers_name_or_ssrc() {
    use jitctl_media::conference::ConferenceError;

    let mut world = World::new();
    world.join();
    world.join();
    let [_, (_, stolen)] = world.participants[0].client.descriptions();
    let thief = world.participants[1].index;
    let result = world
        .conference
        .set_sources(world.now, thief, MediaKind::Video, stolen.clone());
    assert!(
        matches!(result, Err(ConferenceError::NameInUse(_))),
        "{result:?}"
    );
    let mut renamed = stolen;
    renamed[0].name = "thief-v0".into();
    let result = world
        .conference
        .set_sources(world.now, thief, MediaKind::Video, renamed);
    assert!(
        matches!(result, Err(ConferenceError::SsrcInUse(_))),
        "{result:?}"
    );
}
