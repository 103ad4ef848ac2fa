//! RTCP: what receivers report and ask for, and what senders are told.

use std::time::{Duration, Instant};

use super::Conference;
use super::egress::Egress;
use super::endpoint::Endpoint;
use super::send::{KeptExtensions, Outgoing, Turn};
use crate::cache::NotResent;
use crate::codec::{Codec, VideoFacts};
use crate::identifiers::{EndpointIndex, SourceIndex, Ssrc};
use crate::projection::{PacketView, Rewrite};
use crate::rtcp::{Nacks, ReportBlock, RtcpPacket, RtcpPackets, RtcpWriter, SenderInfo};
use crate::rtp::{Header, HeaderFields};

/// Largest RTCP packet built.
pub(super) const RTCP_LENGTH: usize = 1200;
/// Why a stored packet is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It waited for its turn.
    First,
    /// The receiver misses it.
    Repair,
    /// A copy to fill a probe cluster, or to pad.
    Probe,
}

/// Most packets one compound may ask for.
const MOST_NACKED: usize = 512;

impl Conference {
    /// Takes an unprotected RTCP compound from `sender`.
    pub fn handle_rtcp<E: Egress>(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        compound: &[u8],
        egress: &mut E,
    ) {
        let Some(endpoint) = self.endpoint_mut(sender) else {
            return;
        };
        endpoint.last_activity = Some(now);
        endpoint.was_reported_timed_out = false;
        let mut nacked = MOST_NACKED;
        let mut packets = RtcpPackets::new(compound);
        for packet in &mut packets {
            match packet {
                RtcpPacket::SenderReport {
                    sender: ssrc,
                    info,
                    blocks,
                } => {
                    self.forward(now, egress);
                    self.handle_sender_report(now, sender, ssrc, &info, egress);
                    blocks.for_each(|block| self.handle_report_block(now, sender, &block));
                }
                RtcpPacket::ReceiverReport { blocks, .. } => {
                    blocks.for_each(|block| self.handle_report_block(now, sender, &block));
                }
                RtcpPacket::Nack { media, lost } => {
                    // What waits is not missing: its place in the stream is given to it first.
                    self.forward(now, egress);
                    self.handle_nack(now, sender, media, lost, &mut nacked, egress);
                }
                RtcpPacket::PictureLoss { media } => {
                    self.handle_key_frame_request(now, sender, media, egress);
                }
                RtcpPacket::FullIntraRequest(requests) => {
                    for (media, _) in requests.take(32) {
                        self.handle_key_frame_request(now, sender, media, egress);
                    }
                }
                RtcpPacket::TransportFeedback(feedback) => {
                    if let Some(endpoint) = self.endpoint_mut(sender) {
                        endpoint.send.bandwidth.transport_feedback(now, &feedback);
                    }
                }
                RtcpPacket::ReceiverEstimate(estimate) => {
                    if let Some(endpoint) = self.endpoint_mut(sender) {
                        endpoint.send.bandwidth.receiver_estimate(estimate.bitrate);
                    }
                }
                RtcpPacket::Goodbye { .. } | RtcpPacket::Other { .. } => {}
            }
        }
        if packets.is_malformed() {
            self.counters.malformed_rtcp += 1;
        }
    }

    /// A sender report goes to all who get the stream, in their numbers.
    fn handle_sender_report<E: Egress>(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        ssrc: Ssrc,
        info: &SenderInfo,
        egress: &mut E,
    ) {
        let Some(route) = self
            .routes
            .get(&ssrc.0)
            .copied()
            .filter(|route| route.owner == sender && !route.is_retransmission)
        else {
            return;
        };
        let Some(source) = self
            .sources
            .get_mut(route.source.as_usize())
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        if let Some(encoding) = source.encodings.get_mut(usize::from(route.encoding)) {
            encoding.reception.sender_report(now, info.compact_ntp());
        }
        if source.is_video() {
            for subscriber in &source.subscribers {
                let Some(receiver) = self
                    .endpoints
                    .get_mut(subscriber.endpoint.as_usize())
                    .and_then(Option::as_deref_mut)
                else {
                    continue;
                };
                let stream = &mut receiver.video[subscriber.stream];
                let mapped = stream
                    .projection
                    .map_timestamp(route.encoding, info.rtp_time);
                let Some(rtp_time) = mapped else { continue };
                stream.reports.push(now, info.compact_ntp());
                let info = SenderInfo {
                    rtp_time,
                    packets: stream.counters.packets,
                    octets: stream.counters.octets,
                    ..*info
                };
                write_sender_report(subscriber.endpoint, stream.ssrc, &info, egress);
            }
            return;
        }
        for (position, receiver) in self.endpoints.iter_mut().enumerate() {
            let Some(receiver) = receiver.as_deref_mut().filter(|receiver| receiver.is_ready)
            else {
                continue;
            };
            let index = EndpointIndex(position as u32);
            let Some(stream) = receiver.audio.get_mut(route.source.as_usize()) else {
                continue;
            };
            if index == sender || stream.counters.packets == 0 {
                continue;
            }
            let (mut ssrc, mut rtp_time) = (ssrc, info.rtp_time);
            if receiver.ssrc_rewriting {
                let Some(slot) = stream
                    .slot
                    .and_then(|slot| receiver.audio_slots.get(usize::from(slot)))
                else {
                    continue;
                };
                ssrc = slot.ssrc;
                rtp_time = rtp_time.wrapping_add(slot.timestamp_offset);
            }
            stream.reports.push(now, info.compact_ntp());
            let info = SenderInfo {
                rtp_time,
                packets: stream.counters.packets,
                octets: stream.counters.octets,
                ..*info
            };
            write_sender_report(index, ssrc, &info, egress);
        }
    }

