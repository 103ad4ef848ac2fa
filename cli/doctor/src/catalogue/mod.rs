//! The table of checks: code, words, and which checks explain which others.
//!
//! Documentation (`docs/doctor/`), `jitctl explain` and the folding of findings all read this
//! table; a code never changes its meaning. `HOST` in a cure stands for the host of the finding.
//! One file a family; the order of families and rows decides which of two findings comes first.

mod bridge;
mod drift;
mod host;
mod pages;
mod protection;
mod turn;
mod web;
mod xmpp;

pub(crate) use bridge::*;
pub(crate) use drift::*;
pub(crate) use host::*;
pub use pages::{index, page};
pub(crate) use protection::*;
pub(crate) use turn::*;
pub(crate) use web::*;
pub(crate) use xmpp::*;

use crate::finding::Severity;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Stable code.
    pub code: &'static str,
    /// How much it hurts.
    pub severity: Severity,
    /// What is wrong, one sentence without a host.
    pub title: &'static str,
    /// What people see: log lines, symptoms.
    pub symptom: &'static str,
    /// The usual reason.
    pub cause: &'static str,
    /// How it is detected.
    pub detection: &'static str,
    /// The command that cures it.
    pub cure: &'static str,
    /// Whether `doctor --fix` may cure it.
    pub fixable: bool,
    /// Checks on the same host whose findings only follow from this one.
    pub explains_here: &'static [&'static str],
    /// Checks on other hosts whose findings only follow from this one when it is about a MAIN.
    pub explains_elsewhere: &'static [&'static str],
}

/// All rows: families in the order in which one explains the next.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    [
        host::CHECKS,
        xmpp::CHECKS,
        bridge::CHECKS,
        web::CHECKS,
        turn::CHECKS,
        protection::CHECKS,
        drift::CHECKS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The row of a code, in any case.
pub fn check(code: &str) -> Option<&'static Check> {
    checks().find(|check| check.code.eq_ignore_ascii_case(code))
}

/// Rows of one family.
macro_rules! rows {
    ($($name:ident: $code:literal, $severity:ident, $title:literal {
        symptom: $symptom:literal,
        cause: $cause:literal,
        detection: $detection:literal,
        cure: $cure:literal,
        fixable: $fixable:literal,
        here: [$($here:literal),*],
        elsewhere: [$($elsewhere:literal),*],
    })*) => {
        $(pub(crate) static $name: $crate::catalogue::Check = $crate::catalogue::Check {
            code: $code,
            severity: $crate::finding::Severity::$severity,
            title: $title,
            symptom: $symptom,
            cause: $cause,
            detection: $detection,
            cure: $cure,
            fixable: $fixable,
            explains_here: &[$($here),*],
            explains_elsewhere: &[$($elsewhere),*],
        };)*

        /// The rows of this family.
        pub(super) static CHECKS: &[&$crate::catalogue::Check] = &[$(&$name),*];
    };
}
use rows;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_every_reference_names_a_row() {
        let codes: BTreeSet<&str> = checks().map(|check| check.code).collect();
        assert_eq!(codes.len(), checks().count());
        for check in checks() {
            for other in check.explains_here.iter().chain(check.explains_elsewhere) {
                assert!(codes.contains(other), "{} names {other}", check.code);
                assert_ne!(*other, check.code);
            }
        }
    }

    #[test]
    fn a_code_is_found_in_any_case() {
        assert_eq!(check("x01").map(|check| check.code), Some("X01"));
        assert!(check("Z99").is_none());
    }
}
