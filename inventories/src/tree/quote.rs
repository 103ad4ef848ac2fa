//! Double quotes that every YAML reader undoes to the same text (YAML 1.2 section 5.7).

use std::fmt::Write as _;

/// Appends `text` in double quotes; everything but printable ASCII is escaped.
pub(crate) fn push_quoted(target: &mut String, text: &str) {
    target.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => target.extend(['\\', letter]),
            ' '..='~' => target.push(letter),
            _ => {
                // Writing to a text cannot fail.
                let _ = write!(target, "\\U{:08x}", u32::from(letter));
            }
        }
    }
    target.push('"');
}
