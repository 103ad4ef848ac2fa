//! A ring of entries by sixteen-bit sequence number that holds what is young.
//!
//! It doubles while a new entry would push out one that is younger than is wanted, and halves after
//! a lap that pushed out nothing but entries far older. Between the two it allocates nothing. Entries
//! know their number and their time; where they have a niche, empty places cost nothing.

/// Age of what is pushed out, in percent of what is wanted, at which half the ring would do; more
/// than 200, lest it grow again at once.
const FAR_OLDER: u32 = 220;

/// Something a [`SequenceRing`] holds.
pub(crate) trait Entry: Copy {
    /// Its number.
    fn sequence(&self) -> u16;
    /// When it was noted, on a clock of the ring's owner that may wrap.
    fn time(&self) -> u32;
}

/// `FEWEST` places once it holds anything, never more than `MOST`; both are powers of two.
#[derive(Debug)]
pub(crate) struct SequenceRing<T, const FEWEST: usize, const MOST: usize> {
    /// Their number is a power of two, or zero.
    places: Vec<Option<T>>,
    /// Entries pushed out since one was not far older than is wanted.
    stale: u16,
}

impl<T: Entry, const FEWEST: usize, const MOST: usize> SequenceRing<T, FEWEST, MOST> {
    /// Starts empty and without memory.
    pub(crate) const fn new() -> Self {
        Self {
            places: Vec::new(),
            stale: 0,
        }
    }

    /// Where an entry belongs.
    fn place(&self, sequence: u16) -> usize {
        usize::from(sequence) & self.places.len().wrapping_sub(1)
    }

    /// Notes an entry. What is younger than `wanted`, in units of its clock, is kept while the ring
    /// may still grow.
    pub(crate) fn insert(&mut self, entry: T, wanted: u32) {
        if self.places.is_empty() {
            self.places.resize(FEWEST, None);
        }
        let mut place = self.place(entry.sequence());
        if let Some(evicted) = self.places[place] {
            let age = entry.time().wrapping_sub(evicted.time());
            if self.fit(age, wanted, entry.time()) {
                place = self.place(entry.sequence());
            }
        }
        self.places[place] = Some(entry);
    }

    /// Fits the size to the age of what is about to be pushed out; tells whether it changed.
    fn fit(&mut self, age: u32, wanted: u32, now: u32) -> bool {
        let places = self.places.len();
        if u64::from(age) * 100 < u64::from(wanted) * u64::from(FAR_OLDER) {
            self.stale = 0;
            let grows = age < wanted && places < MOST;
            if grows {
                self.resize(places * 2, now);
            }
            return grows;
        }
        self.stale = (self.stale + 1).min(places as u16);
        let shrinks = usize::from(self.stale) >= places && places > FEWEST;
        if shrinks {
            self.stale = 0;
            self.resize(places / 2, now);
        }
        shrinks
    }

    #[cold]
    fn resize(&mut self, places: usize, now: u32) {
        let old = std::mem::replace(&mut self.places, vec![None; places]);
        for entry in old.into_iter().flatten() {
            let place = self.place(entry.sequence());
            let age = |entry: &T| now.wrapping_sub(entry.time());
            // Of two for one place the younger stays.
            if self.places[place].is_none_or(|other| age(&entry) < age(&other)) {
                self.places[place] = Some(entry);
            }
        }
    }

    /// Finds the entry with a number.
    pub(crate) fn get(&self, sequence: u16) -> Option<T> {
        let entry = *self.places.get(self.place(sequence))?;
        entry.filter(|entry| entry.sequence() == sequence)
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, sequence: u16) -> Option<&mut T> {
        let place = self.place(sequence);
        let entry = self.places.get_mut(place)?.as_mut();
        entry.filter(|entry| entry.sequence() == sequence)
    }

    /// The same, to take it out.
    pub(crate) fn take(&mut self, sequence: u16) -> Option<T> {
        let place = self.place(sequence);
        let entry = self.places.get_mut(place)?;
        entry.take_if(|entry| entry.sequence() == sequence)
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.places.fill(None);
    }

    /// Bytes of memory held.
    pub(crate) const fn memory(&self) -> usize {
        self.places.capacity() * size_of::<Option<T>>()
    }

    /// Number of places.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Noted(u16, u32);

    impl Entry for Noted {
        fn sequence(&self) -> u16 {
            self.0
        }

        fn time(&self) -> u32 {
            self.1
        }
    }

    type Ring = SequenceRing<Noted, 8, 64>;

    /// Notes `count` entries from `first` on, one every `interval`.
    fn fill(ring: &mut Ring, first: u32, count: u32, interval: u32) -> u32 {
        let start = u32::MAX - 1_000;
        for number in first..first + count {
            let time = start.wrapping_add(number * interval);
            ring.insert(Noted(number as u16, time), 100);
        }
        first + count
    }

    #[test]
    fn it_grows_until_what_is_pushed_out_is_old_enough() {
        let mut ring = Ring::new();
        // Across the wraps of both the clock and the numbers.
        fill(&mut ring, 65_500, 200, 5);
        assert_eq!(ring.places(), 32);
        for number in 65_700 - 32..65_700_u32 {
            assert!(ring.get(number as u16).is_some());
        }
        assert!(ring.get((65_700_u32 - 33) as u16).is_none());
    }

    #[test]
    fn it_grows_no_further_than_its_bound() {
        let mut ring = Ring::new();
        fill(&mut ring, 0, 1_000, 0);
        assert_eq!(ring.places(), 64);
    }

    #[test]
    fn it_shrinks_when_the_rate_falls_for_good_and_keeps_the_newest() {
        let mut ring = Ring::new();
        let next = fill(&mut ring, 0, 200, 2);
        assert_eq!(ring.places(), 64);
        // A pause alone leaves it as it is, however long: what follows it comes at once.
        for number in 0..10 {
            ring.insert(Noted((next + number) as u16, 1_000_000), 100);
        }
        assert_eq!(ring.places(), 64);
        for number in 10..300 {
            let time = 1_000_000 + number * 40;
            ring.insert(Noted((next + number) as u16, time), 100);
        }
        assert_eq!(ring.places(), 8);
        for number in 292..300 {
            assert!(ring.get((next + number) as u16).is_some());
        }
    }

    #[test]
    fn what_is_taken_out_is_gone_and_leaves_others() {
        let mut ring = Ring::new();
        assert_eq!(ring.take(3), None);
        fill(&mut ring, 0, 8, 1);
        assert!(ring.take(3).is_some());
        assert_eq!(ring.take(3), None);
        assert!(ring.get_mut(11).is_none());
        assert!(ring.get_mut(4).is_some());
    }
}
