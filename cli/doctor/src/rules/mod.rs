//! From what was seen to what is wrong. Each rule is pure and knows one subject.

mod brewery;
mod host;
mod login;
mod web;

use crate::finding::Finding;
use crate::fold::fold;
use crate::observe::Observation;

/// One subject.
type Rule = fn(&Observation) -> Vec<Finding>;

const RULES: &[Rule] = &[
    host::reach,
    host::clock,
    host::disk,
    host::packages,
    host::services,
    host::edited,
    host::names,
    login::bridges,
    login::focuses,
    web::site,
    web::certificates,
    brewery::focus,
    brewery::bridges,
    brewery::versions,
];

/// All findings, folded, worst first. A healthy site has none.
pub fn diagnose(observation: &Observation) -> Vec<Finding> {
    fold(RULES.iter().flat_map(|rule| rule(observation)).collect())
}

#[cfg(test)]
mod tests;
