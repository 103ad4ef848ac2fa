//! Sequence numbers: an ascending input with parts left out becomes an output without gaps.
//!
//! Missing input keeps its place in the output, so that late packets fit in; input that is left
//! out closes up. Numbers are unwrapped; callers cut them to sixteen bits.

/// Places kept for missing input, newest ones win.
const GAPS: usize = 16;
/// A jump this large is a new stream, not a loss.
const LARGEST_GAP: u64 = 1000;

#[derive(Clone, Copy, Debug)]
struct Gap {
    start: u64,
    end: u64,
    offset: u64,
}

/// Maps input to output sequence numbers.
#[derive(Debug)]
pub struct SequenceMapper {
    /// Added to the input, wrapping.
    offset: u64,
    highest_input: Option<u64>,
    highest_output: u64,
    has_started: bool,
    /// No memory before the first loss.
    gaps: Vec<Gap>,
}

impl Default for SequenceMapper {
    fn default() -> Self {
        Self::new()
    }
}

impl SequenceMapper {
    /// Starts without numbers.
    pub const fn new() -> Self {
        Self {
            offset: 0,
            highest_input: None,
            highest_output: 0,
            has_started: false,
            gaps: Vec::new(),
        }
    }

    /// Starts at `input`, keeping its number.
    pub const fn start(&mut self, input: u64) {
        self.offset = 0;
        self.has_started = true;
        self.highest_input = Some(input.wrapping_sub(1));
        self.highest_output = input.wrapping_sub(1);
    }

    /// The next input, whatever its number, continues the output.
    pub fn pause(&mut self) {
        self.highest_input = None;
        self.gaps.clear();
    }

    /// Another stream continues the output with `input`.
    pub fn rebase(&mut self, input: u64) {
        self.offset = self.highest_output.wrapping_add(1).wrapping_sub(input);
        self.highest_input = Some(input.wrapping_sub(1));
        self.gaps.clear();
    }

    /// Output number of an input that is forwarded; `None` when no place is left for it.
    pub fn accept(&mut self, input: u64) -> Option<u64> {
        let Some(highest) = self.highest_input else {
            if self.has_started {
                self.rebase(input);
            } else {
                self.start(input);
            }
            return self.accept(input);
        };
        if input <= highest {
            return self.fill(input);
        }
        self.reserve(highest + 1, input);
        self.highest_input = Some(input);
        self.highest_output = input.wrapping_add(self.offset);
        Some(self.highest_output)
    }

    /// An input is left out. With `same_frame` whatever is missing before it is left out too.
    pub fn drop_input(&mut self, input: u64, same_frame: bool) {
        let Some(highest) = self.highest_input else {
            return;
        };
        if input <= highest {
            return;
        }
        if same_frame {
            self.offset = self.offset.wrapping_sub(input - highest - 1);
        } else {
            self.reserve(highest + 1, input);
        }
        self.highest_input = Some(input);
        self.offset = self.offset.wrapping_sub(1);
    }

    /// Makes a packet of the forwarder's own follow the last one.
    pub const fn insert(&mut self) -> u64 {
        self.offset = self.offset.wrapping_add(1);
        self.highest_output = self.highest_output.wrapping_add(1);
        self.highest_output
    }

    /// Last output number in use.
    pub const fn highest_output(&self) -> u16 {
        self.highest_output as u16
    }

    /// The input for which an output number is reserved.
    pub fn input_of(&self, output: u16) -> Option<u64> {
        self.gaps.iter().find_map(|gap| {
            let first = gap.start.wrapping_add(gap.offset);
            let step = u64::from(output.wrapping_sub(first as u16));
            (step < gap.end.saturating_sub(gap.start)).then(|| gap.start + step)
        })
    }

    fn reserve(&mut self, start: u64, end: u64) {
        if start == end {
            return;
        }
        if end - start > LARGEST_GAP {
            self.offset = self.offset.wrapping_sub(end - start);
            return;
        }
        let offset = self.offset;
        self.keep(Gap { start, end, offset });
        // Places at the end that are still empty count as sent.
        self.highest_output = (end - 1).wrapping_add(self.offset);
    }

