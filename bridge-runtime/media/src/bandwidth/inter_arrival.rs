//! Groups packets sent in one burst and compares the spacing of groups at either end.

use super::history::Acknowledged;

/// Packets sent within this time form a group, microseconds.
const GROUP: i64 = 5_000;
/// Packets arriving this close together after queueing form a burst, microseconds.
const BURST: i64 = 5_000;
const LONGEST_BURST: i64 = 100_000;
/// A jump of the arrival clock beyond this starts afresh, microseconds.
const CLOCK_JUMP: i64 = 3_000_000;

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrival: i64,
    last_arrival: i64,
}

/// Spacing of two groups, microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deltas {
    pub(super) sent: i64,
    pub(super) arrival: i64,
}

#[derive(Debug)]
pub(super) struct InterArrival {
    current: Option<Group>,
    previous: Option<Group>,
}

impl InterArrival {
    pub(super) const fn new() -> Self {
        Self {
            current: None,
            previous: None,
        }
    }

    /// Adds a packet; gives the spacing when it completes a group.
    pub(super) fn add(&mut self, packet: &Acknowledged) -> Option<Deltas> {
        let Some(mut current) = self.current else {
            self.current = Some(Group::new(packet));
            return None;
        };
        if packet.sent < current.first_sent {
            // Overtaken; it tells nothing about queues.
            return None;
        }
        if !current.ends_before(packet) {
            current.last_sent = current.last_sent.max(packet.sent);
            current.last_arrival = current.last_arrival.max(packet.arrival);
            self.current = Some(current);
            return None;
        }
        let deltas = self.previous.and_then(|previous| {
            let deltas = Deltas {
                sent: current.last_sent - previous.last_sent,
                arrival: current.last_arrival - previous.last_arrival,
            };
            let is_sane = deltas.arrival >= 0 && deltas.arrival - deltas.sent < CLOCK_JUMP;
            is_sane.then_some(deltas)
        });
        self.previous = Some(current);
        self.current = Some(Group::new(packet));
        deltas
    }
}

impl Group {
    const fn new(packet: &Acknowledged) -> Self {
        Self {
            first_sent: packet.sent,
            last_sent: packet.sent,
            first_arrival: packet.arrival,
            last_arrival: packet.arrival,
        }
    }

    fn ends_before(&self, packet: &Acknowledged) -> bool {
        let arrival = packet.arrival - self.last_arrival;
        let sent = packet.sent - self.last_sent;
        let is_burst = sent == 0
            || (arrival - sent < 0
                && arrival <= BURST
                && packet.arrival - self.first_arrival < LONGEST_BURST);
        !is_burst && packet.sent - self.first_sent > GROUP
    }
}
