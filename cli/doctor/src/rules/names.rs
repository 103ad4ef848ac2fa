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
