//! Findings that only follow from another go under it: one wrong password is one finding.

use std::collections::BTreeSet;

use jitctl_inventory::names::HostName;

use crate::catalogue::{BRIDGE_NOT_COUNTED, BRIDGE_UNHEALTHY, NO_BRIDGE, check, checks};
use crate::finding::Finding;

/// What follows from a unit that does not run: on its own host, and, when that is a MAIN, on
/// others.
struct Follows {
    unit: &'static str,
    here: &'static [&'static str],
    elsewhere: &'static [&'static str],
}

const UNITS: &[Follows] = &[
    Follows {
        unit: "prosody.service",
        here: &[
            "W01", "W02", "W03", "X04", "X06", "X08", "X12", "X14", "X23", "W21", "U05",
        ],
        elsewhere: &["X04", "X06", "X08", "X15", "B12"],
    },
    Follows {
        unit: "nginx.service",
        here: &[
            "W20", "W01", "W03", "W04", "W05", "W06", "W07", "W10", "W12", "W21", "X23", "U05",
        ],
        elsewhere: &[],
    },
    Follows {
        unit: "jitctl-focus.service",
        here: &["X12", "X14", "B20", "W21"],
        elsewhere: &["X15", "B12"],
    },
    Follows {
        unit: "jitctl-bridge.service",
        here: &[
            "X15", "B12", "B13", "B22", "B14", "B05", "B23", "R04", "W08", "W09",
        ],
        elsewhere: &[],
    },
    Follows {
        unit: "coturn.service",
        here: &["U01", "U04", "U05", "U06", "U07", "T02"],
        elsewhere: &[],
    },
    Follows {
        unit: "jitctl-firewall.service",
        here: &["P03", "P04"],
        elsewhere: &[],
    },
];

/// Moves each finding under the one at the end of its chain of explanations, and makes one of
/// those that say the same of several hosts. Worst first; the order of the table decides ties.
pub(crate) fn fold(findings: Vec<Finding>, mains: &BTreeSet<&HostName>) -> Vec<Finding> {
    let roots: Vec<Option<usize>> = (0..findings.len())
        .map(|index| root_of(index, &findings, mains))
        .collect();
    let mut folded: Vec<(usize, Finding)> = Vec::new();
    let mut followers = Vec::new();
    for (index, (finding, root)) in findings.into_iter().zip(roots).enumerate() {
        match root {
            None => folded.push((index, finding)),
            Some(root) => followers.push((root, finding)),
        }
    }
    for (root, finding) in followers {
        match folded.iter_mut().find(|(index, _)| *index == root) {
            Some((_, root)) => root.consequences.push(finding),
            None => folded.push((usize::MAX, finding)),
        }
    }
    let mut roots: Vec<Finding> = folded.into_iter().map(|(_, finding)| finding).collect();
    roots.sort_by(|a, b| (a.severity, rank(a), &a.host).cmp(&(b.severity, rank(b), &b.host)));
    merge(roots)
}

/// The same words about several hosts are one finding.
fn merge(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        let same = merged
            .iter_mut()
            .find(|one| one.code == finding.code && one.what == finding.what);
        match (same, &finding.host) {
            (Some(one), Some(host)) => {
                one.also.push(host.clone());
                one.consequences.extend(finding.consequences);
            }
            _ => merged.push(finding),
        }
    }
    merged
}

/// The finding at the end of the chain of explanations; `None` for a root.
fn root_of(start: usize, all: &[Finding], mains: &BTreeSet<&HostName>) -> Option<usize> {
    let mut current = start;
    let mut passed = BTreeSet::from([start]);
    loop {
        let finding = all.get(current)?;
        let next = all
            .iter()
            .enumerate()
            .find(|(index, other)| !passed.contains(index) && explains(other, finding, mains));
        match next {
            Some((index, _)) => {
                passed.insert(index);
                current = index;
            }
            None => return (current != start).then_some(current),
        }
    }
}

