//! Edits of an inventory's text that keep everything else: comments, order, blank lines, indentation.
//!
//! The text is changed at the place that the tree names and read again; only a result that says
//! exactly the old inventory plus (or minus) the one host is returned. Comments above a host stay
//! when it is removed, because nobody can know whom they meant; those inside its lines go with it.

mod flow;
mod lines;
mod prove;
mod yaml;

use crate::model::Host;
use crate::names::HostName;
use crate::tree::{self, Entry, Node, Value};

pub use yaml::host_lines;
pub(crate) use yaml::scalar;

/// Why a text was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum EditError {
    /// The text is not an inventory.
    #[error("the inventory cannot be changed while it has errors")]
    #[diagnostic(help("`jitctl check` lists them"))]
    Unreadable,
    /// The host is there already.
    #[error("host `{0}` is in the inventory already")]
    #[diagnostic(help("choose another name, or remove it first"))]
    AlreadyThere(HostName),
    /// There is no such host.
    #[error("the inventory has no host `{0}`")]
    NotThere(HostName),
    /// Another part of the file refers to the host's lines.
    #[error("host `{0}` holds an anchor that other lines use")]
    #[diagnostic(help("write the value out where its alias stands, then try again"))]
    Anchor(HostName),
    /// The result was not what was meant, so nothing was changed.
    #[error("the inventory is written in a way that cannot be edited safely")]
    #[diagnostic(help("change it by hand, or write `hosts:` with one host a line below it"))]
    NotProved,
}

/// The text with `host` added as the last of the hosts.
///
/// # Errors
/// The text is unreadable, has the host already, or cannot be edited safely.
pub fn add_host(text: &str, name: &HostName, host: &Host) -> Result<String, EditError> {
    let root = readable(text)?;
    let hosts = hosts(&root)?;
    if hosts.node.get(name.as_str()).is_some() {
        return Err(EditError::AlreadyThere(name.clone()));
    }
    let changed = match &hosts.node.value {
        Value::Map {
            entries,
            flow: true,
        } => match entries.last() {
            Some(last) => flow::append(text, last, name, host),
            None if is_flow(&root) => flow::fill(text, &hosts.node, name, host),
            None => lines::fill_empty(text, hosts, name, host),
        },
        Value::Map {
            entries,
            flow: false,
        } => lines::append(text, entries, name, host),
        _ if is_flow(&root) => return Err(EditError::NotProved),
        _ => lines::fill_empty(text, hosts, name, host),
    };
    let changed = changed.ok_or(EditError::NotProved)?;
    let proved = prove::added(&root, &changed, name, host);
    if proved {
        Ok(changed)
    } else {
        Err(EditError::NotProved)
    }
}

/// The text without the host `name`.
///
/// # Errors
/// The text is unreadable, has no such host, or cannot be edited safely.
pub fn remove_host(text: &str, name: &HostName) -> Result<String, EditError> {
    let root = readable(text)?;
    let hosts = hosts(&root)?;
    let entry = hosts
        .node
        .get(name.as_str())
        .ok_or_else(|| EditError::NotThere(name.clone()))?;
    let Value::Map { entries, flow } = &hosts.node.value else {
        return Err(EditError::NotThere(name.clone()));
    };
    let changed = if *flow {
        flow::remove(text, entry)
    } else {
        lines::remove(text, entry, (entries.len() == 1).then_some(hosts))
    };
    let changed = changed.ok_or(EditError::NotProved)?;
    match tree::parse(&changed).root {
        None => Err(EditError::Anchor(name.clone())),
        Some(new) if prove::equal_but(&root, &new, name) => Ok(changed),
        Some(_) => Err(EditError::NotProved),
    }
}

fn readable(text: &str) -> Result<Node, EditError> {
    let document = tree::parse(text);
    match document.root {
        Some(root) if document.faults.is_empty() => Ok(root),
        _ => Err(EditError::Unreadable),
    }
}

fn hosts(root: &Node) -> Result<&Entry, EditError> {
    let entry = root.get("hosts").ok_or(EditError::Unreadable)?;
    let usable = matches!(entry.node.value, Value::Map { .. }) || entry.node.is_null();
    if usable {
        Ok(entry)
    } else {
        Err(EditError::Unreadable)
    }
}

fn is_flow(node: &Node) -> bool {
    matches!(node.value, Value::Map { flow: true, .. })
}
