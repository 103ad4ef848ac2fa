//! Prints what forwarding costs without encryption and sockets: one camera to N receivers, with
//! projection, caches, estimation and statistics as in service.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write;
use std::time::{Duration, Instant};

use jitctl_media::conference::DiscardEgress;
use support::World;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for receivers in [10, 50, 100, 200] {
        let (nanoseconds, packets) = measure(receivers);
        writeln!(
            out,
            "1 -> {receivers:<4} {nanoseconds:>6} ns per forwarded packet ({packets} packets)"
        )?;
    }
    Ok(())
}

fn measure(receivers: usize) -> (u64, u64) {
    let mut world = World::new();
    for _ in 0..=receivers {
        world.join();
    }
    for position in 1..=receivers {
        world.participants[position].client.sends_video = false;
        world.participants[position].client.sends_audio = false;
        let name = world.video_name(0);
        world.constrain(position, 1, 720, &[&name]);
    }
    world.participants[0].client.sends_audio = false;
    world.run(3_000);
    let mut packets = vec![];
    let start = world.now;
    for _ in 0..3_000 {
        world.now += Duration::from_millis(1);
        for datagram in world.participants[0].client.produce(world.now) {
            if !datagram.is_rtcp {
                packets.push((world.now, datagram.bytes));
            }
        }
    }
    world.now = start;
    let sender = world.participants[0].index;
    let mut egress = DiscardEgress::default();
    let before = world.conference.counters().packets_sent;
    let begin = Instant::now();
    for together in packets.chunk_by_mut(|one, next| one.0 == next.0) {
        let now = together[0].0;
        for (_, bytes) in together {
            world.conference.handle_rtp(now, sender, bytes, &mut egress);
        }
        world.conference.forward(now, &mut egress);
        if world
            .conference
            .next_timeout()
            .is_some_and(|due| due <= now)
        {
            world.conference.handle_timeout(now, &mut egress);
        }
    }
    let elapsed = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let sent = world.conference.counters().packets_sent - before;
    (elapsed / sent.max(1), sent)
}
