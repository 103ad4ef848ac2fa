//! One timer out of many: the earliest deadline of all endpoints and conferences.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

use super::{ConferenceIndex, EndpointKey};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TimerKey {
    Endpoint(EndpointKey),
    Room(ConferenceIndex),
}

/// Deadlines, changed often and mostly to later: stale heap entries are skipped when they surface.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, TimerKey)>>,
    deadlines: HashMap<TimerKey, Instant>,
}

impl Timers {
    /// Sets or clears the deadline of `key`.
    pub(super) fn set(&mut self, key: TimerKey, deadline: Option<Instant>) {
        let Some(deadline) = deadline else {
            self.cancel(key);
            return;
        };
        if self.deadlines.insert(key, deadline) != Some(deadline) {
            self.heap.push(Reverse((deadline, key)));
            self.compact();
        }
    }

    pub(super) fn cancel(&mut self, key: TimerKey) {
        self.deadlines.remove(&key);
    }

    /// The earliest deadline.
    pub(super) fn next(&mut self) -> Option<Instant> {
        while let Some(Reverse((deadline, key))) = self.heap.peek() {
            if self.deadlines.get(key) == Some(deadline) {
                return Some(*deadline);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes one deadline that has passed.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<TimerKey> {
        if self.next()? > now {
            return None;
        }
        let Reverse((_, key)) = self.heap.pop()?;
        self.deadlines.remove(&key);
        Some(key)
    }

    /// Keeps the heap in proportion to the deadlines that count.
    fn compact(&mut self) {
        if self.heap.len() > 64 && self.heap.len() > 4 * self.deadlines.len() {
            let deadlines = &self.deadlines;
            self.heap
                .retain(|Reverse((deadline, key))| deadlines.get(key) == Some(deadline));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn deadlines_come_in_order_and_only_the_last_set_counts() {
        let mut timers = Timers::default();
        let now = Instant::now();
        let key = |index| TimerKey::Room(ConferenceIndex(index));
        timers.set(key(1), Some(now + Duration::from_secs(5)));
        timers.set(key(2), Some(now + Duration::from_secs(3)));
        timers.set(key(1), Some(now + Duration::from_secs(1)));
        timers.set(key(3), Some(now + Duration::from_secs(2)));
        timers.set(key(3), None);
        assert_eq!(timers.next(), Some(now + Duration::from_secs(1)));
        assert_eq!(timers.pop_due(now), None);
        let later = now + Duration::from_secs(10);
        assert_eq!(timers.pop_due(later), Some(key(1)));
        assert_eq!(timers.pop_due(later), Some(key(2)));
        assert_eq!(timers.pop_due(later), None);
    }

    #[test]
    fn moving_a_deadline_forever_does_not_grow_the_heap() {
        let mut timers = Timers::default();
        let now = Instant::now();
        for step in 0..10_000 {
            let deadline = now + Duration::from_millis(step);
            timers.set(TimerKey::Room(ConferenceIndex(1)), Some(deadline));
        }
        assert!(timers.heap.len() <= 65);
    }
}
