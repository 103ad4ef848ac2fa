//! Over-use detector: the slope of the smoothed queueing delay against an adaptive threshold.
#![expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a connection fit the mantissa"
)]

use super::inter_arrival::Deltas;

const WINDOW: usize = 20;
const SMOOTHING: f64 = 0.9;
const GAIN: f64 = 4.0;
const MOST_DELTAS: f64 = 60.0;
/// Over-use must last this long, milliseconds.
const OVERUSE_TIME: f64 = 10.0;
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// Trends this far beyond the threshold do not move it.
const LARGEST_ADAPTION: f64 = 15.0;

/// What the queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    Normal,
    Over,
    Under,
}

#[derive(Debug)]
pub(super) struct Trendline {
    points: [(f64, f64); WINDOW],
    count: usize,
    next: usize,
    deltas: u32,
    first_arrival: Option<i64>,
    accumulated: f64,
    smoothed: f64,
    previous_trend: f64,
    threshold: f64,
    last_threshold_update: Option<f64>,
    over_time: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl Trendline {
    pub(super) const fn new() -> Self {
        Self {
            points: [(0.0, 0.0); WINDOW],
            count: 0,
            next: 0,
            deltas: 0,
            first_arrival: None,
            accumulated: 0.0,
            smoothed: 0.0,
            previous_trend: 0.0,
            threshold: 12.5,
            last_threshold_update: None,
            over_time: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }

    pub(super) const fn usage(&self) -> Usage {
        self.usage
    }

    pub(super) fn update(&mut self, deltas: &Deltas, arrival: i64) {
        let first = *self.first_arrival.get_or_insert(arrival);
        let difference = (deltas.arrival - deltas.sent) as f64 / 1000.0;
        self.deltas = (self.deltas + 1).min(1000);
        self.accumulated += difference;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        let time = (arrival - first) as f64 / 1000.0;
        self.points[self.next] = (time, self.smoothed);
        self.next = (self.next + 1) % WINDOW;
        self.count = (self.count + 1).min(WINDOW);
        let trend = if self.count == WINDOW {
            self.slope().unwrap_or(self.previous_trend)
        } else {
            self.previous_trend
        };
        self.detect(trend, deltas.sent as f64 / 1000.0, arrival as f64 / 1000.0);
    }

    /// Least squares over the window.
    fn slope(&self) -> Option<f64> {
        let count = WINDOW as f64;
        let mean_time = self.points.iter().map(|point| point.0).sum::<f64>() / count;
        let mean_delay = self.points.iter().map(|point| point.1).sum::<f64>() / count;
        let mut numerator = 0.0;
        let mut denominator = 0.0;
        for (time, delay) in self.points {
            numerator += (time - mean_time) * (delay - mean_delay);
            denominator += (time - mean_time).powi(2);
        }
        (denominator > 0.0).then(|| numerator / denominator)
    }

    fn detect(&mut self, trend: f64, sent_delta: f64, now: f64) {
        if self.deltas < 2 {
            self.usage = Usage::Normal;
            return;
        }
        let modified = f64::from(self.deltas).min(MOST_DELTAS) * trend * GAIN;
        if modified > self.threshold {
            let over = self
                .over_time
                .map_or(sent_delta / 2.0, |time| time + sent_delta);
            self.over_time = Some(over);
            self.over_count += 1;
            if over > OVERUSE_TIME && self.over_count > 1 && trend >= self.previous_trend {
                self.over_time = Some(0.0);
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_time = None;
            self.over_count = 0;
            self.usage = if modified < -self.threshold {
                Usage::Under
            } else {
                Usage::Normal
            };
        }
        self.previous_trend = trend;
        self.adapt_threshold(modified, now);
    }

    fn adapt_threshold(&mut self, modified: f64, now: f64) {
        let last = *self.last_threshold_update.get_or_insert(now);
        self.last_threshold_update = Some(now);
        if modified.abs() > self.threshold + LARGEST_ADAPTION {
            return;
        }
        let factor = if modified.abs() < self.threshold {
            THRESHOLD_DOWN
        } else {
            THRESHOLD_UP
        };
        let elapsed = (now - last).clamp(0.0, 100.0);
        self.threshold += factor * (modified.abs() - self.threshold) * elapsed;
        self.threshold = self.threshold.clamp(6.0, 600.0);
    }
}
