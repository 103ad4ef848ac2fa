//! What differs between the inventory, the last apply and the host.

use crate::catalogue;
use crate::finding::Finding;
use crate::observe::Observation;

/// More paths than this are not shown.
const SHOWN: usize = 10;

pub(super) fn never_applied(observation: &Observation) -> Vec<Finding> {
    observation
        .seen()
        .filter(|(_, sight, facts)| !sight.expected.hashes.is_empty() && facts.applied.is_empty())
        .map(|(name, _, _)| {
            Finding::of(&catalogue::NEVER_APPLIED, Some(name))
                .what(format!("nothing was ever applied to `{name}`"))
                .seen("/etc/jitctl/manifest.json is missing or empty")
                .fixed_by_apply()
        })
        .collect()
}

pub(super) fn edited(observation: &Observation) -> Vec<Finding> {
    observation
        .seen()
        .filter(|(_, _, facts)| !facts.edited.is_empty())
        .map(|(name, _, facts)| {
            let finding = Finding::of(&catalogue::FILE_EDITED, Some(name)).what(format!(
                "{} file(s) of ours on `{name}` differ from what was applied",
                facts.edited.len()
            ));
            let shown = facts.edited.iter().take(SHOWN);
            shown.fold(finding.fixed_by_apply(), |finding, path| {
                finding.seen(format!("{path}: its hash is not the one of the last apply"))
            })
        })
        .collect()
}

pub(super) fn stale(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight, facts) in observation.seen() {
        // That a host was never applied to says more.
        if facts.applied.is_empty() {
            continue;
        }
        let differs: Vec<&String> = sight
            .expected
            .hashes
            .iter()
            .filter(|(path, hash)| facts.applied.get(*path) != Some(*hash))
            .map(|(path, _)| path)
            .collect();
        if differs.is_empty() {
            continue;
        }
        let finding = Finding::of(&catalogue::CONFIGURATION_STALE, Some(name)).what(format!(
            "`{name}` has not got the inventory's latest state: {} file(s)",
            differs.len()
        ));
        let shown = differs.into_iter().take(SHOWN);
        findings.push(shown.fold(finding.fixed_by_apply(), |finding, path| {
            finding.seen(format!(
                "{path}: the inventory renders to something else than what was applied"
            ))
        }));
    }
    findings
}
