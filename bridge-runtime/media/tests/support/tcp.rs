//! A flow that fills the queue of a path, as TCP does: it sends more until something is lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::link::Bottleneck;

/// Bytes of data in a packet, and of the packet as the bottleneck counts it.
const DATA: u64 = 1448;
const PACKET: usize = 1456;
/// Both ways without the queue.
const ROUND_TRIP: Duration = Duration::from_millis(40);
/// What a loss leaves of the window (RFC 9438 section 4.6).
const DECREASE: f64 = 0.7;

/// Slow start, additive increase, multiplicative decrease; losses are known at once.
pub struct TcpFlow {
    /// Packets.
    window: f64,
    threshold: f64,
    /// Losses before this belong to the last decrease.
    recovered: Instant,
    in_flight: BTreeMap<(Instant, u64), bool>,
    count: u64,
    pub delivered_bytes: u64,
}

impl TcpFlow {
    pub const fn new(now: Instant) -> Self {
        Self {
            window: 10.0,
            threshold: f64::INFINITY,
            recovered: now,
            in_flight: BTreeMap::new(),
            count: 0,
            delivered_bytes: 0,
        }
    }

    pub fn step(&mut self, now: Instant, bottleneck: &mut Bottleneck) {
        while let Some(entry) = self.in_flight.first_entry().filter(|it| it.key().0 <= now) {
            if entry.remove() {
                self.delivered_bytes += DATA;
                self.window += if self.window < self.threshold {
                    1.0
                } else {
                    1.0 / self.window
                };
            } else if now > self.recovered {
                self.window = (self.window * DECREASE).max(2.0);
                self.threshold = self.window;
                self.recovered = now + ROUND_TRIP + bottleneck.queue;
            }
        }
        while (self.in_flight.len() as f64) < self.window {
            self.count += 1;
            let passed = bottleneck.pass(now, PACKET);
            let known = passed.unwrap_or(now + bottleneck.queue) + ROUND_TRIP;
            self.in_flight.insert((known, self.count), passed.is_some());
        }
    }
}
