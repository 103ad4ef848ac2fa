//! The named values in memory.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::entry::{Entry, Pair, Phase, RotationError, Slot};
use super::error::SecretsError;
use super::mask::Masker;
use super::random::{RandomError, generate};

/// All secrets of a site.
///
/// Names are those of entries (`focus-component`, `xmpp-focus`); the two values of a pair are also
/// reached as `xmpp-focus-a` and `xmpp-focus-b`.
#[derive(Clone, Debug, Default)]
pub struct Store {
    entries: BTreeMap<String, Entry>,
}

/// What [`Store::ensure`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ensured {
    /// Entries that were made.
    pub generated: Vec<String>,
    /// Material (certificates and keys) that is missing and that the caller has to make.
    pub material: Vec<String>,
}

/// The password of the bridges' account on a MAIN that others keep: they issue it.
pub const FOREIGN_BRIDGE: &str = "foreign-bridge";

/// Whether a name stands for what others issue, certificates and keys above all: it is not drawn.
pub fn is_material(name: &str) -> bool {
    name.starts_with("pki-") || name == FOREIGN_BRIDGE
}

/// Whether a value is public knowledge: certificates.
pub fn is_public(name: &str) -> bool {
    is_material(name) && name.ends_with("-cert")
}

/// Splits `xmpp-focus-a` into the pair's name and the slot.
fn slot_of(name: &str) -> Option<(&str, Slot)> {
    let (base, slot) = name.rsplit_once('-')?;
    match slot {
        "a" => Some((base, Slot::A)),
        "b" => Some((base, Slot::B)),
        _ => None,
    }
}

fn check_name(name: &str) -> Result<(), SecretsError> {
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let good = name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.len() <= 64
        && name.chars().all(allowed)
        && slot_of(name).is_none();
    if good {
        Ok(())
    } else {
        Err(SecretsError::Name {
            name: name.to_owned(),
        })
    }
}

impl Store {
    /// The names of all entries, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The entry called `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The value called `name`: of a pair the one in use, with `-a` or `-b` that of the account.
    pub fn value(&self, name: &str) -> Option<&SecretString> {
        if let Some(entry) = self.entries.get(name) {
            return Some(entry.active());
        }
        let (base, slot) = slot_of(name)?;
        Some(self.pair(base)?.slot(slot))
    }

    /// The account of a pair that is in use.
    pub fn active(&self, name: &str) -> Option<Slot> {
        self.pair(name).map(|pair| pair.active)
    }

    /// How far the rotation of `name` has come.
    pub fn phase(&self, name: &str) -> Option<Phase> {
        self.entries.get(name).map(Entry::phase)
    }

    fn pair(&self, name: &str) -> Option<&Pair> {
        match self.entries.get(name)? {
            Entry::Pair(pair) => Some(pair),
            Entry::Single(_) => None,
        }
    }

