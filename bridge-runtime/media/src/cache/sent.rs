//! How packets were rewritten for one receiver of one source.

use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use super::MOST_WANTED;
use crate::projection::Rewrite;
use crate::sequence_ring::{Entry, SequenceRing};

/// Entries at first and at most; at 30 video packets a second the first is a second.
const FEWEST: usize = 32;
const MOST: usize = 512;

/// One packet as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// How it was rewritten.
    pub rewrite: Rewrite,
    /// Its number in the incoming stream.
    pub input: u16,
    /// Encoding it came from.
    pub encoding: u8,
}

/// A [`SentPacket`] as it is kept: sixteen bytes, as there are very many.
#[derive(Clone, Copy, Debug)]
struct Kept {
    timestamp: u32,
    /// Milliseconds of its last transmission since the log's epoch.
    last_sent: u32,
    sequence: u16,
    picture: u16,
    input: u16,
    tl0: u8,
    /// The encoding, the marker bit, and a one that makes a niche.
    encoding_and_marker: NonZeroU8,
}

const _: () = assert!(size_of::<Option<Kept>>() == 16);

impl Kept {
    fn new(rewrite: &Rewrite, encoding: u8, input: u64, last_sent: u32) -> Self {
        Self {
            timestamp: rewrite.timestamp,
            last_sent,
            sequence: rewrite.sequence,
            picture: rewrite.picture,
            input: input as u16,
            tl0: rewrite.tl0,
            encoding_and_marker: NonZeroU8::MIN | (encoding << 2 | u8::from(rewrite.marker) << 1),
        }
    }

    fn packet(&self) -> SentPacket {
        let flags = self.encoding_and_marker.get();
        SentPacket {
            rewrite: Rewrite {
                sequence: self.sequence,
                timestamp: self.timestamp,
                picture: self.picture,
                tl0: self.tl0,
                marker: flags & 2 != 0,
            },
            input: self.input,
            encoding: flags >> 2,
        }
    }
}

impl Entry for Kept {
    fn sequence(&self) -> u16 {
        self.sequence
    }

    fn time(&self) -> u32 {
        self.last_sent
    }
}

/// Ring of sent packets by output sequence number.
#[derive(Debug)]
pub struct SentLog {
    epoch: Instant,
    /// Age that entries should reach before they make room, milliseconds.
    wanted: u32,
    packets: SequenceRing<Kept, FEWEST, MOST>,
}

impl SentLog {
    /// Starts empty and without memory.
    pub const fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            wanted: MOST_WANTED.as_millis() as u32,
            packets: SequenceRing::new(),
        }
    }

    fn milliseconds(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.epoch).as_millis() as u32
    }

    /// Sets the age that entries should reach before they make room.
    pub const fn set_wanted_age(&mut self, age: Duration) {
        self.wanted = age.as_millis() as u32;
    }

    /// Notes a packet. Allocates only when the size follows the rate.
    pub fn insert(&mut self, now: Instant, rewrite: Rewrite, encoding: u8, input: u64) {
        let now = self.milliseconds(now);
        let packet = Kept::new(&rewrite, encoding, input, now);
        self.packets.insert(packet, self.wanted);
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
        let packet = self.packets.get_mut(sequence).ok_or(NotResent::Unknown)?;
        if u128::from(now.wrapping_sub(packet.last_sent)) < holdoff.as_millis() {
            return Err(NotResent::TooSoon);
        }
        packet.last_sent = now;
        Ok(packet.packet())
    }

    /// Forgets everything; another source takes over the stream.
    pub fn clear(&mut self) {
        self.packets.clear();
    }

    /// Forgets everything and gives its memory back; nobody gets the stream any more.
    pub fn release(&mut self) {
        self.packets = SequenceRing::new();
    }

    /// The packet sent last but `back`, for probing with copies.
    pub fn recent(&self, newest: u16, back: u16) -> Option<SentPacket> {
        let packet = self.packets.get(newest.wrapping_sub(back))?;
        Some(packet.packet())
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
        assert_eq!(
            log.resend(at(60), 65_535, rtt).unwrap().input,
            70_000_u64 as u16
        );
        assert_eq!(log.resend(at(80), 65_535, rtt), Err(NotResent::TooSoon));
        assert_eq!(log.resend(at(80), 1, rtt), Err(NotResent::Unknown));
    }

    #[test]
    fn a_packet_is_found_as_it_was_rewritten() {
        let start = Instant::now();
        let mut log = SentLog::new(start);
        let rewrites = [false, true].map(|marker| Rewrite {
            sequence: 7 + u16::from(marker),
            timestamp: u32::MAX - 1,
            picture: 32_767,
            tl0: 255,
            marker,
        });
        for (encoding, rewrite) in [0, 3].into_iter().zip(rewrites) {
            log.insert(start, rewrite, encoding, 5);
        }
        let found = [1, 0].map(|back| log.recent(8, back).unwrap());
        assert_eq!(found.map(|packet| packet.rewrite), rewrites);
        assert_eq!(found.map(|packet| packet.encoding), [0, 3]);
    }

    #[test]
    fn the_log_grows_with_the_rate_and_forgets_in_the_end() {
        let start = Instant::now();
        let mut log = SentLog::new(start);
        for number in 0..2_000_u16 {
            let now = start + Duration::from_millis(u64::from(number));
            log.insert(now, rewrite(number), 0, u64::from(number));
        }
        assert_eq!(log.packets.places(), MOST);
        let now = start + Duration::from_secs(3);
        assert!(log.resend(now, 1_600, Duration::ZERO).is_ok());
        assert_eq!(
            log.resend(now, 1_400, Duration::ZERO),
            Err(NotResent::Unknown)
        );
        log.release();
        assert_eq!(log.packets.memory(), 0);
    }
}
