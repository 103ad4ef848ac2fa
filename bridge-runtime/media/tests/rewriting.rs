//! SSRC rewriting: bounded streams that sources take turns in.

mod support;

use jitctl_media::channel::{ChannelMessage, VideoMapping};
use jitctl_media::conference::{ConferenceConfig, EndpointDescription};
use support::World;

fn rewriting_receiver(world: &mut World) -> usize {
    world.join_as(
        EndpointDescription {
            ssrc_rewriting: true,
            mid_demux: true,
            ..EndpointDescription::new("receiver")
        },
        true,
    )
}

fn video_maps(world: &World, position: usize) -> Vec<VideoMapping> {
    world.participants[position]
        .messages
        .iter()
        .filter_map(|(_, message)| match message {
            ChannelMessage::VideoSourcesMap { mapped_sources } => Some(mapped_sources.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

#[test]
fn sources_arrive_on_mapped_streams_with_their_media_line() {
    let mut world = World::new();
    let receiver = rewriting_receiver(&mut world);
    for _ in 0..2 {
        let position = world.join();
        world.participants[position].client.loudness = 60;
    }
    world.constrain(receiver, -1, 360, &[]);
    world.run(3_000);
    let maps = video_maps(&world, receiver);
    assert_eq!(maps.len(), 2);
    let client = &world.participants[receiver].client;
    for mapping in &maps {
        let sender = (1..3)
            .find(|p| world.video_name(*p) == mapping.source)
            .unwrap();
        let decoder = client.decoder(mapping.ssrc);
        assert!(decoder.shown.len() > 60);
        assert!(
            decoder
                .shown
                .iter()
                .all(|frame| usize::from(frame.sender) == sender)
        );
        assert_eq!(client.mids.get(&mapping.ssrc), mapping.mid.as_ref());
        assert_eq!(mapping.owner, world.id(sender));
    }
    assert_eq!(client.audio.len(), 2);
    let audio: Vec<_> = world.participants[receiver]
        .messages
        .iter()
        .filter_map(|(_, message)| match message {
            ChannelMessage::AudioSourcesMap { mapped_sources } => Some(mapped_sources.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(audio.len(), 2);
    for mapping in audio {
        assert!(client.audio.contains_key(&mapping.ssrc));
        assert_eq!(client.mids.get(&mapping.ssrc), mapping.mid.as_ref());
    }
}

#[test]
fn a_slot_changes_hands_and_its_stream_runs_on() {
    let mut world = World::with(ConferenceConfig {
        seed: 3,
        video_slots: 1,
        audio_slots: 1,
        ..ConferenceConfig::default()
    });
    let receiver = rewriting_receiver(&mut world);
    for _ in 0..3 {
        world.join();
    }
    let mut expected = vec![];
    for round in 0..6 {
        let position = 1 + round % 3;
        let name = world.video_name(position);
        world.constrain(receiver, 1, 180, &[&name]);
        world.run(2_000);
        expected.push(name);
    }
    let maps = video_maps(&world, receiver);
    let names: Vec<_> = maps.iter().map(|mapping| mapping.source.clone()).collect();
    assert_eq!(names, expected);
    assert!(
        maps.windows(2)
            .all(|pair| pair[0].ssrc == pair[1].ssrc && pair[0].rtx == pair[1].rtx)
    );
    let client = &world.participants[receiver].client;
    assert_eq!(client.decoders.len(), 1);
    let decoder = client.decoder(maps[0].ssrc);
    for (round, name) in expected.iter().enumerate() {
        let from = round as u64 * 2_000 + 600;
        let sender = (1..4).find(|p| world.video_name(*p) == *name).unwrap();
        assert!(decoder.shown_in(from, from + 1_400).count() > 35);
        assert!(
            decoder
                .shown_in(from, from + 1_400)
                .all(|frame| usize::from(frame.sender) == sender)
        );
    }
    assert!(decoder.longest_freeze(1_000, 12_000) < 700);
}

#[test]
fn losses_are_repaired_on_mapped_streams() {
    let mut world = World::new();
    let receiver = rewriting_receiver(&mut world);
    world.join();
    world.constrain(receiver, -1, 720, &[]);
    world.run(1_000);
    world.participants[receiver].down.loss = 50;
    world.run(8_000);
    let mapping = &video_maps(&world, receiver)[0];
    let client = &world.participants[receiver].client;
    assert!(client.retransmissions > 20);
    assert!(client.decoder(mapping.ssrc).longest_freeze(1_000, 8_800) < 400);
}

#[test]
fn an_open_channel_is_told_the_whole_table() {
    let mut world = World::new();
    let receiver = rewriting_receiver(&mut world);
    world.join();
    world.join();
    world.constrain(receiver, -1, 180, &[]);
    world.run(1_000);
    let before = video_maps(&world, receiver);
    let index = world.participants[receiver].index;
    world.participants[receiver].messages.clear();
    world.conference.channel_opened(world.now, index);
    world.run(5);
    assert_eq!(video_maps(&world, receiver), before);
}

#[test]
fn more_speakers_than_slots_do_not_take_them_from_each_other() {
    let mut world = World::with(ConferenceConfig {
        seed: 3,
        audio_slots: 2,
        ..ConferenceConfig::default()
    });
    let receiver = rewriting_receiver(&mut world);
    for _ in 0..4 {
        let position = world.join();
        world.participants[position].client.loudness = 60;
    }
    world.run(4_000);
    let maps = |world: &World| -> Vec<String> {
        let messages = world.participants[receiver].messages.iter();
        messages
            .filter_map(|(_, message)| match message {
                ChannelMessage::AudioSourcesMap { mapped_sources } => {
                    Some(mapped_sources[0].source.clone())
                }
                _ => None,
            })
            .collect()
    };
    // Two slots, and maybe one for whoever became the dominant speaker.
    assert!(maps(&world).len() <= 3, "{:?}", maps(&world));
    let all: usize = world.participants[receiver]
        .client
        .audio
        .values()
        .map(Vec::len)
        .sum();
    assert!(all > 350, "{all}");
    // Who speaks up gets a slot although the others go on.
    let silent = (1..5).find(|p| !maps(&world).contains(&format!("{}-a0", world.id(*p))));
    let silent = silent.expect("somebody without a slot");
    for other in 1..5 {
        world.participants[other].client.loudness = if other == silent { 120 } else { 20 };
    }
    world.run(4_000);
    assert_eq!(
        maps(&world).last(),
        Some(&format!("{}-a0", world.id(silent)))
    );
}
