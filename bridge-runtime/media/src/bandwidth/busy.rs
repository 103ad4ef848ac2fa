//! What a path carries while packets queue before it: they arrive as fast as it lets them.
//!
//! The acknowledged rate is a mean that takes a third of a second to see a path collapse. Behind a
//! queue the spacing of arrivals tells at once; without one it tells only what was sent.

use super::history::Acknowledged;

/// A queue of this length was not empty a moment ago, microseconds.
const QUEUE: i64 = 80_000;
/// Time over which arrivals are measured, microseconds.
const SHORTEST: i64 = 50_000;
const LONGEST: i64 = 300_000;
/// The shortest delay is forgotten after this time, microseconds: clocks drift, paths change.
const MEMORY: i64 = 10_000_000;

#[derive(Debug)]
pub(super) struct BusyPath {
    /// Shortest delay of the present and of the last period; the clocks differ by a constant.
    shortest: [i64; 2],
    period_start: Option<i64>,
    /// First arrival behind a queue, and the bytes that came after it.
    since: Option<i64>,
    bytes: u64,
    rate: Option<u64>,
    /// First arrival since which all have queued.
    queued_since: Option<i64>,
    queued: i64,
}

impl BusyPath {
    pub(super) const fn new() -> Self {
        Self {
            shortest: [i64::MAX; 2],
            period_start: None,
            since: None,
            bytes: 0,
            rate: None,
            queued_since: None,
            queued: 0,
        }
    }

    /// Adds a packet, in order of arrival.
    pub(super) fn add(&mut self, packet: &Acknowledged) {
        let start = *self.period_start.get_or_insert(packet.arrival);
        if packet.arrival - start > MEMORY {
            self.shortest = [i64::MAX, self.shortest[0]];
            self.period_start = Some(packet.arrival);
        }
        let delay = packet.arrival - packet.sent;
        self.shortest[0] = self.shortest[0].min(delay);
        if delay - self.shortest[0].min(self.shortest[1]) < QUEUE {
            self.since = None;
            self.rate = None;
            self.queued_since = None;
            self.queued = 0;
            return;
        }
        self.queued = packet.arrival - *self.queued_since.get_or_insert(packet.arrival);
        let Some(since) = self.since else {
            self.since = Some(packet.arrival);
            self.bytes = 0;
            return;
        };
        self.bytes += u64::from(packet.length);
        let span = packet.arrival - since;
        if span >= SHORTEST {
            self.rate = Some(self.bytes * 8 * 1_000_000 / span as u64);
        }
        if span >= LONGEST {
            self.since = Some(packet.arrival);
            self.bytes = 0;
        }
    }

    /// For how long every packet has queued, microseconds.
    pub(super) const fn queued(&self) -> i64 {
        self.queued
    }

    /// Bit/s, while packets queue.
    pub(super) const fn rate(&self) -> Option<u64> {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sent: i64, arrival: i64) -> Acknowledged {
        Acknowledged {
            sent,
            arrival,
            length: 1250,
            probe: None,
        }
    }

    #[test]
    fn arrivals_tell_the_capacity_behind_a_queue_only() {
        let mut path = BusyPath::new();
        // 1 Mbit/s sent, all through.
        for step in 0..20 {
            path.add(&packet(step * 10_000, step * 10_000 + 7_000));
        }
        assert_eq!(path.rate(), None);
        // The path now takes 40 ms a packet.
        for step in 0..10 {
            path.add(&packet(200_000 + step * 10_000, 207_000 + step * 40_000));
        }
        assert_eq!((path.rate(), path.queued()), (Some(250_000), 240_000));
        path.add(&packet(700_000, 707_000));
        assert_eq!((path.rate(), path.queued()), (None, 0));
    }
}
