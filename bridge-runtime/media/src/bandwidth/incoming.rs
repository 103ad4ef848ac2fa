//! Estimate of a sender's way up, for senders that do not number packets transport-wide.
//!
//! The receiving side of Google congestion control, whose outcome is stated as REMB
//! (draft-alvestrand-rmcat-remb-03): absolute send times against arrivals, through the same detector
//! and rate control as on the way down. Losses are the sender's business, which has our reports.
//! Nothing is stated of a sender that is silent.

use std::time::{Duration, Instant};

use super::BandwidthConfig;
use super::acknowledged::AcknowledgedRate;
use super::aimd::RateControl;
use super::history::Acknowledged;
use super::inter_arrival::InterArrival;
use super::trendline::{Trendline, Usage};

/// Interval of statements and of growth, microseconds.
const STATEMENT_INTERVAL: i64 = 1_000_000;
const GROWTH_INTERVAL: i64 = 100_000;
/// Below this share of the last statement, in percent, the next is made at once.
const DROP: u64 = 97;
/// A sender without packets for this long is silent, microseconds.
const SILENCE: i64 = 2_000_000;

/// Receiver-side estimator of one sender.
#[derive(Debug)]
pub struct IncomingEstimator {
    epoch: Instant,
    clock: SendClock,
    inter_arrival: InterArrival,
    trendline: Trendline,
    arriving: AcknowledgedRate,
    rate: RateControl,
    last_packet: i64,
    last_growth: i64,
    stated: Option<(u64, i64)>,
}

impl IncomingEstimator {
    /// Starts with the assumed estimate; nothing is stated before packets came. Times are counted
    /// from `epoch`.
    pub fn new(epoch: Instant, config: BandwidthConfig) -> Self {
        Self {
            epoch,
            clock: SendClock::default(),
            inter_arrival: InterArrival::new(),
            trendline: Trendline::new(),
            arriving: AcknowledgedRate::new(),
            rate: RateControl::new(config),
            last_packet: 0,
            last_growth: 0,
            stated: None,
        }
    }

    /// Takes a packet: its absolute send time (24 bits, seconds in 6.18 fixed point) and the bytes
    /// on the wire as far as known.
    pub fn packet_received(
        &mut self,
        now: Instant,
        send_time: u32,
        length: usize,
        round_trip: Duration,
    ) {
        let arrival = self.microseconds(now);
        let packet = Acknowledged {
            sent: self.clock.unwrap(send_time),
            arrival,
            length: length as u32,
            probe: None,
        };
        self.last_packet = arrival;
        self.arriving.add(arrival, packet.length, false);
        if let Some(deltas) = self.inter_arrival.add(&packet) {
            self.trendline.update(&deltas, arrival);
        }
        let usage = self.trendline.usage();
        let passing = self.arriving.under_pressure();
        let is_due = match usage {
            Usage::Over => self.rate.may_reduce(arrival, passing, round_trip),
            Usage::Normal | Usage::Under => arrival - self.last_growth >= GROWTH_INTERVAL,
        };
        if is_due && passing.is_some() {
            self.last_growth = arrival;
            self.rate.update(arrival, usage, passing, round_trip, false);
        }
    }

    /// The estimate in bit/s that the sender is to be told now, if any.
    pub fn poll_statement(&mut self, now: Instant) -> Option<u64> {
        let time = self.microseconds(now);
        let is_heard = self.arriving.bitrate().is_some() && time - self.last_packet < SILENCE;
        let bitrate = self.rate.bitrate();
        let is_due = self.stated.is_none_or(|(stated, at)| {
            time - at >= STATEMENT_INTERVAL || bitrate < stated * DROP / 100
        });
        (is_heard && is_due).then(|| {
            self.stated = Some((bitrate, time));
            bitrate
        })
    }

    /// The estimate in bit/s that the sender was last told.
    pub fn stated(&self) -> Option<u64> {
        self.stated.map(|(bitrate, _)| bitrate)
    }

