//! Losses, reordering and late packets on either side of the bridge.

mod support;

use std::time::Duration;

use jitctl_media::cache::PacketStore;
use support::World;

/// Two participants, the first of whom watches the second.
fn watching() -> World {
    watching_over(Duration::from_millis(20))
}

/// The same with a way of this length to the watching one.
fn watching_over(delay: Duration) -> World {
    let mut world = World::new();
    world.join();
    world.join();
    let participant = &mut world.participants[0];
    participant.up.delay = delay;
    participant.down.delay = delay;
    world.constrain(0, -1, 720, &[]);
    world.run(2_000);
    world
}

fn assert_fluent(world: &World, from: u64, to: u64, largest_freeze: u64) {
    let decoder = world.participants[0].client.decoder(world.video_ssrc(1));
    let freeze = decoder.longest_freeze(from, to);
    assert!(freeze <= largest_freeze, "froze for {freeze} ms");
    let frames = decoder.shown_in(from, to).count() as u64;
    assert!(frames * 33 > (to - from) * 9 / 10, "only {frames} frames");
}

#[test]
fn losses_on_the_way_down_are_repaired_from_the_cache() {
    let mut world = watching();
    world.participants[0].down.loss = 100;
    world.run(10_000);
    world.participants[0].down.loss = 0;
    world.run(1_000);
    assert_fluent(&world, 2_000, 13_000, 400);
    let client = &world.participants[0].client;
    assert!(client.retransmissions > 50, "{}", client.retransmissions);
    let counters = world.conference.counters();
    assert!(counters.nack_misses * 20 < counters.nacked, "{counters:?}");
}

#[test]
fn losses_behind_a_long_way_are_repaired_from_the_cache() {
    let mut world = watching_over(Duration::from_millis(150));
    world.run(5_000);
    let before = world.conference.counters();
    world.participants[0].down.loss = 100;
    world.run(10_000);
    let counters = world.conference.counters();
    let nacked = counters.nacked - before.nacked;
    let misses = counters.nack_misses - before.nack_misses;
    assert!(nacked > 50, "{nacked}");
    assert!(misses * 20 < nacked, "{misses} of {nacked}");
}

#[test]
fn losses_on_the_way_up_are_asked_for_and_forwarded_late() {
    let mut world = watching();
    world.participants[1].up.loss = 100;
    world.run(10_000);
    world.participants[1].up.loss = 0;
    world.run(1_000);
    assert_fluent(&world, 2_000, 13_000, 700);
    assert!(world.participants[1].client.nacks_received > 50);
    assert!(world.conference.counters().retransmissions_received > 50);
}

#[test]
fn losses_on_both_sides_with_reordering_stay_watchable() {
    let mut world = watching();
    for position in 0..2 {
        let participant = &mut world.participants[position];
        participant.up.loss = 50;
        participant.down.loss = 50;
        participant.up.jitter = Duration::from_millis(15);
        participant.down.jitter = Duration::from_millis(15);
    }
    world.run(20_000);
    assert_fluent(&world, 2_000, 21_500, 1_000);
}

#[test]
fn reordering_alone_disturbs_nothing() {
    let mut world = watching();
    world.participants[1].up.jitter = Duration::from_millis(30);
    world.run(10_000);
    assert_fluent(&world, 2_000, 11_800, 200);
    assert_eq!(
        world.participants[0]
            .client
            .decoder(world.video_ssrc(1))
            .duplicates,
        0
    );
}

#[test]
fn layer_switches_under_loss_do_not_freeze() {
    let mut world = watching();
    world.participants[0].down.loss = 50;
    world.participants[1].up.loss = 50;
    world.participants[1].up.jitter = Duration::from_millis(10);
    world.ignore_sender_constraints = true;
    for round in 0..20 {
        world.constrain(0, -1, [180, 720, 360][round % 3], &[]);
        world.run(1_000);
    }
    let decoder = world.participants[0].client.decoder(world.video_ssrc(1));
    let freeze = decoder.longest_freeze(2_000, 21_500);
    assert!(freeze <= 1_000, "froze for {freeze} ms");
    for encoding in 0..3 {
        assert!(decoder.shown.iter().any(|frame| frame.encoding == encoding));
    }
}

