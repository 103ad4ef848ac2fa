//! Sources that go and return, change what they show, are muted, or are spoken of by others.
#![expect(clippy::expect_used, reason = "tests name what must hold")]

mod support;

use jitctl_media::channel::{AudioMapping, ChannelMessage, ReceiverVideoConstraints};
use jitctl_media::conference::{ConferenceConfig, EndpointDescription};
use jitctl_media::identifiers::Ssrc;
use jitctl_media::rtcp::RtcpWriter;
use jitctl_media::source::{MediaKind, SourceDescription, VideoType};
use support::World;

fn state_sources(
    world: &mut World,
    position: usize,
    kind: MediaKind,
    sources: &[SourceDescription],
) {
    let index = world.participants[position].index;
    world
        .conference
        .set_sources(world.now, index, kind, sources.to_vec())
        .expect("sources of its own");
}

fn say(world: &mut World, position: usize, message: ChannelMessage) {
    let index = world.participants[position].index;
    world
        .conference
        .handle_channel_message(world.now, index, message);
}

/// Frames of `sender` that `receiver` showed in the last `span` milliseconds.
fn shown_lately(world: &World, receiver: usize, sender: usize, span: u64) -> usize {
    let now = world.milliseconds();
    let decoders = &world.participants[receiver].client.decoders;
    let decoder = decoders.get(&world.video_ssrc(sender));
    decoder.map_or(0, |decoder| decoder.shown_in(now - span, now).count())
}

#[test]
fn streams_of_sources_that_return_run_on() {
    let mut world = World::new();
    world.join();
    world.join();
    world.constrain(0, -1, 720, &[]);
    world.participants[1].client.loudness = 60;
    world.run(3_000);
    // Numbers of the largest encoding left, and silence was dropped: both differ from the sender's.
    world.participants[1].client.loudness = 0;
    world.run(1_000);
    world.participants[1].client.loudness = 60;
    world.participants[0].down.loss = 50;
    world.run(1_000);
    let all = world.participants[1].client.descriptions();
    for (kind, _) in &all {
        state_sources(&mut world, 1, *kind, &[]);
    }
    // Somebody else's come meanwhile.
    world.join();
    world.run(1_000);
    assert_eq!(shown_lately(&world, 0, 1, 500), 0);
    for (kind, sources) in &all {
        state_sources(&mut world, 1, *kind, sources);
    }
    world.run(1_000);
    assert!(shown_lately(&world, 0, 1, 700) > 15);
    // That no number is used twice, on streams of repairs neither, the world asserts.
    world.run(3_000);
    world.participants[0].down.loss = 0;
    world.run(1_000);
    assert!(shown_lately(&world, 0, 1, 1_000) > 25);
    let audio = world.participants[1].client.audio_ssrc();
    let packets = &world.participants[0].client.audio[&audio];
    let largest = packets
        .windows(2)
        .map(|pair| pair[1].1.wrapping_sub(pair[0].1));
    assert!(largest.max() < Some(5), "only the link left gaps");
}

#[test]
fn what_a_source_shows_changes_without_a_pause() {
    let mut world = World::new();
    world.join();
    world.join();
    world.constrain(0, -1, 720, &[]);
    world.run(3_000);
    let [_, (kind, mut sources)] = world.participants[1].client.descriptions();
    let keys = world.participants[1].client.key_frames_sent;
    sources[0].video_type = VideoType::Desktop;
    state_sources(&mut world, 1, kind, &sources);
    world.run(1_000);
    let decoder = world.participants[0].client.decoder(world.video_ssrc(1));
    assert!(decoder.longest_freeze(3_000, 4_000) < 80);
    assert_eq!(world.participants[1].client.key_frames_sent, keys);
    sources[0].video_type = VideoType::None;
    state_sources(&mut world, 1, kind, &sources);
    world.run(1_000);
    assert_eq!(shown_lately(&world, 0, 1, 800), 0);
}

#[test]
fn what_was_sent_under_a_forced_mute_stays_unseen_and_what_follows_comes_at_once() {
    let mut world = World::new();
    world.join();
    world.join();
    world.constrain(0, -1, 720, &[]);
    world.run(3_000);
    let index = world.participants[1].index;
    world.conference.set_force_mute(index, false, true);
    world.run(400);
    let shown = shown_lately(&world, 0, 1, 3_400);
    world.conference.set_force_mute(index, false, false);
    world.run(250);
    let decoder = world.participants[0].client.decoder(world.video_ssrc(1));
    // With a key frame, not with repairs of what was sent meanwhile.
    assert!(decoder.shown.get(shown).expect("a picture").key);
}

#[test]
fn a_last_n_alone_is_not_the_first_word_about_constraints() {
    let mut world = World::new();
    world.join();
    world.join();
    let index = world.participants[0].index;
    world.conference.set_initial_last_n(index, 0);
    say(
        &mut world,
        0,
        ChannelMessage::LastNChangedEvent { last_n: -1 },
    );
    world.run(1_000);
    assert_eq!(shown_lately(&world, 0, 1, 900), 0);
    let nothing_special = ReceiverVideoConstraints::default();
    say(
        &mut world,
        0,
        ChannelMessage::ReceiverVideoConstraints(nothing_special),
    );
    world.run(1_000);
    assert!(shown_lately(&world, 0, 1, 500) > 10);
}

