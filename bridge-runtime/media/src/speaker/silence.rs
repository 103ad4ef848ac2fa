//! Drops silence after a few packets of it.

/// Silent packets forwarded before the rest is dropped, so that receivers hear the end.
const FORWARDED: u8 = 3;

/// State of one audio source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SilenceFilter {
    silent: u8,
}

impl SilenceFilter {
    /// Whether a packet of this loudness (0 is silence, RFC 6464) should be forwarded.
    pub fn accept(&mut self, loudness: u8) -> bool {
        if loudness > 0 {
            self.silent = 0;
            return true;
        }
        self.silent = self.silent.saturating_add(1);
        self.silent <= FORWARDED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_silent_packets_pass_and_sound_passes_again() {
        let mut filter = SilenceFilter::default();
        let passed = [9, 0, 0, 0, 0, 0, 5, 0].map(|loudness| filter.accept(loudness));
        assert_eq!(passed, [true, true, true, true, false, false, true, true]);
    }
}
