//! One server under one workload, driven by participants with real ICE, DTLS and SRTP.
//!
//! `tests/bench/peers.py` starts the servers, calls this for each and prints the table; here one
//! row is measured and printed as JSON. The generator is the same for all: the media core in the
//! client's role, VP8 of equal frames in packets of equal size, one thread.

#![forbid(unsafe_code)]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "counts become rates"
)]

mod encoder;
mod janus;
mod jitctl;
mod livekit;
mod options;
mod peer;
mod sdp;
mod server;
mod socket;

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use encoder::Encoder;
use options::Options;
use peer::Peer;
use serde_json::{Value, json};
use server::Sample;

/// Whatever went wrong: the row is left out.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// How long members may need until something is there.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long estimates may grow until all is forwarded; after that it is measured as it is.
const SETTLING: Duration = Duration::from_secs(20);
/// Of the packets that should come, so many are all.
const ALL: f64 = 0.98;

/// What a server is asked for. Rooms and members are numbers. Transports it gives are not
/// connected yet.
pub(crate) trait Signalling {
    /// A member joins and sends; false: it only watches.
    fn join(&mut self, room: usize, member: usize, sends: bool) -> Result<Vec<Peer>, Failure>;
    /// A member asks for the pictures of `others`, who all send by now.
    fn watch(&mut self, room: usize, member: usize, others: &[usize])
    -> Result<Vec<Peer>, Failure>;
    /// Called every few milliseconds: answers what servers ask.
    fn poll(&mut self, peers: &mut Vec<Peer>) -> Result<(), Failure>;
}

fn main() -> Result<(), Failure> {
    let options = Options::from_arguments()?;
    let mut signalling: Box<dyn Signalling> = match options.server.as_str() {
        "jitctl" => Box::new(jitctl::Bridge::new(&options)),
        "janus" => Box::new(janus::Janus::new(&options)),
        "livekit" => Box::new(livekit::LiveKit::new(&options)?),
        other => return Err(format!("no server `{other}`").into()),
    };
    let mut bench = Bench {
        options: &options,
        signalling: &mut *signalling,
        peers: Vec::new(),
    };
    let row = bench.run()?;
    writeln!(io::stdout(), "{row}")?;
    Ok(())
}

/// What was sent and got at a moment.
#[derive(Clone, Copy)]
struct Count {
    sent: u64,
    received: u64,
}

struct Bench<'bench> {
    options: &'bench Options,
    signalling: &'bench mut dyn Signalling,
    peers: Vec<Peer>,
}

