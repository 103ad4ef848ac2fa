//! From what was seen to what is wrong. Each rule is pure and knows one subject.

mod brewery;
mod bridge;
mod drift;
mod guest;
mod host;
mod login;
mod names;
mod protection;
mod reach;
mod turn;
mod units;
mod web;

pub(crate) use host::unreachable;

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
    units::services,
    units::limits,
    names::names,
    names::from_here,
    login::bridges,
    login::focuses,
    login::certificates,
    login::throttle,
    login::admin,
    brewery::focus,
    brewery::bridges,
    brewery::versions,
    bridge::media_port,
    reach::media,
    reach::private_only,
    reach::apart,
    bridge::health,
    bridge::buffers,
    web::site,
    web::certificates,
    guest::visit,
    turn::server,
    protection::files,
    protection::processes,
    protection::ports,
    drift::never_applied,
    drift::edited,
    drift::stale,
];

/// All findings, folded, worst first. A healthy site has none.
pub fn diagnose(observation: &Observation) -> Vec<Finding> {
    let findings = RULES.iter().flat_map(|rule| rule(observation)).collect();
    let mains = observation.mains().map(|(name, _)| name).collect();
    fold(findings, &mains)
}

#[cfg(test)]
mod tests;