    /// Keeps a gap in a free place, or in that of the oldest.
    fn keep(&mut self, gap: Gap) {
        if gap.start >= gap.end {
            return;
        }
        let place = self.gaps.iter().position(|gap| gap.start >= gap.end);
        if place.is_none() && self.gaps.len() < GAPS {
            self.gaps.push(gap);
            return;
        }
        let oldest = || {
            let gaps = self.gaps.iter().enumerate();
            gaps.min_by_key(|(_, gap)| gap.start)
                .map(|(place, _)| place)
        };
        if let Some(place) = place.or_else(oldest) {
            self.gaps[place] = gap;
        }
    }

    /// A missing input came: its place is taken, what remains missing around it is kept.
    fn fill(&mut self, input: u64) -> Option<u64> {
        let place = self
            .gaps
            .iter()
            .position(|gap| (gap.start..gap.end).contains(&input))?;
        let gap = self.gaps[place];
        self.gaps[place] = Gap { end: input, ..gap };
        self.keep(Gap {
            start: input + 1,
            ..gap
        });
        Some(input.wrapping_add(gap.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_left_out_leaves_no_gap_and_what_is_missing_does() {
        let mut mapper = SequenceMapper::new();
        assert_eq!(mapper.accept(10), Some(10));
        mapper.drop_input(11, false);
        assert_eq!(mapper.accept(12), Some(11));
        assert_eq!(mapper.accept(15), Some(14));
        assert_eq!(mapper.input_of(12), Some(13));
        assert_eq!(mapper.accept(13), Some(12));
        assert_eq!(mapper.accept(14), Some(13));
    }

    #[test]
    fn packets_missing_within_a_frame_left_out_leave_no_gap() {
        let mut mapper = SequenceMapper::new();
        mapper.accept(10);
        mapper.drop_input(11, false);
        mapper.drop_input(14, true);
        assert_eq!(mapper.accept(15), Some(11));
    }

    #[test]
    fn another_stream_continues_the_numbers() {
        let mut mapper = SequenceMapper::new();
        mapper.accept(10);
        mapper.rebase(7_000);
        assert_eq!(mapper.accept(7_000), Some(11));
        assert_eq!(mapper.insert(), 12);
        assert_eq!(mapper.accept(7_001), Some(13));
    }

    #[test]
    fn after_a_pause_the_output_runs_on_from_any_input() {
        let mut mapper = SequenceMapper::new();
        mapper.pause();
        assert_eq!(mapper.accept(40_000), Some(40_000));
        mapper.drop_input(40_001, false);
        mapper.pause();
        mapper.drop_input(9, false);
        assert_eq!(mapper.accept(10), Some(40_001));
        assert_eq!(mapper.accept(11), Some(40_002));
    }

    proptest! {
        /// Whatever is lost, reordered and left out, no output number is used twice and they
        /// ascend with the input.
        #[test]
        fn output_is_unique_and_ascends_with_the_input(
            choices in proptest::collection::vec((0_u8..10, 0_usize..4), 1..300)
        ) {
            let mut order: Vec<(usize, u64, u8)> = choices
                .iter()
                .enumerate()
                .map(|(index, (choice, delay))| (index + delay, 1000 + index as u64, *choice))
                .collect();
            order.sort_unstable();
            let mut mapper = SequenceMapper::new();
            let mut sent = vec![];
            for (_, input, choice) in order {
                match choice {
                    0 => {}
                    1..=3 => mapper.drop_input(input, false),
                    _ => sent.extend(mapper.accept(input).map(|output| (input, output))),
                }
            }
            sent.sort_unstable();
            prop_assert!(sent.windows(2).all(|pair| pair[0].1 < pair[1].1), "{:?}", sent);
        }
    }
}
