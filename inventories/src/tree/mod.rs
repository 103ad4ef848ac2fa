//! A YAML document as a tree in which every key and value knows its place.
//!
//! Serde stops at the first error; this tree lets the loader report all of them. It is parsed from
//! the event stream of the same YAML parser that `serde_yaml` uses. Anchors and aliases are
//! resolved (within a budget); nothing is merged.

mod mapping;
mod parse;
mod quote;

use std::ops::Range;

pub(crate) use parse::parse;
pub(crate) use quote::push_quoted;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// From the first to the last byte of the value itself, comments and line breaks excluded.
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

/// The three kinds of YAML nodes.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar { text: String, plain: bool },
    List { items: Vec<Node> },
    Map { entries: Vec<Entry>, flow: bool },
}

/// One `key: value` of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

/// A fault of the document itself, before any meaning.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Syntax {
        at: Range<usize>,
        message: String,
    },
    DuplicateKey {
        key: String,
        at: Range<usize>,
        first: Range<usize>,
    },
    KeyNotText {
        at: Range<usize>,
    },
    UnknownTag {
        at: Range<usize>,
    },
    BadAlias {
        at: Range<usize>,
    },
    TooLarge {
        at: Range<usize>,
    },
    SecondDocument {
        at: Range<usize>,
    },
}

/// The tree, as far as it could be read, and the faults.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// None when the document is empty or not YAML.
    pub(crate) root: Option<Node>,
    pub(crate) faults: Vec<Fault>,
}

impl Node {
    /// Whether this is a plain `null`, `~` or nothing at all.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar { plain: true, .. } => "a single value",
            Value::Scalar { plain: false, .. } => "a quoted text",
            Value::List { .. } => "a list",
            Value::Map { .. } => "a mapping",
        }
    }

    /// The entry with `key`, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map { entries, .. } => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Whether both say the same, wherever they stand and however they are written.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (
                Value::Scalar { text, plain },
                Value::Scalar {
                    text: other_text,
                    plain: other_plain,
                },
            ) => text == other_text && plain == other_plain,
            (Value::List { items }, Value::List { items: others }) => {
                items.len() == others.len()
                    && items.iter().zip(others).all(|(one, two)| one.same_as(two))
            }
            (
                Value::Map { entries, .. },
                Value::Map {
                    entries: others, ..
                },
            ) => {
                entries.len() == others.len()
                    && entries
                        .iter()
                        .zip(others)
                        .all(|(one, two)| one.key == two.key && one.node.same_as(&two.node))
            }
            _ => false,
        }
    }

    /// Number of nodes in this subtree.
    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List { items } => items.iter().map(Self::size).sum(),
            Value::Map { entries, .. } => entries.iter().map(|entry| 1 + entry.node.size()).sum(),
        }
    }
}
