//! Participants meet through a real Prosody, our focus and our bridge.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use jitctl_participant::{Entry, Leg, Participant, Profile, Video};
use support::World;

const LIMIT: Duration = Duration::from_secs(20);

fn profile(name: &str, layers: u8) -> Profile {
    Profile {
        name: name.to_owned(),
        speaking: true,
        video: Some(Video {
            layers,
            kilobits: 600,
        }),
        ..Profile::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_participants_see_hear_and_message_each_other() {
    let world = World::start(1).await;
    let mut ann = Participant::join(world.site(Entry::WebSocket), "room", profile("ann", 3));
    let mut bob = Participant::join(world.site(Entry::Xmpp), "room", profile("bob", 1));
    for participant in [&mut ann, &mut bob] {
        let reached = participant
            .wait_until(LIMIT, |progress| progress.missing().is_none())
            .await;
        if let Err(progress) = reached {
            let focus = world.focus("/debug").await;
            panic!("{progress:#?}\n{focus:#}");
        }
    }
    let bob_name = bob.report().await.endpoint;
    ann.send_message(&bob_name, "hello");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (ann, bob) = (ann.leave().await, bob.leave().await);
    assert_eq!(bob.endpoint_messages, ["hello"]);
    for (report, other) in [(&ann, &bob), (&bob, &ann)] {
        assert_eq!(report.bridge, ["127.0.0.1"]);
        let names: Vec<&str> = report.sources.iter().map(|s| s.name.as_str()).collect();
        let expected = [
            format!("{}-a0", other.endpoint),
            format!("{}-v0", other.endpoint),
        ];
        assert_eq!(names, expected, "{report:#?}");
        assert_eq!(report.lost(), 0, "{report:#?}");
        let [audio, video] = report.sources.as_slice() else {
            panic!("{report:#?}");
        };
        assert!(audio.packets > 100, "{report:#?}");
        assert!(video.packets > 50 && video.key_frames > 0, "{report:#?}");
        assert!(video.kilobits > 30.0, "{report:#?}");
    }
    world
        .until("nothing is left in the focus", async |world| {
            world.focus("/stats").await["participants"] == 0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bridge_the_signalling_leg_is_named() {
    let world = World::start(0).await;
    let mut ann = Participant::join(world.site(Entry::Xmpp), "room", profile("ann", 1));
    let mut bob = Participant::join(world.site(Entry::Xmpp), "room", profile("bob", 1));
    for participant in [&mut ann, &mut bob] {
        let progress = participant
            .wait_until(LIMIT, |progress| progress.signalling.is_some())
            .await
            .unwrap_err();
        assert!(progress.joined.is_some(), "{progress:?}");
        let trouble = progress.trouble.unwrap();
        assert_eq!(trouble.leg, Leg::Signalling);
        assert!(trouble.reason.contains("no bridge"), "{trouble}");
    }
    ann.leave().await;
    bob.leave().await;
}