#[test]
fn the_initial_last_n_holds_until_the_client_states_its_own() {
    let mut world = World::new();
    world.join();
    world.join();
    let index = world.participants[0].index;
    world.conference.set_initial_last_n(index, 0);
    let nothing_special = ReceiverVideoConstraints::default();
    say(
        &mut world,
        0,
        ChannelMessage::ReceiverVideoConstraints(nothing_special),
    );
    world.run(1_000);
    assert_eq!(shown_lately(&world, 0, 1, 900), 0);
    say(
        &mut world,
        0,
        ChannelMessage::LastNChangedEvent { last_n: -1 },
    );
    world.run(1_000);
    assert!(shown_lately(&world, 0, 1, 500) > 10);
}

#[test]
fn who_lost_the_transport_wants_nothing_of_others() {
    let mut world = World::new();
    world.join();
    world.join();
    world.constrain(1, -1, 720, &[]);
    world.run(1_000);
    let heights = |world: &World| -> Vec<i32> {
        let messages = world.participants[0].messages.iter();
        messages
            .filter_map(|(_, message)| match message {
                ChannelMessage::SenderSourceConstraints { max_height, .. } => Some(*max_height),
                _ => None,
            })
            .collect()
    };
    assert_eq!(heights(&world), [720]);
    let index = world.participants[1].index;
    for is_ready in [false, true] {
        world
            .conference
            .set_transport_ready(world.now, index, is_ready);
        world.run(100);
    }
    assert_eq!(heights(&world), [720, 0, 720]);
}

/// A meeting whose first participant gets others' media on one slot of each kind.
fn one_slot() -> World {
    let mut world = World::with(ConferenceConfig {
        seed: 3,
        video_slots: 1,
        audio_slots: 1,
        ..ConferenceConfig::default()
    });
    let description = EndpointDescription {
        ssrc_rewriting: true,
        ..EndpointDescription::new("receiver")
    };
    world.join_as(description, true);
    world
}

#[test]
fn a_source_map_names_the_owner_whatever_the_source_is_called() {
    let mut world = one_slot();
    world.join();
    let [(kind, mut sources), _] = world.participants[1].client.descriptions();
    sources[0].name = "microphone".into();
    state_sources(&mut world, 1, kind, &sources);
    world.participants[1].client.loudness = 60;
    world.run(500);
    let told = world.participants[0].messages.iter();
    let told: Vec<AudioMapping> = told
        .filter_map(|(_, message)| match message {
            ChannelMessage::AudioSourcesMap { mapped_sources } => Some(mapped_sources.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].owner, world.id(1));
}

#[test]
fn what_was_asked_of_the_last_source_of_a_slot_does_not_hold_up_the_next() {
    let mut world = one_slot();
    world.join();
    world.join();
    let names = [world.video_name(1), world.video_name(2)];
    world.constrain(0, 1, 180, &[&names[0]]);
    world.run(2_000);
    let ssrc = *world.participants[0]
        .client
        .decoders
        .keys()
        .next()
        .expect("a stream");
    // Else the next source begins with a key frame of its own accord.
    world.ignore_sender_constraints = true;
    world.participants[2].client.max_height = -1;
    for _ in 0..8 {
        let mut buffer = [0; 12];
        let mut writer = RtcpWriter::new(&mut buffer);
        writer.picture_loss(Ssrc(1), Ssrc(ssrc)).expect("room");
        let index = world.participants[0].index;
        world
            .conference
            .handle_rtcp(world.now, index, &buffer, &mut world.egress);
        world.run(230);
    }
    world.constrain(0, 1, 180, &[&names[1]]);
    let from = world.milliseconds();
    world.run(500);
    let decoder = world.participants[0].client.decoder(ssrc);
    let first = decoder.shown.iter().find(|frame| frame.sender == 2);
    let waited = first.expect("a picture").milliseconds - from;
    assert!(waited < 200, "{waited}");
}

#[test]
fn a_sender_that_stops_its_largest_encoding_is_followed_at_once() {
    let mut world = World::new();
    world.join();
    world.join();
    world.constrain(0, -1, 720, &[]);
    world.run(4_000);
    let decoder = world.participants[0].client.decoder(world.video_ssrc(1));
    assert!(
        decoder
            .shown_in(3_000, 4_000)
            .all(|frame| frame.encoding == 2)
    );
    // As browsers do when their way up narrows.
    world.ignore_sender_constraints = true;
    world.participants[1].client.max_height = 360;
    world.run(3_000);
    world.participants[1].client.max_height = 720;
    world.run(4_000);
    let decoder = world.participants[0].client.decoder(world.video_ssrc(1));
    let pause = decoder.longest_freeze(3_500, 10_500);
    assert!(pause < 500, "{pause}");
    assert!(
        decoder
            .shown_in(5_000, 7_000)
            .all(|frame| frame.encoding == 1)
    );
    assert!(
        decoder
            .shown_in(10_000, 11_000)
            .all(|frame| frame.encoding == 2)
    );
}
