//! An endpoint: what it negotiated, and everything that is sent to it.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::media::NegotiatedMedia;
use super::pacing::Pacer;
use super::send::{OVERHEAD, SendState};
use crate::allocation::{Allocation, AudioSubscription, ReceiverSettings};
use crate::bandwidth::IncomingEstimator;
use crate::cache::SentLog;
use crate::identifiers::{EndpointId, SourceIndex, Ssrc};
use crate::projection::{Projection, SequenceMapper};
use crate::rtcp::ArrivalRecorder;
use crate::source::{RateMeter, VideoType};

/// Key frame requests of one receiver for one source: at most so many in this time.
const REQUEST_WINDOW: Duration = Duration::from_secs(10);
const REQUESTS: u8 = 3;
/// While a key frame is still missing, a request is repeated at least this often.
const REQUEST_RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct Endpoint {
    pub(super) id: EndpointId,
    pub(super) is_visitor: bool,
    pub(super) ssrc_rewriting: bool,
    pub(super) mid_demux: bool,
    pub(super) created: Instant,
    pub(super) media: NegotiatedMedia,
    /// ICE and DTLS are up.
    pub(super) is_ready: bool,
    pub(super) has_channel: bool,
    pub(super) force_mute_audio: bool,
    pub(super) force_mute_video: bool,
    pub(super) last_activity: Option<Instant>,
    /// What others were told of its connectivity.
    pub(super) is_active: bool,
    pub(super) was_reported_timed_out: bool,
    pub(super) sources: Vec<SourceIndex>,
    /// What it said of sources that are not signalled yet.
    pub(super) early_video_types: HashMap<String, VideoType>,
    /// Numbers under which sound left that is gone, in case it comes back under its SSRC.
    pub(super) former_audio: VecDeque<(Ssrc, SequenceMapper)>,
    pub(super) arrivals: ArrivalRecorder,
    /// For a sender that has to be told what its way up carries.
    pub(super) incoming: Option<Box<IncomingEstimator>>,
    pub(super) round_trip: Duration,
    /// Share of what was sent to it that did not arrive, as it last reported; of 256.
    pub(super) reported_loss: u8,

    pub(super) settings: ReceiverSettings,
    pub(super) initial_last_n: Option<i32>,
    pub(super) audio_subscription: AudioSubscription,
    pub(super) allocation: Allocation,
    pub(super) last_allocation: Option<Instant>,
    pub(super) needs_allocation: bool,
    pub(super) allocated_bandwidth: u64,
    pub(super) forwarded: Vec<SourceIndex>,
    /// A forwarded source was removed and the client has not been told.
    pub(super) forwarded_changed: bool,
    pub(super) send: SendState,
    pub(super) video: Vec<VideoStream>,
    /// By source index.
    pub(super) audio: Vec<AudioStream>,
    pub(super) audio_slots: Vec<AudioSlot>,
    /// Sound that is sent to it, on the wire.
    pub(super) audio_rate: RateMeter,
    /// Everything that is sent to it but probes and padding, on the wire.
    pub(super) media_rate: RateMeter,
    pub(super) pacer: Pacer,
    pub(super) next_connection_stats: Instant,
    /// Bytes that may be sent again now, and when that was worked out.
    pub(super) repair_budget: (i64, Instant),
    /// Padding not yet sent, bytes; negative when too much was.
    pub(super) padding_debt: i64,
    /// Copies sent as probes; picks the next one.
    pub(super) copies: u16,
}

impl Endpoint {
    pub(super) fn video_stream(&self, source: SourceIndex) -> Option<usize> {
        self.video
            .iter()
            .position(|stream| stream.source == Some(source))
    }

    /// Whether the path has room for repairs: half of it, lest a narrow one be filled with
    /// packets that come too late.
    pub(super) fn may_repair(&mut self, now: Instant) -> bool {
        let estimator = &self.send.bandwidth;
        if !estimator.is_founded() {
            return true;
        }
        let rate = (estimator.estimate() / 16) as i64;
        let (budget, last) = self.repair_budget;
        let gained =
            rate * now.saturating_duration_since(last).as_millis().min(1_000) as i64 / 1_000;
        let budget = (budget + gained).min(rate / 2);
        self.repair_budget = (budget, now);
        budget > 0
    }

    /// Counts video that left.
    pub(super) fn note_sent(&mut self, now: Instant, length: usize) {
        self.media_rate.add(now, length + OVERHEAD);
        if self.send.bandwidth.is_founded() {
            self.pacer.spend(length + OVERHEAD);
        }
    }

