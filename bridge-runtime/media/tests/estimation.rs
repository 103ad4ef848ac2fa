//! The downlink estimate on simulated links. The whole table: `cargo run --example convergence`.

mod support;

use support::estimation::{meeting, on_steps, on_sudden_cap};

#[test]
fn the_estimate_converges_on_a_fixed_link_without_overshoot() {
    let run = on_steps("fixed", 1, 0, &[(1_000, 30)]);
    assert!((600..=1_050).contains(&run.estimate), "{run:?}");
    assert!(run.seconds.is_some_and(|seconds| seconds < 5.0), "{run:?}");
    assert!(run.freeze < 1_000, "{run:?}");
}

#[test]
fn the_estimate_follows_a_link_that_narrows() {
    let run = on_steps("down", 3, 0, &[(3_000, 20), (1_000, 20)]);
    assert!((500..=1_050).contains(&run.estimate), "{run:?}");
    assert!(run.seconds.is_some_and(|seconds| seconds < 5.0), "{run:?}");
}

#[test]
fn a_picture_survives_the_collapse_of_a_link() {
    for steps in [[(2_000, 15), (300, 15)], [(3_000, 15), (1_000, 15)]] {
        let run = on_steps("collapse", 2, 0, &steps);
        assert!(run.freeze < 1_000, "{run:?}");
        assert!(run.seconds.is_some_and(|seconds| seconds < 5.0), "{run:?}");
    }
}

#[test]
fn a_picture_survives_a_cap_far_below_an_estimate_that_was_never_used() {
    for (height, capacity) in [(360, 300), (720, 1_000)] {
        let run = on_sudden_cap("sudden", height, capacity);
        assert!(run.freeze < 600, "{run:?}");
        assert!(run.seconds.is_some_and(|seconds| seconds < 1.0), "{run:?}");
        assert!(run.estimate > capacity * 7 / 10, "{run:?}");
    }
}

#[test]
fn sound_has_its_place_on_a_link_that_is_just_enough() {
    // The lowest layer, two voices and what surrounds them fit: 300 of 330 kbit/s.
    let mut world = meeting(2);
    world.participants[0].down.rate = 330_000;
    world.run(10_000);
    let dropped = world.participants[0].down.dropped;
    world.run(20_000);
    let client = &world.participants[0].client;
    let first = client.decoder(world.video_ssrc(1));
    let freeze = first.longest_freeze(10_000, 29_800);
    assert!(freeze < 1_000, "{freeze} ms");
    let lost = world.participants[0].down.dropped - dropped;
    assert!(lost < 40, "{lost} of 20 s are lost in the queue");
}

#[test]
fn the_estimate_follows_a_link_that_widens() {
    let run = on_steps("up", 3, 0, &[(500, 20), (2_500, 30)]);
    assert!((1_500..=2_700).contains(&run.estimate), "{run:?}");
    assert!(run.seconds.is_some_and(|seconds| seconds < 10.0), "{run:?}");
}

#[test]
fn two_receivers_share_a_link_without_starving_each_other() {
    let rows = support::estimation::on_shared_link(3_000);
    let total = rows[0].received + rows[1].received;
    assert!((1_800..=3_100).contains(&total), "{rows:?}");
    for row in &rows {
        assert!(row.received * 4 > total, "{rows:?}");
    }
}

#[test]
fn flows_that_share_a_link_do_not_keep_its_queue_full() {
    let freezes = support::estimation::freezes_on_shared_links((2_600..=3_400).step_by(200));
    let mean = freezes.iter().sum::<u64>() / freezes.len() as u64;
    assert!(mean < 400, "{freezes:?}");
    let long = freezes.iter().filter(|freeze| **freeze > 1_000).count();
    assert!(long <= 1, "{freezes:?}");
}

#[test]
fn a_flow_that_fills_its_queue_does_not_drive_the_picture_away() {
    let row = support::estimation::beside_tcp();
    assert!(row.received > 150, "{row:?}");
    assert!(row.freeze < 1_000, "{row:?}");
}

#[test]
fn random_loss_does_not_starve_a_link() {
    let run = on_steps("lossy", 2, 50, &[(1_000, 30)]);
    assert!((650..=1_100).contains(&run.estimate), "{run:?}");
    assert!(run.received > 600, "{run:?}");
}

#[test]
fn an_unlimited_link_lets_everything_through_and_probing_stops() {
    let mut world = meeting(3);
    world.run(20_000);
    let index = world.participants[0].index;
    let statistics = world.conference.endpoint_statistics(index).unwrap();
    assert!(
        statistics.estimated_bandwidth.unwrap() > 5_000_000,
        "{statistics:?}"
    );
    for sender in 1..=3 {
        let decoder = world.participants[0]
            .client
            .decoder(world.video_ssrc(sender));
        assert!(
            decoder
                .shown_in(18_000, 20_000)
                .all(|frame| frame.encoding == 2)
        );
    }
    let before = world.conference.counters().probes_sent;
    world.run(5_000);
    assert_eq!(world.conference.counters().probes_sent, before);
}

#[test]
fn a_stated_estimate_is_used_by_receivers_without_transport_feedback() {
    use jitctl_media::conference::EndpointDescription;
    use jitctl_media::identifiers::Ssrc;
    use jitctl_media::rtcp::RtcpWriter;

    let mut world = support::World::new();
    world.ignore_sender_constraints = true;
    let receiver = world.join_as(EndpointDescription::new("plain"), false);
    world.join();
    world.constrain(receiver, -1, 720, &[]);
    world.run(3_000);
    let mut buffer = [0; 64];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.receiver_estimate(Ssrc(1), 300_000, &[]).unwrap();
    let length = writer.len();
    let index = world.participants[receiver].index;
    world
        .conference
        .handle_rtcp(world.now, index, &buffer[..length], &mut world.egress);
    world.run(2_000);
    let decoder = world.participants[receiver]
        .client
        .decoder(world.video_ssrc(1));
    assert!(
        decoder
            .shown_in(2_000, 3_000)
            .all(|frame| frame.encoding == 2)
    );
    assert!(
        decoder
            .shown_in(4_000, 5_000)
            .all(|frame| frame.encoding == 0)
    );
    assert!(decoder.shown_in(4_000, 5_000).count() > 20);
}

#[test]
fn a_sender_without_transport_feedback_is_told_what_its_way_up_carries() {
    use jitctl_media::conference::EndpointDescription;

    let mut world = support::World::new();
    world.ignore_sender_constraints = true;
    let other = world.join();
    let sender = world.join_as(EndpointDescription::new("plain"), false);
    world.run(5_000);
    let wide = world.participants[sender].client.stated.clone();
    assert!((4..=6).contains(&wide.len()), "{wide:?}");
    assert!(wide.iter().all(|(_, rate)| *rate > 2_200_000), "{wide:?}");

    world.participants[sender].up.rate = 1_000_000;
    world.run(5_000);
    let narrow = &world.participants[sender].client.stated[wide.len()..];
    let (time, _) = narrow.iter().find(|(_, rate)| *rate < 1_100_000).unwrap();
    assert!(*time < 6_000, "{narrow:?}");
    let (_, last) = narrow.last().unwrap();
    assert!((500_000..1_100_000).contains(last), "{narrow:?}");
    // Who counts transport-wide is told by that.
    assert_eq!(world.participants[other].client.stated, []);
    assert_eq!(world.participants[sender].client.transport_feedback, 0);
}
