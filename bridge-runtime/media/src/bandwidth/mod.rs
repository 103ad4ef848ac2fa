//! Estimate of the way down to one receiver, from its transport-wide feedback; [`IncomingEstimator`] has
//! the way up.
//!
//! After the published design of Google congestion control (Carlucci et al., "Analysis and
//! design of the Google congestion control for WebRTC", 2016, and draft-ietf-rmcat-gcc-02):
//! inter-arrival filtering, a trendline over-use detector with adaptive threshold, AIMD rate
//! control, a loss-based bound, the acknowledged rate, and probing; a decrease for queues that stand full is
//! ours. A receiver without such
//! feedback may state its own estimate (REMB). Nothing here sends: probes are asked for.

mod acknowledged;
mod aimd;
mod busy;
mod history;
mod idle;
mod incoming;
mod inter_arrival;
mod loss;
mod probe;
mod standing;
mod trendline;

use std::time::{Duration, Instant};

use acknowledged::AcknowledgedRate;
use aimd::RateControl;
use busy::BusyPath;
use history::{Acknowledged, SentHistory};
use idle::IdleDetector;
pub use incoming::IncomingEstimator;
use inter_arrival::InterArrival;
use loss::LossControl;
use probe::{ProbeController, ProbeResults};
use standing::StandingQueue;
use trendline::{Trendline, Usage};

use crate::rtcp::TransportFeedback;

/// Time after a decrease in which queues drain, microseconds.
const RECOVERY: i64 = 1_000_000;
/// Time that a probe's result stands for, microseconds.
const PROOF: i64 = 1_000_000;

/// Bounds of an estimate, bit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandwidthConfig {
    /// Assumed before anything is known.
    pub start: u64,
    /// Never below this.
    pub minimum: u64,
    /// Never above this.
    pub maximum: u64,
}

impl Default for BandwidthConfig {
    fn default() -> Self {
        Self {
            start: 2_500_000,
            minimum: 30_000,
            maximum: 20_000_000,
        }
    }
}

/// Sender-side estimator of one receiver.
#[derive(Debug)]
pub struct BandwidthEstimator {
    config: BandwidthConfig,
    epoch: Instant,
    history: SentHistory,
    inter_arrival: InterArrival,
    trendline: Trendline,
    rate: RateControl,
    acknowledged: AcknowledgedRate,
    busy: BusyPath,
    standing: StandingQueue,
    loss: LossControl,
    idle: IdleDetector,
    probes: ProbeController,
    results: ProbeResults,
    /// What a probe showed last, and when, microseconds.
    proven: Option<(u64, i64)>,
    round_trip: Duration,
    estimate: u64,
    has_feedback: bool,
    stated: Option<u64>,
    /// Packets of the feedback at hand; kept to reuse its memory.
    batch: Vec<Acknowledged>,
}

impl BandwidthEstimator {
    /// Starts with the assumed estimate.
    pub fn new(now: Instant, config: BandwidthConfig) -> Self {
        Self {
            epoch: now,
            history: SentHistory::new(),
            inter_arrival: InterArrival::new(),
            trendline: Trendline::new(),
            rate: RateControl::new(config),
            acknowledged: AcknowledgedRate::new(),
            busy: BusyPath::new(),
            standing: StandingQueue::new(),
            loss: LossControl::new(config),
            idle: IdleDetector::new(),
            probes: ProbeController::new(),
            results: ProbeResults::default(),
            proven: None,
            round_trip: Duration::from_millis(200),
            estimate: config.start,
            has_feedback: false,
            stated: None,
            batch: Vec::new(),
            config,
        }
    }

