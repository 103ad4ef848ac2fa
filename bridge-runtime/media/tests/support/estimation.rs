//! Convergence of the downlink estimate on simulated links.

use super::World;

/// What one run showed.
#[derive(Clone, Debug)]
pub struct Convergence {
    pub name: &'static str,
    /// Capacity per receiver at the end, kbit/s.
    pub capacity: u64,
    /// Capacity before the last change.
    pub before: Option<u64>,
    /// Mean estimate over the last ten seconds, kbit/s.
    pub estimate: u64,
    /// Seconds from the last change until the estimate first lay within 70 to 115 % of the
    /// capacity.
    pub seconds: Option<f64>,
    /// Mean rate received over the last ten seconds, kbit/s.
    pub received: u64,
    /// Longest freeze after the first three seconds, ms.
    pub freeze: u64,
}

impl Convergence {
    /// Mean of the sawtooth that draft-ietf-rmcat-gcc-02 describes, section 5.5: down to 85 % of
    /// what gets through, up to all of it. Kbit/s.
    pub fn expected(&self) -> u64 {
        self.capacity * 925 / 1000
    }

    /// Seconds that its growth of 8 % a second takes up from `before`, without probes.
    pub fn expected_seconds(&self) -> Option<f64> {
        let before = self.before?;
        let goal = self.capacity * 70 / 100;
        (before > 0 && before < goal).then(|| (goal as f64 / before as f64).ln() / 1.08_f64.ln())
    }
}

/// One receiver watching `senders` cameras.
pub fn meeting(senders: usize) -> World {
    let mut world = World::new();
    world.ignore_sender_constraints = true;
    for _ in 0..=senders {
        world.join();
    }
    world.constrain(0, -1, 720, &[]);
    world
}

fn estimate(world: &World, receiver: usize) -> u64 {
    world
        .conference
        .endpoint_statistics(world.participants[receiver].index)
        .and_then(|statistics| statistics.estimated_bandwidth)
        .unwrap_or(0)
        / 1000
}

/// Runs through `steps` of (capacity in kbit/s, seconds) and looks at the last one.
pub fn on_steps(
    name: &'static str,
    senders: usize,
    loss: u32,
    steps: &[(u64, u64)],
) -> Convergence {
    let mut world = meeting(senders);
    world.participants[0].down.loss = loss;
    through(&mut world, name, steps)
}

/// One camera of `height` lines as browsers send it, 15 frames a second, over a way that is as wide
/// as can be and then narrows to `capacity` kbit/s: the estimate was far above what was sent.
pub fn on_sudden_cap(name: &'static str, height: i32, capacity: u64) -> Convergence {
    let mut world = meeting(1);
    world.constrain(0, -1, height, &[]);
    let camera = &mut world.participants[1].client;
    camera.frame_interval = 66;
    camera.keys_together = true;
    through(&mut world, name, &[(0, 10), (capacity, 20)])
}

fn through(world: &mut World, name: &'static str, steps: &[(u64, u64)]) -> Convergence {
    let mut outcome = (None, 0, 0);
    for (capacity, seconds) in steps {
        world.participants[0].down.rate = capacity * 1000;
        outcome = observe(world, *capacity, *seconds);
    }
    let (_, capacity_seconds) = steps[steps.len() - 1];
    let end = world.milliseconds();
    let from = (end - capacity_seconds * 1000).max(3_000);
    // The first source has priority: others may be suspended for lack of bandwidth.
    let first = world.participants[0].client.decoder(world.video_ssrc(1));
    let freeze = first.longest_freeze(from, end - 200);
    Convergence {
        name,
        capacity: steps[steps.len() - 1].0,
        before: steps.iter().rev().nth(1).map(|step| step.0),
        seconds: outcome.0,
        estimate: outcome.1,
        received: outcome.2,
        freeze,
    }
}

fn observe(world: &mut World, capacity: u64, seconds: u64) -> (Option<f64>, u64, u64) {
    let mut converged = None;
    let (mut sum, mut count) = (0, 0);
    let mut bytes = 0;
    for tenth in 0..seconds * 10 {
        world.run(100);
        let estimate = estimate(world, 0);
        let band = capacity * 70 / 100..=capacity * 115 / 100;
        if converged.is_none() && band.contains(&estimate) {
            converged = Some((tenth + 1) as f64 / 10.0);
        }
        if tenth == seconds.saturating_sub(10) * 10 {
            bytes = world.participants[0].client.received_bytes;
        }
        if tenth >= seconds.saturating_sub(10) * 10 {
            sum += estimate;
            count += 1;
        }
    }
    let span = seconds.min(10);
    let received = (world.participants[0].client.received_bytes - bytes) * 8 / 1000 / span;
    (converged, sum / count, received)
}

