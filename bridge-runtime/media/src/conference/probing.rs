//! Probing: copies of what was sent, or padding, where more might get through.

use std::time::{Duration, Instant};

use super::Conference;
use super::egress::Egress;
use super::endpoint::Endpoint;
use super::feedback::Purpose;
use super::send::{KeptExtensions, OVERHEAD, Outgoing, Turn};
use super::source::Source;
use crate::identifiers::{EndpointIndex, Ssrc};
use crate::rtp::HeaderFields;

/// Interval of padding towards a better layer.
const PADDING_INTERVAL: Duration = Duration::from_millis(15);
/// Sums below this are padded: on a slow path a whole packet is a burst.
const SMALLEST_COPY: usize = 600;
/// Largest padding of one packet (the count is one byte).
const LARGEST_PADDING: usize = 255;

impl Conference {
    /// Sends what probe clusters and held-back layers call for.
    pub(super) fn send_probes<E: Egress>(&mut self, now: Instant, egress: &mut E) {
        self.next_probe = None;
        let elapsed = now.saturating_duration_since(self.last_padding);
        let pads = elapsed >= PADDING_INTERVAL;
        if pads {
            self.last_padding = now;
        }
        let elapsed = elapsed.min(PADDING_INTERVAL * 2);
        let feedback = self.feedback_video;
        for position in 0..self.endpoints.len() {
            let Some(endpoint) = self.endpoints[position].as_deref_mut() else {
                continue;
            };
            if !endpoint.is_ready || !endpoint.media.receives_video {
                continue;
            }
            let probe = endpoint.send.bandwidth.poll_probe(now);
            let padding = match probe {
                None if pads => endpoint.padding_bytes(now, elapsed),
                _ => 0,
            };
            let bytes = probe.unwrap_or(padding);
            if bytes > 0 {
                let mut turn = Turn {
                    now,
                    receiver: EndpointIndex(position as u32),
                    egress,
                    counters: &mut self.counters,
                };
                let sent = endpoint.send_padding(&mut turn, bytes, feedback, &self.sources);
                if padding > 0 {
                    // Whole packets are copied: what is too much now is left out later.
                    endpoint.padding_debt -= sent as i64;
                }
            }
            if let Some(next) = endpoint.send.bandwidth.next_probe() {
                self.next_probe = Some(self.next_probe.map_or(next, |other| other.min(next)));
            }
        }
    }
}

impl Endpoint {
    /// Bytes that show whether a better layer would get through: what the estimate admits
    /// beyond what is sent, no more than the better layers need.
    fn padding_bytes(&mut self, now: Instant, elapsed: Duration) -> usize {
        // Asked of every receiver every few milliseconds: what is true of most comes first.
        if !self.allocation.is_held_back {
            self.padding_debt = 0;
            return 0;
        }
        let estimator = &self.send.bandwidth;
        if !estimator.is_founded() || estimator.is_recovering(now) {
            return 0;
        }
        let allocation = &self.allocation;
        let audio = self.audio_rate.bitrate(now);
        let estimate = estimator.estimate();
        if allocation.ideal_bitrate + audio <= estimate {
            self.padding_debt = 0;
            return 0;
        }
        // Not only the layers count: sound, repairs and key frames are on the path as well.
        let sent = self.media_rate.bitrate(now);
        let rate = (allocation.ideal_bitrate - allocation.target_bitrate)
            .min(estimate.saturating_sub(sent.max(allocation.target_bitrate + audio)));
        self.padding_debt += (rate * elapsed.as_micros() as u64 / 8_000_000) as i64;
        // Small sums are saved up until a packet is worth sending.
        if self.padding_debt < 200 {
            return 0;
        }
        self.padding_debt as usize
    }

    /// Sends about `bytes` and returns how many it became: copies of recent packets on their RTX
    /// stream, else padding.
    fn send_padding<E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        bytes: usize,
        feedback: Ssrc,
        sources: &[Option<Box<Source>>],
    ) -> usize {
        let mut total = 0;
        while total < bytes {
            let remaining = bytes - total;
            let mut sent = 0;
            if remaining > SMALLEST_COPY {
                sent = self.send_copy(turn, sources);
            }
            if sent == 0 {
                let padding = remaining.clamp(20, LARGEST_PADDING);
                sent = self.send_empty(turn, padding, feedback);
            }
            if sent == 0 {
                return total;
            }
            turn.counters.probes_sent += 1;
            total += sent + OVERHEAD;
        }
        total
    }

    fn send_copy<E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        sources: &[Option<Box<Source>>],
    ) -> usize {
        self.copies = self.copies.wrapping_add(1);
        let back = self.copies % 16;
        let found = self
            .video
            .iter()
            .enumerate()
            .find_map(|(position, stream)| {
                stream.rtx?;
                stream.projection.current_encoding()?;
                let source = sources.get(stream.source?.as_usize())?.as_deref()?;
                let newest = stream.projection.highest_sequence();
                let sent = stream.sent.recent(newest, back)?;
                let encoding = source.encodings.get(usize::from(sent.encoding))?;
                let stored = encoding.store.get_low(turn.now, sent.input)?;
                Some((position, stored, sent.rewrite))
            });
        let Some((position, stored, rewrite)) = found else {
            return 0;
        };
        self.send_stored(turn, position, stored.bytes, &rewrite, Purpose::Probe)
    }

    fn send_empty<E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        padding: usize,
        feedback: Ssrc,
    ) -> usize {
        let Some(payload_type) = self.media.first_video else {
            return 0;
        };
        self.send.padding_sequence = self.send.padding_sequence.wrapping_add(1);
        let outgoing = Outgoing {
            fields: HeaderFields {
                payload_type,
                marker: false,
                sequence_number: self.send.padding_sequence,
                timestamp: 0,
                ssrc: feedback.0,
            },
            kept: KeptExtensions::default(),
            mid: None,
            payload: &[],
            counters: None,
            original_sequence: None,
            padding: padding as u8,
        };
        self.send.send(turn, &outgoing).unwrap_or(0)
    }
}
