//! Transport-wide congestion control feedback, both directions
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! [`TransportFeedback`] walks a received feedback; [`ArrivalRecorder`] remembers arrivals of a
//! sending client and builds feedback for it. The recorder covers a bounded window; what falls
//! out of it before being reported is never reported.

use std::time::{Duration, Instant};

use super::{RtcpWriter, packet_type, read_u16, read_u24, write_u16, write_u32};
use crate::identifiers::Ssrc;

/// Unit of the receive deltas.
const DELTA_MICROSECONDS: i64 = 250;
/// Unit of the reference time.
const REFERENCE_MICROSECONDS: i64 = 64_000;

/// A received feedback packet.
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedback<'a> {
    /// First transport-wide sequence number reported on.
    pub base_sequence: u16,
    /// Number of packets reported on.
    pub packet_count: u16,
    /// Receiver's clock at the start, in units of 64 ms, 24 bit signed.
    pub reference_time: i32,
    /// Counter of feedback packets.
    pub feedback_count: u8,
    body: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        Some(Self {
            base_sequence: read_u16(body, 8)?,
            packet_count: read_u16(body, 10)?,
            reference_time: (read_u24(body, 12)? << 8).cast_signed() >> 8,
            feedback_count: *body.get(15)?,
            body: body.get(16..)?,
        })
    }

    /// Walks the packets reported on; ends early when the deltas run out.
    pub fn packets(&self) -> FeedbackPackets<'a> {
        FeedbackPackets {
            chunks: self.body,
            deltas: self.deltas(),
            sequence: self.base_sequence,
            remaining: self.packet_count,
            chunk: Chunk::Empty,
            clock_microseconds: i64::from(self.reference_time) * REFERENCE_MICROSECONDS,
        }
    }

    /// Finds where the chunks end, which only counting them tells.
    fn deltas(&self) -> &'a [u8] {
        let mut covered = 0_u32;
        let mut offset = 0;
        while covered < u32::from(self.packet_count) {
            let Some(word) = read_u16(self.body, offset) else {
                return &[];
            };
            covered += Chunk::new(word).length();
            offset += 2;
        }
        self.body.get(offset..).unwrap_or(&[])
    }
}

/// One packet of a feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedbackPacket {
    /// Transport-wide sequence number.
    pub sequence: u16,
    /// Arrival on the receiver's clock in microseconds, or `None` when it had not arrived.
    pub arrival_microseconds: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
enum Chunk {
    Empty,
    RunLength { symbol: u8, left: u16 },
    Vector { symbols: u16, width: u8, left: u8 },
}

impl Chunk {
    const fn new(word: u16) -> Self {
        if word & 0x8000 == 0 {
            return Self::RunLength {
                symbol: (word >> 13) as u8 & 3,
                left: word & 0x1fff,
            };
        }
        if word & 0x4000 == 0 {
            return Self::Vector {
                symbols: word << 2,
                width: 1,
                left: 14,
            };
        }
        Self::Vector {
            symbols: word << 2,
            width: 2,
            left: 7,
        }
    }

    const fn length(self) -> u32 {
        match self {
            Self::Empty => 0,
            Self::RunLength { left, .. } => left as u32,
            Self::Vector { left, .. } => left as u32,
        }
    }

    fn next(&mut self) -> Option<u8> {
        match self {
            Self::Empty => None,
            Self::RunLength { symbol, left } => {
                *left = left.checked_sub(1)?;
                Some(*symbol)
            }
            Self::Vector {
                symbols,
                width,
                left,
            } => {
                *left = left.checked_sub(1)?;
                let symbol = (*symbols >> (16 - *width)) as u8;
                *symbols <<= *width;
                Some(symbol)
            }
        }
    }
}

/// Iterates over the packets of a feedback.
#[derive(Clone, Debug)]
pub struct FeedbackPackets<'a> {
    chunks: &'a [u8],
    deltas: &'a [u8],
    sequence: u16,
    remaining: u16,
    chunk: Chunk,
    clock_microseconds: i64,
}