    /// A receiver's report gives the round trip.
    fn handle_report_block(&mut self, now: Instant, sender: EndpointIndex, block: &ReportBlock) {
        let Some(endpoint) = self.endpoint_mut(sender) else {
            return;
        };
        endpoint.reported_loss = block.fraction_lost;
        let of_video = endpoint
            .video
            .iter()
            .find(|stream| stream.ssrc == block.source)
            .map(|stream| stream.reports);
        let reports = of_video.or_else(|| {
            // Audio reports: any stream that sent this very report will do.
            endpoint
                .audio
                .iter()
                .map(|stream| stream.reports)
                .find(|reports| reports.has(block.last_sender_report))
        });
        let measured = reports.and_then(|reports| {
            reports.round_trip(now, block.last_sender_report, block.delay_since_last)
        });
        if let Some(measured) = measured.filter(|measured| *measured < Duration::from_secs(10)) {
            endpoint.round_trip = (endpoint.round_trip * 7 + measured) / 8;
        }
    }

    /// Serves what a receiver misses, as it was sent to it.
    fn handle_nack<E: Egress>(
        &mut self,
        now: Instant,
        receiver: EndpointIndex,
        media: Ssrc,
        lost: Nacks<'_>,
        budget: &mut usize,
        egress: &mut E,
    ) {
        let Some(endpoint) = self
            .endpoints
            .get_mut(receiver.as_usize())
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        let Some(position) = endpoint
            .video
            .iter()
            .position(|stream| stream.ssrc == media)
        else {
            return;
        };
        // What came before a key frame that is awaited is not worth the path.
        if endpoint.video[position]
            .projection
            .current_encoding()
            .is_none()
        {
            return;
        }
        let Some(source) = endpoint.video[position]
            .source
            .and_then(|index| self.sources.get(index.as_usize()))
            .and_then(Option::as_deref)
        else {
            return;
        };
        let mut turn = Turn {
            now,
            receiver,
            egress,
            counters: &mut self.counters,
        };
        for sequence in lost {
            if *budget == 0 {
                return;
            }
            *budget -= 1;
            turn.counters.nacked += 1;
            if !endpoint.may_repair(now) {
                turn.counters.nack_refusals += 1;
                continue;
            }
            endpoint.resend(&mut turn, position, source, sequence);
        }
    }

    /// A receiver wants a key frame: its own SSRC is mapped back to the source.
    fn handle_key_frame_request<E: Egress>(
        &mut self,
        now: Instant,
        receiver: EndpointIndex,
        media: Ssrc,
        egress: &mut E,
    ) {
        self.counters.key_frame_requests_received += 1;
        let Some(endpoint) = self.endpoint_mut(receiver) else {
            return;
        };
        let round_trip = endpoint.round_trip;
        let Some(stream) = endpoint
            .video
            .iter_mut()
            .find(|stream| stream.ssrc == media && stream.source.is_some())
        else {
            return;
        };
        // A request beyond the limits is kept and made when they admit it.
        stream.is_key_frame_pending = true;
        if !stream.requests.pass(now, round_trip) {
            return;
        }
        let encoding = stream
            .projection
            .current_encoding()
            .or(stream.projection.target().map(|target| target.encoding));
        if let (Some(source), Some(encoding)) = (stream.source, encoding) {
            self.request_key_frame(now, source, encoding, egress);
        }
    }

