//! Cost of the media path: one publisher, many receivers, real ICE, DTLS, SRTP and sockets.
//!
//! `cargo run --release -p jitctl-bench --bin bench-media -- --receivers 99 --kbps 1500`
//!
//! Prints join times, CPU time of the worker's thread per forwarded packet, packets per system
//! call, allocations per packet, and resident memory per participant. Conference logic is the
//! engine's repeater: the numbers are those of transport, engine and edge. Nothing is asserted.

#![expect(clippy::cast_precision_loss, reason = "counts become rates")]

#[path = "support/mod.rs"]
mod support;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use jitctl_bridge::media::{MediaSocket, WorkerConfig, WorkerHandle, WorkerSeat, start};
use jitctl_loopback::Participant;
use jitctl_media::engine::{EndpointKey, Engine, Repeater};
use jitctl_media::identifiers::EndpointIndex;
use jitctl_media::rtp::HeaderFields;
use jitctl_media::transport::dtls::Identity;
use jitctl_media::transport::ice::{AddressPlan, IceConfig};
use jitctl_media::transport::{TransportConfig, TransportOptions};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use support::{Counted, Options, Sample, pin, resident_kib};

#[global_allocator]
static ALLOCATOR: Counted = Counted;

const PAYLOAD: usize = 1150;
const FRAMES_PER_SECOND: u32 = 30;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let options = Options::from_arguments()?;
    let mut out = io::stdout().lock();
    pin(1);
    let worker = worker(&options)?;
    let before = resident_kib();
    writeln!(out, "{options}")?;

    let (mut single, first) = join(&worker, 1)?;
    writeln!(
        out,
        "join, one participant              {:8.1} ms",
        milliseconds(first)
    )?;
    drop(single.pop());
    let (mut participants, all) = join(&worker, options.receivers + 1)?;
    writeln!(
        out,
        "join, {:4} at once                 {:8.1} ms",
        participants.len(),
        milliseconds(all)
    )?;
    for participant in participants.iter_mut().skip(1) {
        participant.count_only = true;
    }

    publish(&mut participants, &options, Duration::from_secs(1))?;
    let (start_sample, received) = (sample(&worker)?, received(&participants));
    let began = Instant::now();
    let sent = publish(&mut participants, &options, options.duration)?;
    let elapsed = began.elapsed();
    drain(&mut participants);
    let window = sample(&worker)?.since(&start_sample);
    let arrived = self::received(&participants) - received;

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
    let memory = resident_kib().saturating_sub(before) / participants.len() as u64;
    writeln!(out, "resident KiB per pair of ends      {memory:8}")?;
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn worker(options: &Options) -> Result<WorkerHandle<Repeater>, Failure> {
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
    worker: &WorkerHandle<Repeater>,
    command: impl FnOnce(&mut Engine<Repeater>, Instant) -> Output + Send + 'static,
) -> Result<Output, Failure> {
    let (sender, receiver) = channel();
    worker.run(move |engine, now| {
        let _ = sender.send(command(engine, now));
    })?;
    Ok(receiver.recv()?)
}

fn sample(worker: &WorkerHandle<Repeater>) -> Result<Sample, Failure> {
    let calls = worker.statistics();
    in_engine(worker, move |engine, _| {
        Sample::of_this_thread(engine.traffic(), calls.sends)
    })
}

/// Joins `count` participants and tells how long it took from the answers to the last connection.
fn join(
    worker: &WorkerHandle<Repeater>,
    count: u32,
) -> Result<(Vec<Participant>, Duration), Failure> {
    let identity = Arc::new(Identity::generate()?);
    let conference = in_engine(worker, |engine, now| {
        engine.add_conference(now, Repeater::default())
    })?;
    let mut participants = Vec::new();
    let mut descriptions = Vec::new();
    for index in 0..count {
        let participant = Participant::bind("127.0.0.1:0".parse()?, Arc::clone(&identity), false)?;
        let key = EndpointKey {
            conference,
            endpoint: EndpointIndex(index),
        };
        let description = in_engine(worker, move |engine, now| {
            engine.add_endpoint(now, key, TransportOptions::default())
        })??;
        participants.push(participant);
        descriptions.push((key, description));
    }
    let began = Instant::now();
    for (participant, (key, description)) in participants.iter_mut().zip(descriptions) {
        let remote = participant.description(false);
        in_engine(worker, move |engine, now| {
            engine.set_remote(now, key, remote)
        })??;
        participant.join(Instant::now(), &description)?;
    }
    loop {
        turn(&mut participants, Duration::from_millis(1));
        let connected = participants
            .iter()
            .all(|one| one.transport().is_connected());
        let there = in_engine(worker, move |engine, _| {
            engine.room(conference).map_or(0, Repeater::connected)
        })?;
        if connected && there == count as usize {
            return Ok((participants, began.elapsed()));
        }
        if began.elapsed() > Duration::from_secs(30) {
            return Err(format!("only {there} of {count} connected").into());
        }
    }
}

/// Turns those participants that have something to do.
fn turn(participants: &mut [Participant], wait: Duration) {
    let mut ready = vec![false; participants.len()];
    {
        let mut descriptors: Vec<_> = participants
            .iter()
            .map(|one| PollFd::new(std::os::fd::AsFd::as_fd(one), PollFlags::POLLIN))
            .collect();
        let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        let _ = poll(&mut descriptors, wait);
        for (ready, descriptor) in ready.iter_mut().zip(&descriptors) {
            *ready = descriptor.any().unwrap_or(false);
        }
    }
    let now = Instant::now();
    for (participant, ready) in participants.iter_mut().zip(ready) {
        if ready || participant.timeout().is_some_and(|due| due <= now) {
            participant.turn(now, |_, _| {});
        }
    }
}

/// Sends frames from the first participant; returns how many packets.
fn publish(
    participants: &mut [Participant],
    options: &Options,
    duration: Duration,
) -> Result<u64, Failure> {
    let frame = options.kilobits_per_second as usize * 1000 / 8 / FRAMES_PER_SECOND as usize;
    let interval = Duration::from_secs(1) / FRAMES_PER_SECOND;
    let (began, mut next, mut sent) = (Instant::now(), Instant::now(), 0u64);
    while began.elapsed() < duration {
        let now = Instant::now();
        if now >= next {
            next += interval;
            let timestamp = support::next_timestamp();
            let mut left = frame;
            while left > 0 {
                let length = left.min(PAYLOAD);
                left -= length;
                let fields = HeaderFields {
                    payload_type: 96,
                    marker: left == 0,
                    sequence_number: support::next_sequence_number(),
                    timestamp,
                    ssrc: 1111,
                };
                participants[0].send_rtp(&fields, &[(5, &[0, 0])], &[0x55; PAYLOAD][..length])?;
                sent += 1;
            }
        }
        turn(
            participants,
            next.saturating_duration_since(Instant::now())
                .min(Duration::from_millis(1)),
        );
    }
    Ok(sent)
}

fn drain(participants: &mut [Participant]) {
    let end = Instant::now() + Duration::from_millis(700);
    while Instant::now() < end {
        turn(participants, Duration::from_millis(1));
    }
}

fn received(participants: &[Participant]) -> u64 {
    participants.iter().map(|one| one.reception().packets).sum()
}
