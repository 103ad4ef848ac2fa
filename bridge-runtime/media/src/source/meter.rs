//! Bit rate over a sliding second.

use std::time::Instant;

const BUCKET_MILLISECONDS: u64 = 50;
const BUCKETS: usize = 20;

/// Counts bytes in twenty buckets of 50 ms; fixed memory, no allocation.
#[derive(Clone, Debug)]
pub struct RateMeter {
    buckets: [u32; BUCKETS],
    total: u32,
    /// Number of the newest bucket since `epoch`.
    newest: u64,
    epoch: Instant,
    /// Number of the bucket of the first packet since the stream was silent.
    first: u64,
}

impl RateMeter {
    /// Starts empty.
    pub const fn new(now: Instant) -> Self {
        Self {
            buckets: [0; BUCKETS],
            total: 0,
            newest: 0,
            epoch: now,
            first: 0,
        }
    }

    fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.epoch).as_millis() as u64;
        let bucket = elapsed / BUCKET_MILLISECONDS;
        if bucket >= self.newest + BUCKETS as u64 {
            self.buckets = [0; BUCKETS];
            self.total = 0;
            self.newest = bucket;
        }
        while self.newest < bucket {
            self.newest += 1;
            let slot = &mut self.buckets[self.newest as usize % BUCKETS];
            self.total -= *slot;
            *slot = 0;
        }
    }

    /// Adds a packet.
    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        if self.total == 0 {
            self.first = self.newest;
        }
        self.buckets[self.newest as usize % BUCKETS] += bytes as u32;
        self.total += bytes as u32;
    }

    /// Bits per second. While a stream is younger than a second its rate is taken over its
    /// age, but no less than a quarter second, lest one key frame look like a torrent.
    pub fn bitrate(&mut self, now: Instant) -> u64 {
        self.advance(now);
        let age = (self.newest - self.first + 1).clamp(BUCKETS as u64 / 4, BUCKETS as u64);
        u64::from(self.total) * 8 * BUCKETS as u64 / age
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_constant_stream_is_measured_and_its_end_noticed() {
        let start = Instant::now();
        let mut meter = RateMeter::new(start);
        for packet in 0..200 {
            meter.add(start + Duration::from_millis(packet * 10), 125);
        }
        let rate = meter.bitrate(start + Duration::from_millis(1990));
        assert!((95_000..=105_000).contains(&rate), "{rate}");
        assert_eq!(meter.bitrate(start + Duration::from_secs(4)), 0);
    }

    #[test]
    fn a_young_stream_is_not_underestimated_for_a_second() {
        let start = Instant::now();
        let mut meter = RateMeter::new(start);
        let later = start + Duration::from_secs(100);
        for packet in 0..50 {
            meter.add(later + Duration::from_millis(packet * 10), 125);
        }
        let rate = meter.bitrate(later + Duration::from_millis(500));
        assert!((85_000..=115_000).contains(&rate), "{rate}");
    }
}