#[test]
fn an_outage_ends_with_a_key_frame() {
    let mut world = watching();
    world.participants[0].down.loss = 1000;
    world.run(3_000);
    world.participants[0].down.loss = 0;
    world.participants[0]
        .client
        .decoders
        .get_mut(&video_ssrc_of_second())
        .unwrap()
        .wants_key_frame = true;
    world.run(3_000);
    let decoder = world.participants[0].client.decoder(world.video_ssrc(1));
    let first = decoder.shown_in(5_000, 8_000).next().unwrap();
    assert!(first.milliseconds < 5_600, "{first:?}");
}

/// SSRC of the second participant's camera in these worlds.
fn video_ssrc_of_second() -> u32 {
    20_000
}

#[test]
fn sender_reports_arrive_in_the_receivers_numbers() {
    let mut world = watching();
    world.run(5_000);
    let client = &world.participants[0].client;
    let ssrc = video_ssrc_of_second();
    let decoder = client.decoder(ssrc);
    let reports: Vec<_> = client
        .sender_reports
        .iter()
        .filter(|(time, reported, _)| *reported == ssrc && *time > 3_000)
        .collect();
    assert!(reports.len() >= 3);
    for (time, _, info) in reports {
        let frame = decoder.shown_in(time - 60, time + 60).next().unwrap();
        let difference = info.rtp_time.wrapping_sub(frame.timestamp).cast_signed();
        // Within a tenth of a second of the frame shown at that time.
        assert!(difference.abs() < 9_000, "{difference}");
        assert!(info.packets > 100);
    }
}

#[test]
fn the_round_trip_is_measured_from_reports() {
    let mut world = watching();
    world.participants[0].up.delay = Duration::from_millis(80);
    world.participants[0].down.delay = Duration::from_millis(80);
    world.run(40_000);
    let statistics = world
        .conference
        .endpoint_statistics(world.participants[0].index)
        .unwrap();
    let round_trip = statistics.round_trip_milliseconds;
    assert!((150..=170).contains(&round_trip), "{round_trip}");
}

#[test]
fn senders_get_reports_and_transport_feedback() {
    let mut world = watching();
    world.run(5_000);
    let client = &world.participants[1].client;
    assert!(
        (10..=16).contains(&client.receiver_reports),
        "{}",
        client.receiver_reports
    );
    assert!(
        client.transport_feedback > 60,
        "{}",
        client.transport_feedback
    );
}

/// Bytes kept of what the second participant sends.
fn kept(world: &mut World) -> u64 {
    let snapshot = world.conference.snapshot(world.now);
    let sources = snapshot["sources"].as_array();
    sources
        .into_iter()
        .flatten()
        .filter(|source| source["name"] == world.video_name(1))
        .filter_map(|source| source["store_bytes"].as_u64())
        .sum()
}

#[test]
fn what_nobody_gets_is_not_kept() {
    let mut world = watching();
    world.ignore_sender_constraints = true;
    world.run(5_000);
    let all = kept(&mut world);
    assert!(all > 50_000, "{all}");
    world.constrain(0, -1, 180, &[]);
    world.run(5_000);
    let lowest = kept(&mut world);
    assert!(lowest > 0 && lowest * 3 < all, "{lowest} of {all}");
    world.constrain(0, 0, 720, &[]);
    world.run(2_000);
    assert_eq!(kept(&mut world), 0);
    world.constrain(0, -1, 720, &[]);
    world.run(5_000);
    assert!(kept(&mut world) > 50_000);
}

#[test]
fn caches_stay_within_their_bounds() {
    let mut world = watching();
    world.run(20_000);
    let snapshot = world.conference.snapshot(world.now);
    for source in snapshot["sources"].as_array().unwrap() {
        let bytes = source["store_bytes"].as_u64().unwrap();
        let bound = 3 * (PacketStore::MOST_BYTES + 64 * 1024) as u64;
        assert!(bytes <= bound, "{bytes}");
    }
}
