//! Edits of hosts that stand below each other, one block of lines each.

use super::yaml::host_lines;
use crate::model::Host;
use crate::names::HostName;
use crate::tree::{Entry, Node, Value};

/// Indentation where the file shows none.
const STEP: usize = 2;

/// Adds a host after the last one, in the indentation of the others.
pub(super) fn append(
    text: &str,
    entries: &[Entry],
    name: &HostName,
    host: &Host,
) -> Option<String> {
    let (first, last) = (entries.first()?, entries.last()?);
    let indent = column(text, first.key_span.start)?;
    let step = entries
        .iter()
        .find_map(|entry| step(text, &entry.node, indent))
        .unwrap_or(STEP);
    let at = block_end(text, last, indent);
    let mut lines = host_lines(name, host, indent, step);
    if separated(text, entries) {
        lines.insert(0, String::new());
    }
    Some(insert(text, at, &lines))
}

/// Writes the first host below `hosts:`.
pub(super) fn fill_empty(
    text: &str,
    hosts: &Entry,
    name: &HostName,
    host: &Host,
) -> Option<String> {
    let indent = column(text, hosts.key_span.start)?;
    let mut kept = text.to_owned();
    if matches!(hosts.node.value, Value::Map { .. }) || !hosts.node.span.is_empty() {
        // `{}`, `~` or `null`, with the space before it.
        let before = text
            .get(..hosts.node.span.start)?
            .trim_end_matches(' ')
            .len();
        kept.replace_range(before..hosts.node.span.end, "");
    }
    let at = line_end(&kept, hosts.key_span.end);
    Some(insert(
        &kept,
        at,
        &host_lines(name, host, indent + STEP, STEP),
    ))
}

/// Takes the lines of `entry` out; `only` is `hosts:` itself when no host remains.
pub(super) fn remove(text: &str, entry: &Entry, only: Option<&Entry>) -> Option<String> {
    let indent = column(text, entry.key_span.start)?;
    let start = line_start(text, entry.key_span.start);
    let mut end = block_end(text, entry, indent);
    let blank_before = text[..start].ends_with("\n\n") || text[..start].ends_with("\n\r\n");
    let rest = &text[end..];
    let next_line = rest.split_inclusive('\n').next().unwrap_or_default();
    let mut from = start;
    if blank_before && !rest.is_empty() && next_line.trim().is_empty() {
        end += next_line.len();
    } else if blank_before && rest.is_empty() {
        from = text[..start].trim_end().len();
        from = line_end(text, from);
    }
    let mut result = format!("{}{}", &text[..from], &text[end..]);
    if let Some(hosts) = only {
        let colon = hosts.key_span.end + text.get(hosts.key_span.end..)?.find(':')? + 1;
        result.insert_str(colon, " {}");
    }
    Some(result)
}

/// The column of a key that is the first thing on its line.
fn column(text: &str, key: usize) -> Option<usize> {
    let margin = text.get(line_start(text, key)..key)?;
    margin
        .chars()
        .all(|letter| letter == ' ')
        .then_some(margin.len())
}

/// How much further in the keys of a host stand.
fn step(text: &str, node: &Node, indent: usize) -> Option<usize> {
    let Value::Map {
        entries,
        flow: false,
    } = &node.value
    else {
        return None;
    };
    let inner = column(text, entries.first()?.key_span.start)?;
    inner.checked_sub(indent).filter(|step| *step > 0)
}

/// The end of the last line of `entry`, comments further in than its key included.
fn block_end(text: &str, entry: &Entry, indent: usize) -> usize {
    let mut end = line_end(text, entry.node.span.end.max(entry.key_span.end));
    for line in text[end..].split_inclusive('\n') {
        let bare = line.trim_start_matches(' ');
        let inner_comment = bare.starts_with('#') && line.len() - bare.len() > indent;
        if !inner_comment {
            break;
        }
        end += line.len();
    }
    end
}

/// Whether the last two hosts have an empty line between them.
fn separated(text: &str, entries: &[Entry]) -> bool {
    let [.., previous, last] = entries else {
        return false;
    };
    let between = text
        .get(previous.node.span.end..last.key_span.start)
        .unwrap_or_default();
    between
        .lines()
        .skip(1)
        .any(|line| line.trim().is_empty() && !line.starts_with(' '))
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |position| position + 1)
}

/// The start of the line after the one that holds `at`.
fn line_end(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |position| at + position + 1)
}

fn insert(text: &str, at: usize, lines: &[String]) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut result = text[..at].to_owned();
    if !result.is_empty() && !result.ends_with('\n') {
        result.push_str(newline);
    }
    for line in lines {
        result.push_str(line);
        result.push_str(newline);
    }
    result.push_str(&text[at..]);
    result
}
