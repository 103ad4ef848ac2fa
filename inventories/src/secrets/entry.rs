//! One secret, and its rotation as a state machine of pure functions.
//!
//! A [`Pair`] belongs to two accounts, A and B, of which one is in use. A rotation gives the idle
//! account a fresh value (`begin`), switches to it (`promote`) and gives the account that is now
//! idle a fresh value too (`retire`), so that the old value opens nothing any more. A [`Single`] has
//! one place of use: the new value waits beside the current one, takes its place, and the previous
//! one is kept until `retire` for the way back. `back` leads to the old value from every phase.

use secrecy::SecretString;

/// One of the two accounts of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The first account.
    #[default]
    A,
    /// The second account.
    B,
}

impl Slot {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// `a` or `b`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No rotation.
    #[default]
    Settled,
    /// A fresh value is there and not yet in use.
    Staged,
    /// The fresh value is in use, the old one still valid.
    Promoted,
}

impl Phase {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Staged => "staged",
            Self::Promoted => "promoted",
        }
    }
}

/// A rotation step that does not follow from the present phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {step} while the rotation is {}", phase.as_str())]
pub struct RotationError {
    /// The step that was asked for.
    pub step: &'static str,
    /// Where the rotation is.
    pub phase: Phase,
}

/// A value for each of two accounts.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The account in use.
    pub active: Slot,
    /// The value of account A.
    pub a: SecretString,
    /// The value of account B.
    pub b: SecretString,
    /// How far a rotation has come.
    pub phase: Phase,
}

/// A value with one place of use.
#[derive(Clone, Debug)]
pub struct Single {
    /// The value in use.
    pub current: SecretString,
    /// While staged the next value, while promoted the previous one.
    pub other: Option<SecretString>,
    /// How far a rotation has come.
    pub phase: Phase,
}

/// A secret of either kind.
#[derive(Clone, Debug)]
pub enum Entry {
    /// Two accounts.
    Pair(Pair),
    /// One value.
    Single(Single),
}

impl Pair {
    /// The value of one account.
    pub fn slot(&self, slot: Slot) -> &SecretString {
        match slot {
            Slot::A => &self.a,
            Slot::B => &self.b,
        }
    }

    fn with(&self, slot: Slot, value: SecretString) -> Self {
        let mut pair = self.clone();
        match slot {
            Slot::A => pair.a = value,
            Slot::B => pair.b = value,
        }
        pair
    }
}

impl Entry {
    /// A value that was never rotated.
    pub fn single(current: SecretString) -> Self {
        Self::Single(Single {
            current,
            other: None,
            phase: Phase::Settled,
        })
    }

    /// Two values, the first in use.
    pub fn pair(a: SecretString, b: SecretString) -> Self {
        Self::Pair(Pair {
            active: Slot::A,
            a,
            b,
            phase: Phase::Settled,
        })
    }

    /// The value in use.
    pub fn active(&self) -> &SecretString {
        match self {
            Self::Pair(pair) => pair.slot(pair.active),
            Self::Single(single) => &single.current,
        }
    }

