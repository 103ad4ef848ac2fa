//! A source within the conference: its incoming streams and who gets it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cache::{NackGenerator, PacketStore};
use crate::codec::av1;
use crate::identifiers::{EndpointId, EndpointIndex, Ssrc};
use crate::projection::SequenceMapper;
use crate::rtcp::ReportBlock;
use crate::source::{
    EncodingDescription, Layer, LayerMeter, MediaKind, SourceDescription, VideoType,
};
use crate::speaker::SilenceFilter;

/// Least time between two key frame requests to one source, whoever asks.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(200);
/// A larger step of the sequence numbers is a sender that began anew (RFC 3550 appendix A.1).
const LARGEST_STEP: u64 = 3000;
/// An encoding of which nothing came for so long while so many pictures of others did has stopped; its
/// rate alone tells that only a second later.
const STOPPED_AFTER: Duration = Duration::from_millis(300);
const STOPPED_PICTURES: u8 = 10;

/// Receiver of a video source and where its state lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subscriber {
    pub(super) endpoint: EndpointIndex,
    pub(super) stream: usize,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) description: SourceDescription,
    pub(super) owner: EndpointIndex,
    pub(super) owner_id: EndpointId,
    pub(super) video_type: VideoType,
    pub(super) encodings: Vec<Encoding>,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) silence: SilenceFilter,
    pub(super) silence_mapper: SequenceMapper,
    pub(super) last_key_frame_request: Option<Instant>,
    pub(super) fir_command: u8,
    /// Largest height receivers want, as last told to the sender.
    pub(super) told_height: Option<i32>,
    /// Active layers at the last look, as bits.
    pub(super) active_layers: u64,
}

impl Source {
    pub(super) fn new(
        now: Instant,
        (owner, owner_id): (EndpointIndex, EndpointId),
        description: SourceDescription,
    ) -> Self {
        let encodings = description
            .encodings
            .iter()
            .map(|encoding| Encoding::new(now, *encoding, description.kind))
            .collect();
        Self {
            video_type: description.video_type,
            description,
            owner,
            owner_id,
            encodings,
            subscribers: Vec::new(),
            silence: SilenceFilter::default(),
            silence_mapper: SequenceMapper::new(),
            last_key_frame_request: None,
            fir_command: 0,
            told_height: None,
            active_layers: 0,
        }
    }

    /// Signalling stated the same streams again; what it says of them anew counts.
    pub(super) fn restate(&mut self, description: SourceDescription) {
        if description.video_type != self.description.video_type {
            self.video_type = description.video_type;
        }
        self.description = description;
    }

    pub(super) fn name(&self) -> &str {
        self.description.name.as_str()
    }

    pub(super) fn is_video(&self) -> bool {
        self.description.kind == MediaKind::Video
    }

    /// SSRC and RTX SSRC under which receivers without rewriting get the source.
    pub(super) fn primary(&self) -> (Ssrc, Option<Ssrc>) {
        self.description
            .encodings
            .first()
            .map_or((Ssrc(0), None), |encoding| (encoding.ssrc, encoding.rtx))
    }

    pub(super) fn layers(&mut self, now: Instant) -> Vec<Layer> {
        let count = self.encodings.len() as u8;
        // As many temporal layers as are usual, all encodings at once.
        let mut layers = Vec::with_capacity(self.encodings.len() * 3);
        for (index, encoding) in self.encodings.iter_mut().enumerate() {
            let first = layers.len();
            encoding.meter.collect(now, index as u8, count, &mut layers);
            if encoding.has_stopped {
                let layers = layers[first..].iter_mut();
                layers.for_each(|layer| layer.bitrate = 0);
            }
        }
        layers
    }

    /// Notes a packet of an encoding, maybe the last of a picture. Returns whether encodings stopped
    /// or are back.
    pub(super) fn note_packet(&mut self, now: Instant, number: u8, ends_picture: bool) -> bool {
        let mut changed = false;
        for (other, encoding) in self.encodings.iter_mut().enumerate() {
            if other == usize::from(number) {
                encoding.missed_pictures = 0;
                changed |= std::mem::take(&mut encoding.has_stopped);
            } else if ends_picture && !encoding.has_stopped {
                encoding.missed_pictures = encoding.missed_pictures.saturating_add(1);
                let last = encoding.reception.last_packet;
                encoding.has_stopped = encoding.missed_pictures >= STOPPED_PICTURES
                    && last
                        .is_some_and(|last| now.saturating_duration_since(last) >= STOPPED_AFTER);
                changed |= encoding.has_stopped;
            }
        }
        changed
    }

    /// Whether a key frame may be asked for now; counts as asked.
    pub(super) fn may_request_key_frame(&mut self, now: Instant) -> bool {
        let is_due = self
            .last_key_frame_request
            .is_none_or(|last| now.saturating_duration_since(last) >= KEY_FRAME_INTERVAL);
        if is_due {
            self.last_key_frame_request = Some(now);
        }
        is_due
    }
}

