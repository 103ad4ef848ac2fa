//! The store as YAML text, and back. Messages name lines and keys, never values.

use std::fmt::{self, Write as _};

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::entry::{Entry, Pair, Phase, Single, Slot};
use super::store::Store;
use crate::tree::{self, Fault, Node, Value};

const HEAD: &str = "\
# Secrets of this site, written by jitctl. Keep it out of version control, or encrypt it with age.
# Nothing but `jitctl secrets rotate NAME` replaces a value.
version: 1
secrets:";

/// Where and why a text is no store.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) offset: usize,
    pub(super) reason: String,
}

impl Malformed {
    fn at(node: &Node, reason: impl Into<String>) -> Self {
        Self {
            offset: node.span.start,
            reason: reason.into(),
        }
    }
}

/// The whole file.
pub(super) fn write(store: &Store) -> Zeroizing<String> {
    // Room for everything from the start: a text that grows leaves copies behind.
    let letters: usize = store
        .entries()
        .flat_map(|(_, entry)| entry.values())
        .map(|value| value.expose_secret().len())
        .sum();
    let mut text = Zeroizing::new(String::with_capacity(
        4096 + store.names().count() * 256 + letters * 10,
    ));
    text.push_str(HEAD);
    if store.names().next().is_none() {
        text.push_str(" {}");
    }
    text.push('\n');
    for (name, entry) in store.entries() {
        match entry {
            Entry::Single(Single {
                current,
                other: None,
                ..
            }) => value(&mut text, 2, name, current),
            Entry::Single(single) => {
                push(&mut text, format_args!("  {name}:\n"));
                phase(&mut text, single.phase);
                value(&mut text, 4, "current", &single.current);
                if let Some(other) = &single.other {
                    value(&mut text, 4, "other", other);
                }
            }
            Entry::Pair(pair) => {
                push(
                    &mut text,
                    format_args!("  {name}:\n    active: {}\n", pair.active.as_str()),
                );
                phase(&mut text, pair.phase);
                value(&mut text, 4, "a", &pair.a);
                value(&mut text, 4, "b", &pair.b);
            }
        }
    }
    text
}

fn phase(text: &mut String, phase: Phase) {
    if phase != Phase::Settled {
        push(text, format_args!("    phase: {}\n", phase.as_str()));
    }
}

/// Writing to a text cannot fail.
fn push(text: &mut String, arguments: fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}

/// One `key: value`: PEM as a block, everything else in quotes.
fn value(text: &mut String, indent: usize, key: &str, secret: &SecretString) {
    let secret = secret.expose_secret();
    let margin = " ".repeat(indent);
    let printable = |line: &str| {
        !line.is_empty()
            && !line.starts_with([' ', '\t'])
            && line
                .chars()
                .all(|letter| letter.is_ascii_graphic() || letter == ' ')
    };
    let block = secret.ends_with('\n') && secret.lines().all(printable);
    if block {
        push(text, format_args!("{margin}{key}: |\n"));
        for line in secret.split_inclusive('\n') {
            text.push_str(&margin);
            text.push_str("  ");
            text.push_str(line);
        }
    } else {
        push(text, format_args!("{margin}{key}: "));
        tree::push_quoted(text, secret);
        text.push('\n');
    }
}

/// The store in `text`.
pub(super) fn parse(text: &str) -> Result<Store, Malformed> {
    let document = tree::parse(text);
    if let Some(fault) = document.faults.first() {
        return Err(describe(fault));
    }
    let root = document.root.ok_or(Malformed {
        offset: 0,
        reason: "the file is empty".to_owned(),
    })?;
    match root.get("version").map(|entry| &entry.node.value) {
        Some(Value::Scalar { text, .. }) if text == "1" => {}
        _ => {
            return Err(Malformed::at(
                &root,
                "`version: 1` is missing: not a file of this release",
            ));
        }
    }
    let Some(secrets) = root.get("secrets") else {
        return Err(Malformed::at(&root, "`secrets:` is missing"));
    };
    let mut store = Store::default();
    let Value::Map { entries, .. } = &secrets.node.value else {
        return Err(Malformed::at(&secrets.node, "`secrets` must be a mapping"));
    };
    for item in entries {
        let entry = entry(&item.node)?;
        if !store.insert(&item.key, entry) {
            return Err(Malformed::at(
                &item.node,
                "this cannot be the name of a secret",
            ));
        }
    }
    Ok(store)
}

