//! The loudest few, by exponentially smoothed energy.

use std::time::{Duration, Instant};

use crate::identifiers::EndpointIndex;

/// After this long without a packet a speaker is no longer loud.
const EXPIRY: Duration = Duration::from_millis(150);

#[derive(Clone, Copy, Debug)]
struct Energy {
    endpoint: EndpointIndex,
    /// Smoothed loudness in 1/256.
    smoothed: u32,
    last: Instant,
}

/// Keeps the `limit` loudest endpoints; memory is bounded by one entry per endpoint.
#[derive(Debug)]
pub struct Loudest {
    limit: usize,
    energies: Vec<Energy>,
}

impl Loudest {
    /// Keeps `limit` endpoints.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            energies: Vec::new(),
        }
    }

    /// Notes a packet's loudness (0 to 127) and tells whether its endpoint is among the loudest.
    pub fn update(&mut self, now: Instant, endpoint: EndpointIndex, loudness: u8) -> bool {
        let level = u32::from(loudness) << 8;
        let position = self
            .energies
            .iter()
            .position(|energy| energy.endpoint == endpoint);
        let position = position.unwrap_or_else(|| {
            self.energies.push(Energy {
                endpoint,
                smoothed: level,
                last: now,
            });
            self.energies.len() - 1
        });
        let energy = &mut self.energies[position];
        energy.smoothed = u32::midpoint(energy.smoothed, level);
        energy.last = now;
        self.is_loud(now, endpoint)
    }

    /// Whether an endpoint is among the loudest right now.
    pub fn is_loud(&self, now: Instant, endpoint: EndpointIndex) -> bool {
        let Some(own) = self
            .energies
            .iter()
            .find(|energy| energy.endpoint == endpoint)
        else {
            return false;
        };
        let louder = self.energies.iter().filter(|other| {
            now.saturating_duration_since(other.last) < EXPIRY
                && (other.smoothed, other.endpoint) > (own.smoothed, own.endpoint)
        });
        now.saturating_duration_since(own.last) < EXPIRY && louder.count() < self.limit
    }

    /// Forgets an endpoint that left.
    pub fn remove(&mut self, endpoint: EndpointIndex) {
        self.energies.retain(|energy| energy.endpoint != endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loudest_pass_and_the_silent_make_room() {
        let start = Instant::now();
        let mut loudest = Loudest::new(2);
        for endpoint in 0..4 {
            loudest.update(start, EndpointIndex(endpoint), 40 + 10 * endpoint as u8);
        }
        let passing = |loudest: &Loudest, now| {
            (0..4)
                .filter(|endpoint| loudest.is_loud(now, EndpointIndex(*endpoint)))
                .collect::<Vec<_>>()
        };
        assert_eq!(passing(&loudest, start), [2, 3]);
        let later = start + Duration::from_millis(200);
        loudest.update(later, EndpointIndex(0), 40);
        assert_eq!(passing(&loudest, later), [0]);
    }
}
