//! Packets sent and not yet reported on.

use std::num::NonZeroU16;

use crate::sequence_ring::{Entry, SequenceRing};

/// Entries at first and at most.
const FEWEST: usize = 64;
const MOST: usize = 8192;
/// A packet this young still waits for its report.
const WAIT_MICROSECONDS: u32 = 1_000_000;

/// A packet the receiver reported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acknowledged {
    /// Our clock, microseconds.
    pub(super) sent: i64,
    /// The receiver's clock, microseconds.
    pub(super) arrival: i64,
    pub(super) length: u32,
    pub(super) probe: Option<u32>,
}

/// Twelve bytes, as there are very many.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Microseconds, low half.
    time: u32,
    /// Cluster, zero for none.
    probe: u32,
    sequence: u16,
    length: NonZeroU16,
}

const _: () = assert!(size_of::<Option<Sent>>() == 12);

impl Entry for Sent {
    fn sequence(&self) -> u16 {
        self.sequence
    }

    fn time(&self) -> u32 {
        self.time
    }
}

/// Ring by transport-wide sequence number; its size follows the rate.
#[derive(Debug)]
pub(super) struct SentHistory {
    packets: SequenceRing<Sent, FEWEST, MOST>,
}

impl SentHistory {
    pub(super) const fn new() -> Self {
        Self {
            packets: SequenceRing::new(),
        }
    }

    pub(super) fn insert(&mut self, sequence: u16, now: i64, length: usize, probe: Option<u32>) {
        let length = NonZeroU16::new(length.min(usize::from(u16::MAX)) as u16);
        let packet = Sent {
            time: now as u32,
            probe: probe.unwrap_or(0),
            sequence,
            length: length.unwrap_or(NonZeroU16::MIN),
        };
        self.packets.insert(packet, WAIT_MICROSECONDS);
    }

    /// Takes a packet out; a second report of it is void.
    pub(super) fn acknowledge(&mut self, now: i64, sequence: u16) -> Option<Acknowledged> {
        let packet = self.packets.take(sequence)?;
        Some(Acknowledged {
            // Reports come within seconds, the low half of the clock lasts an hour.
            sent: now - i64::from((now as u32).wrapping_sub(packet.time)),
            arrival: 0,
            length: u32::from(packet.length.get()),
            probe: (packet.probe != 0).then_some(packet.probe),
        })
    }

    /// A packet was reported missing; it may still be reported as arrived.
    pub(super) fn lose(&self, sequence: u16) -> bool {
        self.packets.get(sequence).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_acknowledged_once_with_its_whole_time() {
        let mut history = SentHistory::new();
        let hour = 3_600_000_000;
        history.insert(65_535, 2 * hour, 1_200, Some(7));
        history.insert(0, 2 * hour + 1, 100_000, None);
        assert!(history.lose(65_535));
        let first = history.acknowledge(2 * hour + 50_000, 65_535).unwrap();
        assert_eq!((first.sent, first.length), (2 * hour, 1_200));
        assert_eq!(first.probe, Some(7));
        assert!(history.acknowledge(2 * hour + 50_000, 65_535).is_none());
        let second = history.acknowledge(2 * hour + 50_000, 0).unwrap();
        assert_eq!((second.length, second.probe), (65_535, None));
    }

    #[test]
    fn only_what_nobody_reported_on_takes_memory() {
        let mut history = SentHistory::new();
        for number in 0..10_000_u16 {
            let now = i64::from(number) * 500;
            history.insert(number, now, 1_000, None);
            history.acknowledge(now, number.wrapping_sub(20));
        }
        assert_eq!(history.packets.places(), FEWEST);
        for number in 10_000..14_000_u16 {
            history.insert(number, i64::from(number) * 500, 1_000, None);
        }
        assert_eq!(history.packets.places(), 2_048);
    }
}
