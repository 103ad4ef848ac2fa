//! Where the site's name leads, as its own hosts see it.

use std::net::IpAddr;

use crate::catalogue;
use crate::finding::Finding;
use crate::observe::Observation;
use crate::observe::host::NameAnswer;

pub(super) fn names(observation: &Observation) -> Vec<Finding> {
    let domain = &observation.domain;
    let mains: Vec<IpAddr> = observation
        .mains()
        .flat_map(|(_, sight)| sight.addresses.iter().copied())
        .collect();
    let finding = |answer: &NameAnswer| match answer {
        NameAnswer::Silent => Some(
            Finding::of(&catalogue::DNS_SILENT, None)
                .what("the name server does not answer")
                .seen(format!("getent ahosts {domain}: no answer within 2 s")),
        ),
        NameAnswer::Unknown => Some(
            Finding::of(&catalogue::DNS_WRONG, None)
                .what(format!("`{domain}` does not exist in DNS"))
                .seen(format!("getent ahosts {domain}: not found")),
        ),
        NameAnswer::Found(found) if leads_here(found, &mains) => None,
        NameAnswer::Found(found) => Some(
            Finding::of(&catalogue::DNS_WRONG, None)
                .what(format!("`{domain}` leads to another host"))
                .seen(format!("{domain} is {}", join(found)))
                .seen(format!("MAIN has {}", join(&mains))),
        ),
    };
    observation
        .seen()
        .filter_map(|(name, _, facts)| {
            let mut finding = finding(facts.names.get(domain.as_str())?)?;
            finding.host = Some(name.clone());
            finding.cure = finding.cure.replace("HOST", name.as_str());
            Some(finding)
        })
        .collect()
}

/// The name as this machine's own name server tells it. Where the site cannot be reached from here
/// directly, the name need not be known here either; that it leads elsewhere counts always.
pub(super) fn from_here(observation: &Observation) -> Vec<Finding> {
    let domain = &observation.domain;
    let mains: Vec<IpAddr> = observation
        .mains()
        .flat_map(|(_, sight)| sight.addresses.iter().copied())
        .collect();
    let direct = observation.looks_from_outside();
    let finding = match &observation.outside.name {
        NameAnswer::Found(found) if leads_here(found, &mains) => return Vec::new(),
        NameAnswer::Found(found) => Finding::of(&catalogue::NAME_ELSEWHERE, None)
            .what(format!(
                "`{domain}` leads to another host, as seen from this machine"
            ))
            .seen(format!("{domain} is {}", join(found)))
            .seen(format!("MAIN has {}", join(&mains))),
        NameAnswer::Unknown if direct => Finding::of(&catalogue::NAME_ELSEWHERE, None)
            .what(format!(
                "`{domain}` does not exist in DNS, as seen from this machine"
            ))
            .seen(format!("look-up of {domain} here: not found")),
        NameAnswer::Silent if direct => Finding::of(&catalogue::NAME_ELSEWHERE, None)
            .what("the name server of this machine does not answer")
            .because("this machine's resolver is down; the site need not be at fault")
            .seen(format!("look-up of {domain} here: no answer within 3 s")),
        _ => return Vec::new(),
    };
    // The hosts' own view says the same with a place to look at.
    if names(observation).is_empty() {
        vec![finding]
    } else {
        Vec::new()
    }
}

fn leads_here(found: &[IpAddr], mains: &[IpAddr]) -> bool {
    found.is_empty()
        || found
            .iter()
            .any(|one| mains.contains(one) || one.is_loopback())
}

fn join(addresses: &[IpAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
