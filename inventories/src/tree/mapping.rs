//! A mapping while it is read: keys and values come in turn, and each key once.

use std::collections::HashMap;

use super::{Entry, Fault, Node, Value};

/// The entries so far and the key whose value is still to come.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    pub(super) entries: Vec<Entry>,
    key: Option<Node>,
    /// Position of each key, so that large mappings stay linear.
    seen: HashMap<String, usize>,
}

impl Mapping {
    /// Takes the next key or value.
    pub(super) fn push(&mut self, mut node: Node, faults: &mut Vec<Fault>) {
        let Some(key) = self.key.take() else {
            self.key = Some(node);
            return;
        };
        // The place of nothing is that of the next token; for us it is right behind the key.
        if node.span.is_empty() {
            node.span = key.span.end..key.span.end;
        }
        let Value::Scalar { text, .. } = key.value else {
            faults.push(Fault::KeyNotText { at: key.span });
            return;
        };
        if let Some(first) = self
            .seen
            .get(&text)
            .and_then(|index| self.entries.get(*index))
        {
            let first = first.key_span.clone();
            faults.push(Fault::DuplicateKey {
                key: text,
                at: key.span,
                first,
            });
            return;
        }
        self.seen.insert(text.clone(), self.entries.len());
        self.entries.push(Entry {
            key: text,
            key_span: key.span,
            node,
        });
    }
}
