//! The tail of every long help: examples and exit codes.

use std::fmt::Write as _;

use crate::exit::Exit;

/// Text for `after_long_help`: examples as `(command, what it does)`, then the exit codes.
pub(crate) fn tail(examples: &[(&str, &str)], exits: &[Exit]) -> String {
    let mut text = String::from("Examples:\n");
    for (command, purpose) in examples {
        let _ = writeln!(text, "  # {purpose}\n  {command}");
    }
    text.push_str("\nExit codes:\n");
    for exit in exits {
        let _ = writeln!(text, "  {:>3}  {}", exit.code(), exit.meaning());
    }
    text.truncate(text.trim_end().len());
    text
}