    /// Whether the estimate is no longer what was allocated.
    pub(super) fn estimate_moved(&self) -> bool {
        if self.settings.assumed_bandwidth.is_some() || !self.send.bandwidth.is_founded() {
            return false;
        }
        let estimate = self.send.bandwidth.estimate();
        let largest = self.allocated_bandwidth / 100 * 15;
        estimate.abs_diff(self.allocated_bandwidth) > largest
    }

    pub(super) fn last_n(&self) -> Option<i32> {
        self.settings.last_n.or(self.initial_last_n)
    }
}

/// A video stream towards a receiver: a source's own, or a slot that sources take turns in.
#[derive(Debug)]
pub(super) struct VideoStream {
    pub(super) source: Option<SourceIndex>,
    pub(super) ssrc: Ssrc,
    pub(super) rtx: Option<RtxStream>,
    pub(super) mid: Option<Mid>,
    pub(super) projection: Projection,
    pub(super) sent: SentLog,
    /// Generation of the projection that the log belongs to.
    pub(super) generation: u32,
    pub(super) counters: StreamCounters,
    pub(super) reports: SentReports,
    pub(super) requests: RequestLimiter,
    /// The receiver asked for a key frame and has not got one.
    pub(super) is_key_frame_pending: bool,
    pub(super) last_used: Instant,
    pub(super) last_payload_type: u8,
}

impl VideoStream {
    pub(super) fn new(now: Instant, ssrc: Ssrc, rtx: Option<Ssrc>, mid: Option<Mid>) -> Self {
        Self {
            source: None,
            ssrc,
            rtx: rtx.map(RtxStream::new),
            mid,
            projection: Projection::new(),
            sent: SentLog::new(now),
            generation: 0,
            counters: StreamCounters::default(),
            reports: SentReports::default(),
            requests: RequestLimiter::default(),
            is_key_frame_pending: false,
            last_used: now,
            last_payload_type: 0,
        }
    }

    /// Another source takes over, or one that was gone is back: the numbers run on, a key frame
    /// starts it, and nothing that was asked for before counts any more.
    pub(super) fn take_up(&mut self, now: Instant, source: SourceIndex) {
        self.source = Some(source);
        self.last_used = now;
        self.projection.restart();
        self.sent.clear();
        self.requests = RequestLimiter::default();
        self.is_key_frame_pending = false;
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RtxStream {
    pub(super) ssrc: Ssrc,
    pub(super) next_sequence: u16,
}

impl RtxStream {
    pub(super) const fn new(ssrc: Ssrc) -> Self {
        Self {
            ssrc,
            next_sequence: ssrc.0 as u16 & 0x7fff,
        }
    }
}

/// Media line id of a slot: a letter and a number below a thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mid {
    text: [u8; 4],
    length: u8,
}

impl Mid {
    pub(super) fn new(letter: u8, number: usize) -> Self {
        let mut text = [letter, 0, 0, 0];
        let digits = match number {
            0..10 => 1,
            10..100 => 2,
            _ => 3,
        };
        let mut rest = number % 1000;
        for digit in text[1..=digits].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Self {
            text,
            length: digits as u8 + 1,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }

    pub(super) fn to_text(self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StreamCounters {
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl StreamCounters {
    pub(super) const fn add(&mut self, payload: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload as u32);
    }
}

/// An audio source towards a receiver.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AudioStream {
    pub(super) counters: StreamCounters,
    pub(super) reports: SentReports,
    /// Slot the source holds, with rewriting.
    pub(super) slot: Option<u16>,
}

/// A slot that audio sources take turns in.
#[derive(Clone, Copy, Debug)]
pub(super) struct AudioSlot {
    pub(super) source: Option<SourceIndex>,
    pub(super) ssrc: Ssrc,
    pub(super) mid: Option<Mid>,
    pub(super) last_used: Instant,
    pub(super) sequence_offset: u16,
    pub(super) timestamp_offset: u32,
    /// Number of the first packet of its source, as sent.
    pub(super) first_sequence: u16,
    pub(super) highest_sequence: u16,
    pub(super) highest_timestamp: u32,
    pub(super) has_started: bool,
    /// The next packet is the first of a new source.
    pub(super) is_handed_over: bool,
}

impl AudioSlot {
    pub(super) const fn new(now: Instant, ssrc: Ssrc, mid: Option<Mid>) -> Self {
        Self {
            source: None,
            ssrc,
            mid,
            last_used: now,
            sequence_offset: 0,
            timestamp_offset: 0,
            first_sequence: 0,
            highest_sequence: 0,
            highest_timestamp: 0,
            has_started: false,
            is_handed_over: false,
        }
    }

    /// Numbers of a packet on this slot; none for one that was overtaken when the slot changed hands:
    /// those were the former source's.
    pub(super) const fn map(&mut self, sequence: u16, timestamp: u32) -> Option<(u16, u32)> {
        if self.is_handed_over && self.has_started {
            self.sequence_offset = self.highest_sequence.wrapping_add(1).wrapping_sub(sequence);
            // One packet of 20 ms at 48 kHz.
            self.timestamp_offset = self
                .highest_timestamp
                .wrapping_add(960)
                .wrapping_sub(timestamp);
        }
        let is_first = std::mem::replace(&mut self.is_handed_over, false) || !self.has_started;
        let sequence = sequence.wrapping_add(self.sequence_offset);
        if is_first {
            self.first_sequence = sequence;
        }
        let is_young = self.highest_sequence.wrapping_sub(self.first_sequence) < 1 << 14;
        if is_young && !is_first && sequence.wrapping_sub(self.first_sequence) >= 1 << 15 {
            return None;
        }
        let timestamp = timestamp.wrapping_add(self.timestamp_offset);
        if !self.has_started || sequence.wrapping_sub(self.highest_sequence) < 1 << 15 {
            self.highest_sequence = sequence;
            self.highest_timestamp = timestamp;
        }
        self.has_started = true;
        Some((sequence, timestamp))
    }
}

/// Sender reports sent lately, to find the round trip from a receiver's report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SentReports {
    reports: [Option<(u32, Instant)>; 4],
    next: u8,
}

impl SentReports {
    pub(super) fn push(&mut self, now: Instant, compact_ntp: u32) {
        self.reports[usize::from(self.next)] = Some((compact_ntp, now));
        self.next = (self.next + 1) % 4;
    }

