//! The focus and its bridges: who is counted, who clashes, who is drained.

use std::collections::BTreeMap;

use jitctl_inventory::model::Role;
use jitctl_inventory::names::HostName;

use super::login::is_no_admin;
use crate::catalogue;
use crate::finding::{Finding, Fix};
use crate::observe::{BridgeSeen, Connection, FocusView, Observation};

const FOCUS: &str = "jitctl-focus.service";

/// Every focus that answered, with its host.
fn views(observation: &Observation) -> impl Iterator<Item = (&HostName, &FocusView)> {
    observation.hosts.iter().filter_map(|(name, sight)| {
        let view = sight.focus.as_ref()?.as_ref().ok()?;
        Some((name, view))
    })
}

pub(super) fn focus(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        match &sight.focus {
            Some(Err(words)) => findings.push(silent(name).seen(words.clone())),
            Some(Ok(view)) => {
                let found = connections(name, view);
                // A focus that is no admin is told so by another rule.
                findings.extend(found.filter(|one| {
                    one.code != catalogue::FOCUS_NOT_ADMIN.code || !is_no_admin(sight)
                }));
            }
            None => {}
        }
    }
    findings
}

fn silent(name: &HostName) -> Finding {
    Finding::of(&catalogue::FOCUS_SILENT, Some(name))
        .what(format!("the focus on `{name}` does not answer"))
        .fixed_by(Fix::RestartUnit {
            host: name.clone(),
            unit: FOCUS.to_owned(),
        })
}

fn connections(name: &HostName, view: &FocusView) -> Option<Finding> {
    let lost = |connection: &Connection, which: &str| {
        let trouble = connection.trouble.as_deref().unwrap_or("connecting");
        silent(name)
            .what(format!(
                "the focus on `{name}` is not connected to Prosody as {which}"
            ))
            .seen(format!("the focus says: {trouble}"))
            .fixed_by_apply()
    };
    if view.account.jid.is_none() {
        return Some(lost(&view.account, "its account"));
    }
    if view.component.jid.is_none() {
        return Some(lost(&view.component, "its component"));
    }
    (!view.account.joined).then(|| {
        let room = view.brewery.as_deref().unwrap_or("the brewery");
        let finding = Finding::of(&catalogue::FOCUS_NOT_ADMIN, Some(name))
            .what(format!("the focus on `{name}` cannot join {room}"))
            .fixed_by_apply();
        match &view.account.trouble {
            Some(trouble) => finding.seen(format!("the focus says: {trouble}")),
            None => finding.seen("it is logged in and in no room"),
        }
    })
}

/// Where another focus counts bridges: those that are not in its brewery by their own word.
pub(super) fn rooms(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        let rooms = sight.rooms.iter().flatten();
        for room in rooms.filter(|room| !room.joined) {
            let trouble = room.trouble.as_deref().unwrap_or("it says nothing of it");
            findings.push(
                Finding::of(&catalogue::BRIDGE_NOT_COUNTED, Some(name))
                    .what(format!("the bridge on `{name}` is not in the focus's room"))
                    .seen(format!("the bridge is not in {}: {trouble}", room.brewery))
                    .because("it cannot log in, or the room is another one")
                    .cured_by("jitctl logs --on HOST --since 10m"),
            );
        }
    }
    findings
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
            let Some(nickname) = &sight.nickname else {
                continue;
            };
            if !sight.roles.contains(&Role::Bridge) {
                continue;
            }
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
            if !ours && bridge.clash {
                findings.push(clash(None, bridge));
            }
        }
    }
    findings
}

/// No bridge at all is left: folded under whatever took them away, where that was seen.
pub(super) fn none_left(observation: &Observation) -> Vec<Finding> {
    views(observation)
        .filter(|(_, view)| view.account.joined)
        .filter(|(_, view)| !view.bridges.iter().any(|bridge| bridge.operational))
        .map(|(name, view)| {
            let finding = Finding::of(&catalogue::NO_BRIDGE, Some(name)).what(format!(
                "the focus on `{name}` has no bridge that it would use"
            ));
            if view.bridges.is_empty() {
                let room = view.brewery.as_deref().unwrap_or("the brewery");
                return finding.seen(format!("it is alone in {room}"));
            }
            view.bridges.iter().fold(finding, |finding, bridge| {
                let health = bridge.health.as_deref().unwrap_or("not operational");
                finding.seen(format!("it counts `{}`: {health}", bridge.nickname))
            })
        })
        .collect()
}

fn of_bridge(name: &HostName, bridge: &BridgeSeen) -> Option<Finding> {
    if bridge.clash {
        return Some(clash(Some(name), bridge));
    }
    if !bridge.operational {
        let health = match bridge.health.as_deref() {
            Some("healthy") => {
                "healthy again; it gets no rooms until a minute after the last failure"
            }
            Some(words) => words,
            None => "not operational",
        };
        let finding = Finding::of(&catalogue::BRIDGE_UNHEALTHY, Some(name))
            .what(format!("the focus holds the bridge on `{name}` for broken"))
            .seen(format!(
                "the focus on its health checks of `{}`: {health}",
                bridge.nickname
            ));
        return Some(finding);
    }
    bridge.drain.then(|| {
        Finding::of(&catalogue::BRIDGE_DRAINED, Some(name))
            .what(format!("the bridge on `{name}` is drained"))
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
    let counted = if others.is_empty() {
        "none".into()
    } else {
        others.join(", ")
    };
    let finding = Finding::of(&catalogue::BRIDGE_NOT_COUNTED, Some(name))
        .what(format!(
            "the focus on `{main}` does not count the bridge on `{name}` (`{nickname}`)"
        ))
        .seen(format!("it counts: {counted}"))
        .fixed_by_apply_on(format!("{name},@main"));
    let own_rooms: Vec<&str> = observation
        .hosts
        .get(name)
        .into_iter()
        .flat_map(|sight| &sight.bridge_logins)
        .filter_map(|login| login.brewery.as_deref())
        .collect();
    match &view.brewery {
        Some(room) if !own_rooms.is_empty() && !own_rooms.contains(&room.as_str()) => finding
            .because("the brewery rooms differ")
            .seen(format!("the focus looks in {room}"))
            .seen(format!("the bridge joins {}", own_rooms.join(", "))),
        _ => finding,
    }
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
            let finding =
                Finding::of(&catalogue::VERSIONS_DIFFER, Some(main)).fixed_by_apply_on("*");
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
