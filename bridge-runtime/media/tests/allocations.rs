//! The hot path does not allocate.

mod support;

use std::time::{Duration, Instant};

use jitctl_media::conference::DiscardEgress;
use jitctl_media::identifiers::EndpointIndex;
use support::World;

#[test]
fn forwarding_a_packet_allocates_nothing_in_steady_state() {
    let mut world = World::new();
    for _ in 0..10 {
        let position = world.join();
        world.participants[position].client.loudness = 50;
    }
    for position in 0..10 {
        world.constrain(position, -1, 720, &[]);
    }
    world.run(5_000);
    // Record two seconds of what everybody sends, then replay them without the world: the first
    // lets buffers grow to the rate, the second is measured.
    let mut seconds = [vec![], vec![]];
    let start = world.now;
    for packets in &mut seconds {
        for _ in 0..1_000 {
            world.now += Duration::from_millis(1);
            for participant in &mut world.participants {
                for datagram in participant.client.produce(world.now) {
                    if !datagram.is_rtcp {
                        packets.push((world.now, participant.index, datagram.bytes));
                    }
                }
            }
        }
    }
    world.now = start;
    let [mut warm_up, mut packets] = seconds;
    let mut egress = DiscardEgress::default();
    let conference = &mut world.conference;
    let mut forward = |packets: &mut [(Instant, EndpointIndex, Vec<u8>)], egress: &mut _| {
        for together in packets.chunk_by_mut(|one, next| one.0 == next.0) {
            let now = together[0].0;
            for (_, sender, bytes) in together {
                conference.handle_rtp(now, *sender, bytes, egress);
            }
            conference.forward(now, egress);
        }
        conference.counters().packets_sent
    };
    let before = forward(&mut warm_up, &mut egress);
    egress = DiscardEgress::default();
    let mut after = before;
    let measured = allocation_counter::measure(|| after = forward(&mut packets, &mut egress));
    let sent = after - before;
    assert!(sent > 10_000, "{sent}");
    assert_eq!(egress.rtp_packets, sent);
    assert_eq!(measured.count_total, 0, "{measured:?} for {sent} packets");
}
