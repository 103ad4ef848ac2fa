//! A call, and people in one room, through a real Prosody.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use jitctl_participant::{CallOptions, Entry, LoadOptions, Video, call, load};
use support::{World, get};

fn options(rooms: u32, people: u32) -> LoadOptions {
    LoadOptions {
        rooms,
        people,
        video: 1,
        camera: Video {
            layers: 1,
            kilobits: 100,
        },
        duration: Duration::from_secs(2),
        spacing: Duration::from_millis(20),
        prefix: String::from("load"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_two_is_good_on_every_leg() {
    let world = World::start(1).await;
    let outcome = call(
        // No web server here that answers conference requests over HTTP.
        world.site(Entry::Xmpp),
        "check",
        CallOptions::default(),
    )
    .await;
    assert!(outcome.is_good(), "{outcome:#?}");
    assert!(outcome.legs.iter().all(|leg| leg.milliseconds.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_join_one_room_and_leave_without_a_trace() {
    let world = World::start(1).await;
    let report = load(world.site(Entry::WebSocket), &options(1, 8), |_, _| {}).await;
    assert_eq!(report.failures, std::collections::BTreeMap::new());
    assert_eq!((report.good, report.complete), (8, 8), "{report:#?}");
    world
        .until("focus and bridge are empty again", async |world| {
            let focus = world.focus("/stats").await;
            let bridge = get(world.bridge_ports[0], "/colibri/stats").await;
            focus["participants"] == 0
                && focus["conferences"] == 0
                && bridge["participants"] == 0
                && bridge["conferences"] == 0
        })
        .await;
}
