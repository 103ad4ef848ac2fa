//! Packets on their way out: one arena for all receivers, one list of packets for each.
//!
//! A packet is written and protected where it lies and copied no more. At a flush the packets of a
//! receiver leave in order, in runs: packets of one size, the last of which may be shorter, as
//! `UDP_SEGMENT` wants them. What is written during a flush leaves a few receivers at a time, and
//! the packets of the next take its place, which is still in the processor's cache.

use std::io::IoSlice;

use super::endpoint::{Endpoint, Segment};
use super::{ConferenceIndex, EndpointKey, Traffic};
use crate::conference::Egress;
use crate::identifiers::EndpointIndex;
use crate::srtp::{MAX_OVERHEAD, SrtpError};
use crate::transport::ice::Route;
use crate::transport::{Drop, DropCounters};

/// Most bytes of one run: what fits into an IP datagram before segmentation.
pub const MAX_RUN_BYTES: usize = 65_000;
/// Most packets of one run: long bursts hurt thin links, and gain little beyond this.
const MAX_RUN: usize = 32;
/// Longest packet a conference may send, tag included.
const MAX_PACKET: usize = 1500;
/// The arena grows in such steps.
const ARENA_STEP: usize = 64 * 1024;
/// The arena shrinks back to this after a flush that needed more.
const ARENA_KEPT: usize = 4 * 1024 * 1024;
/// What is written before it is sent during a flush: about as much as the second level cache still
/// holds beside everything else. Receiver by receiver costs more (the kernel's code and ours push
/// each other out), and so does everything at once.
const CACHED_BYTES: usize = 256 * 1024;

/// The edge's side of sending.
pub trait DatagramSink {
    /// Sends `datagrams` on `route`: one, or a run of equal sizes whose last may be shorter. The
    /// sink counts what the kernel refuses; nothing is reported back.
    fn send(&mut self, route: Route, datagrams: &[IoSlice<'_>]);
}

/// The bytes of all packets that wait, and who waits.
#[derive(Debug, Default)]
pub(super) struct Arena {
    bytes: Vec<u8>,
    used: usize,
    receivers: Vec<EndpointKey>,
}

impl Arena {
    pub(super) fn pending_bytes(&self) -> usize {
        self.used
    }

    pub(super) fn forget(&mut self, key: EndpointKey) {
        self.receivers.retain(|receiver| *receiver != key);
    }

    /// Room for `length` bytes. Bytes are initialised once and reused, not cleared.
    #[inline]
    fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.used + length;
        if self.bytes.len() < end {
            self.bytes.resize(end.next_multiple_of(ARENA_STEP), 0);
        }
        &mut self.bytes[self.used..end]
    }

    /// The next receiver with packets.
    pub(super) fn next_receiver(&mut self) -> Option<EndpointKey> {
        self.receivers.pop()
    }

    /// Hands the packets of one receiver over.
    pub(super) fn send(
        &self,
        endpoint: &mut Endpoint,
        sink: &mut impl DatagramSink,
        traffic: &mut Traffic,
    ) {
        if let Some(route) = endpoint.transport.route() {
            send_runs(&self.bytes, &endpoint.segments, route, sink, traffic);
        }
        endpoint.segments.clear();
    }

    /// All packets were handed over.
    pub(super) fn reset(&mut self) {
        self.used = 0;
        if self.bytes.len() > ARENA_KEPT {
            self.bytes.truncate(ARENA_KEPT);
            self.bytes.shrink_to_fit();
        }
    }
}

fn send_runs(
    bytes: &[u8],
    mut segments: &[Segment],
    route: Route,
    sink: &mut impl DatagramSink,
    traffic: &mut Traffic,
) {
    while !segments.is_empty() {
        let (run, rest) = segments.split_at(run_length(segments));
        segments = rest;
        let mut slices = [IoSlice::new(&[]); MAX_RUN];
        for (slice, segment) in slices.iter_mut().zip(run) {
            let start = segment.offset as usize;
            let end = start + usize::from(segment.length);
            *slice = IoSlice::new(bytes.get(start..end).unwrap_or_default());
            traffic.bytes_out += u64::from(segment.length);
        }
        traffic.packets_out += run.len() as u64;
        traffic.runs_out += 1;
        sink.send(route, &slices[..run.len()]);
    }
}

/// How many packets from the front make a run; at least one.
fn run_length(segments: &[Segment]) -> usize {
    let Some(first) = segments.first() else {
        return 0;
    };
    let mut bytes = 0;
    let mut count = 0;
    for segment in segments.iter().take(MAX_RUN) {
        bytes += usize::from(segment.length);
        if segment.length > first.length || bytes > MAX_RUN_BYTES {
            break;
        }
        count += 1;
        if segment.length < first.length {
            break;
        }
    }
    count.max(1)
}

/// The engine's [`Egress`] for one conference.
#[derive(Debug)]
pub struct Outboxes<'engine> {
    conference: ConferenceIndex,
    endpoints: &'engine mut [Option<Endpoint>],
    arena: &'engine mut Arena,
    counters: &'engine mut DropCounters,
    traffic: &'engine mut Traffic,
}

