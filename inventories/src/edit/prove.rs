//! Proof of an edit: the new text, read again, differs from the old one in the one host only.

use crate::load::read_host;
use crate::model::Host;
use crate::names::HostName;
use crate::tree::{self, Entry, Node, Value};

/// Whether `text` says `old` plus exactly this host.
pub(super) fn added(old: &Node, text: &str, name: &HostName, host: &Host) -> bool {
    let document = tree::parse(text);
    let Some(new) = document.root.filter(|_| document.faults.is_empty()) else {
        return false;
    };
    let written = new
        .get("hosts")
        .and_then(|hosts| hosts.node.get(name.as_str()));
    let faithful = written
        .and_then(|entry| read_host(&entry.node))
        .is_some_and(|read| read == *host);
    faithful && equal_but(&new, old, name)
}

/// Whether both say the same when `name` is left out of the first one's hosts.
pub(super) fn equal_but(with: &Node, without: &Node, name: &HostName) -> bool {
    let (Value::Map { entries: one, .. }, Value::Map { entries: two, .. }) =
        (&with.value, &without.value)
    else {
        return false;
    };
    one.len() == two.len()
        && one.iter().zip(two).all(|(one, two)| {
            one.key == two.key
                && if one.key == "hosts" {
                    same_hosts(&one.node, &two.node, name)
                } else {
                    one.node.same_as(&two.node)
                }
        })
}

fn same_hosts(with: &Node, without: &Node, name: &HostName) -> bool {
    let left: Vec<&Entry> = members(with)
        .iter()
        .filter(|one| one.key != name.as_str())
        .collect();
    let right = members(without);
    left.len() == right.len()
        && left.len() + 1 == members(with).len()
        && left
            .iter()
            .zip(right)
            .all(|(one, two)| one.key == two.key && one.node.same_as(&two.node))
}

fn members(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Map { entries, .. } => entries,
        _ => &[],
    }
}
