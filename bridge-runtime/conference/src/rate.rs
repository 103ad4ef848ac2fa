//! A limit on how often one participant may ask for something.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// At least `min_interval` apart, at most `max` in `window`.
#[derive(Debug, Clone, Default)]
pub(crate) struct RateLimit {
    granted: VecDeque<Instant>,
}

impl RateLimit {
    /// Grants and remembers, or refuses.
    pub(crate) fn grant(
        &mut self,
        now: Instant,
        min_interval: Duration,
        max: usize,
        window: Duration,
    ) -> bool {
        while self
            .granted
            .front()
            .is_some_and(|granted| now.saturating_duration_since(*granted) >= window)
        {
            self.granted.pop_front();
        }
        let too_soon = self
            .granted
            .back()
            .is_some_and(|granted| now.saturating_duration_since(*granted) < min_interval);
        if too_soon || self.granted.len() >= max {
            return false;
        }
        self.granted.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_spaced_and_counted_in_a_window() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut limit = RateLimit::default();
        let mut grant = |seconds| {
            limit.grant(
                at(seconds),
                Duration::from_secs(5),
                3,
                Duration::from_secs(60),
            )
        };
        assert!(grant(0));
        assert!(!grant(4), "too soon");
        assert!(grant(5));
        assert!(grant(10));
        assert!(!grant(15), "three in the window");
        assert!(grant(60), "the first has left the window");
    }
}
