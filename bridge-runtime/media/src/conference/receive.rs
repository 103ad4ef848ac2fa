//! The way of an incoming RTP packet through the conference.

use std::time::Instant;

use super::batch::{self, BatchedPacket};
use super::egress::Egress;
use super::endpoint::Endpoint;
use super::media::ExtensionIds;
use super::pacing::Waiting;
use super::send::{KeptExtensions, OVERHEAD, Outgoing, Turn};
use super::source::Source;
use super::{Conference, Route};
use crate::cache::Arrival;
use crate::codec::{Codec, VideoFacts, red};
use crate::identifiers::{EndpointIndex, SourceIndex};
use crate::rtp::{Header, HeaderFields, rewrite};
use crate::speaker::loudness;

/// An incoming packet with what was found out about it.
struct Incoming<'a> {
    header: Header,
    bytes: &'a [u8],
    payload: &'a [u8],
    ids: ExtensionIds,
    codec: Codec,
}

impl Conference {
    /// Takes an unprotected RTP packet from `sender`. Sound is forwarded at once, video waits for
    /// [`Conference::forward`]. The packet's bytes are scratch afterwards.
    pub fn handle_rtp<E: Egress>(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        packet: &mut [u8],
        egress: &mut E,
    ) {
        self.counters.packets_received += 1;
        self.counters.bytes_received += packet.len() as u64;
        let Ok(header) = Header::parse(packet) else {
            self.counters.malformed += 1;
            return;
        };
        let Some(endpoint) = self
            .endpoints
            .get_mut(sender.as_usize())
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        endpoint.last_activity = Some(now);
        endpoint.was_reported_timed_out = false;
        let ids = endpoint.media.extensions;
        note_arrival(now, endpoint, &header, packet);
        let Some(route) = self
            .routes
            .get(&header.ssrc)
            .copied()
            .filter(|route| route.owner == sender)
        else {
            self.counters.unknown_ssrc += 1;
            return;
        };
        let Ok(range) = header.payload(packet) else {
            self.counters.malformed += 1;
            return;
        };
        let Some(codec) = endpoint.media.codec(header.payload_type) else {
            self.counters.unknown_payload_type += 1;
            return;
        };
        if endpoint.is_visitor {
            self.counters.refused += 1;
            return;
        }
        let (audio_muted, video_muted) = (endpoint.force_mute_audio, endpoint.force_mute_video);
        let is_video = self.source(route.source).is_some_and(Source::is_video);
        if (is_video && video_muted) || (!is_video && audio_muted) {
            self.counters.refused += 1;
            return;
        }
        let end = range.end;
        if route.is_retransmission {
            self.handle_retransmission(now, route, &header, &mut packet[..end], egress);
            return;
        }
        let incoming = Incoming {
            header,
            bytes: &packet[..end],
            payload: &packet[range],
            ids,
            codec,
        };
        if is_video {
            self.take_video(now, route, &incoming, egress);
        } else {
            self.forward_audio(now, route, &incoming, egress);
        }
    }

    /// Restores the original packet (RFC 4588 section 4) where it lies: the header moves up over
    /// the two bytes of the original sequence number.
    fn handle_retransmission<E: Egress>(
        &mut self,
        now: Instant,
        route: Route,
        header: &Header,
        packet: &mut [u8],
        egress: &mut E,
    ) {
        self.counters.retransmissions_received += 1;
        let start = header.length();
        let Some(&[high, low]) = packet.get(start..start + 2) else {
            // Padding only: counts for congestion control, which has seen it.
            return;
        };
        if packet.len() == start + 2 {
            return;
        }
        let Some(endpoint) = self.endpoint(route.owner) else {
            return;
        };
        let ids = endpoint.media.extensions;
        let Some(payload_type) = endpoint.media.partner(header.payload_type) else {
            self.counters.unknown_payload_type += 1;
            return;
        };
        let Some(codec) = endpoint.media.codec(payload_type) else {
            self.counters.unknown_payload_type += 1;
            return;
        };
        let Some(ssrc) = self
            .source(route.source)
            .and_then(|source| source.encodings.get(usize::from(route.encoding)))
            .map(|encoding| encoding.description.ssrc)
        else {
            return;
        };
        packet.copy_within(..start, 2);
        let restored = &mut packet[2..];
        rewrite::clear_padding(restored);
        rewrite::set_sequence_number(restored, u16::from_be_bytes([high, low]));
        rewrite::set_ssrc(restored, ssrc.0);
        rewrite::set_payload_type(restored, payload_type);
        let Ok(header) = Header::parse(restored) else {
            return;
        };
        let incoming = Incoming {
            header,
            bytes: restored,
            payload: &restored[start..],
            ids,
            codec,
        };
        let is_video = self.source(route.source).is_some_and(Source::is_video);
        if is_video {
            self.take_video(now, route, &incoming, egress);
        }
    }

