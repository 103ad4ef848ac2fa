//! Writing packets to one receiver: header, kept and re-stamped extensions, payload.

use std::time::Instant;

use super::egress::Egress;
use super::endpoint::Mid;
use super::event::Counters;
use super::media::ExtensionIds;
use crate::bandwidth::{BandwidthConfig, BandwidthEstimator};
use crate::codec::{Descriptor, av1};
use crate::identifiers::EndpointIndex;
use crate::projection::Rewrite;
use crate::rtp::{Header, HeaderFields, rewrite, write_header};

/// Bytes of IPv4, UDP and the SRTP tag around every packet.
pub(super) const OVERHEAD: usize = 20 + 8 + 16;

/// Extensions of an incoming packet that travel on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeptExtensions<'a> {
    pub(super) audio_level: Option<u8>,
    pub(super) video_orientation: Option<u8>,
    pub(super) dependency_descriptor: Option<&'a [u8]>,
}

impl<'a> KeptExtensions<'a> {
    /// Reads what is kept of a packet whose sender uses `ids`.
    pub(super) fn read(header: &Header, packet: &'a [u8], ids: ExtensionIds) -> Self {
        let mut kept = Self::default();
        for extension in header.extensions(packet) {
            let data = extension.data(packet);
            if extension.id == ids.audio_level {
                kept.audio_level = data.first().copied();
            } else if extension.id == ids.video_orientation {
                kept.video_orientation = data.first().copied();
            } else if extension.id == ids.dependency_descriptor {
                kept.dependency_descriptor = Some(data);
            }
        }
        kept
    }
}

/// A packet to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) fields: HeaderFields,
    pub(super) kept: KeptExtensions<'a>,
    pub(super) mid: Option<Mid>,
    pub(super) payload: &'a [u8],
    /// Codec counters to write into payload or extensions.
    pub(super) counters: Option<(&'a Descriptor, Rewrite)>,
    /// Original sequence number, for retransmissions (RFC 4588 section 4).
    pub(super) original_sequence: Option<u16>,
    /// Padding bytes, the count included.
    pub(super) padding: u8,
}

/// What is common to all packets of one receiver.
#[derive(Debug)]
pub(super) struct SendState {
    epoch: Instant,
    pub(super) extensions: ExtensionIds,
    pub(super) uses_transport_sequence: bool,
    next_transport_sequence: u16,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) bandwidth: BandwidthEstimator,
    /// Sequence number of padding on the feedback stream.
    pub(super) padding_sequence: u16,
}

/// A receiver's turn to be sent to: when, where its packets go, and what counts them.
#[derive(Debug)]
pub(super) struct Turn<'a, E> {
    pub(super) now: Instant,
    pub(super) receiver: EndpointIndex,
    pub(super) egress: &'a mut E,
    pub(super) counters: &'a mut Counters,
}

impl SendState {
    pub(super) fn new(now: Instant, epoch: Instant, bandwidth: BandwidthConfig) -> Self {
        Self {
            epoch,
            extensions: ExtensionIds::default(),
            uses_transport_sequence: false,
            next_transport_sequence: 1,
            packets: 0,
            bytes: 0,
            bandwidth: BandwidthEstimator::new(now, bandwidth),
            padding_sequence: 1,
        }
    }

    /// Start of the conference's clock.
    pub(super) const fn epoch(&self) -> Instant {
        self.epoch
    }

    /// Absolute send time: 24 bits of seconds in 6.18 fixed point.
    fn absolute_send_time(&self, now: Instant) -> [u8; 3] {
        let elapsed = now.saturating_duration_since(self.epoch).as_micros() as u64;
        let time = ((elapsed << 18) / 1_000_000) as u32;
        let bytes = time.to_be_bytes();
        [bytes[1], bytes[2], bytes[3]]
    }

