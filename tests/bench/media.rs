//! Cost of the media path: one publisher, many receivers, real ICE, DTLS, SRTP and sockets.
//!
//! `cargo run --release -p jitctl-bench --bin bench-media -- --receivers 99 --kbps 1500`
//!
//! Prints join times, CPU time of the worker's thread per forwarded packet, packets per system
//! call, allocations per packet, and resident memory per participant, with estimation, allocation,
//! caches, projection and statistics on as in service. Nothing is asserted.

#![expect(clippy::cast_precision_loss, reason = "counts become rates")]

mod room;
#[path = "support/mod.rs"]
mod support;

use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use jitctl_bridge::media::{MediaSocket, WorkerConfig, WorkerHandle, WorkerSeat, start};
use jitctl_loopback::Participant;
use jitctl_media::conference::Conference;
use jitctl_media::engine::{ConferenceIndex, EndpointKey, Engine};
use jitctl_media::identifiers::EndpointIndex;
use jitctl_media::transport::dtls::Identity;
use jitctl_media::transport::ice::{AddressPlan, IceConfig};
use jitctl_media::transport::{TransportConfig, TransportOptions};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use room::{End, FRAMES_PER_SECOND};
use support::{Counted, Options, Sample, pin, resident_kib};

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Until buffers, estimates and runs are what they stay.
const WARM_UP: Duration = Duration::from_secs(3);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let options = Options::from_arguments()?;
    let mut out = io::stdout().lock();
    pin(1);
    let worker = worker(&options)?;
    let before = resident_kib();
    writeln!(out, "{options}")?;

    let (_, mut single, first) = join(&worker, &options, 1)?;
    writeln!(
        out,
        "join, one participant              {:8.1} ms",
        milliseconds(first)
    )?;
    drop(single.pop());
    let (conference, mut ends, all) = join(&worker, &options, options.receivers + 1)?;
    writeln!(
        out,
        "join, {:4} at once                 {:8.1} ms",
        ends.len(),
        milliseconds(all)
    )?;
    for end in ends.iter_mut().skip(1) {
        end.participant.count_only = true;
    }

    publish(&mut ends, &options, WARM_UP)?;
    let (start_sample, received) = (sample(&worker)?, received(&ends));
    let began = Instant::now();
    let sent = publish(&mut ends, &options, options.duration)?;
    let elapsed = began.elapsed();
    drain(&mut ends);
    let window = sample(&worker)?.since(&start_sample);
    let arrived = self::received(&ends) - received;
    let estimate = lowest_estimate(&worker, conference, options.receivers)?;

    let packets = window.packets_out.max(1) as f64;
    let micros = window.cpu.as_secs_f64() * 1e6 / packets;
    writeln!(out, "sent by the publisher              {sent:8}")?;
    writeln!(
        out,
        "forwarded                          {:8}",
        window.packets_out
    )?;
    writeln!(out, "arrived                            {arrived:8}")?;
    writeln!(
        out,
        "forwarded per second               {:8.0}",
        packets / elapsed.as_secs_f64()
    )?;
    writeln!(
        out,
        "worker's processor use             {:8.1} %",
        window.cpu.as_secs_f64() / elapsed.as_secs_f64() * 100.0
    )?;
    writeln!(out, "processor time per packet          {micros:8.2} us")?;
    writeln!(
        out,
        "packets per second and core        {:8.0}",
        1e6 / micros
    )?;
    writeln!(
        out,
        "packets per system call            {:8.2}",
        packets / window.calls.max(1) as f64
    )?;
    writeln!(
        out,
        "allocations per packet             {:8.4}",
        window.allocations as f64 / packets
    )?;
    writeln!(
        out,
        "refused by the kernel              {:8}",
        window.refused
    )?;
    writeln!(
        out,
        "lowest estimate, kbit/s            {:8}",
        estimate / 1000
    )?;
    let memory = resident_kib().saturating_sub(before) / ends.len() as u64;
    writeln!(out, "resident KiB per pair of ends      {memory:8}")?;
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn worker(options: &Options) -> Result<WorkerHandle<Conference>, Failure> {
    let sockets = MediaSocket::bind_group("127.0.0.1:0".parse()?, 1)?;
    let plan = AddressPlan {
        sockets: sockets.iter().map(MediaSocket::local).collect(),
        mappings: Vec::new(),
        advertise_private: true,
    };
    let transport = TransportConfig {
        plan: Arc::new(plan),
        identity: Arc::new(Identity::generate()?),
        ice: IceConfig::default(),
        fragment_prefix: String::new(),
    };
    let config = WorkerConfig {
        without_segmentation: options.without_segmentation,
        coalesce: options.coalesce,
    };
    let seat = WorkerSeat {
        sockets,
        on_event: Box::new(|_, _| {}),
    };
    let (handle, _thread) = start(vec![seat], &transport, config)?
        .pop()
        .ok_or("no worker was started")?;
    in_engine(&handle, |_, _| pin(0))?;
    Ok(handle)
}