    fn take_video<E: Egress>(
        &mut self,
        now: Instant,
        route: Route,
        incoming: &Incoming<'_>,
        egress: &mut E,
    ) {
        let Some(source) = self
            .sources
            .get_mut(route.source.as_usize())
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        let encodings = source.encodings.len() as u8;
        let Some(encoding) = source.encodings.get_mut(usize::from(route.encoding)) else {
            return;
        };
        let sequence = encoding.window.unwrap(incoming.header.sequence_number);
        let arrival = encoding.window.receive(sequence);
        if arrival == Arrival::Duplicate {
            self.counters.duplicates += 1;
            return;
        }
        encoding
            .reception
            .receive(now, sequence, incoming.header.timestamp);
        let is_padding = incoming.payload.is_empty();
        let marker = incoming.header.marker;
        let mut needs_allocation = !is_padding && source.note_packet(now, route.encoding, marker);
        let Some(encoding) = source.encodings.get_mut(usize::from(route.encoding)) else {
            return;
        };
        let kept = KeptExtensions::read(&incoming.header, incoming.bytes, incoming.ids);
        let facts = VideoFacts::parse(
            incoming.codec,
            incoming.payload,
            kept.dependency_descriptor,
            &mut encoding.structure,
        );
        if !is_padding {
            encoding.store.insert(now, sequence, incoming.bytes);
            self.counters.key_frames_received += u64::from(facts.starts_key_frame);
            let is_new_layer = encoding.meter.add(
                now,
                facts.spatial,
                facts.temporal,
                incoming.bytes.len() + OVERHEAD,
            );
            let has_new_heights =
                note_heights(&mut encoding.meter, &facts, route.encoding, encodings);
            needs_allocation |= is_new_layer || has_new_heights;
        }
        if needs_allocation {
            for endpoint in self.endpoints.iter_mut().flatten() {
                endpoint.needs_allocation = true;
            }
        }
        let packet = batch::Packet {
            source: route.source,
            encoding: route.encoding,
            header: incoming.header,
            sequence,
            arrival_milliseconds: now.saturating_duration_since(self.epoch).as_millis() as u64,
            facts,
            structure: encoding.structure.clone(),
        };
        self.batch
            .push(packet, incoming.payload, kept, source.subscribers.len());
        if arrival == Arrival::AfterGap {
            self.send_nacks(now, route.source, route.encoding, egress);
        }
        if self.batch.is_full() {
            self.forward(now, egress);
        }
    }

