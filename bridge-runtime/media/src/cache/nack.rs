//! Finds what is missing of an incoming stream, and what came twice.

use std::time::{Duration, Instant};

/// Gaps of this many packets or more are not repaired.
const LARGEST_GAP: u64 = 100;
/// Most packets asked for at a time.
const MOST_MISSING: usize = 128;
/// Times a packet is asked for.
const ATTEMPTS: u8 = 10;
const REPEAT: Duration = Duration::from_millis(150);
/// Numbers below the highest that are remembered as received.
const WINDOW: u64 = 512;

#[derive(Clone, Copy, Debug)]
struct Missing {
    sequence: u64,
    attempts: u8,
    last_request: Option<Instant>,
}

/// What the arrival of a packet means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next in order.
    New,
    /// It reveals a gap before it.
    AfterGap,
    /// It was missing, or overtaken.
    Late,
    /// It came before, or is too old to tell.
    Duplicate,
}

/// Receive window of one stream; fixed memory.
#[derive(Debug)]
pub struct NackGenerator {
    highest: Option<u64>,
    received: [u64; WINDOW as usize / 64],
    missing: Vec<Missing>,
    /// Number that, coming next, shows that the sender began anew (RFC 3550 appendix A.1).
    restart: Option<u16>,
}

impl Default for NackGenerator {
    fn default() -> Self {
        Self::new()
    }
}

impl NackGenerator {
    /// Starts before the first packet.
    pub fn new() -> Self {
        Self {
            highest: None,
            received: [0; WINDOW as usize / 64],
            missing: Vec::new(),
            restart: None,
        }
    }

    /// Unwraps a sequence number next to the highest one seen. Two in a row from far below are a
    /// sender that began anew: they count as a jump ahead.
    pub fn unwrap(&mut self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else {
            // Room below, for packets the first one overtook.
            return u64::from(sequence) + (1 << 16);
        };
        let step = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        if step > -(WINDOW as i64) {
            self.restart = None;
        } else if self.restart == Some(sequence) {
            self.restart = None;
            return highest.wrapping_add_signed(step) + (1 << 16);
        } else {
            self.restart = Some(sequence.wrapping_add(1));
        }
        highest.wrapping_add_signed(step)
    }

    /// Highest number seen.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }

    fn flag(sequence: u64) -> (usize, u64) {
        let bit = sequence % WINDOW;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    /// Notes an arrival.
    pub fn receive(&mut self, sequence: u64) -> Arrival {
        let (word, bit) = Self::flag(sequence);
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            self.received[word] |= bit;
            return Arrival::New;
        };
        if sequence <= highest {
            if highest - sequence >= WINDOW || self.received[word] & bit != 0 {
                return Arrival::Duplicate;
            }
            self.received[word] |= bit;
            self.missing.retain(|missing| missing.sequence != sequence);
            return Arrival::Late;
        }
        let gap = sequence - highest - 1;
        if gap >= WINDOW {
            self.received.fill(0);
        } else {
            for number in highest + 1..sequence {
                let (word, bit) = Self::flag(number);
                self.received[word] &= !bit;
            }
        }
        self.received[word] |= bit;
        self.highest = Some(sequence);
        if gap == 0 {
            return Arrival::New;
        }
        if gap >= LARGEST_GAP {
            self.missing.clear();
            return Arrival::New;
        }
        for number in highest + 1..sequence {
            if self.missing.len() == MOST_MISSING {
                self.missing.remove(0);
            }
            self.missing.push(Missing {
                sequence: number,
                attempts: 0,
                last_request: None,
            });
        }
        Arrival::AfterGap
    }

    /// Puts the numbers to ask for now into `wanted` (cleared first), in order.
    pub fn due(&mut self, now: Instant, wanted: &mut Vec<u16>) {
        wanted.clear();
        let highest = self.highest.unwrap_or(0);
        for missing in &mut self.missing {
            let is_due = missing
                .last_request
                .is_none_or(|last| now.saturating_duration_since(last) >= REPEAT);
            if is_due {
                missing.attempts += 1;
                missing.last_request = Some(now);
                wanted.push(missing.sequence as u16);
            }
        }
        self.missing
            .retain(|missing| missing.attempts < ATTEMPTS && highest - missing.sequence < WINDOW);
    }

    /// Whether anything is missing.
    pub fn has_missing(&self) -> bool {
        !self.missing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn due(generator: &mut NackGenerator, now: Instant) -> Vec<u16> {
        let mut wanted = vec![];
        generator.due(now, &mut wanted);
        wanted
    }

    #[test]
    fn a_gap_is_asked_for_at_once_and_again_until_it_is_filled() {
        let start = Instant::now();
        let mut generator = NackGenerator::new();
        let receive = |generator: &mut NackGenerator, sequence| {
            let unwrapped = generator.unwrap(sequence);
            generator.receive(unwrapped)
        };
        assert_eq!(receive(&mut generator, 65_534), Arrival::New);
        assert_eq!(receive(&mut generator, 1), Arrival::AfterGap);
        assert_eq!(due(&mut generator, start), [65_535, 0]);
        assert_eq!(
            due(&mut generator, start + Duration::from_millis(149)),
            [0_u16; 0]
        );
        assert_eq!(receive(&mut generator, 65_535), Arrival::Late);
        assert_eq!(receive(&mut generator, 65_535), Arrival::Duplicate);
        assert_eq!(due(&mut generator, start + Duration::from_millis(150)), [0]);
    }

    #[test]
    fn asking_ends_after_ten_times() {
        let start = Instant::now();
        let mut generator = NackGenerator::new();
        generator.receive(100);
        generator.receive(102);
        let asked = (0..20)
            .filter(|round| !due(&mut generator, start + REPEAT * *round).is_empty())
            .count();
        assert_eq!(asked, 10);
    }

    #[test]
    fn a_sender_that_begins_anew_is_followed_and_a_stray_packet_is_not() {
        let mut generator = NackGenerator::new();
        let mut receive = |sequence| {
            let unwrapped = generator.unwrap(sequence);
            generator.receive(unwrapped)
        };
        assert_eq!(receive(30_000), Arrival::New);
        assert_eq!(receive(5), Arrival::Duplicate);
        assert_eq!(receive(30_001), Arrival::New);
        assert_eq!(receive(100), Arrival::Duplicate);
        assert_eq!(receive(101), Arrival::New);
        assert_eq!(receive(102), Arrival::New);
    }

    #[test]
    fn a_hole_of_a_hundred_packets_is_a_new_beginning() {
        let mut generator = NackGenerator::new();
        generator.receive(100);
        assert_eq!(generator.receive(201), Arrival::New);
        assert!(!generator.has_missing());
    }

    proptest! {
        #[test]
        fn no_packet_passes_twice(sequences in proptest::collection::vec(0_u16..3000, 1..2000)) {
            let mut generator = NackGenerator::new();
            let mut passed = std::collections::HashSet::new();
            for sequence in sequences {
                let unwrapped = generator.unwrap(sequence);
                if generator.receive(unwrapped) != Arrival::Duplicate {
                    prop_assert!(passed.insert(unwrapped));
                }
                prop_assert!(generator.missing.len() <= MOST_MISSING);
            }
        }
    }
}
