//! The focus and its bridges: who is counted, who clashes, who is drained.

use std::collections::BTreeMap;

use jitctl_inventory::model::Role;
use jitctl_inventory::names::HostName;

use crate::catalogue;
use crate::finding::{Finding, Fix};
use crate::observe::{BridgeSeen, FocusView, Observation};

/// Every focus that answered, with its host.
fn views(observation: &Observation) -> impl Iterator<Item = (&HostName, &FocusView)> {
    observation.hosts.iter().filter_map(|(name, sight)| {
        let view = sight.focus.as_ref()?.as_ref().ok()?;
        Some((name, view))
    })
}

pub(super) fn focus(observation: &Observation) -> Vec<Finding> {
    observation
        .hosts
        .iter()
        .filter_map(|(name, sight)| {
            let words = sight.focus.as_ref()?.as_ref().err()?;
            let finding = Finding::of(&catalogue::FOCUS_SILENT, Some(name)).seen(words.clone());
            Some(finding.fixed_by(Fix::RestartUnit {
                unit: "jitctl-focus.service".to_owned(),
            }))
        })
        .collect()
}

pub(super) fn bridges(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (main, view) in views(observation) {
        let seen: BTreeMap<&str, &BridgeSeen> = view
            .bridges
            .iter()
            .map(|bridge| (bridge.nickname.as_str(), bridge))
            .collect();
        for (name, sight) in &observation.hosts {
            if !sight.roles.contains(&Role::Bridge) {
                continue;
            }
            let Some(nickname) = &sight.nickname else {
                continue;
            };
            match seen.get(nickname.as_str()) {
                Some(bridge) => findings.extend(of_bridge(name, bridge)),
                None => findings.push(not_counted(observation, main, view, name, nickname)),
            }
        }
        // A clash with a bridge of another inventory has no host of ours.
        for bridge in &view.bridges {
            let ours = observation
                .hosts
                .values()
                .any(|sight| sight.nickname.as_deref() == Some(bridge.nickname.as_str()));
            if !ours && bridge.real_jids.len() > 1 {
                findings.push(clash(None, bridge));
            }
        }
    }
    findings
}

fn of_bridge(name: &HostName, bridge: &BridgeSeen) -> Option<Finding> {
    if bridge.real_jids.len() > 1 {
        return Some(clash(Some(name), bridge));
    }
    if !bridge.operational {
        let finding = Finding::of(&catalogue::BRIDGE_UNHEALTHY, Some(name)).seen(format!(
            "the focus lists `{}` as not operational",
            bridge.nickname
        ));
        return Some(finding);
    }
    bridge.drain.then(|| {
        Finding::of(&catalogue::BRIDGE_DRAINED, Some(name))
            .seen(format!("`{}` publishes drain=true", bridge.nickname))
    })
}

fn clash(host: Option<&HostName>, bridge: &BridgeSeen) -> Finding {
    let finding = Finding::of(&catalogue::NICKNAME_CLASH, host).what(format!(
        "two bridges share the nickname `{}`",
        bridge.nickname
    ));
    bridge.real_jids.iter().fold(finding, |finding, jid| {
        finding.seen(format!(
            "one presence of `{}` carries {jid}",
            bridge.nickname
        ))
    })
}

fn not_counted(
    observation: &Observation,
    main: &HostName,
    view: &FocusView,
    name: &HostName,
    nickname: &str,
) -> Finding {
    let others: Vec<&str> = view
        .bridges
        .iter()
        .map(|bridge| bridge.nickname.as_str())
        .collect();
    let mut finding = Finding::of(&catalogue::BRIDGE_NOT_COUNTED, Some(name))
        .what(format!(
            "the focus on `{main}` does not count `{name}` (`{nickname}`)"
        ))
        .seen(format!(
            "it counts: {}",
            if others.is_empty() {
                "none".into()
            } else {
                others.join(", ")
            }
        ))
        .fixed_by(Fix::Apply);
    let own_rooms: Vec<&str> = observation
        .hosts
        .get(name)
        .into_iter()
        .flat_map(|sight| &sight.bridge_logins)
        .filter_map(|login| login.brewery.as_deref())
        .collect();
    if let Some(room) = &view.brewery
        && !own_rooms.is_empty()
        && !own_rooms.contains(&room.as_str())
    {
        "the brewery rooms differ".clone_into(&mut finding.cause);
        finding.evidence.push(format!("the focus looks in {room}"));
        finding
            .evidence
            .push(format!("the bridge joins {}", own_rooms.join(", ")));
    }
    finding
}

pub(super) fn versions(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (main, view) in views(observation) {
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for bridge in &view.bridges {
            if let Some(version) = &bridge.version {
                versions.entry(version).or_default().push(&bridge.nickname);
            }
        }
        if versions.len() > 1 {
            let finding = Finding::of(&catalogue::VERSIONS_DIFFER, Some(main)).fixed_by(Fix::Apply);
            findings.push(
                versions
                    .iter()
                    .fold(finding, |finding, (version, bridges)| {
                        finding.seen(format!("{version}: {}", bridges.join(", ")))
                    }),
            );
        }
    }
    findings
}