fn in_engine<Output: Send + 'static>(
    worker: &WorkerHandle<Conference>,
    command: impl FnOnce(&mut Engine<Conference>, Instant) -> Output + Send + 'static,
) -> Result<Output, Failure> {
    let (sender, receiver) = channel();
    worker.run(move |engine, now| {
        let _ = sender.send(command(engine, now));
    })?;
    Ok(receiver.recv()?)
}

fn sample(worker: &WorkerHandle<Conference>) -> Result<Sample, Failure> {
    let calls = worker.statistics();
    in_engine(worker, move |engine, _| {
        Sample::of_this_thread(engine.traffic(), calls.sends)
    })
}

/// Joins `count` participants and tells how long it took from the answers to the last connection.
fn join(
    worker: &WorkerHandle<Conference>,
    options: &Options,
    count: u32,
) -> Result<(ConferenceIndex, Vec<End>, Duration), Failure> {
    let identity = Arc::new(Identity::generate()?);
    let rate = options.kilobits_per_second;
    let conference = in_engine(worker, move |engine, now| {
        engine.add_conference(now, room::conference(now, rate))
    })?;
    let mut ends = Vec::new();
    let mut descriptions = Vec::new();
    for number in 0..count {
        let participant = Participant::bind("127.0.0.1:0".parse()?, Arc::clone(&identity), false)?;
        let endpoint = in_engine(worker, move |engine, now| {
            engine.command(now, conference, |room, _| room::enter(room, now, number))
        })???;
        let key = EndpointKey {
            conference,
            endpoint,
        };
        let description = in_engine(worker, move |engine, now| {
            engine.add_endpoint(now, key, TransportOptions::default())
        })??;
        ends.push(End::new(participant));
        descriptions.push((key, description));
    }
    let began = Instant::now();
    for (End { participant, .. }, (key, description)) in ends.iter_mut().zip(descriptions) {
        let remote = participant.description(false);
        in_engine(worker, move |engine, now| {
            engine.set_remote(now, key, remote)
        })??;
        participant.join(Instant::now(), &description)?;
    }
    loop {
        turn(&mut ends, Duration::from_millis(1));
        let connected = ends
            .iter()
            .all(|end| end.participant.transport().is_connected());
        let there = in_engine(worker, move |engine, now| {
            let room = engine.room(conference);
            room.map_or(0, |room| room.statistics(now).connected)
        })?;
        if connected && there == count as usize {
            return Ok((conference, ends, began.elapsed()));
        }
        if began.elapsed() > Duration::from_secs(30) {
            return Err(format!("only {there} of {count} connected").into());
        }
    }
}

/// What the receiver behind the narrowest path is thought to have, bit/s.
fn lowest_estimate(
    worker: &WorkerHandle<Conference>,
    conference: ConferenceIndex,
    receivers: u32,
) -> Result<u64, Failure> {
    in_engine(worker, move |engine, _| {
        let room = engine.room(conference);
        (1..=receivers)
            .filter_map(|number| room?.endpoint_statistics(EndpointIndex(number)))
            .filter_map(|statistics| statistics.estimated_bandwidth)
            .min()
            .unwrap_or(0)
    })
}

/// Turns those ends that have something to do.
fn turn(ends: &mut [End], wait: Duration) {
    let mut ready = vec![false; ends.len()];
    {
        let mut descriptors: Vec<_> = ends
            .iter()
            .map(|end| PollFd::new(end.participant.as_fd(), PollFlags::POLLIN))
            .collect();
        let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        let _ = poll(&mut descriptors, wait);
        for (ready, descriptor) in ready.iter_mut().zip(&descriptors) {
            *ready = descriptor.any().unwrap_or(false);
        }
    }
    let now = Instant::now();
    for (end, ready) in ends.iter_mut().zip(ready) {
        if ready || end.participant.timeout().is_some_and(|due| due <= now) {
            end.participant.turn(now, |_, _| {});
        }
    }
}

/// Sends frames from the first end; returns how many packets.
fn publish(ends: &mut [End], options: &Options, duration: Duration) -> Result<u64, Failure> {
    let frame = options.kilobits_per_second as usize * 1000 / 8 / FRAMES_PER_SECOND as usize;
    let interval = Duration::from_secs(1) / FRAMES_PER_SECOND;
    let (began, mut next, mut sent) = (Instant::now(), Instant::now(), 0);
    while began.elapsed() < duration {
        if Instant::now() >= next {
            next += interval;
            sent += ends[0].send_frame(frame)?;
        }
        let wait = next.saturating_duration_since(Instant::now());
        turn(ends, wait.min(Duration::from_millis(1)));
    }
    Ok(sent)
}

fn drain(ends: &mut [End]) {
    let end = Instant::now() + Duration::from_millis(700);
    while Instant::now() < end {
        turn(ends, Duration::from_millis(1));
    }
}

fn received(ends: &[End]) -> u64 {
    let receptions = ends.iter().map(|end| end.participant.reception());
    receptions.map(|reception| reception.packets).sum()
}
