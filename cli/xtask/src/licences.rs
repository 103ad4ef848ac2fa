//! Every dependency's licence is one that Apache-2.0 software may ship with. `deny.toml` says the
//! same to `cargo deny`, which also knows advisories but takes long to build.

use std::collections::BTreeMap;

use crate::shell::{self, Result};

const ACCEPTED: [&str; 16] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Checks what the lock file resolves to.
pub(crate) fn run() -> Result<()> {
    let tree = shell::output(shell::cargo().args([
        "tree",
        "--workspace",
        "--locked",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}\t{l}",
    ]))?;
    let licences: BTreeMap<&str, &str> = tree
        .lines()
        .filter_map(|line| line.trim_end_matches(" (*)").split_once('\t'))
        .collect();
    let refused: Vec<String> = licences
        .iter()
        .filter(|(_, licence)| !accepted(licence))
        .map(|(package, licence)| format!("  {package}: {licence}"))
        .collect();
    if !refused.is_empty() {
        return Err(format!(
            "licences that need a decision:\n{}",
            refused.join("\n")
        ));
    }
    println!("{} packages, all under accepted licences", licences.len());
    Ok(())
}

/// SPDX expressions: every `AND` part needs one accepted `OR` choice.
fn accepted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut part = String::new();
    for word in spaced(&expression).split_whitespace() {
        match word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "AND" if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => {
                part.push_str(word);
                part.push(' ');
            }
        }
    }
    parts.push(part);
    parts.iter().all(|part| {
        part.split(" OR ").any(|choice| {
            choice
                .trim()
                .split(" AND ")
                .all(|one| ACCEPTED.contains(&one.trim()))
        })
    })
}

fn spaced(expression: &str) -> String {
    expression.replace('(', " ( ").replace(')', " ) ")
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn one_accepted_choice_is_enough() {
        assert!(accepted("GPL-3.0-only OR MIT"));
        assert!(accepted("MIT/Apache-2.0"));
        assert!(!accepted("GPL-3.0-only"));
    }

    #[test]
    fn every_part_of_a_conjunction_counts() {
        assert!(accepted("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!accepted("(MIT OR Apache-2.0) AND GPL-2.0-only"));
        assert!(!accepted("MIT AND GPL-2.0-only"));
    }

    #[test]
    fn a_missing_licence_is_refused() {
        assert!(!accepted(""));
    }
}