    /// Asks a source for a key frame, unless it was asked a moment ago.
    pub(super) fn request_key_frame<E: Egress>(
        &mut self,
        now: Instant,
        source: SourceIndex,
        encoding: u8,
        egress: &mut E,
    ) -> bool {
        let sender = self.feedback_video;
        let Some(source) = self.source_mut(source) else {
            return false;
        };
        let Some(media) = source
            .encodings
            .get(usize::from(encoding))
            .map(|encoding| encoding.description.ssrc)
        else {
            return false;
        };
        if !source.may_request_key_frame(now) {
            return false;
        }
        source.fir_command = source.fir_command.wrapping_add(1);
        let (owner, command) = (source.owner, source.fir_command);
        let Some(owner_state) = self.endpoint(owner).filter(|owner| owner.is_ready) else {
            return false;
        };
        let uses_fir = owner_state.media.fir && !owner_state.media.pli;
        let mut buffer = [0; 64];
        let mut writer = RtcpWriter::new(&mut buffer);
        let written = if uses_fir {
            writer.full_intra_request(sender, media, command)
        } else {
            writer.picture_loss(sender, media)
        };
        if written.is_none() {
            return false;
        }
        let length = writer.len();
        egress.rtcp(owner, length, |room| {
            room.copy_from_slice(&buffer[..length]);
        });
        self.counters.key_frame_requests_sent += 1;
        true
    }

    /// Asks the sender for what is missing of a stream.
    pub(super) fn send_nacks<E: Egress>(
        &mut self,
        now: Instant,
        source: SourceIndex,
        encoding: u8,
        egress: &mut E,
    ) {
        let sender = self.feedback_video;
        let Some(source) = self
            .sources
            .get_mut(source.as_usize())
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        let owner = source.owner;
        let understands = self
            .endpoints
            .get(owner.as_usize())
            .and_then(Option::as_deref)
            .is_some_and(|owner| owner.media.nack);
        let Some(encoding) = source
            .encodings
            .get_mut(usize::from(encoding))
            .filter(|_| understands)
        else {
            return;
        };
        encoding.window.due(now, &mut self.wanted);
        if self.wanted.is_empty() {
            return;
        }
        let mut buffer = [0; RTCP_LENGTH];
        let mut writer = RtcpWriter::new(&mut buffer);
        if writer
            .nack(sender, encoding.description.ssrc, &self.wanted)
            .is_none()
        {
            return;
        }
        let length = writer.len();
        egress.rtcp(owner, length, |room| {
            room.copy_from_slice(&buffer[..length]);
        });
        self.counters.nacks_sent += self.wanted.len() as u64;
    }
}

fn write_sender_report<E: Egress>(
    receiver: EndpointIndex,
    ssrc: Ssrc,
    info: &SenderInfo,
    egress: &mut E,
) {
    let mut buffer = [0; 64];
    let mut writer = RtcpWriter::new(&mut buffer);
    if writer.sender_report(ssrc, info).is_none() || writer.source_description(ssrc).is_none() {
        return;
    }
    let length = writer.len();
    egress.rtcp(receiver, length, |room| {
        room.copy_from_slice(&buffer[..length]);
    });
}