    /// How far a rotation has come.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Pair(pair) => pair.phase,
            Self::Single(single) => single.phase,
        }
    }

    /// All values, in use or not.
    pub fn values(&self) -> impl Iterator<Item = &SecretString> {
        let (first, second) = match self {
            Self::Pair(pair) => (&pair.a, Some(&pair.b)),
            Self::Single(single) => (&single.current, single.other.as_ref()),
        };
        std::iter::once(first).chain(second)
    }

    /// Puts a fresh value beside the one in use.
    ///
    /// # Errors
    /// A rotation is under way already.
    pub fn begin(&self, fresh: SecretString) -> Result<Self, RotationError> {
        self.expect("begin", &[Phase::Settled])?;
        Ok(match self {
            Self::Pair(pair) => Self::Pair(Pair {
                phase: Phase::Staged,
                ..pair.with(pair.active.other(), fresh)
            }),
            Self::Single(single) => Self::Single(Single {
                current: single.current.clone(),
                other: Some(fresh),
                phase: Phase::Staged,
            }),
        })
    }

    /// Takes the fresh value into use.
    ///
    /// # Errors
    /// No fresh value is waiting.
    pub fn promote(&self) -> Result<Self, RotationError> {
        self.expect("promote", &[Phase::Staged])?;
        Ok(self.switched(Phase::Promoted))
    }

    /// Ends the validity of the old value; the idle account of a pair gets `fresh`.
    ///
    /// # Errors
    /// The fresh value is not in use.
    pub fn retire(&self, fresh: SecretString) -> Result<Self, RotationError> {
        self.expect("retire", &[Phase::Promoted])?;
        Ok(match self {
            Self::Pair(pair) => Self::Pair(Pair {
                phase: Phase::Settled,
                ..pair.with(pair.active.other(), fresh)
            }),
            Self::Single(single) => Self::single(single.current.clone()),
        })
    }

    /// Returns to the old value: what was in use before `begin` is in use again.
    ///
    /// # Errors
    /// There is no rotation to turn back.
    pub fn back(&self) -> Result<Self, RotationError> {
        self.expect("turn back", &[Phase::Staged, Phase::Promoted])?;
        let mut entry = match self.phase() {
            Phase::Promoted => self.switched(Phase::Settled),
            Phase::Settled | Phase::Staged => self.clone(),
        };
        match &mut entry {
            Self::Pair(pair) => pair.phase = Phase::Settled,
            Self::Single(single) => {
                *single = Single {
                    other: None,
                    phase: Phase::Settled,
                    ..single.clone()
                }
            }
        }
        Ok(entry)
    }

    fn switched(&self, phase: Phase) -> Self {
        match self {
            Self::Pair(pair) => Self::Pair(Pair {
                active: pair.active.other(),
                phase,
                ..pair.clone()
            }),
            Self::Single(single) => Self::Single(Single {
                current: single
                    .other
                    .clone()
                    .unwrap_or_else(|| single.current.clone()),
                other: Some(single.current.clone()),
                phase,
            }),
        }
    }

    fn expect(&self, step: &'static str, phases: &[Phase]) -> Result<(), RotationError> {
        let phase = self.phase();
        if phases.contains(&phase) {
            Ok(())
        } else {
            Err(RotationError { step, phase })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    fn both() -> [Entry; 2] {
        [
            Entry::pair(secret("old"), secret("idle")),
            Entry::single(secret("old")),
        ]
    }

    fn active(entry: &Entry) -> &str {
        entry.active().expose_secret()
    }

    fn has(entry: &Entry, text: &str) -> bool {
        entry.values().any(|value| value.expose_secret() == text)
    }

    #[test]
    fn a_whole_rotation_ends_with_the_new_value_and_without_the_old_one() {
        for entry in both() {
            let staged = entry.begin(secret("new")).unwrap();
            assert_eq!((active(&staged), has(&staged, "new")), ("old", true));
            let promoted = staged.promote().unwrap();
            assert_eq!((active(&promoted), has(&promoted, "old")), ("new", true));
            let settled = promoted.retire(secret("newer")).unwrap();
            assert_eq!((active(&settled), has(&settled, "old")), ("new", false));
            assert_eq!(settled.phase(), Phase::Settled);
        }
    }

    #[test]
    fn the_way_back_leads_to_the_old_value_from_every_phase() {
        for entry in both() {
            let staged = entry.begin(secret("new")).unwrap();
            let promoted = staged.promote().unwrap();
            for midway in [staged, promoted] {
                let back = midway.back().unwrap();
                assert_eq!((active(&back), back.phase()), ("old", Phase::Settled));
            }
        }
    }

    #[test]
    fn steps_out_of_order_are_refused() {
        for entry in both() {
            assert!(entry.promote().is_err());
            assert!(entry.retire(secret("x")).is_err());
            assert!(entry.back().is_err());
            let staged = entry.begin(secret("new")).unwrap();
            assert!(staged.begin(secret("newer")).is_err());
            assert!(staged.retire(secret("x")).is_err());
            let promoted = staged.promote().unwrap();
            assert!(promoted.begin(secret("newer")).is_err());
            assert!(promoted.promote().is_err());
        }
    }

    #[test]
    fn the_account_in_use_never_changes_its_value() {
        let entry = Entry::pair(secret("old"), secret("idle"));
        let Entry::Pair(staged) = entry.begin(secret("new")).unwrap() else {
            panic!("a pair stays a pair")
        };
        assert_eq!(staged.a.expose_secret(), "old");
        let Entry::Pair(settled) = Entry::Pair(staged)
            .promote()
            .unwrap()
            .retire(secret("newer"))
            .unwrap()
        else {
            panic!("a pair stays a pair")
        };
        assert_eq!(
            (settled.active, settled.b.expose_secret()),
            (Slot::B, "new")
        );
    }

    #[test]
    fn debug_shows_no_value() {
        for entry in both() {
            assert!(!format!("{entry:?}").contains("old"));
        }
    }
}
