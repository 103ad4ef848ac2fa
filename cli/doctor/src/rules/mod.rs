//! From what was seen to what is wrong. Each rule is pure and knows one subject.

mod brewery;
mod bridge;
mod capacity;
mod channel;
mod drift;
mod guest;
mod host;
mod login;
mod names;
mod prosody;
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
    capacity::memory,
    capacity::tasks,
    capacity::connections,
    capacity::stress,
    capacity::taken_ports,
    names::names,
    names::from_here,
    prosody::package,
    prosody::settings,
    prosody::hang,
    login::bridges,
    login::focuses,
    login::certificates,
    login::throttle,
    login::admin,
    brewery::focus,
    brewery::bridges,
    brewery::none_left,
    brewery::rooms,
    brewery::versions,
    bridge::media_port,
    reach::media,
    reach::undiscovered,
    reach::private_only,
    reach::apart,
    bridge::health,
    bridge::buffers,
    channel::listeners,
    channel::ways,
    web::site,
    web::certificates,
    web::issuance,
    guest::visit,
    turn::server,
    turn::offers,
    protection::files,
    protection::processes,
    protection::ports,
    drift::never_applied,
    drift::edited,
    drift::stale,
    foreign,
];

/// A MAIN that others keep, by the rules for such hosts.
fn foreign(observation: &Observation) -> Vec<Finding> {
    let hosts = observation.hosts.iter();
    hosts
        .filter_map(|(name, sight)| Some((name, sight.foreign.as_ref()?)))
        .flat_map(|(name, sight)| crate::foreign::findings(name, sight))
        .collect()
}

/// All findings, folded, worst first. A healthy site has none.
pub fn diagnose(observation: &Observation) -> Vec<Finding> {
    let findings = RULES.iter().flat_map(|rule| rule(observation)).collect();
    let mains = observation.mains().map(|(name, _)| name).collect();
    fold(findings, &mains)
}

#[cfg(test)]
mod tests;
