//! Rate control: additive or multiplicative increase, multiplicative decrease.
#![expect(clippy::cast_precision_loss, reason = "bit rates fit the mantissa")]

use std::time::Duration;

use super::BandwidthConfig;
use super::trendline::Usage;

const DECREASE: f64 = 0.85;
/// Growth in one second far from the limit.
const GROWTH: f64 = 1.08;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

#[derive(Debug)]
pub(super) struct RateControl {
    config: BandwidthConfig,
    bitrate: u64,
    state: State,
    last_change: Option<i64>,
    last_decrease: Option<i64>,
    capacity: Capacity,
}

impl RateControl {
    pub(super) const fn new(config: BandwidthConfig) -> Self {
        Self {
            bitrate: config.start,
            config,
            state: State::Hold,
            last_change: None,
            last_decrease: None,
            capacity: Capacity {
                estimate: None,
                deviation: 0.4,
            },
        }
    }

    pub(super) const fn bitrate(&self) -> u64 {
        self.bitrate
    }

    /// When over-use last took something off, microseconds.
    pub(super) const fn last_decrease(&self) -> Option<i64> {
        self.last_decrease
    }

    pub(super) fn set(&mut self, time: i64, bitrate: u64) {
        self.bitrate = bitrate.clamp(self.config.minimum, self.config.maximum);
        self.last_change = Some(time);
    }

    /// What the loss bound leaves; growth starts there.
    pub(super) fn limit(&mut self, bitrate: u64) {
        self.bitrate = self.bitrate.min(bitrate);
    }

    /// Whether over-use calls for another decrease.
    pub(super) fn may_reduce(
        &self,
        time: i64,
        acknowledged: Option<u64>,
        round_trip: Duration,
    ) -> bool {
        let interval = (round_trip.as_micros() as i64).clamp(10_000, 200_000);
        self.last_decrease
            .is_none_or(|last| time - last >= interval)
            || acknowledged.is_some_and(|acknowledged| acknowledged < self.bitrate / 2)
    }

    pub(super) fn update(
        &mut self,
        time: i64,
        usage: Usage,
        acknowledged: Option<u64>,
        round_trip: Duration,
        is_blind: bool,
    ) {
        match usage {
            // While little is sent and nothing queues, what arrives says nothing about the path: step
            // by step.
            Usage::Over if is_blind => {
                self.decrease(time, acknowledged.map(|rate| rate.max(self.bitrate)));
            }
            Usage::Over => self.decrease(time, acknowledged),
            Usage::Under => self.state = State::Hold,
            Usage::Normal => {
                if self.state == State::Hold {
                    self.state = State::Increase;
                    self.last_change.get_or_insert(time);
                }
                self.increase(time, acknowledged, round_trip);
            }
        }
        self.last_change = Some(time);
    }

    fn increase(&mut self, time: i64, acknowledged: Option<u64>, round_trip: Duration) {
        let elapsed = self
            .last_change
            .map_or(0, |last| (time - last).clamp(0, 1_000_000)) as f64
            / 1e6;
        if let Some(acknowledged) = acknowledged
            && self.capacity.is_above(acknowledged)
        {
            self.capacity.estimate = None;
        }
        let growth = if self.capacity.estimate.is_some() {
            self.near_limit_growth(round_trip) * elapsed
        } else {
            (self.bitrate as f64 * (GROWTH.powf(elapsed) - 1.0)).max(1000.0)
        };
        let increased = self.bitrate + growth as u64;
        // Not far beyond what is known to get through.
        let ceiling = acknowledged.map_or(self.config.maximum, |acknowledged| {
            acknowledged * 3 / 2 + 10_000
        });
        if self.bitrate < ceiling {
            self.bitrate = increased.min(ceiling).min(self.config.maximum);
        }
    }

    /// About one packet per response time, bit/s per second.
    fn near_limit_growth(&self, round_trip: Duration) -> f64 {
        let frame_bits = self.bitrate as f64 / 30.0;
        let packets = (frame_bits / (8.0 * 1200.0)).ceil().max(1.0);
        let response = (round_trip.as_secs_f64() + 0.1) * 2.0;
        (frame_bits / packets / response).max(4000.0)
    }

    fn decrease(&mut self, time: i64, acknowledged: Option<u64>) {
        let Some(acknowledged) = acknowledged else {
            self.bitrate = (self.bitrate / 2).max(self.config.minimum);
            self.last_decrease = Some(time);
            return;
        };
        let mut decreased = acknowledged as f64 * DECREASE;
        if decreased > self.bitrate as f64
            && let Some(capacity) = self.capacity.estimate
        {
            decreased = DECREASE * capacity;
        }
        if (decreased as u64) < self.bitrate {
            self.bitrate = (decreased as u64).max(self.config.minimum);
        }
        if self.capacity.is_below(acknowledged) {
            self.capacity.estimate = None;
        }
        self.capacity.add(acknowledged);
        self.state = State::Hold;
        self.last_decrease = Some(time);
    }
}

/// Where over-use was seen lately.
#[derive(Debug)]
struct Capacity {
    estimate: Option<f64>,
    /// Variance relative to the estimate, in kbit/s.
    deviation: f64,
}

impl Capacity {
    fn spread(&self, estimate: f64) -> f64 {
        3.0 * (self.deviation * estimate / 1000.0).sqrt() * 1000.0
    }

    fn is_above(&self, bitrate: u64) -> bool {
        self.estimate
            .is_some_and(|estimate| bitrate as f64 > estimate + self.spread(estimate))
    }

    fn is_below(&self, bitrate: u64) -> bool {
        self.estimate
            .is_some_and(|estimate| (bitrate as f64) < estimate - self.spread(estimate))
    }

    fn add(&mut self, bitrate: u64) {
        let sample = bitrate as f64;
        let estimate = self
            .estimate
            .map_or(sample, |estimate| estimate * 0.95 + sample * 0.05);
        let error = (estimate - sample) / 1000.0;
        let norm = (estimate / 1000.0).max(1.0);
        self.deviation = (self.deviation * 0.95 + error * error / norm * 0.05).clamp(0.4, 2.5);
        self.estimate = Some(estimate);
    }
}