    fn microseconds(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.epoch).as_micros() as i64
    }
}

/// Unwraps absolute send times, which come round every 64 seconds.
#[derive(Debug, Default)]
struct SendClock {
    last: Option<u32>,
    units: i64,
}

impl SendClock {
    /// Microseconds since the first packet; earlier ones may be negative.
    fn unwrap(&mut self, send_time: u32) -> i64 {
        let last = *self.last.get_or_insert(send_time);
        // The difference of 24 bits, with its sign.
        let step = (send_time.wrapping_sub(last) << 8).cast_signed() >> 8;
        self.last = Some(send_time);
        self.units += i64::from(step);
        (self.units * 1_000_000) >> 18
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = 1250;

    fn send_time(microseconds: u64) -> u32 {
        ((microseconds << 18) / 1_000_000) as u32 & 0xff_ffff
    }

    /// Sends `rate` bit/s for so many seconds over a path of `capacity` and its queue; returns the
    /// statements with their times in milliseconds.
    fn statements(
        estimator: &mut IncomingEstimator,
        start: Instant,
        span: std::ops::Range<u64>,
        rate: u64,
        capacity: u64,
    ) -> Vec<(u64, u64)> {
        let spacing = LENGTH as u64 * 8 * 1_000_000 / rate;
        let passage = LENGTH as u64 * 8 * 1_000_000 / capacity;
        let mut free = 0;
        let mut found = Vec::new();
        let mut sent = span.start * 1_000_000;
        while sent < span.end * 1_000_000 {
            free = sent.max(free) + passage;
            let now = start + Duration::from_micros(free);
            estimator.packet_received(now, send_time(sent), LENGTH, Duration::from_millis(40));
            let told = estimator.poll_statement(now);
            found.extend(told.map(|bitrate| (free / 1000, bitrate)));
            sent += spacing;
        }
        found
    }

    #[test]
    fn a_wide_path_is_stated_every_second_and_never_below_what_arrives() {
        let start = Instant::now();
        let mut estimator = IncomingEstimator::new(start, BandwidthConfig::default());
        let told = statements(&mut estimator, start, 0..100, 1_000_000, 50_000_000);
        assert!((98..=101).contains(&told.len()), "{}", told.len());
        assert!(told.iter().all(|(_, bitrate)| *bitrate >= 1_000_000));
    }

    #[test]
    fn a_path_that_is_full_is_stated_at_once_and_below_its_capacity() {
        let start = Instant::now();
        let mut estimator = IncomingEstimator::new(start, BandwidthConfig::default());
        statements(&mut estimator, start, 0..5, 1_000_000, 50_000_000);
        let told = statements(&mut estimator, start, 5..8, 1_000_000, 500_000);
        let (time, bitrate) = told
            .iter()
            .find(|(_, bitrate)| *bitrate < 1_000_000)
            .unwrap();
        assert!(*time < 6_000, "after {time} ms");
        assert!(*bitrate > 300_000, "{bitrate}");
        let (_, last) = told.last().unwrap();
        assert!((300_000..500_000).contains(last), "{told:?}");
    }

    #[test]
    fn a_silent_sender_is_told_nothing() {
        let start = Instant::now();
        let mut estimator = IncomingEstimator::new(start, BandwidthConfig::default());
        assert_eq!(estimator.poll_statement(start), None);
        statements(&mut estimator, start, 0..5, 1_000_000, 50_000_000);
        let later = start + Duration::from_secs(8);
        assert_eq!(estimator.poll_statement(later), None);
    }

    #[test]
    fn send_times_run_on_over_their_wrap() {
        let mut clock = SendClock::default();
        clock.unwrap(0xff_ff00);
        assert_eq!(clock.unwrap(0xff_ff00 + 0x80), 488);
        assert_eq!(clock.unwrap(0x100), 1953);
        assert_eq!(clock.unwrap(0xff_ff80), 488);
    }
}