impl<'engine> Outboxes<'engine> {
    pub(super) fn new(
        conference: ConferenceIndex,
        endpoints: &'engine mut [Option<Endpoint>],
        arena: &'engine mut Arena,
        counters: &'engine mut DropCounters,
        traffic: &'engine mut Traffic,
    ) -> Self {
        Self {
            conference,
            endpoints,
            arena,
            counters,
            traffic,
        }
    }

    /// Packets and bytes of the engine so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        *self.traffic
    }

    #[inline]
    fn send(
        &mut self,
        receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
        protect: impl FnOnce(&mut Endpoint, &mut [u8]) -> Result<usize, SrtpError>,
    ) -> bool {
        let Some(Some(endpoint)) = self.endpoints.get_mut(receiver.as_usize()) else {
            return false;
        };
        if !endpoint.transport.is_connected() {
            return false;
        }
        if length + MAX_OVERHEAD > MAX_PACKET {
            self.counters.count(Drop::TooLong);
            return false;
        }
        let offset = self.arena.used as u32;
        let buffer = self.arena.room(length + MAX_OVERHEAD);
        write(&mut buffer[..length]);
        let Ok(protected) = protect(endpoint, buffer) else {
            self.counters.count(Drop::Unprotectable);
            return false;
        };
        self.arena.used += protected;
        if endpoint.segments.is_empty() {
            let key = EndpointKey {
                conference: self.conference,
                endpoint: receiver,
            };
            self.arena.receivers.push(key);
        }
        endpoint.segments.push(Segment {
            offset,
            length: protected as u16,
        });
        true
    }
}

impl Egress for Outboxes<'_> {
    #[inline]
    fn rtp(
        &mut self,
        receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        self.send(receiver, length, write, |endpoint, buffer| {
            endpoint.transport.protect_rtp(buffer, length)
        })
    }

    fn rtcp(
        &mut self,
        receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        self.send(receiver, length, write, |endpoint, buffer| {
            endpoint.transport.protect_rtcp(buffer, length)
        })
    }
}

/// The [`Egress`] of a flush: what was written leaves while it is still in the processor's cache.
pub(super) struct Departing<'flush, 'engine, S> {
    outboxes: Outboxes<'engine>,
    sink: &'flush mut S,
}

impl<'flush, 'engine, S: DatagramSink> Departing<'flush, 'engine, S> {
    /// The arena is empty, so that everything in it will be of one conference.
    pub(super) fn new(outboxes: Outboxes<'engine>, sink: &'flush mut S) -> Self {
        Self { outboxes, sink }
    }

    /// Sends everything.
    pub(super) fn send(&mut self) {
        let Outboxes {
            endpoints,
            arena,
            traffic,
            ..
        } = &mut self.outboxes;
        while let Some(key) = arena.next_receiver() {
            if let Some(Some(endpoint)) = endpoints.get_mut(key.endpoint.as_usize()) {
                arena.send(endpoint, self.sink, traffic);
            }
        }
        arena.reset();
    }
}

impl<S: DatagramSink> Egress for Departing<'_, '_, S> {
    #[inline]
    fn rtp(
        &mut self,
        receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        self.outboxes.rtp(receiver, length, write)
    }

    fn rtcp(
        &mut self,
        receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        self.outboxes.rtcp(receiver, length, write)
    }

    fn end_turn(&mut self) {
        if self.outboxes.arena.used >= CACHED_BYTES {
            self.send();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(lengths: &[u16]) -> Vec<usize> {
        let segments: Vec<_> = lengths
            .iter()
            .map(|length| Segment {
                offset: 0,
                length: *length,
            })
            .collect();
        let mut rest = &segments[..];
        let mut runs = Vec::new();
        while !rest.is_empty() {
            let length = run_length(rest);
            runs.push(length);
            rest = &rest[length..];
        }
        runs
    }

    #[test]
    fn runs_end_with_a_shorter_packet_and_before_a_longer_one() {
        assert!(runs(&[]).is_empty());
        assert_eq!(runs(&[1200]), [1]);
        assert_eq!(runs(&[1200, 1200, 700, 1200, 1200]), [3, 2]);
        assert_eq!(runs(&[100, 1200, 1200]), [1, 2]);
        assert_eq!(runs(&[1200, 700, 700]), [2, 1]);
    }

    #[test]
    fn runs_are_bounded() {
        assert_eq!(runs(&[100; 70]), [32, 32, 6]);
        let longest: usize = runs(&[1499; 80]).into_iter().max().unwrap();
        assert!(longest * 1499 <= MAX_RUN_BYTES);
    }
}
