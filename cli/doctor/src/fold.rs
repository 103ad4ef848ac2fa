//! Findings that only follow from another go under it: one wrong password is one finding.

use crate::catalogue::{Check, check};
use crate::finding::Finding;

/// Moves each finding under the first one that explains it. The order of the catalogue decides
/// between several: rows that explain others come out as roots.
pub(crate) fn fold(findings: Vec<Finding>) -> Vec<Finding> {
    let mut roots: Vec<Finding> = Vec::new();
    let explained: Vec<Option<usize>> = findings
        .iter()
        .map(|finding| root_of(finding, &findings))
        .collect();
    let mut places = vec![None; findings.len()];
    let mut followers = Vec::new();
    for (index, finding) in findings.into_iter().enumerate() {
        match explained.get(index).copied().flatten() {
            None => {
                if let Some(place) = places.get_mut(index) {
                    *place = Some(roots.len());
                }
                roots.push(finding);
            }
            Some(root) => followers.push((root, finding)),
        }
    }
    for (root, finding) in followers {
        let place = places.get(root).copied().flatten();
        match place.and_then(|place| roots.get_mut(place)) {
            Some(root) => root.consequences.push(finding),
            None => roots.push(finding),
        }
    }
    roots.sort_by(|a, b| (a.severity, rank(a), &a.host).cmp(&(b.severity, rank(b), &b.host)));
    roots
}

/// The finding at the end of the chain of explanations; `None` for a root.
fn root_of(finding: &Finding, all: &[Finding]) -> Option<usize> {
    let mut current = finding;
    let mut root = None;
    // Every step goes to another row; the number of rows bounds a cycle.
    for _ in 0..all.len() {
        let next = all.iter().position(|other| {
            !std::ptr::eq(other, current)
                && !std::ptr::eq(other, finding)
                && explains(other, current)
        });
        match next {
            Some(index) => {
                root = Some(index);
                match all.get(index) {
                    Some(other) => current = other,
                    None => break,
                }
            }
            None => break,
        }
    }
    root
}

fn explains(one: &Finding, other: &Finding) -> bool {
    let Some(Check {
        explains_here,
        explains_elsewhere,
        ..
    }) = check(one.code)
    else {
        return false;
    };
    let same_host = one.host == other.host;
    (same_host && explains_here.contains(&other.code))
        || (!same_host && explains_elsewhere.contains(&other.code))
}

fn rank(finding: &Finding) -> usize {
    crate::catalogue::CHECKS
        .iter()
        .position(|check| check.code == finding.code)
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn one_wrong_password_is_one_finding() {
        let host = "b1".into();
        let folded = fold(vec![
            Finding::of(&catalogue::BRIDGE_NOT_COUNTED, Some(&host)),
            Finding::of(&catalogue::WRONG_PASSWORD, Some(&host)),
        ]);
        assert_eq!(folded.len(), 1);
        assert_eq!(folded[0].code, "X01");
        assert_eq!(folded[0].consequences[0].code, "X15");
    }

    #[test]
    fn a_masked_server_explains_what_its_clients_see() {
        let main = "main".into();
        let bridge = "b1".into();
        let folded = fold(vec![
            Finding::of(&catalogue::BRIDGE_NOT_COUNTED, Some(&bridge)),
            Finding::of(&catalogue::XMPP_REFUSED, Some(&bridge)),
            Finding::of(&catalogue::SERVICE_DOWN, Some(&main)),
            Finding::of(&catalogue::UNIT_MASKED, Some(&main)),
        ]);
        let codes: Vec<&str> = folded.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["H10"]);
        assert_eq!(folded[0].consequences.len(), 3);
    }

    #[test]
    fn unrelated_findings_stay_apart_and_errors_come_first() {
        let (one, two) = ("b1".into(), "b2".into());
        let folded = fold(vec![
            Finding::of(&catalogue::BRIDGE_DRAINED, Some(&one)),
            Finding::of(&catalogue::WRONG_PASSWORD, Some(&two)),
        ]);
        let codes: Vec<&str> = folded.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["X01", "B14"]);
    }
}