    /// Writes one packet, counts it and returns its length; `None` when the receiver cannot take it.
    #[inline]
    pub(super) fn send<E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        packet: &Outgoing<'_>,
    ) -> Option<usize> {
        let ids = &self.extensions;
        let send_time = self.absolute_send_time(turn.now);
        let transport_sequence = self.next_transport_sequence.to_be_bytes();
        let level = packet.kept.audio_level.map(|level| [level]);
        let orientation = packet.kept.video_orientation.map(|value| [value]);
        let mut elements: [(u8, &[u8]); 6] = [(0, &[]); 6];
        let mut count = 0;
        let candidates: [(u8, Option<&[u8]>); 6] = [
            (ids.absolute_send_time, Some(&send_time)),
            (
                ids.transport_sequence,
                self.uses_transport_sequence.then_some(&transport_sequence),
            ),
            (ids.audio_level, level.as_ref().map(<[u8; 1]>::as_slice)),
            (
                ids.video_orientation,
                orientation.as_ref().map(<[u8; 1]>::as_slice),
            ),
            (ids.dependency_descriptor, packet.kept.dependency_descriptor),
            (ids.mid, packet.mid.as_ref().map(Mid::as_bytes)),
        ];
        for (id, data) in candidates {
            if let Some(data) = data.filter(|data| id != 0 && !data.is_empty()) {
                elements[count] = (id, data);
                count += 1;
            }
        }
        let elements = &elements[..count];

        let header_length = rewrite::header_length(elements);
        let original = packet.original_sequence.map(u16::to_be_bytes);
        let prefix = original.as_ref().map_or(0, |bytes| bytes.len());
        let padding = usize::from(packet.padding);
        let length = header_length + prefix + packet.payload.len() + padding;
        let sent = turn.egress.rtp(turn.receiver, length, |buffer| {
            if write_header(buffer, &packet.fields, elements).is_err() {
                // Cannot happen: the length was computed from the same elements.
                buffer.fill(0);
                return;
            }
            let Some(body) = buffer.get_mut(header_length..) else {
                return;
            };
            if let Some(original) = original {
                rewrite::set(body, 0, original);
            }
            let end = prefix + packet.payload.len();
            if let Some(payload) = body.get_mut(prefix..end) {
                payload.copy_from_slice(packet.payload);
                if let Some((descriptor, numbers)) = packet.counters {
                    write_counters(payload, descriptor, &numbers);
                }
            }
            if padding > 0 {
                body[end..].fill(0);
                if let Some(last) = body.last_mut() {
                    *last = packet.padding;
                }
                buffer[0] |= 0x20;
            }
            if let Some((Descriptor::Av1(_), numbers)) = packet.counters {
                write_frame_number(buffer, ids.dependency_descriptor, numbers.picture);
            }
        });
        if !sent {
            return None;
        }
        self.packets += 1;
        self.bytes += length as u64;
        turn.counters.packets_sent += 1;
        turn.counters.bytes_sent += length as u64;
        let has_sequence = self.uses_transport_sequence && self.extensions.transport_sequence != 0;
        let sequence = self.next_transport_sequence;
        if has_sequence {
            self.next_transport_sequence = sequence.wrapping_add(1);
            self.bandwidth
                .packet_sent(turn.now, sequence, length + OVERHEAD);
        }
        Some(length)
    }
}

fn write_counters(payload: &mut [u8], descriptor: &Descriptor, numbers: &Rewrite) {
    match descriptor {
        Descriptor::Vp8(descriptor) => descriptor.rewrite(payload, numbers.picture, numbers.tl0),
        Descriptor::Vp9(descriptor) => descriptor.rewrite(payload, numbers.picture, numbers.tl0),
        Descriptor::Av1(_) | Descriptor::Generic => {}
    }
}

fn write_frame_number(packet: &mut [u8], id: u8, frame_number: u16) {
    let Ok(header) = Header::parse(packet) else {
        return;
    };
    let Some(extension) = header.extension(packet, id) else {
        return;
    };
    if let Some(element) = packet.get_mut(extension.range()) {
        av1::Descriptor::rewrite_frame_number(element, frame_number);
    }
}
