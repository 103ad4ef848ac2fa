//! Edits of hosts inside `{ ... }`.

use super::yaml::{host_inline, scalar};
use crate::model::Host;
use crate::names::HostName;
use crate::tree::{Entry, Node};

/// Adds a host behind the last one.
pub(super) fn append(text: &str, last: &Entry, name: &HostName, host: &Host) -> Option<String> {
    let at = last.node.span.end.max(last.key_span.end);
    let addition = format!(", {}: {}", scalar(name.as_str()), host_inline(host));
    Some(format!("{}{addition}{}", text.get(..at)?, text.get(at..)?))
}

/// Writes the first host into `{}`.
pub(super) fn fill(text: &str, hosts: &Node, name: &HostName, host: &Host) -> Option<String> {
    let content = format!("{{ {}: {} }}", scalar(name.as_str()), host_inline(host));
    Some(format!(
        "{}{content}{}",
        text.get(..hosts.span.start)?,
        text.get(hosts.span.end..)?
    ))
}

/// Takes an entry out, with the comma behind it; a line that becomes empty goes too.
pub(super) fn remove(text: &str, entry: &Entry) -> Option<String> {
    let end = entry.node.span.end.max(entry.key_span.end);
    let before = text.get(..entry.key_span.start)?;
    let after = text.get(end..)?;
    let without_comma = after.trim_start().strip_prefix(',').unwrap_or(after);
    let after = without_comma.trim_start_matches(' ');
    let line = before.rfind('\n').map_or(0, |position| position + 1);
    let empty = before[line..].trim().is_empty() && line > 0;
    match after
        .strip_prefix("\r\n")
        .or_else(|| after.strip_prefix('\n'))
    {
        Some(rest) if empty => Some(format!("{}{rest}", &before[..line])),
        _ => Some(format!("{before}{after}")),
    }
}
