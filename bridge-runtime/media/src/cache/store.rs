//! The last packets of one incoming stream.

use std::time::{Duration, Instant};

/// Bounds of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Most packets kept.
    pub packets: usize,
    /// Most bytes kept.
    pub bytes: usize,
    /// Longest time a packet is kept.
    pub age: Duration,
    /// Age that packets should reach before they make room; the store grows towards its bounds
    /// until they do.
    pub wanted_age: Duration,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            packets: 512,
            bytes: 512 * 1024,
            age: Duration::from_secs(15),
            wanted_age: Duration::from_millis(600),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    sequence: u64,
    /// Position in the endless byte stream of which the ring shows the end.
    position: u64,
    length: u32,
    arrival: Instant,
}

/// Ring of packets by sequence number over a ring of bytes.
#[derive(Debug)]
pub struct PacketStore {
    limits: StoreLimits,
    slots: Vec<Option<Slot>>,
    bytes: Vec<u8>,
    /// Bytes ever written, lost ends of the ring included.
    written: u64,
}

/// A packet found in the store.
#[derive(Clone, Copy, Debug)]
pub struct StoredPacket<'a> {
    /// As it arrived, unprotected.
    pub bytes: &'a [u8],
    /// Unwrapped sequence number.
    pub sequence: u64,
}

impl PacketStore {
    /// Starts empty and without memory.
    pub const fn new(limits: StoreLimits) -> Self {
        Self {
            limits,
            slots: Vec::new(),
            bytes: Vec::new(),
            written: 0,
        }
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.slots.capacity() * size_of::<Option<Slot>>()
    }

    /// Keeps a packet. Allocates only while the store still grows.
    pub fn insert(&mut self, now: Instant, sequence: u64, packet: &[u8]) {
        if packet.len() > self.limits.bytes / 8 {
            return;
        }
        self.grow_slots(now, sequence);
        self.grow_bytes(now, packet.len());
        let capacity = self.bytes.len();
        let mut offset = (self.written % capacity as u64) as usize;
        if offset + packet.len() > capacity {
            // A packet is never split: the end of the ring stays unused this time.
            self.written += (capacity - offset) as u64;
            offset = 0;
        }
        self.bytes[offset..offset + packet.len()].copy_from_slice(packet);
        let index = sequence as usize % self.slots.len();
        self.slots[index] = Some(Slot {
            sequence,
            position: self.written,
            length: packet.len() as u32,
            arrival: now,
        });
        self.written += packet.len() as u64;
    }

    fn grow_slots(&mut self, now: Instant, sequence: u64) {
        if self.slots.is_empty() {
            self.slots.resize(32.min(self.limits.packets.max(1)), None);
        }
        loop {
            let evicted = self.slots[sequence as usize % self.slots.len()];
            let is_young = evicted.is_some_and(|slot| {
                now.saturating_duration_since(slot.arrival) < self.limits.wanted_age
            });
            if !is_young || self.slots.len() * 2 > self.limits.packets {
                return;
            }
            let old = std::mem::take(&mut self.slots);
            self.slots.resize(old.len() * 2, None);
            for slot in old.into_iter().flatten() {
                let index = slot.sequence as usize % self.slots.len();
                self.slots[index] = Some(slot);
            }
        }
    }

    fn grow_bytes(&mut self, now: Instant, length: usize) {
        let capacity = self.bytes.len();
        if capacity == 0 {
            self.bytes
                .resize((16 * 1024).max(length * 8).min(self.limits.bytes), 0);
            return;
        }
        if capacity * 2 > self.limits.bytes {
            return;
        }
        // The packet about to be overwritten is the oldest; look at whose time it is.
        let horizon = (self.written + length as u64 * 2).saturating_sub(capacity as u64);
        let overwrites_young = self.written >= capacity as u64
            && self.slots.iter().flatten().any(|slot| {
                slot.position < horizon
                    && slot.position + capacity as u64 >= self.written
                    && now.saturating_duration_since(slot.arrival) < self.limits.wanted_age
            });
        if overwrites_young {
            self.relocate(capacity * 2);
        }
    }

