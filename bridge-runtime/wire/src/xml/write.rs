//! Writing elements: escaping, and namespaces declared where they change.

use std::fmt::Write as _;

use super::element::{Element, Node};

/// Writes `element` where `default_namespace` is in force.
pub(super) fn write(element: &Element, default_namespace: &str, out: &mut String) {
    out.push('<');
    out.push_str(&element.name);
    if element.namespace != default_namespace {
        out.push_str(" xmlns='");
        escape_into(&element.namespace, true, out);
        out.push('\'');
    }
    for (index, (key, value)) in element.attributes.iter().enumerate() {
        write_attribute(index, key, value, out);
    }
    if element.nodes.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for node in &element.nodes {
        match node {
            Node::Element(child) => write(child, &element.namespace, out),
            Node::Text(text) => escape_into(text, false, out),
        }
    }
    out.push_str("</");
    out.push_str(&element.name);
    out.push('>');
}

fn write_attribute(index: usize, key: &str, value: &str, out: &mut String) {
    let qualified = key.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    if let Some((namespace, name)) = qualified {
        let _ = write!(out, " xmlns:a{index}='");
        escape_into(namespace, true, out);
        let _ = write!(out, "' a{index}:{name}='");
    } else {
        let _ = write!(out, " {key}='");
    }
    escape_into(value, true, out);
    out.push('\'');
}

/// Escapes text for use inside an element.
pub fn escape_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(text, false, &mut out);
    out
}

/// Escapes what would change meaning; what XML 1.0 cannot carry becomes U+FFFD.
fn escape_into(text: &str, in_attribute: bool, out: &mut String) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' if in_attribute => out.push_str("&apos;"),
            '"' if in_attribute => out.push_str("&quot;"),
            '\t' if in_attribute => out.push_str("&#x9;"),
            '\n' if in_attribute => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
}
