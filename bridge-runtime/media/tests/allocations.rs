//! The hot path does not allocate.

mod support;

use jitctl_media::conference::DiscardEgress;
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
            world.now += std::time::Duration::from_millis(1);
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
    let [warm_up, mut packets] = seconds;
    let mut egress = DiscardEgress::default();
    let conference = &mut world.conference;
    for (now, sender, mut bytes) in warm_up {
        conference.handle_rtp(now, sender, &mut bytes, &mut egress);
    }
    egress = DiscardEgress::default();
    let before = conference.counters();
    let measured = allocation_counter::measure(|| {
        for (now, sender, bytes) in &mut packets {
            conference.handle_rtp(*now, *sender, bytes, &mut egress);
        }
    });
    let sent = conference.counters().packets_sent - before.packets_sent;
    assert!(sent > 10_000, "{sent}");
    assert_eq!(egress.rtp_packets, sent);
    assert_eq!(measured.count_total, 0, "{measured:?} for {sent} packets");
}