    /// Moves everything still valid into a ring of `capacity` bytes.
    fn relocate(&mut self, capacity: usize) {
        let old_bytes = std::mem::replace(&mut self.bytes, vec![0; capacity]);
        let old_written = self.written;
        let mut order: Vec<usize> = (0..self.slots.len())
            .filter(|index| self.slots[*index].is_some())
            .collect();
        order.sort_by_key(|index| self.slots[*index].map(|slot| slot.position));
        self.written = 0;
        for index in order {
            let Some(slot) = self.slots[index] else {
                continue;
            };
            let length = slot.length as usize;
            if old_written - slot.position > old_bytes.len() as u64 {
                self.slots[index] = None;
                continue;
            }
            let from = (slot.position % old_bytes.len() as u64) as usize;
            let to = self.written as usize;
            self.bytes[to..to + length].copy_from_slice(&old_bytes[from..from + length]);
            self.slots[index] = Some(Slot {
                position: self.written,
                ..slot
            });
            self.written += length as u64;
        }
    }

    /// Finds a packet by the sequence number on the wire.
    pub fn get_low(&self, now: Instant, sequence: u16) -> Option<StoredPacket<'_>> {
        // The number of slots is a power of two well below the numbers', so the slot is the same.
        let index = usize::from(sequence).checked_rem(self.slots.len())?;
        let slot = self.slots[index].filter(|slot| slot.sequence as u16 == sequence)?;
        self.get(now, slot.sequence)
    }

    /// Finds a packet by its sequence number, if it is still there.
    pub fn get(&self, now: Instant, sequence: u64) -> Option<StoredPacket<'_>> {
        let index = (sequence as usize).checked_rem(self.slots.len())?;
        let slot = self.slots[index].filter(|slot| slot.sequence == sequence)?;
        let is_overwritten = self.written - slot.position > self.bytes.len() as u64;
        if is_overwritten || now.saturating_duration_since(slot.arrival) > self.limits.age {
            return None;
        }
        let offset = (slot.position % self.bytes.len() as u64) as usize;
        Some(StoredPacket {
            bytes: self.bytes.get(offset..offset + slot.length as usize)?,
            sequence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_is_found_until_it_is_too_old() {
        let start = Instant::now();
        let mut store = PacketStore::new(StoreLimits::default());
        store.insert(start, 7, &[1, 2, 3]);
        assert_eq!(store.get(start, 7).unwrap().bytes, [1, 2, 3]);
        assert!(store.get(start, 8).is_none());
        assert!(store.get(start + Duration::from_secs(16), 7).is_none());
    }

    #[test]
    fn memory_follows_the_rate_and_stays_within_its_bounds() {
        let start = Instant::now();
        let limits = StoreLimits::default();
        let mut slow = PacketStore::new(limits);
        let mut fast = PacketStore::new(limits);
        for packet in 0..2_000 {
            let now = start + Duration::from_millis(packet * 20);
            slow.insert(now, packet, &[0; 200]);
        }
        for packet in 0..20_000 {
            let now = start + Duration::from_micros(packet * 200);
            fast.insert(now, packet, &[0; 1200]);
        }
        assert!(slow.memory() < 24 * 1024, "{}", slow.memory());
        assert!(
            fast.memory() <= limits.bytes + 48 * 512,
            "{}",
            fast.memory()
        );
        assert!(fast.get(start, 19_999).is_some());
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_was_put_in(
            packets in proptest::collection::vec((1_usize..1300, 0_u64..30), 1..150)
        ) {
            let start = Instant::now();
            let limits = StoreLimits { bytes: 64 * 1024, packets: 64, ..StoreLimits::default() };
            let mut store = PacketStore::new(limits);
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
