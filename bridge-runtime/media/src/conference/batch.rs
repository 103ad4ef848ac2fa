//! Video that came together and leaves receiver by receiver.
//!
//! The packets of a frame arrive in a burst. Were each of them sent to all receivers before the next
//! is looked at, the state of every receiver (projection, log, keys) would be fetched into the cache
//! once a packet; here it is fetched once a burst. Within a batch the packets of a source keep their
//! order, and so do the packets of a receiver.

use std::sync::Arc;
use std::time::Instant;

use super::Conference;
use super::egress::Egress;
use super::endpoint::Endpoint;
use super::pacing;
use super::send::{KeptExtensions, Turn};
use super::source::Source;
use crate::codec::{VideoFacts, av1};
use crate::identifiers::{EndpointIndex, SourceIndex};
use crate::projection::PacketView;
use crate::rtp::Header;

/// Most packets that wait; a batch of the edge holds fewer.
const MOST: usize = 256;

/// An incoming video packet that was judged and stored, and is still to be forwarded.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) source: SourceIndex,
    pub(super) encoding: u8,
    pub(super) header: Header,
    /// Unwrapped.
    pub(super) sequence: u64,
    pub(super) arrival_milliseconds: u64,
    pub(super) facts: VideoFacts,
    pub(super) structure: Option<Arc<av1::Structure>>,
}

/// A packet that waits, and where its bytes lie: the payload, its dependency descriptor behind it.
#[derive(Debug)]
struct Entry {
    packet: Packet,
    video_orientation: Option<u8>,
    start: u32,
    payload: u16,
    dependency_descriptor: u16,
}

/// What a receiver gets of one source: a range of the batch's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Share {
    receiver: EndpointIndex,
    first: u32,
    end: u32,
    stream: u32,
}

/// Packets that wait to be forwarded; keeps its memory.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    shares: Vec<Share>,
    /// Bytes that will leave, about.
    outgoing: usize,
}

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= MOST
    }

    pub(super) const fn outgoing(&self) -> usize {
        self.outgoing
    }

    /// Takes a packet for so many receivers.
    pub(super) fn push(
        &mut self,
        packet: Packet,
        payload: &[u8],
        kept: KeptExtensions<'_>,
        receivers: usize,
    ) {
        let descriptor = kept.dependency_descriptor.unwrap_or_default();
        self.entries.push(Entry {
            packet,
            video_orientation: kept.video_orientation,
            start: self.bytes.len() as u32,
            payload: payload.len() as u16,
            dependency_descriptor: descriptor.len() as u16,
        });
        self.bytes.extend_from_slice(payload);
        self.bytes.extend_from_slice(descriptor);
        self.outgoing += payload.len() * receivers;
    }

    /// Lets go of the packets of a source that is gone: its number may be given to another.
    pub(super) fn forget(&mut self, source: SourceIndex) {
        self.entries.retain(|entry| entry.packet.source != source);
    }

    /// Works out who gets what, receiver by receiver.
    fn divide(&mut self, sources: &[Option<Box<Source>>]) {
        // The bytes lie in order of arrival, which the order within a source has to stay.
        self.entries
            .sort_unstable_by_key(|entry| (entry.packet.source, entry.start));
        let mut first = 0;
        let of_one_source = |one: &Entry, next: &Entry| one.packet.source == next.packet.source;
        for entries in self.entries.chunk_by(of_one_source) {
            let end = first + entries.len() as u32;
            let source = entries
                .first()
                .and_then(|entry| sources.get(entry.packet.source.as_usize())?.as_deref());
            let subscribers = source.map_or(&[][..], |source| &source.subscribers);
            self.shares
                .extend(subscribers.iter().map(|subscriber| Share {
                    receiver: subscriber.endpoint,
                    first,
                    end,
                    stream: subscriber.stream as u32,
                }));
            first = end;
        }
        self.shares.sort_unstable();
    }

    fn packets_of(&self, share: &Share) -> impl Iterator<Item = BatchedPacket<'_>> {
        let entries = self.entries.get(share.first as usize..share.end as usize);
        entries.unwrap_or_default().iter().map(|entry| {
            let packet = &entry.packet;
            let start = entry.start as usize;
            let end = start + usize::from(entry.payload);
            let descriptor = end..end + usize::from(entry.dependency_descriptor);
            let descriptor = self.bytes.get(descriptor);
            BatchedPacket {
                view: PacketView {
                    header: &packet.header,
                    sequence: packet.sequence,
                    encoding: packet.encoding,
                    facts: &packet.facts,
                    structure: packet.structure.as_deref(),
                    arrival_milliseconds: packet.arrival_milliseconds,
                },
                payload: self.bytes.get(start..end).unwrap_or_default(),
                kept: KeptExtensions {
                    audio_level: None,
                    video_orientation: entry.video_orientation,
                    dependency_descriptor: descriptor.filter(|bytes| !bytes.is_empty()),
                },
            }
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.shares.clear();
        self.outgoing = 0;
    }
}

/// A packet of the batch with its bytes.
pub(super) struct BatchedPacket<'a> {
    pub(super) view: PacketView<'a>,
    pub(super) payload: &'a [u8],
    pub(super) kept: KeptExtensions<'a>,
}

impl Conference {
    /// Bytes of video that wait for [`Conference::forward`], once for each receiver.
    pub const fn waiting_bytes(&self) -> usize {
        self.batch.outgoing()
    }

    /// Sends the video that came since the last call, receiver by receiver.
    pub fn forward<E: Egress>(&mut self, now: Instant, egress: &mut E) {
        if self.batch.entries.is_empty() {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.divide(&self.sources);
        for shares in batch
            .shares
            .chunk_by(|one, next| one.receiver == next.receiver)
        {
            let Some(index) = shares.first().map(|share| share.receiver) else {
                continue;
            };
            let Some(receiver) = self
                .endpoints
                .get_mut(index.as_usize())
                .and_then(Option::as_deref_mut)
            else {
                continue;
            };
            let mut turn = Turn {
                now,
                receiver: index,
                egress,
                counters: &mut self.counters,
            };
            for share in shares {
                receiver.send_batch(&mut turn, share.stream as usize, batch.packets_of(share));
            }
            if receiver.pacer.is_waiting() {
                self.next_paced.get_or_insert(now + pacing::INTERVAL);
            }
            egress.end_turn();
        }
        batch.clear();
        self.batch = batch;
    }
}

impl Endpoint {
    fn send_batch<'a, E: Egress>(
        &mut self,
        turn: &mut Turn<'_, E>,
        stream: usize,
        packets: impl Iterator<Item = BatchedPacket<'a>>,
    ) {
        for packet in packets {
            if packet.payload.is_empty() {
                let encoding = packet.view.encoding;
                self.video[stream]
                    .projection
                    .skip(encoding, packet.view.sequence);
            } else {
                self.send_video(turn, stream, &packet);
            }
        }
    }
}
