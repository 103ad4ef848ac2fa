//! The last packets of one incoming stream.
//!
//! Their bytes lie one after the other in chunks of one size, so that memory follows the rate in small
//! steps, up and down: when a chunk is full the oldest one is written anew if all in it is old
//! enough, and another is taken if it is not.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use crate::sequence_ring::{Entry, SequenceRing};

/// Most packets kept, and places for them at first.
const MOST_PACKETS: usize = 512;
const FEWEST_PACKETS: usize = 16;
/// Bytes of one chunk; what does not fit into the rest of it leaves that unused.
const CHUNK: usize = 8 * 1024;
const MOST_CHUNKS: usize = 64;
/// Chunks that stay however old they are: what comes after a pause is not to push out at once what
/// came before it.
const FEWEST_CHUNKS: usize = 2;
/// Longest time a packet is kept.
const MOST_MILLISECONDS: u32 = 15_000;

/// The same of a stream that nobody gets any more: some of it may still wait for its turn.
const UNWANTED_MILLISECONDS: u32 = 1_000;
/// Longest pause that counts, milliseconds.
const LONGEST_PAUSE: u32 = 1_000;

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Unwrapped sequence number, low half.
    sequence: u32,
    /// Milliseconds of the store's clock.
    arrival: u32,
    /// Number of the chunk, and where in it.
    chunk: u16,
    offset: u16,
    length: NonZeroU16,
}

const _: () = assert!(size_of::<Option<Slot>>() == 16);

impl Entry for Slot {
    fn sequence(&self) -> u16 {
        self.sequence as u16
    }

    fn time(&self) -> u32 {
        self.arrival
    }
}

#[derive(Debug)]
struct Chunk {
    bytes: Box<[u8]>,
    used: usize,
    /// Arrival of the last packet in it.
    newest: u32,
}

/// Ring of packets by sequence number over chunks of bytes.
#[derive(Debug)]
pub struct PacketStore {
    epoch: Instant,
    /// Age that packets should reach before they make room, milliseconds; zero keeps none.
    wanted: u32,
    /// Longest time between two packets of late, milliseconds.
    pause: u32,
    packets: SequenceRing<Slot, FEWEST_PACKETS, MOST_PACKETS>,
    /// The oldest first.
    chunks: VecDeque<Chunk>,
    /// Number of the oldest; they are numbered in turn.
    first: u16,
}

/// A packet found in the store.
#[derive(Clone, Copy, Debug)]
pub struct StoredPacket<'a> {
    /// As it arrived, unprotected.
    pub bytes: &'a [u8],
    /// Unwrapped sequence number, low half.
    pub sequence: u32,
}

impl PacketStore {
    /// Most bytes of packets.
    pub const MOST_BYTES: usize = CHUNK * MOST_CHUNKS;

