//! What clients are told over their bridge channels.

mod support;

use jitctl_media::channel::{ChannelMessage, EndpointMessage};
use jitctl_media::conference::EndpointDescription;
use support::World;

#[test]
fn connectivity_is_told_when_packets_stop_and_come_back() {
    let mut world = World::new();
    world.join();
    world.join();
    world.run(2_000);
    world.participants[1].up.loss = 1000;
    world.run(10_000);
    world.participants[1].up.loss = 0;
    world.run(2_000);
    let told: Vec<_> = world.participants[0]
        .messages
        .iter()
        .filter_map(|(_, message)| match message {
            ChannelMessage::EndpointConnectivityStatusChangeEvent { endpoint, active } => {
                Some((endpoint.clone(), active.clone()))
            }
            _ => None,
        })
        .collect();
    let id = world.id(1);
    assert_eq!(
        told,
        [(id.clone(), "false".to_owned()), (id, "true".to_owned())]
    );
    let counters = world.conference.counters();
    assert_eq!((counters.disconnected, counters.reconnected), (1, 1));
    assert!(world.timed_out.is_empty());
    world.participants[1].up.loss = 1000;
    world.run(62_000);
    assert_eq!(world.timed_out, [world.id(1)]);
}

#[test]
fn messages_name_their_real_sender_and_visitors_send_none() {
    let mut world = World::new();
    world.join();
    world.join();
    let visitor = world.join_as(
        EndpointDescription {
            is_visitor: true,
            ..EndpointDescription::new("visitor")
        },
        true,
    );
    let mut heard_by = |sender: usize, to: String| {
        for participant in &mut world.participants {
            participant.messages.clear();
        }
        let message = ChannelMessage::EndpointMessage(EndpointMessage {
            to,
            from: Some("somebody else".to_owned()),
            ..EndpointMessage::default()
        });
        let index = world.participants[sender].index;
        world
            .conference
            .handle_channel_message(world.now, index, message);
        world.run(10);
        let id = world.id(sender);
        let messages = world.participants.iter().map(|one| &one.messages);
        messages
            .map(|messages| {
                let mut senders = messages.iter().filter_map(|(_, message)| match message {
                    ChannelMessage::EndpointMessage(message) => Some(message.from.as_deref()),
                    _ => None,
                });
                senders.next().map(|from| from == Some(&id))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(heard_by(0, String::new()), [None, Some(true), Some(true)]);
    assert_eq!(heard_by(0, "abcd0001".to_owned()), [None, Some(true), None]);
    assert_eq!(heard_by(0, "nobody".to_owned()), [None; 3]);
    assert_eq!(heard_by(visitor, String::new()), [None; 3]);
}

#[test]
fn who_opens_a_channel_is_told_how_things_stand() {
    let mut world = World::new();
    for _ in 0..3 {
        world.join();
    }
    world.participants[1].client.loudness = 60;
    world.constrain(1, -1, 180, &[]);
    world.run(2_000);
    world.participants[2].up.loss = 1000;
    world.run(10_000);
    let told = |world: &mut World, happens: fn(&mut World)| {
        world.participants[0].messages.clear();
        happens(world);
        world.run(1);
        let messages = world.participants[0].messages.iter();
        messages
            .map(|(_, message)| message.clone())
            .collect::<Vec<_>>()
    };
    let messages = told(&mut world, |world| {
        let index = world.participants[0].index;
        world.conference.channel_opened(world.now, index);
    });
    for expected in [
        ChannelMessage::DominantSpeakerEndpointChangeEvent {
            dominant_speaker_endpoint: world.id(1),
            previous_speakers: Vec::new(),
            silence: false,
        },
        ChannelMessage::EndpointConnectivityStatusChangeEvent {
            endpoint: world.id(2),
            active: "false".to_owned(),
        },
        ChannelMessage::SenderSourceConstraints {
            source_name: world.video_name(0),
            max_height: 180,
        },
    ] {
        assert!(messages.contains(&expected), "{expected:?}: {messages:#?}");
    }
    let messages = told(&mut world, |world| {
        let index = world.participants[0].index;
        let hello = ChannelMessage::ClientHello {};
        world
            .conference
            .handle_channel_message(world.now, index, hello);
    });
    let hello = ChannelMessage::ServerHello { version: None };
    assert!(messages.contains(&hello), "{messages:#?}");
}
