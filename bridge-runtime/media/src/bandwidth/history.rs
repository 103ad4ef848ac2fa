//! Packets sent and not yet reported on.

/// Entries at first and at most.
const FEWEST: usize = 256;
const MOST: usize = 8192;
/// A packet this young still waits for its report.
const WAIT_MICROSECONDS: i64 = 1_000_000;

/// A packet the receiver reported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acknowledged {
    /// Our clock, microseconds.
    pub(super) sent: i64,
    /// The receiver's clock, microseconds.
    pub(super) arrival: i64,
    pub(super) length: u32,
    pub(super) probe: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    sequence: u16,
    length: u16,
    /// Cluster, zero for none.
    probe: u32,
    sent: i64,
}

/// Ring by transport-wide sequence number; grows with the rate.
#[derive(Debug)]
pub(super) struct SentHistory {
    entries: Vec<Option<Entry>>,
}

impl SentHistory {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Where a packet belongs: the number of entries is a power of two, or zero.
    fn place(&self, sequence: u16) -> usize {
        usize::from(sequence) & self.entries.len().wrapping_sub(1)
    }

    pub(super) fn insert(&mut self, sequence: u16, sent: i64, length: usize, probe: Option<u32>) {
        if self.entries.is_empty() {
            self.entries.resize(FEWEST, None);
        }
        let evicted = self.entries[self.place(sequence)];
        if evicted.is_some_and(|entry| sent - entry.sent < WAIT_MICROSECONDS)
            && self.entries.len() < MOST
        {
            let old = std::mem::take(&mut self.entries);
            self.entries.resize(old.len() * 2, None);
            for entry in old.into_iter().flatten() {
                let place = self.place(entry.sequence);
                self.entries[place] = Some(entry);
            }
        }
        let place = self.place(sequence);
        self.entries[place] = Some(Entry {
            sequence,
            length: length.min(usize::from(u16::MAX)) as u16,
            probe: probe.unwrap_or(0),
            sent,
        });
    }

    fn find(&mut self, sequence: u16) -> Option<&mut Option<Entry>> {
        let place = self.place(sequence);
        let entry = self.entries.get_mut(place)?;
        entry
            .is_some_and(|entry| entry.sequence == sequence)
            .then_some(entry)
    }

    /// Takes a packet out; a second report of it is void.
    pub(super) fn acknowledge(&mut self, sequence: u16) -> Option<Acknowledged> {
        let entry = self.find(sequence)?.take()?;
        Some(Acknowledged {
            sent: entry.sent,
            arrival: 0,
            length: u32::from(entry.length),
            probe: (entry.probe != 0).then_some(entry.probe),
        })
    }

    /// A packet was reported missing; it may still be reported as arrived.
    pub(super) fn lose(&mut self, sequence: u16) -> bool {
        self.find(sequence).is_some()
    }
}
