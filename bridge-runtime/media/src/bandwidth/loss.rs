//! Bound from losses: grows while there are almost none, falls when there are many.
#![expect(clippy::cast_precision_loss, reason = "bit rates fit the mantissa")]

use std::time::Duration;

use super::BandwidthConfig;

const LOW: f64 = 0.02;
const HIGH: f64 = 0.10;
/// No path loses so much by chance: it is full.
const COLLAPSE: f64 = 0.3;
/// Packets after which the loss rate is looked at; half their weight stays for the next look,
/// lest chance in a small sample pass for congestion.
const FEWEST: u32 = 50;

#[derive(Debug)]
pub(super) struct LossControl {
    config: BandwidthConfig,
    bound: u64,
    expected: u32,
    lost: u32,
    /// Packets since the last look.
    fresh: u32,
    last_decrease: Option<i64>,
    last_increase: Option<i64>,
}

impl LossControl {
    pub(super) const fn new(config: BandwidthConfig) -> Self {
        Self {
            bound: config.start,
            config,
            expected: 0,
            lost: 0,
            fresh: 0,
            last_decrease: None,
            last_increase: None,
        }
    }

    pub(super) const fn report(&mut self, expected: u32, lost: u32) {
        self.expected += expected;
        self.fresh += expected;
        self.lost += lost;
    }

    /// A probe got through at this rate.
    pub(super) fn raise(&mut self, bitrate: u64) {
        self.bound = self.bound.max(bitrate).min(self.config.maximum);
    }

    /// When losses last took something off, microseconds.
    pub(super) const fn last_decrease(&self) -> Option<i64> {
        self.last_decrease
    }

    /// Whether so much is lost that the bound does not grow.
    pub(super) fn is_losing(&self) -> bool {
        f64::from(self.lost) > f64::from(self.expected) * LOW
    }

    /// The bound, given what delay admits and the rate that gets through.
    pub(super) fn update(
        &mut self,
        time: i64,
        round_trip: Duration,
        delay_bound: u64,
        passing: Option<u64>,
    ) -> u64 {
        if self.fresh < FEWEST {
            return self.bound;
        }
        let fraction = f64::from(self.lost) / f64::from(self.expected);
        if fraction <= LOW {
            let elapsed = self
                .last_increase
                .map_or(0, |last| (time - last).clamp(0, 1_000_000));
            let growth = 1.0 + 0.08 * elapsed as f64 / 1e6;
            self.bound = (self.bound as f64 * growth) as u64 + 1000;
            self.last_increase = Some(time);
            self.forget();
        } else if fraction > HIGH {
            self.last_increase = Some(time);
            let interval = 300_000 + round_trip.as_micros() as i64;
            if self
                .last_decrease
                .is_none_or(|last| time - last >= interval)
            {
                let current = self.bound.min(delay_bound);
                self.bound = (current as f64 * (1.0 - 0.5 * fraction)) as u64;
                if fraction > COLLAPSE {
                    // A queue that stays full shows no growing delay; what passes it is known.
                    self.bound = self.bound.min(passing.unwrap_or(u64::MAX));
                }
                self.last_decrease = Some(time);
                self.forget();
            }
        } else {
            self.last_increase = Some(time);
            self.forget();
        }
        // Growth beyond what delay admits would only have to be undone.
        let ceiling = (delay_bound * 3 / 2).max(self.config.start);
        self.bound = self.bound.min(ceiling).max(self.config.minimum);
        self.bound
    }

    const fn forget(&mut self) {
        self.expected /= 2;
        self.lost /= 2;
        self.fresh = 0;
    }
}