/// Two receivers of the same two cameras share one queue; one row each, over the second minute.
pub fn on_shared_link(capacity: u64) -> [Convergence; 2] {
    let mut world = World::new();
    world.ignore_sender_constraints = true;
    for _ in 0..4 {
        world.join();
    }
    let senders = [world.video_name(2), world.video_name(3)];
    for receiver in 0..2 {
        world.constrain(receiver, 2, 720, &[&senders[0], &senders[1]]);
        world.participants[receiver].client.sends_video = false;
    }
    world.shared = Some((super::link::Bottleneck::new(capacity * 1000), vec![0, 1]));
    // Additive growth shares a link slowly: judged from the second minute on.
    world.run(60_000);
    let before = [0, 1].map(|receiver: usize| world.participants[receiver].client.received_bytes);
    let mut sums = [0, 0];
    for _ in 0..600 {
        world.run(100);
        for (receiver, sum) in sums.iter_mut().enumerate() {
            *sum += estimate(&world, receiver);
        }
    }
    let end = world.milliseconds();
    ["shared 3 Mbit/s, first", "shared 3 Mbit/s, second"].map(|name| {
        let receiver = usize::from(name.ends_with("second"));
        let client = &world.participants[receiver].client;
        let first = client.decoder(world.video_ssrc(2));
        Convergence {
            name,
            capacity: capacity / 2,
            before: None,
            estimate: sums[receiver] / 600,
            seconds: None,
            received: (client.received_bytes - before[receiver]) * 8 / 60_000,
            freeze: first.longest_freeze(3_000, end - 200),
        }
    })
}

/// The longest freezes of both receivers on shared links between these capacities, ms.
pub fn freezes_on_shared_links(capacities: impl Iterator<Item = u64>) -> Vec<u64> {
    capacities
        .flat_map(on_shared_link)
        .map(|row| row.freeze)
        .collect()
}

/// A receiver of two cameras and a flow of TCP share a queue of 3 Mbit/s, from its second half
/// minute on.
pub fn beside_tcp() -> Convergence {
    const CAPACITY: u64 = 3_000;
    let mut world = meeting(2);
    world.shared = Some((super::link::Bottleneck::new(CAPACITY * 1000), vec![0]));
    world.run(10_000);
    let mut flow = super::tcp::TcpFlow::new(world.now);
    let (mut before, mut sum) = (0, 0);
    for millisecond in 0..120_000 {
        world.run(1);
        if let Some((bottleneck, _)) = &mut world.shared {
            flow.step(world.now, bottleneck);
        }
        if millisecond == 30_000 {
            before = world.participants[0].client.received_bytes;
        }
        if millisecond >= 30_000 {
            sum += estimate(&world, 0);
        }
    }
    let end = world.milliseconds();
    let client = &world.participants[0].client;
    let first = client.decoder(world.video_ssrc(1));
    Convergence {
        name: "3 Mbit/s beside TCP",
        capacity: CAPACITY / 2,
        before: None,
        estimate: sum / 90_000,
        seconds: None,
        received: (client.received_bytes - before) * 8 / 90_000,
        freeze: first.longest_freeze(40_000, end - 200),
    }
}

/// The runs of the table.
pub fn table() -> Vec<Convergence> {
    vec![
        on_steps("fixed 300 kbit/s", 1, 0, &[(300, 30)]),
        on_steps("fixed 1 Mbit/s", 1, 0, &[(1_000, 30)]),
        on_steps("fixed 2 Mbit/s", 3, 0, &[(2_000, 30)]),
        on_steps("fixed 4 Mbit/s", 4, 0, &[(4_000, 30)]),
        on_steps("step down 3 -> 1 Mbit/s", 3, 0, &[(3_000, 20), (1_000, 20)]),
        on_steps("step down 2 -> 0.3 Mbit/s", 2, 0, &[(2_000, 20), (300, 20)]),
        on_sudden_cap("unlimited -> 1 Mbit/s", 720, 1_000),
        on_sudden_cap("unlimited -> 0.3 Mbit/s", 360, 300),
        on_steps("step up 0.5 -> 2.5 Mbit/s", 3, 0, &[(500, 20), (2_500, 30)]),
        on_steps("1 Mbit/s, 2 % loss", 2, 20, &[(1_000, 30)]),
        on_steps("1 Mbit/s, 5 % loss", 2, 50, &[(1_000, 30)]),
        on_steps("1 Mbit/s, 10 % loss", 2, 100, &[(1_000, 30)]),
    ]
}