impl Iterator for FeedbackPackets<'_> {
    type Item = FeedbackPacket;

    fn next(&mut self) -> Option<FeedbackPacket> {
        self.remaining = self.remaining.checked_sub(1)?;
        let symbol = loop {
            if let Some(symbol) = self.chunk.next() {
                break symbol;
            }
            self.chunk = Chunk::new(read_u16(self.chunks, 0)?);
            self.chunks = self.chunks.get(2..)?;
        };
        let delta = match symbol {
            1 => {
                let delta = i64::from(*self.deltas.first()?);
                self.deltas = self.deltas.get(1..)?;
                Some(delta)
            }
            2 => {
                let delta = i64::from(read_u16(self.deltas, 0)?.cast_signed());
                self.deltas = self.deltas.get(2..)?;
                Some(delta)
            }
            _ => None,
        };
        let arrival_microseconds = delta.map(|delta| {
            self.clock_microseconds += delta * DELTA_MICROSECONDS;
            self.clock_microseconds
        });
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        Some(FeedbackPacket {
            sequence,
            arrival_microseconds,
        })
    }
}

/// Packets the recorder can hold between two feedbacks; at 50 ms that is 10,000 a second.
const WINDOW: usize = 512;
/// Interval after which feedback is due in any case.
const LONG_INTERVAL: Duration = Duration::from_millis(100);
/// Interval after which feedback is due when a frame has ended.
const SHORT_INTERVAL: Duration = Duration::from_millis(20);

/// Arrivals of one client's packets, waiting to be reported.
#[derive(Debug)]
pub struct ArrivalRecorder {
    epoch: Instant,
    /// Arrival in units of 250 µs since `epoch`, plus one; zero means not arrived.
    arrivals: Box<[u32; WINDOW]>,
    /// First sequence number not yet reported (unwrapped).
    next_report: u64,
    /// Highest sequence number seen (unwrapped).
    highest: Option<u64>,
    pending: u32,
    marker_pending: bool,
    last_feedback: Instant,
    feedback_count: u8,
}

impl ArrivalRecorder {
    /// Starts without arrivals.
    pub fn new(now: Instant) -> Self {
        Self {
            // An epoch in the past keeps packets that were stamped before the recorder existed.
            epoch: now.checked_sub(Duration::from_secs(1)).unwrap_or(now),
            arrivals: Box::new([0; WINDOW]),
            next_report: 0,
            highest: None,
            pending: 0,
            marker_pending: false,
            last_feedback: now,
            feedback_count: 0,
        }
    }

    /// Notes that a packet with a transport-wide sequence number arrived.
    pub fn record(&mut self, arrival: Instant, sequence: u16, marker: bool) {
        let extended = match self.highest {
            None => {
                // Room below for packets that were overtaken by the first one.
                let start = u64::from(sequence) + (1 << 16);
                self.next_report = start;
                start
            }
            Some(highest) => {
                let step = i64::from(sequence.wrapping_sub(highest as u16).cast_signed());
                highest.wrapping_add_signed(step)
            }
        };
        if extended < self.next_report {
            // Late: already reported as missing. Reporting again moves the base back.
            if self.next_report - extended > WINDOW as u64 / 4 || self.pending > 0 {
                return;
            }
            for number in extended + 1..self.next_report {
                self.arrivals[number as usize % WINDOW] = 0;
            }
            self.next_report = extended;
        }
        let highest = self.highest.unwrap_or(extended);
        if extended > highest {
            if extended - highest >= WINDOW as u64 {
                self.arrivals.fill(0);
                self.next_report = extended;
                self.pending = 0;
            } else {
                for number in highest + 1..extended {
                    self.arrivals[number as usize % WINDOW] = 0;
                }
            }
        }
        self.highest = Some(highest.max(extended));
        if highest.max(extended) - self.next_report >= WINDOW as u64 {
            self.next_report = highest.max(extended) + 1 - WINDOW as u64;
        }
        let units = arrival.saturating_duration_since(self.epoch).as_micros() / 250 + 1;
        self.arrivals[extended as usize % WINDOW] = units as u32;
        self.pending += 1;
        self.marker_pending |= marker;
    }

