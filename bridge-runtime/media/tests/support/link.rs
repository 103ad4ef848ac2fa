//! One direction of a network path.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Datagram;

/// A queue that several links pass first.
pub struct Bottleneck {
    /// Bit/s.
    pub rate: u64,
    /// Longest queue in time.
    pub queue: Duration,
    busy_until: Option<Instant>,
}

impl Bottleneck {
    pub const fn new(rate: u64) -> Self {
        Self {
            rate,
            queue: Duration::from_millis(300),
            busy_until: None,
        }
    }

    /// When a datagram leaves the queue, `None` when it finds it full.
    pub fn pass(&mut self, now: Instant, length: usize) -> Option<Instant> {
        let free = self.busy_until.map_or(now, |busy| busy.max(now));
        if free - now > self.queue {
            return None;
        }
        let bits = (length as u64 + 44) * 8;
        let departure = free + Duration::from_nanos(bits * 1_000_000_000 / self.rate);
        self.busy_until = Some(departure);
        Some(departure)
    }
}

/// Delay, then a queue of bounded length drained at a capped rate, loss and jitter.
pub struct Link {
    pub delay: Duration,
    /// Extra delay up to this, which reorders packets.
    pub jitter: Duration,
    /// Lost packets in a thousand.
    pub loss: u32,
    /// Bit/s, zero for unlimited.
    pub rate: u64,
    /// Longest queue in time.
    pub queue: Duration,
    busy_until: Option<Instant>,
    in_flight: BTreeMap<(Instant, u64), Datagram>,
    count: u64,
    random: u64,
    pub delivered_bytes: u64,
    pub dropped: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Link {
    pub fn new(seed: u64) -> Self {
        Self {
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            loss: 0,
            rate: 0,
            queue: Duration::from_millis(300),
            busy_until: None,
            in_flight: BTreeMap::new(),
            count: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            delivered_bytes: 0,
            dropped: 0,
        }
    }

    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    pub fn send(&mut self, now: Instant, datagram: Datagram) {
        if self.next_random() % 1000 < u64::from(self.loss) {
            self.dropped += 1;
            return;
        }
        let mut departure = now;
        if self.rate > 0 {
            let free = self.busy_until.map_or(now, |busy| busy.max(now));
            if free - now > self.queue {
                self.dropped += 1;
                return;
            }
            // 28 bytes of IP and UDP, 16 of the SRTP tag.
            let bits = (datagram.bytes.len() as u64 + 44) * 8;
            departure = free + Duration::from_nanos(bits * 1_000_000_000 / self.rate);
            self.busy_until = Some(departure);
        }
        let jitter = if self.jitter.is_zero() {
            Duration::ZERO
        } else {
            Duration::from_micros(self.next_random() % self.jitter.as_micros() as u64)
        };
        self.count += 1;
        self.in_flight
            .insert((departure + self.delay + jitter, self.count), datagram);
    }

    pub fn receive(&mut self, now: Instant) -> Option<Datagram> {
        let first = self.in_flight.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let datagram = first.remove();
        self.delivered_bytes += datagram.bytes.len() as u64;
        Some(datagram)
    }
}