    fn forward_audio<E: Egress>(
        &mut self,
        now: Instant,
        route: Route,
        incoming: &Incoming<'_>,
        egress: &mut E,
    ) {
        let Some(source) = self
            .sources
            .get_mut(route.source.as_usize())
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        let Some(encoding) = source.encodings.get_mut(usize::from(route.encoding)) else {
            return;
        };
        let sequence = encoding.window.unwrap(incoming.header.sequence_number);
        if encoding.window.receive(sequence) == Arrival::Duplicate {
            self.counters.duplicates += 1;
            return;
        }
        encoding
            .reception
            .receive(now, sequence, incoming.header.timestamp);
        encoding.meter.add(now, 0, 0, incoming.bytes.len());
        let kept = KeptExtensions::read(&incoming.header, incoming.bytes, incoming.ids);
        let level = kept.audio_level.map(loudness);
        if !source.silence.accept(level.unwrap_or(1)) || incoming.payload.is_empty() {
            source.silence_mapper.drop_input(sequence, false);
            self.counters.silence_dropped += 1;
            return;
        }
        let Some(sequence) = source.silence_mapper.accept(sequence) else {
            return;
        };
        let is_synthetic = source.description.synthetic;
        let mut is_loud = true;
        let mut change = None;
        if let Some(level) = level.filter(|_| !is_synthetic) {
            change = self.dominant.level(now, route.owner, level);
            if let Some(loudest) = &mut self.loudest {
                is_loud = loudest.update(now, route.owner, level);
            }
        }
        let is_dominant = self.dominant.dominant() == Some(route.owner);
        is_loud |= is_dominant;
        let primary = (incoming.codec == Codec::Red)
            .then(|| red::primary(incoming.payload))
            .flatten();
        for position in 0..self.endpoints.len() {
            let index = EndpointIndex(position as u32);
            let Some(receiver) = self.endpoints[position].as_deref_mut() else {
                continue;
            };
            if index == route.owner || !receiver.is_ready || !receiver.media.receives_audio {
                continue;
            }
            if !receiver
                .audio_subscription
                .wants(source.name(), is_synthetic)
                || !(is_loud || receiver.audio_subscription.includes(source.name()))
            {
                continue;
            }
            let mut payload_type = incoming.header.payload_type;
            let mut payload = incoming.payload;
            if receiver.media.codec(payload_type).is_none() {
                // RED is stripped for those who did not negotiate it; anything else is not theirs.
                match &primary {
                    Some(primary) if receiver.media.codec(primary.payload_type).is_some() => {
                        payload_type = primary.payload_type;
                        payload = &incoming.payload[primary.range.clone()];
                    }
                    _ => continue,
                }
            }
            let fields = HeaderFields {
                payload_type,
                marker: incoming.header.marker,
                sequence_number: sequence as u16,
                timestamp: incoming.header.timestamp,
                ssrc: incoming.header.ssrc,
            };
            let outgoing = Outgoing {
                fields,
                kept,
                mid: None,
                payload,
                counters: None,
                original_sequence: None,
                padding: 0,
            };
            let audio = route.source.as_usize();
            if receiver.audio.len() <= audio {
                receiver.audio.resize_with(audio + 1, Default::default);
            }
            let mut slot = None;
            if receiver.ssrc_rewriting {
                slot = receiver.audio_slot(
                    now,
                    index,
                    route.source,
                    source,
                    is_dominant,
                    &mut self.ssrcs,
                    &self.config,
                    &mut self.events,
                );
                if slot.is_none() {
                    continue;
                }
            }
            let mut turn = Turn {
                now,
                receiver: index,
                egress,
                counters: &mut self.counters,
            };
            receiver.send_audio(&mut turn, route.source, slot, outgoing);
        }
        if let Some(change) = change {
            self.speaker_changed(now, change);
        }
    }
}

/// Notes what tells how wide the sender's way up is.
fn note_arrival(now: Instant, endpoint: &mut Endpoint, header: &Header, packet: &[u8]) {
    if let Some(incoming) = &mut endpoint.incoming {
        let id = endpoint.media.extensions.absolute_send_time;
        if let Some(extension) = header.extension(packet, id)
            && let &[high, middle, low, ..] = extension.data(packet)
        {
            let send_time = u32::from_be_bytes([0, high, middle, low]);
            let length = packet.len() + OVERHEAD;
            incoming.packet_received(now, send_time, length, endpoint.round_trip);
        }
        return;
    }
    let id = endpoint.media.extensions.transport_sequence;
    if id == 0 {
        return;
    }
    if let Some(extension) = header.extension(packet, id)
        && let &[high, low, ..] = extension.data(packet)
    {
        let sequence = u16::from_be_bytes([high, low]);
        endpoint.arrivals.record(now, sequence, header.marker);
    }
}