    /// Makes what is missing of `names` and touches nothing that is there. `NAME-a` or `NAME-b`
    /// asks for the pair `NAME`.
    ///
    /// # Errors
    /// A name that cannot be one, or no random bytes.
    pub fn ensure<'a>(
        &mut self,
        names: impl IntoIterator<Item = &'a str>,
        random: &mut dyn FnMut(&mut [u8]) -> Result<(), RandomError>,
    ) -> Result<Ensured, SecretsError> {
        let mut ensured = Ensured::default();
        for name in names {
            let (base, pair) = slot_of(name).map_or((name, false), |(base, _)| (base, true));
            check_name(base)?;
            if self.entries.contains_key(base) {
                continue;
            }
            if is_material(base) {
                ensured.material.push(base.to_owned());
                continue;
            }
            let first = generate(random)?;
            let entry = if pair {
                Entry::pair(first, generate(random)?)
            } else {
                Entry::single(first)
            };
            self.entries.insert(base.to_owned(), entry);
            ensured.generated.push(base.to_owned());
        }
        Ok(ensured)
    }

    /// Adds a value that was made elsewhere.
    ///
    /// # Errors
    /// The name exists already or cannot be one.
    pub fn put(&mut self, name: &str, value: SecretString) -> Result<(), SecretsError> {
        check_name(name)?;
        if self.entries.contains_key(name) {
            return Err(SecretsError::Exists {
                name: name.to_owned(),
            });
        }
        self.entries.insert(name.to_owned(), Entry::single(value));
        Ok(())
    }

    /// Replaces issued material, such as a leaf certificate before it expires.
    ///
    /// # Errors
    /// `name` is no material: passwords are rotated, never replaced.
    pub fn reissue(&mut self, name: &str, value: SecretString) -> Result<(), SecretsError> {
        check_name(name)?;
        if !is_material(name) {
            return Err(SecretsError::Exists {
                name: name.to_owned(),
            });
        }
        self.entries.insert(name.to_owned(), Entry::single(value));
        Ok(())
    }

    /// First step of a rotation; see [`Entry::begin`].
    ///
    /// # Errors
    /// No such secret, one that others issue, or a rotation is under way.
    pub fn begin(&mut self, name: &str, fresh: SecretString) -> Result<(), SecretsError> {
        if is_material(name) && self.entries.contains_key(name) {
            return Err(SecretsError::Issued {
                name: name.to_owned(),
            });
        }
        self.step(name, |entry| entry.begin(fresh))
    }

    /// Second step of a rotation; see [`Entry::promote`].
    ///
    /// # Errors
    /// No such secret, or no fresh value.
    pub fn promote(&mut self, name: &str) -> Result<(), SecretsError> {
        self.step(name, Entry::promote)
    }

    /// Last step of a rotation; see [`Entry::retire`].
    ///
    /// # Errors
    /// No such secret, or the fresh value is not in use.
    pub fn retire(&mut self, name: &str, fresh: SecretString) -> Result<(), SecretsError> {
        self.step(name, |entry| entry.retire(fresh))
    }

    /// Turns a rotation back; see [`Entry::back`].
    ///
    /// # Errors
    /// No such secret, or no rotation.
    pub fn back(&mut self, name: &str) -> Result<(), SecretsError> {
        self.step(name, Entry::back)
    }

    fn step(
        &mut self,
        name: &str,
        step: impl FnOnce(&Entry) -> Result<Entry, RotationError>,
    ) -> Result<(), SecretsError> {
        let Some(entry) = self.entries.get_mut(name) else {
            return Err(SecretsError::Unknown {
                name: name.to_owned(),
            });
        };
        *entry = step(entry).map_err(|source| SecretsError::Rotation {
            name: name.to_owned(),
            source,
        })?;
        Ok(())
    }

    /// Something that takes every secret value out of a text.
    pub fn masker(&self) -> Masker {
        let secret = self.entries.iter().filter(|(name, _)| !is_public(name));
        Masker::new(
            secret
                .flat_map(|(name, entry)| entry.values().map(move |value| (name.as_str(), value))),
        )
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter()
    }

    /// Takes an entry from a file; false when the name cannot be one.
    pub(super) fn insert(&mut self, name: &str, entry: Entry) -> bool {
        check_name(name).is_ok() && self.entries.insert(name.to_owned(), entry).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::os_random;
    use secrecy::ExposeSecret as _;

    fn expose<'a>(store: &'a Store, name: &str) -> &'a str {
        store.value(name).unwrap().expose_secret()
    }

    #[test]
    fn ensure_fills_gaps_only() {
        let mut store = Store::default();
        let names = ["turn", "xmpp-focus-a", "xmpp-focus-b", "pki-ca-key"];
        let first = store.ensure(names, &mut os_random).unwrap();
        assert_eq!(first.generated, ["turn", "xmpp-focus"]);
        assert_eq!(first.material, ["pki-ca-key"]);
        let turn = expose(&store, "turn").to_owned();
        let second = store
            .ensure(names.into_iter().chain(["new"]), &mut os_random)
            .unwrap();
        assert_eq!(second.generated, ["new"]);
        assert_eq!(expose(&store, "turn"), turn);
    }

    #[test]
    fn a_pair_is_reached_by_account_and_by_use() {
        let mut store = Store::default();
        store.ensure(["xmpp-focus-a"], &mut os_random).unwrap();
        assert_ne!(
            expose(&store, "xmpp-focus-a"),
            expose(&store, "xmpp-focus-b")
        );
        assert_eq!(expose(&store, "xmpp-focus"), expose(&store, "xmpp-focus-a"));
        store
            .begin("xmpp-focus", SecretString::from("fresh"))
            .unwrap();
        store.promote("xmpp-focus").unwrap();
        assert_eq!(store.active("xmpp-focus"), Some(Slot::B));
        assert_eq!(expose(&store, "xmpp-focus"), "fresh");
    }

    #[test]
    fn nothing_is_overwritten() {
        let mut store = Store::default();
        store.put("turn", SecretString::from("one")).unwrap();
        assert!(matches!(
            store.put("turn", SecretString::from("two")),
            Err(SecretsError::Exists { .. })
        ));
        assert!(store.reissue("turn", SecretString::from("two")).is_err());
        assert_eq!(expose(&store, "turn"), "one");
    }

    #[test]
    fn a_certificate_is_not_replaced_by_letters() {
        let mut store = Store::default();
        store.put("pki-ca-key", SecretString::from("pem")).unwrap();
        assert!(matches!(
            store.begin("pki-ca-key", SecretString::from("fresh")),
            Err(SecretsError::Issued { .. })
        ));
        assert_eq!(expose(&store, "pki-ca-key"), "pem");
    }

    #[test]
    fn odd_names_are_refused() {
        let mut store = Store::default();
        for name in ["", "A", "x y", "x-a", "-x", "../x"] {
            assert!(
                store.put(name, SecretString::from("v")).is_err(),
                "{name:?}"
            );
        }
    }
}
