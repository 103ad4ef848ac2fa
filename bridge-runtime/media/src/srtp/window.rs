//! Packet index estimate and the window of indices already used (RFC 3711 sections 3.3.1, 3.3.2).

/// Indices remembered behind the highest one. More than the 64 the RFC asks for: a client on a
/// slow link may deliver a burst far out of order.
pub(super) const WINDOW: u64 = 512;
const WORDS: usize = (WINDOW / 64) as usize;

/// What may be done with an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fresh,
    SeenOrOld,
}

/// Highest index and the used ones behind it. A ring of bits: no shifting on advance.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    highest: Option<u64>,
    used: [u64; WORDS],
}

impl Window {
    /// The 48-bit index of a packet with `sequence_number`: the one nearest to the highest so far.
    /// `None` if that would lie before the first roll-over.
    #[inline]
    pub(super) fn estimate(&self, sequence_number: u16) -> Option<u64> {
        let Some(highest) = self.highest else {
            return Some(u64::from(sequence_number));
        };
        let newest = u16::try_from(highest & 0xFFFF).unwrap_or(0);
        let ahead = sequence_number.wrapping_sub(newest);
        if ahead < 0x8000 {
            Some(highest + u64::from(ahead))
        } else {
            highest.checked_sub(u64::from(newest.wrapping_sub(sequence_number)))
        }
    }

    /// Whether `index` may be used now.
    #[inline]
    pub(super) fn check(&self, index: u64) -> Verdict {
        let Some(highest) = self.highest else {
            return Verdict::Fresh;
        };
        if index > highest {
            return Verdict::Fresh;
        }
        let (word, bit) = Self::place(index);
        if highest - index >= WINDOW || self.used[word] & bit != 0 {
            return Verdict::SeenOrOld;
        }
        Verdict::Fresh
    }

    /// Marks `index` as used; call after authentication.
    #[inline]
    pub(super) fn mark(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {}
            Some(highest) => {
                if index - highest >= WINDOW {
                    self.used = [0; WORDS];
                } else {
                    for skipped in highest + 1..index {
                        let (word, bit) = Self::place(skipped);
                        self.used[word] &= !bit;
                    }
                }
                self.highest = Some(index);
            }
            None => self.highest = Some(index),
        }
        let (word, bit) = Self::place(index);
        self.used[word] |= bit;
    }

    #[inline]
    fn place(index: u64) -> (usize, u64) {
        (((index / 64) % WORDS as u64) as usize, 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_is_fresh_once() {
        let mut window = Window::default();
        for index in [100, 102, 101, 700, 300, 189] {
            assert_eq!(window.check(index), Verdict::Fresh, "{index}");
            window.mark(index);
            assert_eq!(window.check(index), Verdict::SeenOrOld, "{index}");
        }
        assert_eq!(window.check(188), Verdict::SeenOrOld, "512 behind 700");
    }

    #[test]
    fn advancing_forgets_the_bits_it_passes() {
        let mut window = Window::default();
        window.mark(10);
        window.mark(10 + WINDOW - 1);
        window.mark(10 + WINDOW + 5);
        assert_eq!(window.check(10 + WINDOW), Verdict::Fresh);
        window.mark(10 + 10 * WINDOW);
        assert_eq!(window.check(10 + 10 * WINDOW - 1), Verdict::Fresh);
    }

    #[test]
    fn sequence_numbers_roll_over_and_back() {
        let mut window = Window::default();
        window.mark(65_530);
        assert_eq!(window.estimate(3), Some(65_539));
        window.mark(65_539);
        assert_eq!(window.estimate(65_535), Some(65_535));
        assert_eq!(window.estimate(4), Some(65_540));
    }

    #[test]
    fn nothing_lies_before_the_first_index() {
        let mut window = Window::default();
        window.mark(5);
        assert_eq!(window.estimate(65_530), None);
    }
}