    /// Whether feedback should go out now.
    pub fn is_due(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.last_feedback);
        self.pending > 0
            && (since >= LONG_INTERVAL
                || (since >= SHORT_INTERVAL && self.marker_pending)
                || self.pending as usize >= WINDOW / 2)
    }

    /// When feedback will be due if nothing more arrives.
    pub fn next_due(&self) -> Option<Instant> {
        let interval = if self.marker_pending {
            SHORT_INTERVAL
        } else {
            LONG_INTERVAL
        };
        (self.pending > 0).then(|| self.last_feedback + interval)
    }

    /// Appends a feedback packet for what arrived since the last one; `None` when nothing did
    /// or when it does not fit.
    pub fn write(
        &mut self,
        now: Instant,
        writer: &mut RtcpWriter<'_>,
        sender: Ssrc,
        media: Ssrc,
    ) -> Option<()> {
        let highest = self.highest?;
        if self.pending == 0 {
            return None;
        }
        // Losses right at the start are reported too, or the sender would never hear of them.
        let first = self.next_report;
        let arrived = (first..=highest).find_map(|number| self.arrival(number))?;
        let reference = i64::from(arrived) * DELTA_MICROSECONDS / REFERENCE_MICROSECONDS;
        // A delta that fits no 16 bit number ends this feedback; the rest goes into the next.
        let mut clock = reference * REFERENCE_MICROSECONDS / DELTA_MICROSECONDS;
        let (mut end, mut delta_bytes) = (first, 0_usize);
        for number in first..=highest {
            if let Some(arrival) = self.arrival(number) {
                let delta = i64::from(arrival) - clock;
                let Ok(delta) = i16::try_from(delta) else {
                    break;
                };
                delta_bytes += if (0..256).contains(&delta) { 1 } else { 2 };
                clock = i64::from(arrival);
                end = number;
            }
        }
        let count = (end - first + 1) as usize;
        let chunks = count.div_ceil(7);
        let body_length = (16 + chunks * 2 + delta_bytes).next_multiple_of(4);
        let body = writer.packet(packet_type::TRANSPORT_FEEDBACK, 15, body_length)?;
        body.fill(0);
        write_u32(body, 0, sender.0)?;
        write_u32(body, 4, media.0)?;
        write_u16(body, 8, first as u16)?;
        write_u16(body, 10, count as u16)?;
        write_u32(
            body,
            12,
            (reference as u32 & 0xff_ffff) << 8 | u32::from(self.feedback_count),
        )?;
        self.write_packets(body, first, count);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.finish(now, end, highest);
        Some(())
    }

    fn write_packets(&self, body: &mut [u8], first: u64, count: usize) {
        let reference_word = super::read_u32(body, 12).unwrap_or(0) >> 8;
        let mut clock = i64::from(reference_word) * REFERENCE_MICROSECONDS / DELTA_MICROSECONDS;
        let mut delta_offset = 16 + count.div_ceil(7) * 2;
        for (chunk_index, start) in (0..count).step_by(7).enumerate() {
            // Two-bit status vectors throughout: the arrivals of a client are seldom a long run.
            let mut chunk = 0xc000_u16;
            for position in 0..7.min(count - start) {
                let Some(arrival) = self.arrival(first + (start + position) as u64) else {
                    continue;
                };
                let delta = (i64::from(arrival) - clock) as i16;
                clock = i64::from(arrival);
                let symbol = if (0..256).contains(&delta) {
                    body[delta_offset] = delta as u8;
                    delta_offset += 1;
                    1
                } else {
                    let _ = write_u16(body, delta_offset, delta.cast_unsigned());
                    delta_offset += 2;
                    2
                };
                chunk |= symbol << (12 - 2 * position);
            }
            let _ = write_u16(body, 16 + chunk_index * 2, chunk);
        }
    }

    fn finish(&mut self, now: Instant, end: u64, highest: u64) {
        self.next_report = end + 1;
        self.pending = (end + 1..=highest)
            .filter(|number| self.arrival(*number).is_some())
            .count() as u32;
        self.marker_pending = self.pending > 0 && self.marker_pending;
        self.last_feedback = now;
    }

    fn arrival(&self, number: u64) -> Option<u32> {
        self.arrivals[number as usize % WINDOW].checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RtcpPacket, RtcpPackets};
    use super::*;
    use proptest::prelude::*;

    fn feedback(recorder: &mut ArrivalRecorder, now: Instant) -> Vec<FeedbackPacket> {
        let mut buffer = [0_u8; 1400];
        let mut writer = RtcpWriter::new(&mut buffer);
        recorder.write(now, &mut writer, Ssrc(1), Ssrc(2)).unwrap();
        let length = writer.len();
        let Some(RtcpPacket::TransportFeedback(feedback)) =
            RtcpPackets::new(&buffer[..length]).next()
        else {
            panic!("no feedback")
        };
        feedback.packets().collect()
    }

    #[test]
    fn arrivals_and_losses_are_reported_with_their_spacing() {
        let start = Instant::now();
        let mut recorder = ArrivalRecorder::new(start);
        for (sequence, milliseconds) in [(65_534_u16, 10), (65_535, 12), (1, 15), (2, 5)] {
            recorder.record(start + Duration::from_millis(milliseconds), sequence, false);
        }
        let packets = feedback(&mut recorder, start + Duration::from_millis(100));
        let arrived: Vec<_> = packets
            .iter()
            .map(|packet| (packet.sequence, packet.arrival_microseconds.is_some()))
            .collect();
        assert_eq!(
            arrived,
            [
                (65_534, true),
                (65_535, true),
                (0, false),
                (1, true),
                (2, true)
            ]
        );
        let times: Vec<_> = packets
            .iter()
            .filter_map(|packet| packet.arrival_microseconds)
            .collect();
        assert_eq!(times[1] - times[0], 2_000);
        assert_eq!(times[2] - times[1], 3_000);
        assert_eq!(times[3] - times[2], -10_000);
    }

    #[test]
    fn feedback_waits_for_a_frame_end_or_a_tenth_of_a_second() {
        let start = Instant::now();
        let mut recorder = ArrivalRecorder::new(start);
        recorder.record(start, 5, false);
        assert!(!recorder.is_due(start + Duration::from_millis(99)));
        assert!(recorder.is_due(start + Duration::from_millis(100)));
        recorder.record(start, 6, true);
        assert!(!recorder.is_due(start + Duration::from_millis(19)));
        assert!(recorder.is_due(start + Duration::from_millis(20)));
    }

    #[test]
    fn a_long_pause_between_arrivals_splits_the_feedback() {
        let start = Instant::now();
        let mut recorder = ArrivalRecorder::new(start);
        recorder.record(start, 1, false);
        recorder.record(start + Duration::from_secs(20), 2, false);
        let now = start + Duration::from_secs(21);
        assert_eq!(feedback(&mut recorder, now).len(), 1);
        assert_eq!(feedback(&mut recorder, now).len(), 1);
        assert!(!recorder.is_due(now + Duration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn every_recorded_packet_is_reported_once(
            start_sequence: u16,
            steps in proptest::collection::vec((1_u16..6, 0_u64..40_000), 1..120),
        ) {
            let start = Instant::now();
            let mut recorder = ArrivalRecorder::new(start);
            let (mut sequence, mut time) = (start_sequence, 0);
            let mut sent = vec![];
            for (step, microseconds) in steps {
                sequence = sequence.wrapping_add(step);
                time += microseconds;
                recorder.record(start + Duration::from_micros(time), sequence, false);
                sent.push(sequence);
            }
            let mut reported = vec![];
            while recorder.pending > 0 {
                let packets = feedback(&mut recorder, start + Duration::from_secs(10));
                reported.extend(
                    packets.iter().filter(|p| p.arrival_microseconds.is_some()).map(|p| p.sequence),
                );
            }
            prop_assert_eq!(reported, sent);
        }

        #[test]
        fn hostile_sequence_numbers_never_break_the_recorder(
            sequences in proptest::collection::vec((any::<u16>(), 0_u64..200_000), 1..400)
        ) {
            let start = Instant::now();
            let mut recorder = ArrivalRecorder::new(start);
            let mut buffer = [0_u8; 1400];
            let mut time = 0;
            for (sequence, microseconds) in sequences {
                time += microseconds;
                let now = start + Duration::from_micros(time);
                recorder.record(now, sequence, sequence % 3 == 0);
                if recorder.is_due(now) {
                    let mut writer = RtcpWriter::new(&mut buffer);
                    let _ = recorder.write(now, &mut writer, Ssrc(1), Ssrc(2));
                }
            }
        }
    }
}