    /// Whether a report with this compact NTP time was sent.
    pub(super) fn has(&self, compact_ntp: u32) -> bool {
        self.reports
            .iter()
            .flatten()
            .any(|(ntp, _)| *ntp == compact_ntp)
    }

    /// Round trip, given LSR and DLSR of a report that just came.
    pub(super) fn round_trip(&self, now: Instant, last: u32, delay: u32) -> Option<Duration> {
        let sent = self.reports.iter().flatten().find(|(ntp, _)| *ntp == last);
        let (_, sent) = sent?;
        let delay = Duration::from_micros((u64::from(delay) * 1_000_000) >> 16);
        now.saturating_duration_since(*sent).checked_sub(delay)
    }
}

/// Limits a receiver's key frame requests for one source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestLimiter {
    last: Option<Instant>,
    window_start: Option<Instant>,
    count: u8,
}

impl RequestLimiter {
    /// Whether a request may pass; counts as passed.
    pub(super) fn pass(&mut self, now: Instant, round_trip: Duration) -> bool {
        let interval = Duration::from_millis(200).min(round_trip + Duration::from_millis(10));
        if self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < interval)
        {
            return false;
        }
        let is_new_window = self
            .window_start
            .is_none_or(|start| now.saturating_duration_since(start) >= REQUEST_WINDOW);
        if is_new_window {
            self.window_start = Some(now);
            self.count = 0;
        }
        if self.count >= REQUESTS {
            return false;
        }
        self.count += 1;
        self.last = Some(now);
        true
    }

    /// Whether a switch that still waits for its key frame may ask again.
    pub(super) fn retry(&mut self, now: Instant) -> bool {
        let is_due = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= REQUEST_RETRY);
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_line_ids_are_a_letter_and_a_number() {
        let texts = [0, 9, 10, 49, 100].map(|number| Mid::new(b'v', number).to_text());
        assert_eq!(texts, ["v0", "v9", "v10", "v49", "v100"]);
    }

    #[test]
    fn three_key_frame_requests_pass_in_ten_seconds() {
        let start = Instant::now();
        let mut limiter = RequestLimiter::default();
        let passed = (0..200)
            .filter(|round| {
                let now = start + Duration::from_millis(100 * round);
                limiter.pass(now, Duration::from_millis(40))
            })
            .count();
        assert_eq!(passed, 6);
    }

    #[test]
    fn a_slot_continues_its_numbers_when_it_is_handed_over() {
        let now = Instant::now();
        let mut slot = AudioSlot::new(now, Ssrc(1), None);
        assert_eq!(slot.map(65_535, 100), Some((65_535, 100)));
        slot.is_handed_over = true;
        assert_eq!(slot.map(500, 70_000), Some((0, 1060)));
        assert_eq!(slot.map(499, 69_040), None, "the number before was sent");
        assert_eq!(slot.map(501, 70_960), Some((1, 2020)));
        for step in 2..=40_000_u32 {
            let number = (500 + step) as u16;
            assert_eq!(
                slot.map(number, 70_000 + 960 * step),
                Some((step as u16, 1060 + 960 * step))
            );
        }
    }
}