impl Endpoint {
    /// Sends a packet again, as RTX where the receiver knows it.
    fn resend<E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        position: usize,
        source: &super::source::Source,
        sequence: u16,
    ) {
        // Not while the last copy may still be under way.
        let holdoff = (self.round_trip * 9 / 10)
            .min(self.round_trip.saturating_sub(Duration::from_millis(5)));
        let stream = &mut self.video[position];
        match stream.sent.resend(turn.now, sequence, holdoff) {
            Ok(sent) => {
                let found = source
                    .encodings
                    .get(usize::from(sent.encoding))
                    .and_then(|encoding| encoding.store.get_low(turn.now, sent.input));
                let Some(found) = found else {
                    turn.counters.nack_misses += 1;
                    return;
                };
                self.send_stored(turn, position, found.bytes, &sent.rewrite, Purpose::Repair);
            }
            Err(NotResent::TooSoon) => {}
            Err(NotResent::Unknown) => {
                // Reserved for input that was overtaken or left out: send it late, or say that
                // nothing is missing.
                self.fill_reserved(turn, position, source, sequence);
            }
        }
    }

    fn fill_reserved<E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        position: usize,
        source: &super::source::Source,
        sequence: u16,
    ) {
        let reserved = self.video[position].projection.reserved_input(sequence);
        let found = reserved.and_then(|(number, input)| {
            let encoding = source.encodings.get(usize::from(number))?;
            let stored = encoding.store.get(turn.now, input)?;
            Some((number, input, encoding, stored.bytes))
        });
        let Some((number, input, encoding, stored)) = found else {
            turn.counters.nack_misses += 1;
            return;
        };
        let rewrite = self.project_late(turn.now, position, (number, input), encoding, stored);
        if let Some(rewrite) = rewrite {
            // It overtook the key frame it belongs to.
            self.video[position]
                .sent
                .insert(turn.now, rewrite, number, input);
            self.send_stored(turn, position, stored, &rewrite, Purpose::Repair);
            return;
        }
        let stream = &mut self.video[position];
        stream.projection.close_reserved(input);
        // The packet is here but was left out: an empty packet closes the gap.
        let timestamp = stream.projection.highest_timestamp();
        let outgoing = Outgoing {
            fields: HeaderFields {
                payload_type: stream.last_payload_type,
                marker: false,
                sequence_number: sequence,
                timestamp,
                ssrc: stream.ssrc.0,
            },
            kept: KeptExtensions::default(),
            mid: stream.mid,
            payload: &[],
            counters: None,
            original_sequence: None,
            padding: 1,
        };
        self.send.send(turn, &outgoing);
    }

    /// Judges a stored packet that was not forwarded when it came.
    fn project_late(
        &mut self,
        now: Instant,
        position: usize,
        (number, sequence): (u8, u64),
        encoding: &super::source::Encoding,
        stored: &[u8],
    ) -> Option<Rewrite> {
        let header = Header::parse(stored).ok()?;
        let payload = &stored[header.payload(stored).ok()?];
        let codec = self.media.codec(header.payload_type)?;
        let kept = KeptExtensions::read(&header, stored, self.media.extensions);
        let mut structure = encoding.structure.clone();
        let facts = VideoFacts::parse(codec, payload, kept.dependency_descriptor, &mut structure);
        self.video[position].projection.project(&PacketView {
            header: &header,
            sequence,
            encoding: number,
            facts: &facts,
            structure: structure.as_deref(),
            arrival_milliseconds: now.saturating_duration_since(self.send.epoch()).as_millis()
                as u64,
        })
    }

    /// Sends a stored packet with the numbers it was given, on the stream of retransmissions unless
    /// it is the first time.
    pub(super) fn send_stored<E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        position: usize,
        stored: &[u8],
        rewrite: &Rewrite,
        purpose: Purpose,
    ) -> usize {
        let Ok(header) = Header::parse(stored) else {
            return 0;
        };
        let Ok(range) = header.payload(stored) else {
            return 0;
        };
        let payload = &stored[range];
        let codec = self
            .media
            .codec(header.payload_type)
            .unwrap_or(Codec::OtherVideo);
        let kept = KeptExtensions::read(&header, stored, self.media.extensions);
        let facts = match codec {
            // The structure is not at hand here; the frame number alone is rewritten.
            Codec::Av1 => VideoFacts {
                descriptor: crate::codec::Descriptor::Av1(crate::codec::av1::Descriptor::default()),
                ..VideoFacts::default()
            },
            _ => VideoFacts::parse(codec, payload, None, &mut None),
        };
        let stream = &mut self.video[position];
        let mut fields = HeaderFields {
            payload_type: header.payload_type,
            marker: rewrite.marker,
            sequence_number: rewrite.sequence,
            timestamp: rewrite.timestamp,
            ssrc: stream.ssrc.0,
        };
        let mut original_sequence = None;
        let is_first = purpose == Purpose::First;
        if let Some(rtx) = stream.rtx.as_mut().filter(|_| !is_first)
            && let Some(payload_type) = self.media.partner(header.payload_type)
        {
            original_sequence = Some(fields.sequence_number);
            fields.payload_type = payload_type;
            fields.ssrc = rtx.ssrc.0;
            fields.sequence_number = rtx.next_sequence;
            rtx.next_sequence = rtx.next_sequence.wrapping_add(1);
        }
        let outgoing = Outgoing {
            fields,
            kept,
            mid: stream.mid,
            payload,
            counters: Some((&facts.descriptor, *rewrite)),
            original_sequence,
            padding: 0,
        };
        let Some(length) = self.send.send(turn, &outgoing) else {
            return 0;
        };
        turn.counters.retransmissions_sent += u64::from(!is_first);
        if purpose == Purpose::Repair {
            self.repair_budget.0 -= length as i64;
        }
        if purpose != Purpose::Probe {
            self.note_sent(turn.now, length);
        }
        length
    }
}