fn entry(node: &Node) -> Result<Entry, Malformed> {
    let Value::Map { entries, .. } = &node.value else {
        return Ok(Entry::single(scalar(node)?));
    };
    let pair = node.get("active").is_some();
    let known: &[&str] = if pair {
        &["active", "phase", "a", "b"]
    } else {
        &["phase", "current", "other"]
    };
    if let Some(unknown) = entries
        .iter()
        .find(|one| !known.contains(&one.key.as_str()))
    {
        return Err(Malformed::at(&unknown.node, "unknown key in a secret"));
    }
    let field = |key: &str| {
        let entry = node
            .get(key)
            .ok_or_else(|| Malformed::at(node, format!("`{key}` is missing")))?;
        scalar(&entry.node)
    };
    let phase = match node.get("phase") {
        None => Phase::Settled,
        Some(entry) => word(
            &entry.node,
            &[("staged", Phase::Staged), ("promoted", Phase::Promoted)],
        )?,
    };
    if pair {
        let active = node
            .get("active")
            .map(|entry| word(&entry.node, &[("a", Slot::A), ("b", Slot::B)]));
        let active = active.transpose()?.unwrap_or_default();
        return Ok(Entry::Pair(Pair {
            active,
            a: field("a")?,
            b: field("b")?,
            phase,
        }));
    }
    let other = match phase {
        Phase::Settled => None,
        Phase::Staged | Phase::Promoted => Some(field("other")?),
    };
    Ok(Entry::Single(Single {
        current: field("current")?,
        other,
        phase,
    }))
}

fn scalar(node: &Node) -> Result<SecretString, Malformed> {
    match &node.value {
        Value::Scalar { text, .. } if !text.is_empty() => Ok(SecretString::from(text.as_str())),
        _ => Err(Malformed::at(node, "a value is missing")),
    }
}

fn word<T: Copy>(node: &Node, words: &[(&str, T)]) -> Result<T, Malformed> {
    let found = match &node.value {
        Value::Scalar { text, .. } => words.iter().find(|(word, _)| word == text),
        _ => None,
    };
    let names = || {
        words
            .iter()
            .map(|(word, _)| *word)
            .collect::<Vec<_>>()
            .join(" or ")
    };
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| Malformed::at(node, format!("must be {}", names())))
}

fn describe(fault: &Fault) -> Malformed {
    let (at, reason) = match fault {
        Fault::Syntax { at, .. } => (at, "not YAML"),
        Fault::DuplicateKey { at, .. } => (at, "the same name twice"),
        Fault::SecondDocument { at } => (at, "a second document"),
        Fault::KeyNotText { at }
        | Fault::UnknownTag { at }
        | Fault::BadAlias { at }
        | Fault::TooLarge { at } => (at, "not a file that jitctl wrote"),
    };
    Malformed {
        offset: at.start,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(store: &Store) -> Store {
        parse(&write(store)).unwrap()
    }

    #[test]
    fn keys_are_written_as_blocks_and_passwords_in_quotes() {
        let mut store = Store::default();
        store
            .put(
                "pki-ca-key",
                SecretString::from("-----BEGIN X-----\nab\n-----END X-----\n"),
            )
            .unwrap();
        store.put("turn", SecretString::from("mzxw")).unwrap();
        let text = write(&store);
        let expected = "secrets:\n  pki-ca-key: |\n    -----BEGIN X-----\n    ab\n    -----END X-----\n  turn: \"mzxw\"\n";
        assert!(text.ends_with(expected), "{}", *text);
    }

    #[test]
    fn rotations_survive_the_file() {
        let mut store = Store::default();
        store
            .ensure(["one", "two-a"], &mut crate::secrets::os_random)
            .unwrap();
        for name in ["one", "two"] {
            store.begin(name, SecretString::from("fresh")).unwrap();
            let read = round_trip(&store);
            assert_eq!(read.phase(name), Some(Phase::Staged));
            store.promote(name).unwrap();
            let read = round_trip(&store);
            assert_eq!(read.phase(name), Some(Phase::Promoted));
            assert_eq!(read.value(name).unwrap().expose_secret(), "fresh");
        }
    }

    #[test]
    fn messages_show_no_value() {
        for text in [
            "version: 1\nsecrets:\n  turn: \"hunter2\n",
            "version: 1\nsecrets:\n  turn: {hunter2: hunter2}\n",
            "version: 1\nsecrets:\n  turn: {active: hunter2, a: hunter2, b: hunter2}\n",
            "version: 1\nsecrets: hunter2\n",
            "hunter2",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.reason.contains("hunter2"), "{}", error.reason);
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_the_file(value in "(?s).{1,80}") {
            let mut store = Store::default();
            store.put("x", SecretString::from(value.as_str())).unwrap();
            let read = round_trip(&store);
            prop_assert_eq!(read.value("x").unwrap().expose_secret(), value.as_str());
        }

        #[test]
        fn any_lines_survive_the_file(value in "([ -~]{0,20}\n){0,5}x[ -~]{0,5}\n{0,2}") {
            let mut store = Store::default();
            store.put("x", SecretString::from(value.as_str())).unwrap();
            let read = round_trip(&store);
            prop_assert_eq!(read.value("x").unwrap().expose_secret(), value.as_str());
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(?s).{0,120}") {
            let _ = parse(&text);
        }
    }
}