fn note_heights(
    meter: &mut crate::source::LayerMeter,
    facts: &VideoFacts,
    encoding: u8,
    encodings: u8,
) -> bool {
    use crate::codec::Descriptor;
    match &facts.descriptor {
        Descriptor::Vp8(descriptor) if descriptor.lines > 0 => {
            meter.set_lines(descriptor.lines, encoding, encodings)
        }
        Descriptor::Vp9(descriptor) => match (descriptor.heights, descriptor.spatial_layers) {
            (Some(heights), Some(layers)) => meter.set_heights(heights.into_iter(), layers),
            _ => false,
        },
        Descriptor::Av1(descriptor) if descriptor.has_structure => {
            descriptor.heights.is_some_and(|heights| {
                meter.set_heights(heights.into_iter(), descriptor.highest_spatial + 1)
            })
        }
        _ => false,
    }
}

impl Endpoint {
    /// Projects and sends one video packet.
    pub(super) fn send_video<E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        stream: usize,
        packet: &BatchedPacket<'_>,
    ) {
        let BatchedPacket {
            view,
            payload,
            kept,
        } = packet;
        if !self.is_ready || self.media.codec(view.header.payload_type).is_none() {
            return;
        }
        let now = turn.now;
        let holds = self.holds_video(now);
        let position = stream;
        let stream = &mut self.video[position];
        let Some(rewrite) = stream.projection.project(view) else {
            return;
        };
        if stream.generation != stream.projection.generation() {
            // What came before the key frame of another encoding is not worth repairing.
            stream.generation = stream.projection.generation();
            stream.sent.clear();
        }
        stream
            .sent
            .insert(now, rewrite, view.encoding, view.sequence);
        stream.last_payload_type = view.header.payload_type;
        stream.is_key_frame_pending &= !view.facts.starts_key_frame;
        stream.counters.add(payload.len());
        stream.last_used = now;
        if let Some(source) = stream.source.filter(|_| holds) {
            self.pacer.push(Waiting {
                stream: position as u16,
                source,
                encoding: view.encoding,
                input: view.sequence as u32,
                length: payload.len() as u16,
                rewrite,
            });
            return;
        }
        let outgoing = Outgoing {
            fields: HeaderFields {
                payload_type: view.header.payload_type,
                marker: rewrite.marker,
                sequence_number: rewrite.sequence,
                timestamp: rewrite.timestamp,
                ssrc: stream.ssrc.0,
            },
            kept: *kept,
            mid: stream.mid,
            payload,
            counters: Some((&view.facts.descriptor, rewrite)),
            original_sequence: None,
            padding: 0,
        };
        if let Some(length) = self.send.send(turn, &outgoing) {
            self.note_sent(now, length);
        }
    }

    /// Sends one audio packet, on a slot or under its own SSRC.
    fn send_audio<E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        index: SourceIndex,
        slot: Option<usize>,
        mut outgoing: Outgoing<'_>,
    ) {
        let now = turn.now;
        if let Some(slot) = slot {
            let slot = &mut self.audio_slots[slot];
            slot.last_used = now;
            let fields = &mut outgoing.fields;
            let Some(numbers) = slot.map(fields.sequence_number, fields.timestamp) else {
                return;
            };
            (fields.sequence_number, fields.timestamp) = numbers;
            fields.ssrc = slot.ssrc.0;
            outgoing.mid = slot.mid;
        }
        if let Some(length) = self.send.send(turn, &outgoing) {
            self.audio_rate.add(now, length + OVERHEAD);
            self.media_rate.add(now, length + OVERHEAD);
            self.audio[index.as_usize()]
                .counters
                .add(outgoing.payload.len());
        }
    }
}
