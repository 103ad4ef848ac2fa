//! The numbered rules of an inventory, as one table.
//!
//! Codes up to `E011` and `E031` concern the form of the file and are found while it is read; the
//! others look at the typed inventory. A code never changes its meaning. Rules know nothing of
//! hosts' real state: that is what facts and the doctor are for.

mod addresses;
pub mod files;
mod finding;
mod form;
mod names;
mod reach;
mod roles;
mod site;
mod ssh;
mod syntax;

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::load::{Path, SourceMap};
use crate::model::Inventory;
pub(crate) use finding::Finding;

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its code, such as `E012`.
    pub code: &'static str,
    /// What a violation means.
    pub severity: Severity,
    /// A few words.
    pub title: &'static str,
    /// Why it exists and what to do, for `jitctl explain CODE`.
    pub doc: &'static str,
    /// How it is checked; none when the reader itself finds it.
    check: Option<fn(&Inventory) -> Vec<Finding>>,
}

impl Rule {
    const fn error(code: &'static str, title: &'static str, doc: &'static str) -> Self {
        Self {
            code,
            severity: Severity::Error,
            title,
            doc,
            check: None,
        }
    }

    const fn warning(code: &'static str, title: &'static str, doc: &'static str) -> Self {
        Self {
            code,
            severity: Severity::Warning,
            title,
            doc,
            check: None,
        }
    }

    const fn check(mut self, check: fn(&Inventory) -> Vec<Finding>) -> Self {
        self.check = Some(check);
        self
    }
}

/// All rules in the order of their codes.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let mut all: Vec<&Rule> = [
        form::RULES,
        names::RULES,
        addresses::RULES,
        roles::RULES,
        reach::RULES,
        ssh::RULES,
        files::RULES,
        site::RULES,
    ]
    .into_iter()
    .flatten()
    .collect();
    all.sort_by_key(|rule| rule.code);
    all.into_iter()
}

/// The rule with `code`.
pub fn rule(code: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.code == code)
}

/// Asks every rule. What touches a broken path is dropped: it would speak about a guess.
pub(crate) fn check(
    inventory: &Inventory,
    source: &Source,
    map: &SourceMap,
    broken: &[Path],
) -> Vec<Diagnostic> {
    let mut result = Vec::new();
    for rule in rules() {
        let findings = rule.check.map(|check| check(inventory)).unwrap_or_default();
        result.extend(
            findings
                .iter()
                .filter(|finding| !finding.touches(broken))
                .map(|finding| finding.diagnostic(rule, source, map)),
        );
    }
    result
}

/// Whether an address belongs under `private:` (rule E024).
pub fn is_private_address(address: std::net::IpAddr) -> bool {
    syntax::private_range(address).is_some()
}

/// Groups items by a key; only the groups with at least two members are returned.
fn doubled<K: Ord, V>(items: impl IntoIterator<Item = (K, V)>) -> Vec<(K, Vec<V>)> {
    let mut groups: BTreeMap<K, Vec<V>> = BTreeMap::new();
    for (key, value) in items {
        groups.entry(key).or_default().push(value);
    }
    groups
        .into_iter()
        .filter(|(_, members)| members.len() > 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_every_rule_explains_itself() {
        let codes: Vec<&str> = rules().map(|rule| rule.code).collect();
        let mut unique = codes.clone();
        unique.dedup();
        assert_eq!(codes, unique);
        for rule in rules() {
            assert!(rule.doc.len() > 40, "{} says too little", rule.code);
            assert!(!rule.title.ends_with('.'), "{}", rule.code);
        }
    }
}
