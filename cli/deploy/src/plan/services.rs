//! Units: what to enable, start, reload and restart, once each, and what people notice of it.

use std::collections::BTreeSet;

use jitctl_templates::desired::Action;

use super::{Interruption, ServiceChange};
use crate::facts::Facts;
use crate::firewall;
use crate::resolved::ResolvedHost;

/// Unit, what a restart means for people, seconds.
const RESTARTS: &[(&str, &str, u32)] = &[
    (
        "prosody.service",
        "signalling stops; clients and bridges reconnect by themselves",
        10,
    ),
    (
        "nginx.service",
        "pages and signalling stop; clients reconnect by themselves",
        3,
    ),
    (
        "jitctl-focus.service",
        "no new conference starts and running ones are built anew",
        5,
    ),
    (
        "jitctl-bridge.service",
        "media through this bridge stops until the focus moves its people",
        10,
    ),
    (
        "coturn.service",
        "relayed media stops until clients allocate anew",
        5,
    ),
];

/// Units that are not as they should be.
pub(super) fn compare(host: &ResolvedHost, facts: &Facts) -> Vec<ServiceChange> {
    let mut changes: Vec<ServiceChange> = host
        .desired
        .services
        .iter()
        .filter_map(|service| {
            let fact = facts.units.get(&service.unit);
            let change = ServiceChange {
                unit: service.unit.clone(),
                enable: !fact.is_some_and(crate::facts::UnitFact::is_enabled),
                start: !fact.is_some_and(crate::facts::UnitFact::is_active),
                stop: false,
            };
            (change.enable || change.start).then_some(change)
        })
        .collect();
    let desired: BTreeSet<&str> = host
        .desired
        .services
        .iter()
        .map(|service| service.unit.as_str())
        .collect();
    let gone = facts.manifest.services.iter();
    changes.extend(
        gone.filter(|unit| !desired.contains(unit.as_str()))
            .map(|unit| ServiceChange {
                unit: unit.clone(),
                enable: false,
                start: false,
                stop: true,
            }),
    );
    changes
}

/// Reloads and restarts without doubles: `daemon-reload` first, then sysctl, reloads, restarts in
/// the order of the services. A unit that starts or stops anyway needs neither; a unit that
/// restarts needs no reload. The packet filter has its own phase.
pub(super) fn settle(
    actions: &[Action],
    services: &[ServiceChange],
    host: &ResolvedHost,
) -> Vec<Action> {
    let changing: BTreeSet<&str> = services
        .iter()
        .filter(|service| service.start || service.stop)
        .map(|service| service.unit.as_str())
        .collect();
    let wanted: BTreeSet<&Action> = actions.iter().collect();
    let needed = |action: &&&Action| match action {
        Action::DaemonReload | Action::Sysctl(_) => true,
        Action::Reload(unit) => {
            !changing.contains(unit.as_str())
                && unit != firewall::UNIT
                && !wanted.contains(&Action::Restart(unit.clone()))
        }
        Action::Restart(unit) => !changing.contains(unit.as_str()) && unit != firewall::UNIT,
    };
    let mut settled: Vec<Action> = wanted.iter().filter(needed).map(|a| (*a).clone()).collect();
    let place = |unit: &str| {
        let services = &host.desired.services;
        services.iter().position(|service| service.unit == unit)
    };
    settled.sort_by_key(|action| match action {
        Action::DaemonReload => (0, None),
        Action::Sysctl(_) => (1, None),
        Action::Reload(unit) => (2, place(unit)),
        Action::Restart(unit) => (3, place(unit)),
    });
    settled
}

/// What people notice of restarts and stops of units that run now.
pub(super) fn interruptions(
    actions: &[Action],
    services: &[ServiceChange],
    facts: &Facts,
) -> Vec<Interruption> {
    let restarts = actions.iter().filter_map(|action| match action {
        Action::Restart(unit) => Some(unit),
        _ => None,
    });
    let stops = services.iter().filter(|service| service.stop);
    restarts
        .chain(stops.map(|service| &service.unit))
        .filter(|unit| {
            facts
                .units
                .get(*unit)
                .is_some_and(crate::facts::UnitFact::is_active)
        })
        .map(|unit| {
            let known = RESTARTS.iter().find(|(name, ..)| name == unit);
            Interruption {
                unit: unit.clone(),
                what: known
                    .map_or("the service restarts", |(_, what, _)| what)
                    .to_owned(),
                seconds: known.map_or(3, |(_, _, seconds)| *seconds),
            }
        })
        .collect()
}
