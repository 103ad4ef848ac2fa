//! How packets were rewritten for one receiver of one source.

use std::time::{Duration, Instant};

use crate::projection::Rewrite;

/// Entries at first and at most; at 30 video packets a second the first is two seconds.
const FEWEST: usize = 64;
const MOST: usize = 512;
/// Age that entries should reach before they make room.
const WANTED_AGE_MILLISECONDS: u32 = 1000;

/// One packet as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// How it was rewritten.
    pub rewrite: Rewrite,
    /// Its unwrapped number in the incoming stream, low half.
    pub input: u32,
    /// Encoding it came from.
    pub encoding: u8,
    /// Milliseconds of its last transmission since the log's epoch.
    last_sent: u32,
}

/// Ring of sent packets by output sequence number.
#[derive(Debug)]
pub struct SentLog {
    epoch: Instant,
    entries: Vec<Option<SentPacket>>,
}

impl SentLog {
    /// Starts empty and without memory.
    pub const fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            entries: Vec::new(),
        }
    }

    /// Where a packet belongs: the number of entries is a power of two, or zero.
    fn place(&self, sequence: u16) -> usize {
        usize::from(sequence) & self.entries.len().wrapping_sub(1)
    }

    fn milliseconds(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.epoch).as_millis() as u32
    }

    /// Notes a packet. Allocates only while the log still grows.
    pub fn insert(&mut self, now: Instant, rewrite: Rewrite, encoding: u8, input: u64) {
        let now = self.milliseconds(now);
        if self.entries.is_empty() {
            self.entries.resize(FEWEST, None);
        }
        let evicted = self.entries[self.place(rewrite.sequence)];
        let is_young = evicted
            .is_some_and(|entry| now.wrapping_sub(entry.last_sent) < WANTED_AGE_MILLISECONDS);
        if is_young && self.entries.len() < MOST {
            let old = std::mem::take(&mut self.entries);
            self.entries.resize(old.len() * 2, None);
            for entry in old.into_iter().flatten() {
                let place = self.place(entry.rewrite.sequence);
                self.entries[place] = Some(entry);
            }
        }
        let place = self.place(rewrite.sequence);
        self.entries[place] = Some(SentPacket {
            rewrite,
            input: input as u32,
            encoding,
            last_sent: now,
        });
    }

    /// Finds what was sent with `sequence`, unless it was sent less than `holdoff` ago; marks it
    /// as sent again.
    pub fn resend(
        &mut self,
        now: Instant,
        sequence: u16,
        holdoff: Duration,
    ) -> Result<SentPacket, NotResent> {
        let now = self.milliseconds(now);
        let place = self.place(sequence);
        let entry = self
            .entries
            .get_mut(place)
            .and_then(Option::as_mut)
            .filter(|entry| entry.rewrite.sequence == sequence)
            .ok_or(NotResent::Unknown)?;
        if u128::from(now.wrapping_sub(entry.last_sent)) < holdoff.as_millis() {
            return Err(NotResent::TooSoon);
        }
        entry.last_sent = now;
        Ok(*entry)
    }

    /// Forgets everything; another source takes over the stream.
    pub fn clear(&mut self) {
        self.entries.fill(None);
    }

    /// The packet sent last but `back`, for probing with copies.
    pub fn recent(&self, newest: u16, back: u16) -> Option<SentPacket> {
        let sequence = newest.wrapping_sub(back);
        let entry = *self.entries.get(self.place(sequence))?;
        entry.filter(|entry| entry.rewrite.sequence == sequence)
    }
}

/// Why a packet is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotResent {
    /// Nothing was sent with that number, or it is too long ago.
    Unknown,
    /// It is on its way already.
    TooSoon,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(sequence: u16) -> Rewrite {
        Rewrite {
            sequence,
            ..Rewrite::default()
        }
    }

    #[test]
    fn a_packet_is_sent_again_but_not_while_it_is_on_its_way() {
        let start = Instant::now();
        let mut log = SentLog::new(start);
        log.insert(start, rewrite(65_535), 1, 70_000);
        let rtt = Duration::from_millis(50);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(log.resend(at(20), 65_535, rtt), Err(NotResent::TooSoon));
        assert_eq!(log.resend(at(60), 65_535, rtt).unwrap().input, 70_000);
        assert_eq!(log.resend(at(80), 65_535, rtt), Err(NotResent::TooSoon));
        assert_eq!(log.resend(at(80), 1, rtt), Err(NotResent::Unknown));
    }

    #[test]
    fn the_log_grows_with_the_rate_and_forgets_in_the_end() {
        let start = Instant::now();
        let mut log = SentLog::new(start);
        for number in 0..2_000_u16 {
            let now = start + Duration::from_millis(u64::from(number));
            log.insert(now, rewrite(number), 0, u64::from(number));
        }
        assert_eq!(log.entries.len(), MOST);
        let now = start + Duration::from_secs(3);
        assert!(log.resend(now, 1_600, Duration::ZERO).is_ok());
        assert_eq!(
            log.resend(now, 1_400, Duration::ZERO),
            Err(NotResent::Unknown)
        );
    }
}