    fn microseconds(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.epoch).as_micros() as i64
    }

    /// Notes a packet that went out with a transport-wide sequence number. `length` counts the
    /// bytes on the wire as far as known. Whatever leaves during a probe cluster belongs to it:
    /// what shares the path with a probe would be missing from its result.
    pub fn packet_sent(&mut self, now: Instant, sequence: u16, length: usize) {
        let time = self.microseconds(now);
        let probe = self.probes.sent(time, length);
        self.history.insert(sequence, time, length, probe);
        self.idle.sent(time, length, self.estimate);
    }

    /// Takes a feedback packet. Allocates only while its buffers still grow.
    pub fn transport_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) {
        let time = self.microseconds(now);
        self.batch.clear();
        let mut lost = 0;
        for packet in feedback.packets() {
            match packet.arrival_microseconds {
                Some(arrival) => {
                    if let Some(sent) = self.history.acknowledge(time, packet.sequence) {
                        self.batch.push(Acknowledged { arrival, ..sent });
                    }
                }
                None => lost += u32::from(self.history.lose(packet.sequence)),
            }
        }
        let Some(newest) = self.batch.iter().map(|packet| packet.sent).max() else {
            self.loss.report(lost, lost);
            return;
        };
        self.has_feedback = true;
        let round_trip = Duration::from_micros((time - newest).max(0) as u64);
        self.round_trip = (self.round_trip * 7 + round_trip) / 8;
        self.loss.report(self.batch.len() as u32 + lost, lost);
        self.process_arrivals(time);
        self.update(time);
    }

    fn process_arrivals(&mut self, time: i64) {
        // In order of arrival, as the acknowledged rate needs it; equal to the order of sending
        // but for reordered packets.
        self.batch
            .sort_unstable_by_key(|packet| (packet.arrival, packet.sent));
        let is_idle = self.idle.is_idle();
        for packet in &self.batch {
            self.acknowledged
                .add(packet.arrival, packet.length, is_idle);
            self.busy.add(packet);
            if let Some(deltas) = self.inter_arrival.add(packet) {
                self.trendline.update(&deltas, packet.arrival);
            }
            if let Some(cluster) = packet.probe {
                self.results.add(cluster, packet);
            }
        }
        let probed = self.results.take();
        let acknowledged = self.acknowledged.bitrate();
        match (self.usage(time), probed) {
            (Usage::Over, _) => {
                self.probes.abort();
                let acknowledged = self.passing(time);
                // Behind a queue arrivals tell what the path carries, however little was sent.
                let is_blind = is_idle && self.busy.rate().is_none();
                if self.rate.may_reduce(time, acknowledged, self.round_trip) {
                    self.rate
                        .update(time, Usage::Over, acknowledged, self.round_trip, is_blind);
                }
            }
            (_, Some(probed)) => {
                let floor = acknowledged.unwrap_or(0) * 85 / 100;
                self.proven = Some((probed, time));
                self.rate.set(time, probed.max(floor));
                self.loss.raise(probed.max(floor));
            }
            (usage, None) => self
                .rate
                .update(time, usage, acknowledged, self.round_trip, is_idle),
        }
    }

    fn usage(&mut self, time: i64) -> Usage {
        let queued = self.busy.queued();
        let is_losing = self.loss.is_losing();
        if self
            .standing
            .calls_for_decrease(time, queued, is_losing, self.estimate)
        {
            return Usage::Over;
        }
        self.trendline.usage()
    }

    fn update(&mut self, time: i64) {
        let passing = self.passing(time);
        let bound = self
            .loss
            .update(time, self.round_trip, self.rate.bitrate(), passing);
        let estimate = self
            .rate
            .bitrate()
            .min(bound)
            .clamp(self.config.minimum, self.config.maximum);
        self.estimate = estimate;
        self.rate.limit(estimate.max(self.rate.bitrate() / 2));
        if StandingQueue::is_to_drain(self.busy.queued()) {
            self.probes.abort();
        }
        self.probes.estimate_changed(time, estimate);
    }

    /// What gets through a path that is full, as far as anything tells.
    fn passing(&self, time: i64) -> Option<u64> {
        let acknowledged = self.acknowledged.under_pressure()?;
        // Little below the mean, spacing is chance, or others' share of the path; but a mean of less
        // than may be sent is no measure of the path.
        let least = if self.idle.is_idle() {
            acknowledged
        } else {
            acknowledged / 2
        };
        let collapsed = self.busy.rate().filter(|busy| *busy < least);
        // Right after a probe the mean is still that of the time before.
        let proven = self.proven.filter(|(_, at)| time - at < PROOF);
        let proven = proven.map_or(0, |(rate, _)| rate);
        Some(collapsed.unwrap_or(acknowledged.max(proven)))
    }

    /// Takes a receiver's own estimate, used while there is no transport-wide feedback.
    pub fn receiver_estimate(&mut self, bitrate: u64) {
        self.stated = Some(bitrate.clamp(self.config.minimum, self.config.maximum));
    }

    /// States the rate that could be used if it were there; probes go no further than twice it.
    pub fn set_wanted(&mut self, bitrate: u64) {
        self.probes.set_wanted(bitrate);
    }

    /// The estimate in bit/s.
    pub fn estimate(&self) -> u64 {
        match self.stated {
            Some(stated) if !self.has_feedback => stated,
            _ => self.estimate,
        }
    }

    /// Whether the estimate rests on anything the receiver said.
    pub const fn is_founded(&self) -> bool {
        self.has_feedback || self.stated.is_some()
    }

    /// Smoothed round trip of feedback, the wait for it included; `None` before the first.
    pub fn round_trip(&self) -> Option<Duration> {
        self.has_feedback.then_some(self.round_trip)
    }

    /// Whether the path was found full a moment ago: its queue wants to drain.
    pub fn is_recovering(&self, now: Instant) -> bool {
        let time = self.microseconds(now);
        if StandingQueue::is_to_drain(self.busy.queued()) {
            return true;
        }
        let decreases = [self.rate.last_decrease(), self.loss.last_decrease()];
        decreases
            .into_iter()
            .flatten()
            .any(|last| time - last < RECOVERY)
    }

    /// Whether less is sent than the estimate admits.
    pub const fn is_idle(&self) -> bool {
        self.idle.is_idle()
    }

    /// Bytes of a probe to send now, if a cluster is under way; packets are whole, so it may
    /// become more. They are reported by [`BandwidthEstimator::packet_sent`] like all others.
    pub fn poll_probe(&mut self, now: Instant) -> Option<usize> {
        if !self.has_feedback {
            return None;
        }
        let time = self.microseconds(now);
        self.probes.poll(time, self.estimate, self.config.maximum)
    }

    /// When a cluster under way wants its next packet.
    pub fn next_probe(&self) -> Option<Instant> {
        let time = self.probes.next_due()?;
        Some(self.epoch + Duration::from_micros(time.max(0) as u64))
    }
}
