//! Mutations of bytes and of text, from a seed: the same seed makes the same inputs.
//!
//! Small changes keep most of an input valid, so that it gets past the first check; splices and
//! repeats of whole pieces (between brackets, or of equal length fields) make nested, long and
//! contradictory ones.

/// Longest input made.
const MAXIMUM: usize = 128 * 1024;
/// Numbers at the edges of fields.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    u64::MAX,
];
/// What text formats stumble over.
const WORDS: [&str; 16] = [
    "<", ">", "/>", "&#0;", "&amp;", "xmlns=''", "\"", "'", "{", "[", "}", "]", "\\u0000", "-1",
    "1e999", "null",
];

/// Makes inputs out of others.
#[derive(Debug, Clone)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// A mutator whose inputs follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number below `below`, 0 when that is 0 (splitmix64).
    pub fn below(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        if below == 0 {
            return 0;
        }
        (mixed % below as u64) as usize
    }

    /// One of `list`, which must not be empty.
    pub fn pick<'list, Item>(&mut self, list: &'list [Item]) -> &'list Item {
        &list[self.below(list.len())]
    }

    /// Changes `input` in one to six places; pieces may come out of `other`.
    #[must_use]
    pub fn mutated(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(6) {
            self.mutate(&mut bytes, other);
        }
        bytes.truncate(MAXIMUM);
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        // Headers are where the parsers are: half of all changes happen there.
        let reach = if self.below(2) == 0 { 64 } else { usize::MAX };
        let place = self.below(bytes.len().min(reach) + 1).min(bytes.len());
        match self.below(10) {
            0 | 1 if place < bytes.len() => bytes[place] ^= 1 << self.below(8),
            2 if place < bytes.len() => bytes[place] = self.below(256) as u8,
            3 => {
                let width = 1 << self.below(4);
                let edge = *self.pick(&EDGES);
                let edge = &edge.to_be_bytes()[8 - width..];
                for (byte, new) in bytes.iter_mut().skip(place).zip(edge) {
                    *byte = *new;
                }
            }
            4 => bytes.truncate(place),
            5 => {
                let end = place + self.below((bytes.len() - place).min(64) + 1);
                bytes.drain(place..end);
            }
            6 => {
                let word = self.pick(&WORDS).as_bytes();
                bytes.splice(place..place, word.iter().copied());
            }
            7 => {
                let piece = self.piece(bytes);
                let times = 1 << self.below(8);
                if piece.len() * times < MAXIMUM {
                    bytes.splice(place..place, piece.repeat(times));
                }
            }
            8 => {
                let piece = self.piece(other);
                let end = place + self.below((bytes.len() - place).min(piece.len()) + 1);
                bytes.splice(place..end, piece);
            }
            _ => {
                let more = self.below(32);
                bytes.extend((0..more).map(|_| self.below(256) as u8));
            }
        }
    }

    /// A piece of `bytes`, from one bracket to another where there are such.
    fn piece(&mut self, bytes: &[u8]) -> Vec<u8> {
        let opens = |byte: &u8| b"<{[\"".contains(byte);
        let from = self.below(bytes.len() + 1).min(bytes.len());
        let from = bytes[from..]
            .iter()
            .take(64)
            .position(opens)
            .map_or(from, |skip| from + skip);
        let length = self.below((bytes.len() - from).min(256) + 1);
        bytes[from..from + length].to_vec()
    }
}
