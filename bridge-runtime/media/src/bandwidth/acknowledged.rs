//! The rate at which packets are known to arrive (Bayesian filter over short windows).
#![expect(
    clippy::cast_precision_loss,
    reason = "byte counts of a window fit the mantissa"
)]

const FIRST_WINDOW: i64 = 500_000;
const WINDOW: i64 = 150_000;
/// Share of the filtered rate below which single windows are believed.
const COLLAPSE: f64 = 0.7;

#[derive(Debug)]
pub(super) struct AcknowledgedRate {
    bytes: u64,
    window_start: Option<i64>,
    estimate: Option<f64>,
    variance: f64,
    was_idle: bool,
    /// The last two windows alone, kbit/s.
    samples: [f64; 2],
}

impl AcknowledgedRate {
    pub(super) const fn new() -> Self {
        Self {
            bytes: 0,
            window_start: None,
            estimate: None,
            variance: 50.0,
            was_idle: false,
            samples: [0.0; 2],
        }
    }

    /// Adds a packet by its arrival in microseconds.
    pub(super) fn add(&mut self, arrival: i64, length: u32, is_idle: bool) {
        if self.was_idle && !is_idle {
            // The rate will change fast: trust new samples more.
            self.variance += 200.0;
        }
        self.was_idle = is_idle;
        let start = *self.window_start.get_or_insert(arrival);
        let window = if self.estimate.is_some() {
            WINDOW
        } else {
            FIRST_WINDOW
        };
        let elapsed = arrival - start;
        if elapsed < 0 {
            self.bytes += u64::from(length);
            return;
        }
        if elapsed >= window * 10 {
            // A long pause says nothing about the path.
            self.window_start = Some(arrival);
            self.bytes = u64::from(length);
            return;
        }
        if elapsed >= window {
            let sample = self.bytes as f64 * 8.0 / (elapsed as f64 / 1e6) / 1000.0;
            self.sample(sample, is_idle);
            self.window_start = Some(arrival);
            self.bytes = 0;
        }
        self.bytes += u64::from(length);
    }

    fn sample(&mut self, sample: f64, is_idle: bool) {
        self.samples = [self.samples[1], sample];
        let Some(estimate) = self.estimate else {
            self.estimate = Some(sample);
            return;
        };
        // Little was sent while idle, which is no sign of a narrow path.
        let scale = if is_idle && sample < estimate {
            20.0
        } else {
            10.0
        };
        let uncertainty =
            scale * (estimate - sample).abs() / (estimate + sample.min(25.0)).max(1.0);
        let sample_variance = (uncertainty * uncertainty).max(1e-6);
        let predicted = self.variance + 5.0;
        let updated =
            (sample_variance * estimate + predicted * sample) / (sample_variance + predicted);
        self.estimate = Some(updated.max(0.0));
        self.variance = sample_variance * predicted / (sample_variance + predicted);
    }

    /// What a decrease starts from: the filter follows a collapsed path too slowly, so the last
    /// two windows count where both show far less.
    pub(super) fn under_pressure(&self) -> Option<u64> {
        self.estimate.map(|estimate| {
            let lately = self.samples[0].max(self.samples[1]);
            let is_collapsed = lately < estimate * COLLAPSE;
            (if is_collapsed { lately } else { estimate } * 1000.0) as u64
        })
    }

    /// Bit/s.
    pub(super) fn bitrate(&self) -> Option<u64> {
        self.estimate.map(|kilobits| (kilobits * 1000.0) as u64)
    }
}
