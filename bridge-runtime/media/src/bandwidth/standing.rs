//! A queue that stands: everything waits in it, and it neither grows nor drains (RFC 8289 section 3.1).
//!
//! Growing delay shows a queue that fills. One that is full shows none, and losses fewer than the loss
//! bound minds: flows that share a path could keep it full for many seconds, each of them losing what
//! no repair brings back in time. So whoever sees packets wait and some get lost comes down, the
//! faster the more it sends, as flows of one kind then meet. Others (TCP) may be the ones that fill
//! the queue, so only a few decreases and its first seconds are given to draining it.

/// A queue that lasts this long is no burst, microseconds.
const STANDING: i64 = 300_000;
/// By then it would have drained if it were ours alone, microseconds.
const DRAINED: i64 = 2_000_000;
/// Bits that leave between two decreases.
const BITS_BETWEEN: i64 = 1_000_000;
/// What these do not drain is not ours: TCP keeps it full, or the way has become longer.
const MOST_DECREASES: u32 = 2;

#[derive(Debug)]
pub(super) struct StandingQueue {
    last_decrease: Option<i64>,
    /// Of the present queue.
    decreases: u32,
}

impl StandingQueue {
    pub(super) const fn new() -> Self {
        Self {
            last_decrease: None,
            decreases: 0,
        }
    }

    /// Whether a path on which packets have queued for so long, microseconds, should be left to drain.
    pub(super) fn is_to_drain(queued: i64) -> bool {
        (STANDING..DRAINED).contains(&queued)
    }

    /// Whether it is time to come down from `estimate` (bit/s); counts it as done.
    pub(super) fn calls_for_decrease(
        &mut self,
        time: i64,
        queued: i64,
        is_losing: bool,
        estimate: u64,
    ) -> bool {
        let interval = BITS_BETWEEN * 1_000_000 / (estimate.max(1) as i64);
        let is_due = self.last_decrease.is_none_or(|last| time - last > interval);
        if queued == 0 {
            self.decreases = 0;
        }
        let calls = queued >= STANDING && is_losing && is_due && self.decreases < MOST_DECREASES;
        if calls {
            self.decreases += 1;
            self.last_decrease = Some(time);
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_stands_and_loses_calls_for_decreases_the_sooner_the_more_is_sent() {
        let decreases = |estimate: u64| {
            let mut queue = StandingQueue::new();
            let steps = (0..40).map(|step| step * 50_000);
            steps
                .filter(|time| queue.calls_for_decrease(*time, *time, true, estimate))
                .collect::<Vec<_>>()
        };
        assert_eq!(decreases(4_000_000), [300_000, 600_000]);
        assert_eq!(decreases(1_000_000), [300_000, 1_350_000]);
        assert_eq!(decreases(100_000), [300_000]);
    }

    #[test]
    fn what_does_not_drain_is_left_to_others_until_it_does() {
        let mut queue = StandingQueue::new();
        let mut calls = |second: i64, queued| {
            queue.calls_for_decrease(second * 1_000_000, queued, true, 2_000_000)
        };
        let never_empty = [1, 2, 3, 4].map(|second| calls(second, second * 1_000_000));
        assert_eq!(never_empty, [true, true, false, false]);
        assert!(!calls(5, 0));
        assert!(calls(6, STANDING));
    }

    #[test]
    fn neither_bursts_nor_a_long_path_call_for_one() {
        let mut queue = StandingQueue::new();
        assert!(!queue.calls_for_decrease(0, STANDING - 1, true, 1_000_000));
        assert!(!queue.calls_for_decrease(0, STANDING, false, 1_000_000));
        assert!(queue.calls_for_decrease(0, STANDING, true, 1_000_000));
    }

    #[test]
    fn a_queue_that_does_not_drain_is_not_waited_for() {
        let waits = [0, 400_000, 3_000_000].map(StandingQueue::is_to_drain);
        assert_eq!(waits, [false, true, false]);
    }
}
