//! The pages of `docs/doctor/`, made from the table.

use std::fmt::Write as _;

use super::{Check, checks};
use crate::finding::Severity;

const NOTICE: &str = "<!-- Made from the table in cli/doctor/src/catalogue by `cargo xtask docs`; \
    do not edit. -->\n";

/// The page of one check.
pub fn page(check: &Check) -> String {
    let Check {
        code,
        title,
        symptom,
        cause,
        detection,
        cure,
        ..
    } = check;
    let severity = word(check.severity);
    let fix = if check.fixable {
        "`jitctl doctor --fix` may do it."
    } else {
        "`jitctl doctor --fix` leaves it to you."
    };
    let mut text = format!(
        "{NOTICE}# {code}: {title}\n\nAn {severity}.\n\n## What people see\n\n{symptom}\n\n\
         ## Cause\n\n{cause}\n\n## How it is detected\n\n{detection}\n\n## Cure\n\n\
         ```\n{cure}\n```\n\n{fix}\n"
    )
    .replace("An warning.", "A warning.");
    let mut follow: Vec<&str> = check
        .explains_here
        .iter()
        .chain(check.explains_elsewhere)
        .copied()
        .collect();
    follow.sort_unstable();
    follow.dedup();
    if !follow.is_empty() {
        let links: Vec<String> = follow
            .iter()
            .map(|code| format!("[{code}]({code}.md)"))
            .collect();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n## What may follow from it\n\nShown under this finding, not beside it: {}.\n",
            links.join(", ")
        );
    }
    text
}

/// The table of all checks, as it stands between the marks in `docs/doctor/README.md`.
pub fn index() -> String {
    let mut text = String::from("| Code | Kind | What is wrong | `--fix` |\n|--|--|--|--|\n");
    for check in checks() {
        let _ = writeln!(
            text,
            "| [{0}]({0}.md) | {1} | {2} | {3} |",
            check.code,
            word(check.severity),
            check.title,
            if check.fixable { "yes" } else { "no" }
        );
    }
    text
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