/// One incoming stream with its retransmissions.
#[derive(Debug)]
pub(super) struct Encoding {
    pub(super) description: EncodingDescription,
    pub(super) window: NackGenerator,
    pub(super) reception: Reception,
    pub(super) meter: LayerMeter,
    pub(super) store: PacketStore,
    pub(super) structure: Option<Arc<av1::Structure>>,
    /// Pictures of other encodings since the last packet of this one.
    missed_pictures: u8,
    has_stopped: bool,
}

impl Encoding {
    fn new(now: Instant, description: EncodingDescription, kind: MediaKind) -> Self {
        let clock_rate = match kind {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        };
        Self {
            description,
            window: NackGenerator::new(),
            reception: Reception::new(now, clock_rate),
            meter: LayerMeter::new(),
            store: PacketStore::new(now),
            structure: None,
            missed_pictures: 0,
            has_stopped: false,
        }
    }
}

/// Reception statistics after RFC 3550 appendix A.
#[derive(Debug)]
pub(super) struct Reception {
    epoch: Instant,
    clock_rate: u32,
    first: Option<u64>,
    highest: u64,
    pub(super) received: u64,
    pub(super) last_packet: Option<Instant>,
    jitter: f64,
    last_transit: Option<i64>,
    expected_at_report: u64,
    received_at_report: u64,
    has_news: bool,
    /// Share lost before the last report, of 256.
    pub(super) fraction_lost: u8,
    last_sender_report: Option<(u32, Instant)>,
}

impl Reception {
    const fn new(epoch: Instant, clock_rate: u32) -> Self {
        Self {
            epoch,
            clock_rate,
            first: None,
            highest: 0,
            received: 0,
            last_packet: None,
            jitter: 0.0,
            last_transit: None,
            expected_at_report: 0,
            received_at_report: 0,
            has_news: false,
            fraction_lost: 0,
            last_sender_report: None,
        }
    }

    pub(super) fn receive(&mut self, now: Instant, sequence: u64, timestamp: u32) {
        if self.first.is_none() || sequence > self.highest + LARGEST_STEP {
            self.first = Some(sequence);
            (self.received, self.received_at_report) = (0, 0);
            self.expected_at_report = 0;
        }
        self.highest = self.highest.max(sequence);
        self.received += 1;
        self.last_packet = Some(now);
        self.has_news = true;
        let elapsed = now.saturating_duration_since(self.epoch).as_micros() as i64;
        let arrival = elapsed * i64::from(self.clock_rate) / 1_000_000;
        let transit = arrival.wrapping_sub(i64::from(timestamp));
        if let Some(last) = self.last_transit {
            // The timestamp wraps at 32 bits, so their difference is taken there.
            let difference = ((transit - last) as i32).unsigned_abs();
            if difference < self.clock_rate * 5 {
                self.jitter += (f64::from(difference) - self.jitter) / 16.0;
            }
        }
        self.last_transit = Some(transit);
    }

    pub(super) const fn sender_report(&mut self, now: Instant, compact_ntp: u32) {
        self.last_sender_report = Some((compact_ntp, now));
    }

    /// Report block, when packets have come since the last one.
    pub(super) fn report(&mut self, now: Instant, source: Ssrc) -> Option<ReportBlock> {
        let first = self.first.filter(|_| self.has_news)?;
        self.has_news = false;
        let expected = self.highest - first + 1;
        let expected_now = expected.saturating_sub(self.expected_at_report);
        let received_now = self.received - self.received_at_report;
        self.expected_at_report = expected;
        self.received_at_report = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        self.fraction_lost = (lost_now * 256)
            .checked_div(expected_now)
            .unwrap_or(0)
            .min(255) as u8;
        let (last_sender_report, delay_since_last) =
            self.last_sender_report.map_or((0, 0), |(compact, at)| {
                let delay = now.saturating_duration_since(at).as_micros() as u64;
                (compact, ((delay << 16) / 1_000_000) as u32)
            });
        Some(ReportBlock {
            source,
            fraction_lost: self.fraction_lost,
            cumulative_lost: (expected.saturating_sub(self.received)).min(0x7f_ffff) as i32,
            // The unwrapped numbers start one cycle up; the wire's start at zero.
            highest_sequence: (self.highest - (1 << 16)) as u32,
            jitter: self.jitter as u32,
            last_sender_report,
            delay_since_last,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_that_begins_anew_is_not_told_of_losses() {
        let start = Instant::now();
        let mut reception = Reception::new(start, 90_000);
        let restart = 1 << 17;
        for sequence in (70_000..70_100).chain(restart..restart + 100) {
            reception.receive(start, sequence, 0);
        }
        let report = reception.report(start, Ssrc(1)).unwrap();
        assert_eq!((report.fraction_lost, report.cumulative_lost), (0, 0));
        reception.receive(start, restart + 199, 0);
        let report = reception.report(start, Ssrc(1)).unwrap();
        assert_eq!((report.fraction_lost, report.cumulative_lost), (253, 99));
    }
}
