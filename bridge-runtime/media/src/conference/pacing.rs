//! Pacing: what a narrow path cannot take at once waits a little.
//!
//! A key frame on a slow path fills the queue before it and is lost there in part. Video beyond a
//! burst therefore waits here and leaves at one and a half times the estimate, in its order; no
//! faster than the estimate while the queue of a path that was full drains. Where a path is too
//! narrow for what is wanted, frames are no bursts: they leave spread over their time. Sound, probes and repairs
//! do not wait. Nothing waits before the estimate rests on anything. Only places in the packet stores
//! wait, no packets.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Conference;
use super::egress::Egress;
use super::endpoint::Endpoint;
use super::feedback::Purpose;
use super::send::Turn;
use super::source::Source;
use crate::cache::LONGEST_WAIT;
use crate::identifiers::{EndpointIndex, SourceIndex};
use crate::projection::Rewrite;

/// What may leave at once, as time at the pace.
const BURST: Duration = Duration::from_millis(40);
/// The same on a path that is too narrow for what is wanted.
const BURST_WHEN_NARROW: Duration = INTERVAL;
/// Time between two looks at what waits.
pub(super) const INTERVAL: Duration = Duration::from_millis(5);
/// Most packets that wait; the store of a stream holds as many.
const MOST_WAITING: usize = 256;

/// A packet that waits: where it is stored and how it is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Position of the video stream, and whose packet it is: sources take turns in streams.
    pub(super) stream: u16,
    pub(super) source: SourceIndex,
    pub(super) encoding: u8,
    /// Unwrapped number in the incoming stream, low half.
    pub(super) input: u32,
    pub(super) length: u16,
    pub(super) rewrite: Rewrite,
}

/// What one receiver's path was given of late, and what waits for it.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Bits that left and that the pace has not worked off yet.
    debt: u64,
    last: Instant,
    waiting: VecDeque<Waiting>,
    waiting_bytes: u64,
}

impl Pacer {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            debt: 0,
            last: now,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// Works off what `pace` (bit/s) allows since the last call.
    fn work_off(&mut self, now: Instant, pace: u64) {
        let elapsed = now.saturating_duration_since(self.last).as_micros() as u64;
        self.last = now;
        self.debt = self
            .debt
            .saturating_sub(pace.saturating_mul(elapsed.min(1_000_000)) / 1_000_000);
    }

    /// Whether the next video packet has to wait, when `burst` may leave at once.
    fn holds(&mut self, now: Instant, pace: u64, burst: Duration) -> bool {
        self.work_off(now, pace);
        let is_full = self.waiting.len() >= MOST_WAITING;
        !is_full && (!self.waiting.is_empty() || self.debt > bits_in(burst, pace))
    }

    /// Counts bytes that left.
    pub(super) const fn spend(&mut self, bytes: usize) {
        self.debt = self.debt.saturating_add(bytes as u64 * 8);
    }

    pub(super) fn push(&mut self, packet: Waiting) {
        self.waiting_bytes += u64::from(packet.length);
        self.waiting.push_back(packet);
    }

    /// Lets go of what waits of a stream.
    pub(super) fn forget(&mut self, stream: usize) {
        self.waiting
            .retain(|packet| usize::from(packet.stream) != stream);
        self.waiting_bytes = self
            .waiting
            .iter()
            .map(|packet| u64::from(packet.length))
            .sum();
    }

    /// Whether anything waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next packet whose turn it is.
    fn pop(&mut self, now: Instant, pace: u64) -> Option<Waiting> {
        // The pace rises until the longest wait is met.
        let least = self.waiting_bytes * 8 * 1000 / LONGEST_WAIT.as_millis() as u64;
        let pace = pace.max(least);
        self.work_off(now, pace);
        if self.debt > bits_in(INTERVAL, pace) {
            return None;
        }
        let packet = self.waiting.pop_front()?;
        self.waiting_bytes -= u64::from(packet.length);
        Some(packet)
    }
}

const fn bits_in(time: Duration, rate: u64) -> u64 {
    rate.saturating_mul(time.as_micros() as u64) / 1_000_000
}