fn explains(one: &Finding, other: &Finding, mains: &BTreeSet<&HostName>) -> bool {
    let Some(row) = check(one.code) else {
        return false;
    };
    let unit = UNITS
        .iter()
        .find(|follows| one.unit.as_deref() == Some(follows.unit));
    if other.code == NO_BRIDGE.code {
        let away = [BRIDGE_NOT_COUNTED.code, BRIDGE_UNHEALTHY.code];
        let takes = |codes: &[&str]| away.iter().any(|code| codes.contains(code));
        return away.contains(&one.code)
            || takes(row.explains_here)
            || takes(row.explains_elsewhere)
            || unit.is_some_and(|follows| takes(follows.here) || takes(follows.elsewhere));
    }
    if one.host == other.host {
        // A masked unit explains that the same unit does not run, not that another does not.
        let other_unit = one.unit.is_some() && other.unit.is_some() && one.unit != other.unit;
        let follows = unit.is_some_and(|follows| follows.here.contains(&other.code));
        return follows || (!other_unit && row.explains_here.contains(&other.code));
    }
    if !one.host.as_ref().is_some_and(|host| mains.contains(host)) {
        return false;
    }
    row.explains_elsewhere.contains(&other.code)
        || unit.is_some_and(|follows| follows.elsewhere.contains(&other.code))
}

fn rank(finding: &Finding) -> usize {
    checks()
        .position(|check| check.code == finding.code)
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    fn fold_at_main(findings: Vec<Finding>) -> Vec<Finding> {
        fold(findings, &BTreeSet::from([&"main".into()]))
    }

    fn codes(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn one_wrong_password_is_one_finding() {
        let host = "b1".into();
        let folded = fold_at_main(vec![
            Finding::of(&catalogue::BRIDGE_NOT_COUNTED, Some(&host)),
            Finding::of(&catalogue::WRONG_PASSWORD, Some(&host)),
        ]);
        assert_eq!(codes(&folded), ["X01"]);
        assert_eq!(folded[0].consequences[0].code, "X15");
    }

    #[test]
    fn a_masked_server_explains_what_its_clients_see() {
        let (main, bridge) = ("main".into(), "b1".into());
        let unit = "prosody.service";
        let folded = fold_at_main(vec![
            Finding::of(&catalogue::BRIDGE_NOT_COUNTED, Some(&bridge)),
            Finding::of(&catalogue::XMPP_REFUSED, Some(&bridge)),
            Finding::of(&catalogue::SERVICE_DOWN, Some(&main)).about_unit(unit),
            Finding::of(&catalogue::UNIT_MASKED, Some(&main)).about_unit(unit),
        ]);
        assert_eq!(codes(&folded), ["H10"]);
        assert_eq!(folded[0].consequences.len(), 3);
    }

    #[test]
    fn a_stopped_bridge_does_not_explain_another() {
        let (one, two) = ("b1".into(), "b2".into());
        let folded = fold_at_main(vec![
            Finding::of(&catalogue::SERVICE_DOWN, Some(&one)).about_unit("jitctl-bridge.service"),
            Finding::of(&catalogue::BRIDGE_NOT_COUNTED, Some(&one)).what("one"),
            Finding::of(&catalogue::BRIDGE_NOT_COUNTED, Some(&two)).what("two"),
        ]);
        assert_eq!(codes(&folded), ["H09", "X15"]);
    }

    #[test]
    fn the_same_of_two_hosts_is_one_finding() {
        let (one, two) = ("b1".into(), "b2".into());
        let folded = fold_at_main(vec![
            Finding::of(&catalogue::ACCOUNT_MISSING, Some(&two)),
            Finding::of(&catalogue::ACCOUNT_MISSING, Some(&one)),
        ]);
        assert_eq!(codes(&folded), ["X02"]);
        assert_eq!(folded[0].also, [two]);
    }

    #[test]
    fn unrelated_findings_stay_apart_and_errors_come_first() {
        let (one, two) = ("b1".into(), "b2".into());
        let folded = fold_at_main(vec![
            Finding::of(&catalogue::BRIDGE_DRAINED, Some(&one)),
            Finding::of(&catalogue::WRONG_PASSWORD, Some(&two)),
        ]);
        assert_eq!(codes(&folded), ["X01", "B14"]);
    }
}