impl Bench<'_> {
    fn run(&mut self) -> Result<Value, Failure> {
        let empty = Sample::take(self.options.pid)?;
        let mut row = if self.options.workload.is_join() {
            self.join_at_once()?
        } else {
            self.join_senders()?;
            self.join_watchers()?;
            let settled = self.settle()?;
            let mut row = self.measure()?;
            row["settled_seconds"] = json!(round(settled.as_secs_f64()));
            row
        };
        let full = Sample::take(self.options.pid)?;
        let grown = full.resident_kib.saturating_sub(empty.resident_kib);
        row["kib_per_participant"] = json!(grown / self.options.workload.participants() as u64);
        let mut connecting: Vec<u64> = self
            .peers
            .iter()
            .filter_map(|peer| Some(peer.connecting?.as_micros() as u64))
            .collect();
        row["connect_p50_millis"] = json!(millis(quantile(&mut connecting, 0.5)));
        row["connect_p99_millis"] = json!(millis(quantile(&mut connecting, 0.99)));
        Ok(row)
    }

    /// All signal one after the other, then all begin to connect at the same moment.
    fn join_at_once(&mut self) -> Result<Value, Failure> {
        let mut waiting = Vec::new();
        for member in 0..self.options.workload.members {
            for mut peer in self.signalling.join(0, member, true)? {
                peer.encoder.iter_mut().for_each(Encoder::rest);
                waiting.push(peer);
            }
        }
        let before = Sample::take(self.options.pid)?;
        let began = Instant::now();
        self.connect(waiting)?;
        self.turn_until("all connect", |peers| {
            peers.iter().all(|peer| peer.connecting.is_some())
        })?;
        let all = began.elapsed();
        let after = Sample::take(self.options.pid)?;
        let cpu = after.cpu.saturating_sub(before.cpu) / self.peers.len() as u32;
        self.turn_for(Duration::from_millis(500))?;
        Ok(json!({
            "all_connected_millis": millis(all.as_micros() as u64),
            "cpu_micros_per_join": cpu.as_micros() as u64,
        }))
    }

    fn join_senders(&mut self) -> Result<(), Failure> {
        let workload = &self.options.workload;
        for room in 0..workload.rooms {
            for member in 0..workload.senders {
                let joined = self.signalling.join(room, member, true)?;
                self.connect(joined)?;
                self.turn_for(Duration::from_millis(20))?;
            }
        }
        self.turn_until("senders connect", |peers| {
            peers.iter().all(|peer| peer.connecting.is_some())
        })?;
        self.turn_for(Duration::from_millis(500))
    }

    fn join_watchers(&mut self) -> Result<(), Failure> {
        let workload = &self.options.workload;
        for room in 0..workload.rooms {
            for member in 0..workload.members {
                if member >= workload.senders {
                    let joined = self.signalling.join(room, member, false)?;
                    self.connect(joined)?;
                }
                let others = workload.watched_by(member);
                if !others.is_empty() {
                    let more = self.signalling.watch(room, member, &others)?;
                    self.connect(more)?;
                }
                self.turn_for(Duration::from_millis(5))?;
            }
        }
        let watchers = workload.watchers();
        let watching = |peers: &[Peer]| {
            let with_packets = peers.iter().filter(|peer| peer.first_packet.is_some());
            with_packets.count() >= watchers
        };
        self.turn_until("watchers get packets", watching)
    }

    /// Until estimates have grown and all pictures come, and two seconds more.
    fn settle(&mut self) -> Result<Duration, Failure> {
        let began = Instant::now();
        loop {
            let before = self.count();
            self.turn_for(Duration::from_secs(1))?;
            let now = self.count();
            let settled = began.elapsed();
            if self.share(before, now) >= ALL || settled > SETTLING {
                self.turn_for(Duration::from_secs(2))?;
                return Ok(settled);
            }
        }
    }

    fn measure(&mut self) -> Result<Value, Failure> {
        for peer in &mut self.peers {
            peer.latencies.clear();
        }
        let pid = self.options.pid;
        let (before, counted, own) = (Sample::take(pid)?, self.count(), Sample::own()?);
        let began = Instant::now();
        self.turn_for(Duration::from_secs(self.options.seconds))?;
        let elapsed = began.elapsed().as_secs_f64();
        let (after, count, own_after) = (Sample::take(pid)?, self.count(), Sample::own()?);
        let packets = (count.received - counted.received).max(1) as f64;
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        let own = own_after.cpu.saturating_sub(own.cpu).as_secs_f64();
        let (mut latencies, mut firsts) = (Vec::new(), Vec::new());
        for peer in &self.peers {
            latencies.extend(&peer.latencies);
            let first = peer.first_packet;
            firsts.extend(first.map(|first| (first - peer.joined).as_micros() as u64));
        }
        Ok(json!({
            "packets_per_second": (packets / elapsed).round(),
            "missing_percent": round((1.0 - self.share(counted, count)).max(0.0) * 100.0),
            "cpu_micros_per_packet": round(cpu * 1e6 / packets),
            "cpu_percent": round(cpu / elapsed * 100.0),
            "kernel_percent": round(after.kernel_share(&before) * 100.0),
            "generator_cpu_percent": round(own / elapsed * 100.0),
            "latency_p50_millis": millis(quantile(&mut latencies, 0.5)),
            "latency_p99_millis": millis(quantile(&mut latencies, 0.99)),
            "first_packet_millis": millis(quantile(&mut firsts, 0.5)),
        }))
    }

    fn connect(&mut self, peers: Vec<Peer>) -> Result<(), Failure> {
        let new = self.peers.len();
        self.peers.extend(peers);
        self.peers[new..].iter_mut().try_for_each(Peer::connect)
    }

    fn count(&self) -> Count {
        let encoders = self.peers.iter().filter_map(|peer| peer.encoder.as_ref());
        Count {
            sent: encoders.map(|encoder| encoder.sent).sum(),
            received: self.peers.iter().map(|peer| peer.received).sum(),
        }
    }

    /// Of the packets that should have come between two moments, how many did.
    fn share(&self, before: Count, after: Count) -> f64 {
        let workload = &self.options.workload;
        let streams_per_sender =
            workload.streams() as f64 / (workload.rooms * workload.senders) as f64;
        let expected = (after.sent - before.sent) as f64 * streams_per_sender;
        (after.received - before.received) as f64 / expected.max(1.0)
    }

    fn turn_until(&mut self, what: &str, done: impl Fn(&[Peer]) -> bool) -> Result<(), Failure> {
        let began = Instant::now();
        while !done(&self.peers) {
            self.turn_for(Duration::from_millis(2))?;
            if began.elapsed() > PATIENCE {
                return Err(format!("{what}: not within {} s", PATIENCE.as_secs()).into());
            }
        }
        Ok(())
    }

    fn turn_for(&mut self, duration: Duration) -> Result<(), Failure> {
        let until = Instant::now() + duration;
        loop {
            peer::turn(&mut self.peers, until)?;
            self.signalling.poll(&mut self.peers)?;
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn millis(micros: u64) -> f64 {
    round(micros as f64 / 1000.0)
}

fn quantile(values: &mut [u64], quantile: f64) -> u64 {
    values.sort_unstable();
    let last = values.len().saturating_sub(1) as f64;
    #[expect(clippy::cast_sign_loss, reason = "a quantile is positive")]
    let index = (last * quantile).round() as usize;
    values.get(index).copied().unwrap_or(0)
}