impl Conference {
    /// Sends what has waited long enough.
    pub(super) fn send_paced<E: Egress>(&mut self, now: Instant, egress: &mut E) {
        self.next_paced = None;
        for (position, endpoint) in self.endpoints.iter_mut().enumerate() {
            let Some(endpoint) = endpoint.as_deref_mut() else {
                continue;
            };
            let mut turn = Turn {
                now,
                receiver: EndpointIndex(position as u32),
                egress,
                counters: &mut self.counters,
            };
            if endpoint.send_waiting(&mut turn, &self.sources) {
                self.next_paced = Some(now + INTERVAL);
            }
        }
    }
}

impl Endpoint {
    /// Whether the next video packet has to wait.
    pub(super) fn holds_video(&mut self, now: Instant) -> bool {
        let burst = if self.allocation.is_held_back {
            BURST_WHEN_NARROW
        } else {
            BURST
        };
        self.pace(now)
            .is_some_and(|pace| self.pacer.holds(now, pace, burst))
    }

    /// Rate at which video may leave, bit/s; `None` while there is no reason to hold it back.
    fn pace(&self, now: Instant) -> Option<u64> {
        let estimator = &self.send.bandwidth;
        if !estimator.is_founded() {
            return None;
        }
        let estimate = estimator.estimate();
        Some(if estimator.is_recovering(now) {
            estimate
        } else {
            estimate * 3 / 2
        })
    }

    /// Sends what has waited long enough; returns whether anything still waits.
    fn send_waiting<E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        sources: &[Option<Box<Source>>],
    ) -> bool {
        if !self.pacer.is_waiting() {
            return false;
        }
        let now = turn.now;
        let pace = self.pace(now).unwrap_or(u64::MAX / 2_000_000);
        while let Some(packet) = self.pacer.pop(now, pace) {
            let position = usize::from(packet.stream);
            let stored = self.video.get(position).and_then(|stream| {
                let index = stream.source.filter(|source| *source == packet.source)?;
                let source = sources.get(index.as_usize())?.as_deref()?;
                let encoding = source.encodings.get(usize::from(packet.encoding))?;
                encoding.store.get_low(now, packet.input as u16)
            });
            // What its source no longer has is lost like any packet, and asked for again.
            let Some(stored) = stored else { continue };
            self.send_stored(
                turn,
                position,
                stored.bytes,
                &packet.rewrite,
                Purpose::First,
            );
        }
        self.pacer.is_waiting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: u64 = 1_000_000;

    fn packet(stream: u16) -> Waiting {
        Waiting {
            stream,
            source: SourceIndex(0),
            encoding: 0,
            input: 0,
            length: 1000,
            rewrite: Rewrite::default(),
        }
    }

    #[test]
    fn a_burst_leaves_at_once_and_the_rest_at_the_pace() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        let mut at_once = 0;
        while !pacer.holds(start, PACE, BURST) {
            pacer.spend(1000);
            at_once += 1;
        }
        // 40 ms at 1 Mbit/s are five packets of 1000 bytes; one more goes over.
        assert_eq!(at_once, 6);
        for _ in 0..10 {
            pacer.push(packet(0));
        }
        let mut left = 0;
        for millisecond in 1..=80 {
            let now = start + Duration::from_millis(millisecond);
            while pacer.pop(now, PACE).is_some() {
                pacer.spend(1000);
                left += 1;
            }
        }
        // Of 80 ms the first 43 work off the burst.
        assert_eq!(left, 5);
        assert!(pacer.is_waiting());
    }

    #[test]
    fn nothing_waits_longer_than_a_quarter_second() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        for _ in 0..200 {
            pacer.push(packet(0));
        }
        let end = start + LONGEST_WAIT * 2;
        let mut now = start;
        while pacer.is_waiting() && now < end {
            now += INTERVAL;
            while pacer.pop(now, 30_000).is_some() {
                pacer.spend(1000);
            }
        }
        assert!(pacer.waiting.len() < 60, "{}", pacer.waiting.len());
    }

    #[test]
    fn a_stream_that_stops_gives_its_place_to_others() {
        let mut pacer = Pacer::new(Instant::now());
        pacer.push(packet(0));
        pacer.push(packet(1));
        pacer.forget(0);
        assert_eq!((pacer.waiting.len(), pacer.waiting_bytes), (1, 1000));
    }
}
