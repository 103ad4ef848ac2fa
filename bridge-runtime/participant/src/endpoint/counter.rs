//! Packets, loss and key frames of one stream (RFC 3550 A.1, A.3).

use std::time::{Duration, Instant};

use jitctl_wire::rtp::MediaKind;

/// How far back a packet counts as late and not as a restart of the stream.
const MAXIMUM_REORDERING: u64 = 1 << 15;

/// Counts of one stream.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    /// Audio or video.
    pub(crate) kind: MediaKind,
    /// Packets, each once.
    pub(crate) packets: u64,
    /// Their bytes with the RTP header.
    pub(crate) bytes: u64,
    /// Key frames that began.
    pub(crate) key_frames: u64,
    /// When the first came.
    pub(crate) first: Instant,
    /// When the last came.
    pub(crate) last: Instant,
    /// First and highest sequence number, extended.
    range: Option<(u64, u64)>,
    /// Which of the last 64 sequence numbers came, the highest in bit 0.
    window: u64,
}

impl Counter {
    pub(crate) fn new(kind: MediaKind, now: Instant) -> Self {
        Self {
            kind,
            packets: 0,
            bytes: 0,
            key_frames: 0,
            first: now,
            last: now,
            range: None,
            window: 0,
        }
    }

    /// A packet of `size` bytes came.
    pub(crate) fn count(
        &mut self,
        sequence: u16,
        size: usize,
        key_frame: bool,
        padding_only: bool,
        now: Instant,
    ) {
        if !self.is_new(sequence) {
            return;
        }
        self.packets += 1;
        self.bytes += size as u64;
        self.key_frames += u64::from(key_frame);
        if !padding_only {
            self.last = now;
        }
    }

    /// Notes a sequence number; `false` for a duplicate.
    fn is_new(&mut self, sequence: u16) -> bool {
        let Some((first, highest)) = self.range else {
            // Room below for packets that overtook each other at the start.
            let start = MAXIMUM_REORDERING * 2 + u64::from(sequence);
            self.range = Some((start, start));
            self.window = 1;
            return true;
        };
        let ahead = sequence.wrapping_sub(low_bits(highest));
        if ahead == 0 {
            return false;
        }
        if u64::from(ahead) < MAXIMUM_REORDERING {
            self.range = Some((first, highest + u64::from(ahead)));
            self.window = match ahead {
                0..64 => self.window << ahead | 1,
                _ => 1,
            };
            return true;
        }
        let behind = u64::from(ahead.wrapping_neg());
        self.range = Some((first.min(highest - behind), highest));
        if behind >= 64 {
            // Too long ago to know: retransmissions come so late only once.
            return true;
        }
        let bit = 1 << behind;
        let new = self.window & bit == 0;
        self.window |= bit;
        new
    }

    /// Packets that should have come and did not.
    pub(crate) fn lost(&self) -> u64 {
        self.range.map_or(0, |(first, highest)| {
            (highest - first + 1).saturating_sub(self.packets)
        })
    }

    /// How long it flowed.
    pub(crate) fn duration(&self) -> Duration {
        self.last.duration_since(self.first)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower bits are wanted")]
fn low_bits(extended: u64) -> u16 {
    extended as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(sequences: &[u16]) -> (u64, u64) {
        let now = Instant::now();
        let mut counter = Counter::new(MediaKind::Video, now);
        for sequence in sequences {
            counter.count(*sequence, 100, false, false, now);
        }
        (counter.packets, counter.lost())
    }

    #[test]
    fn gaps_are_lost_and_what_comes_late_or_around_the_wrap_is_not() {
        assert_eq!(counted(&[10, 11, 13]), (3, 1));
        assert_eq!(counted(&[10, 11, 13, 12]), (4, 0));
        assert_eq!(counted(&[11, 10, 12]), (3, 0));
        assert_eq!(counted(&[65534, 65535, 0, 2]), (4, 1));
        assert_eq!(counted(&[5, 5, 5]), (1, 0));
    }

    proptest! {
        #[test]
        fn any_order_within_the_window_loses_nothing(
            start: u16,
            order in Just((0u16..40).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let sequences: Vec<u16> = order.iter().map(|n| start.wrapping_add(*n)).collect();
            prop_assert_eq!(counted(&sequences), (40, 0));
        }
    }
}