    /// Starts without memory, and keeps nothing until that is wanted.
    pub const fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            wanted: 0,
            pause: 0,
            packets: SequenceRing::new(),
            chunks: VecDeque::new(),
            first: 0,
        }
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.chunks.len() * CHUNK + self.packets.memory()
    }

    fn milliseconds(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.epoch).as_millis() as u32
    }

    /// Whether packets are kept at all.
    pub const fn is_wanted(&self) -> bool {
        self.wanted > 0
    }

    /// Longest time between two packets of late; every call makes it a little less.
    pub fn fading_pause(&mut self) -> Duration {
        let pause = Duration::from_millis(u64::from(self.pause));
        self.pause -= self.pause.div_ceil(8);
        pause
    }

    /// Sets the age that packets should reach before they make room, zero for a stream that nobody
    /// gets, and gives back what is too old for anybody.
    pub fn set_wanted_age(&mut self, now: Instant, age: Duration) {
        self.wanted = age.as_millis() as u32;
        let time = self.milliseconds(now);
        let longest = if self.wanted > 0 {
            MOST_MILLISECONDS
        } else {
            UNWANTED_MILLISECONDS
        };
        while self
            .chunks
            .front()
            .is_some_and(|oldest| time.wrapping_sub(oldest.newest) >= longest)
        {
            self.forget_oldest();
        }
        if self.chunks.is_empty() {
            self.packets = SequenceRing::new();
            self.chunks = VecDeque::new();
        }
    }

    fn forget_oldest(&mut self) -> Option<Chunk> {
        let oldest = self.chunks.pop_front()?;
        self.first = self.first.wrapping_add(1);
        Some(oldest)
    }

    /// Keeps a packet. Allocates only while the store follows the rate.
    pub fn insert(&mut self, now: Instant, sequence: u64, packet: &[u8]) {
        let length = u16::try_from(packet.len()).ok().and_then(NonZeroU16::new);
        let Some(length) = length.filter(|_| self.wanted > 0 && packet.len() <= CHUNK) else {
            return;
        };
        let arrival = self.milliseconds(now);
        if let Some(last) = self.chunks.back() {
            let pause = arrival.wrapping_sub(last.newest).min(LONGEST_PAUSE);
            self.pause = self.pause.max(pause);
        }
        let is_full = |chunk: &Chunk| CHUNK - chunk.used < packet.len();
        if self.chunks.back().is_none_or(is_full) {
            self.start_chunk(arrival);
        }
        let number = self.first.wrapping_add(self.chunks.len() as u16 - 1);
        let Some(chunk) = self.chunks.back_mut() else {
            return;
        };
        let slot = Slot {
            sequence: sequence as u32,
            arrival,
            chunk: number,
            offset: chunk.used as u16,
            length,
        };
        chunk.bytes[chunk.used..chunk.used + packet.len()].copy_from_slice(packet);
        chunk.used += packet.len();
        chunk.newest = arrival;
        self.packets.insert(slot, self.wanted);
    }

    fn start_chunk(&mut self, now: u32) {
        let wanted = self.wanted;
        // A little more than is wanted is no reason to give memory back and soon to take it again.
        let surplus = wanted + wanted / 8;
        let is_older = |chunk: &Chunk, age| now.wrapping_sub(chunk.newest) >= age;
        while self.chunks.len() > FEWEST_CHUNKS && is_older(&self.chunks[1], surplus) {
            self.forget_oldest();
        }
        let oldest_goes = self.chunks.len() >= MOST_CHUNKS
            || self.chunks.len() >= FEWEST_CHUNKS && is_older(&self.chunks[0], wanted);
        let reused = if oldest_goes {
            self.forget_oldest()
        } else {
            None
        };
        self.chunks.push_back(Chunk {
            bytes: reused.map_or_else(|| vec![0; CHUNK].into(), |chunk| chunk.bytes),
            used: 0,
            newest: now,
        });
    }

    /// Finds a packet by the sequence number on the wire.
    pub fn get_low(&self, now: Instant, sequence: u16) -> Option<StoredPacket<'_>> {
        let slot = self.packets.get(sequence)?;
        if self.milliseconds(now).wrapping_sub(slot.arrival) > MOST_MILLISECONDS {
            return None;
        }
        let chunk = self
            .chunks
            .get(usize::from(slot.chunk.wrapping_sub(self.first)))?;
        let start = usize::from(slot.offset);
        Some(StoredPacket {
            bytes: chunk
                .bytes
                .get(start..start + usize::from(slot.length.get()))?,
            sequence: slot.sequence,
        })
    }

    /// Finds a packet by its unwrapped sequence number, if it is still there.
    pub fn get(&self, now: Instant, sequence: u64) -> Option<StoredPacket<'_>> {
        self.get_low(now, sequence as u16)
            .filter(|packet| packet.sequence == sequence as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WANTED: Duration = Duration::from_millis(500);

    fn store(start: Instant) -> PacketStore {
        let mut store = PacketStore::new(start);
        store.set_wanted_age(start, WANTED);
        store
    }

    /// Feeds packets of `length` bytes, one every `interval`, for `time`; returns the end.
    fn feed(
        store: &mut PacketStore,
        from: Instant,
        first: u64,
        (length, interval, time): (usize, Duration, Duration),
    ) -> (Instant, u64) {
        let (mut now, mut sequence) = (from, first);
        while now < from + time {
            store.insert(now, sequence, &vec![sequence as u8; length]);
            (now, sequence) = (now + interval, sequence + 1);
        }
        (now, sequence)
    }

    #[test]
    fn a_packet_is_found_until_it_is_too_old() {
        let start = Instant::now();
        let mut store = store(start);
        store.insert(start, 7, &[1, 2, 3]);
        assert_eq!(store.get(start, 7).unwrap().bytes, [1, 2, 3]);
        assert!(store.get(start, 8).is_none());
        assert!(store.get(start, 7 + (1 << 16)).is_none());
        assert!(store.get(start + Duration::from_secs(16), 7).is_none());
    }

    #[test]
    fn memory_follows_the_rate_up_and_down_and_keeps_what_is_wanted() {
        let start = Instant::now();
        let mut store = store(start);
        let second = Duration::from_secs(1);
        // 1.6 Mbit/s: half a second is 100,000 bytes.
        let fast = (1_000, Duration::from_millis(5), second * 5);
        let (now, next) = feed(&mut store, start, 1, fast);
        assert!(store.memory() < 125_000, "{}", store.memory());
        for back in 1..=100 {
            assert!(store.get(now, next - back).is_some(), "{back}");
        }
        let slow = (250, Duration::from_millis(20), second * 20);
        let (now, next) = feed(&mut store, now, next, slow);
        assert!(store.memory() < 35_000, "{}", store.memory());
        for back in 1..=25 {
            assert!(store.get(now, next - back).is_some(), "{back}");
        }
    }

    #[test]
    fn the_longest_pause_is_known_and_fades() {
        let start = Instant::now();
        let mut store = store(start);
        for milliseconds in [0, 200, 250] {
            store.insert(
                start + Duration::from_millis(milliseconds),
                milliseconds,
                &[1],
            );
        }
        let pauses: Vec<_> = (0..6).map(|_| store.fading_pause().as_millis()).collect();
        assert_eq!(pauses, [200, 175, 153, 133, 116, 101]);
        for _ in 0..30 {
            store.fading_pause();
        }
        assert_eq!(store.fading_pause(), Duration::ZERO);
    }

    #[test]
    fn memory_has_a_bound() {
        let start = Instant::now();
        let mut store = store(start);
        let torrent = (1_200, Duration::from_micros(100), Duration::from_secs(1));
        feed(&mut store, start, 0, torrent);
        let slots = MOST_PACKETS * size_of::<Slot>();
        assert_eq!(store.memory(), PacketStore::MOST_BYTES + slots);
    }

    #[test]
    fn a_stream_that_ended_or_that_nobody_gets_holds_no_memory() {
        let start = Instant::now();
        let mut store = store(start);
        let second = Duration::from_secs(1);
        let (now, next) = feed(&mut store, start, 0, (1_000, second / 100, second));
        store.set_wanted_age(now + second * 14, WANTED);
        assert!(store.get(now, next - 1).is_some());
        store.set_wanted_age(now + second * 16, WANTED);
        assert_eq!(store.memory(), 0);
        store.insert(now, next, &[1; 100]);
        store.set_wanted_age(now, Duration::ZERO);
        assert!(store.get(now, next).is_some());
        store.set_wanted_age(now + second, Duration::ZERO);
        assert_eq!(store.memory(), 0);
        store.insert(now, next, &[1; 100]);
        assert_eq!(store.memory(), 0);
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_was_put_in(
            packets in proptest::collection::vec((1_usize..1300, 0_u64..30), 1..400)
        ) {
            let start = Instant::now();
            let mut store = store(start);
            let mut time = 0;
            for (sequence, (length, milliseconds)) in packets.iter().enumerate() {
                time += milliseconds;
                let now = start + Duration::from_millis(time);
                store.insert(now, sequence as u64, &vec![sequence as u8; *length]);
                for (past, (length, _)) in packets[..sequence].iter().enumerate().step_by(7) {
                    if let Some(found) = store.get(now, past as u64) {
                        prop_assert_eq!(found.bytes.len(), *length);
                        prop_assert!(found.bytes.iter().all(|byte| *byte == past as u8));
                    }
                }
                prop_assert!(store.get(now, sequence as u64).is_some());
            }
        }
    }
}
