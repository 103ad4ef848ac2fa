//! Paths into the model, and where each of them stands in the file.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// A place in the model, such as `hosts.b1.address.public[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    /// The whole inventory.
    pub fn root() -> Self {
        Self::default()
    }

    /// A host by name.
    pub fn host(name: impl fmt::Display) -> Self {
        Self::root().key("hosts").key(name)
    }

    /// The value of `key` below this.
    #[must_use]
    pub fn key(&self, key: impl fmt::Display) -> Self {
        self.with(Step::Key(key.to_string()))
    }

    /// The item at `index` (from 0) below this.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// Whether one of the two lies inside the other.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, two)| one == two)
    }

    /// The path around this one.
    fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Where a key and its value stand, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The key; none for list items and the root.
    pub key: Option<Range<usize>>,
    /// The value.
    pub value: Range<usize>,
}

/// The places of everything that was written; defaults have no place.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    spots: BTreeMap<Path, Spot>,
}

impl SourceMap {
    /// Where `path` was written, if it was.
    pub fn get(&self, path: &Path) -> Option<&Spot> {
        self.spots.get(path)
    }

    /// The value's range, or that of the closest thing around it that was written.
    pub fn value(&self, path: &Path) -> Range<usize> {
        match self.closest(path) {
            Some((spot, true)) => spot.value.clone(),
            Some((spot, false)) => spot.key.clone().unwrap_or_else(|| first_byte(&spot.value)),
            None => 0..0,
        }
    }

    /// The key's range, or that of the closest thing around it that was written.
    pub fn key(&self, path: &Path) -> Range<usize> {
        self.closest(path).map_or(0..0, |(spot, _)| {
            spot.key.clone().unwrap_or_else(|| first_byte(&spot.value))
        })
    }

    pub(crate) fn insert(&mut self, path: Path, spot: Spot) {
        self.spots.insert(path, spot);
    }

    /// The spot of `path` or of its closest ancestor, and whether it is its own.
    fn closest(&self, path: &Path) -> Option<(&Spot, bool)> {
        let mut current = Some(path.clone());
        while let Some(candidate) = current {
            if let Some(spot) = self.spots.get(&candidate) {
                return Some((spot, candidate == *path));
            }
            current = candidate.parent();
        }
        None
    }
}

fn first_byte(range: &Range<usize>) -> Range<usize> {
    range.start..range.end.min(range.start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_the_file() {
        let path = Path::host("b1").key("address").key("public").index(0);
        assert_eq!(path.to_string(), "hosts.b1.address.public[0]");
    }

    #[test]
    fn what_was_not_written_points_at_the_key_around_it() {
        let mut map = SourceMap::default();
        map.insert(
            Path::host("b1"),
            Spot {
                key: Some(7..9),
                value: 10..90,
            },
        );
        assert_eq!(map.value(&Path::host("b1").key("nickname")), 7..9);
        assert_eq!(map.value(&Path::host("b1")), 10..90);
    }
}
