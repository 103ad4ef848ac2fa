//! The host itself: reach, clock, disk, packages, units, files, names.

use std::net::IpAddr;

use jitctl_inventory::model::Role;
use jitctl_inventory::names::HostName;
use jitctl_transport::{ConnectFailure, RemoteError};

use crate::catalogue;
use crate::finding::{Finding, Fix};
use crate::observe::host::{NameAnswer, Unit};
use crate::observe::{HostFacts, Observation};

/// Beyond this, certificates and tokens are refused somewhere.
const CLOCK_LIMIT_SECONDS: i64 = 30;
/// A file system above this share, or below this rest, is full.
const DISK_FULL_PERCENT: u8 = 97;
const DISK_LEFT_KIB: u64 = 64 * 1024;
/// systemd's word for a configuration that no restart cures (sysexits EX_CONFIG).
const EXIT_CONFIG: i32 = 78;

/// Every host that answered, with its facts.
fn seen(observation: &Observation) -> impl Iterator<Item = (&HostName, &HostFacts)> {
    observation
        .hosts
        .iter()
        .filter_map(|(name, sight)| sight.facts.as_ref().ok().map(|facts| (name, facts)))
}

pub(super) fn reach(observation: &Observation) -> Vec<Finding> {
    let unseen = observation
        .hosts
        .iter()
        .filter_map(|(name, sight)| sight.facts.as_ref().err().map(|error| (name, error)));
    unseen
        .map(|(name, error)| {
            let check = match error {
                RemoteError::Connect { failure, .. } => match failure {
                    ConnectFailure::ChangedHostKey => &catalogue::HOST_KEY_CHANGED,
                    ConnectFailure::UnknownHostKey => &catalogue::HOST_KEY_UNKNOWN,
                    ConnectFailure::Sudo => &catalogue::SUDO_MISSING,
                    ConnectFailure::AuthenticationRefused => &catalogue::LOGIN_REFUSED,
                    _ => &catalogue::HOST_UNREACHABLE,
                },
                RemoteError::Lost { .. } | RemoteError::Deadline { .. } => {
                    &catalogue::HOST_UNREACHABLE
                }
            };
            Finding::of(check, Some(name)).seen(error.to_string())
        })
        .collect()
}

pub(super) fn clock(observation: &Observation) -> Vec<Finding> {
    seen(observation)
        .filter_map(|(name, facts)| {
            let offset = facts.clock_offset_seconds?;
            (offset.abs() > CLOCK_LIMIT_SECONDS).then(|| {
                let side = if offset > 0 { "ahead" } else { "behind" };
                Finding::of(&catalogue::CLOCK_OFF, Some(name))
                    .what(format!(
                        "the clock of `{name}` is {} s {side}",
                        offset.abs()
                    ))
                    .seen(format!("its clock less ours, way taken off: {offset} s"))
            })
        })
        .collect()
}

pub(super) fn disk(observation: &Observation) -> Vec<Finding> {
    seen(observation)
        .filter_map(|(name, facts)| {
            let full = facts.disks.iter().find(|disk| {
                let scarce = !disk.inodes && disk.free < DISK_LEFT_KIB;
                disk.used_percent >= DISK_FULL_PERCENT || scarce
            })?;
            let what = if full.inodes { "inodes" } else { "KiB" };
            Some(
                Finding::of(&catalogue::DISK_FULL, Some(name))
                    .what(format!(
                        "`{}` on `{name}` is {} % full",
                        full.mount, full.used_percent
                    ))
                    .seen(format!("{} {what} left on {}", full.free, full.mount)),
            )
        })
        .collect()
}

pub(super) fn packages(observation: &Observation) -> Vec<Finding> {
    seen(observation)
        .filter(|(_, facts)| !facts.packages.is_empty())
        .map(|(name, facts)| {
            let finding = Finding::of(&catalogue::PACKAGE_HALF_INSTALLED, Some(name));
            facts
                .packages
                .iter()
                .take(5)
                .fold(finding, |finding, (state, package)| {
                    finding.seen(format!("dpkg: {package} is in state `{state}`"))
                })
        })
        .collect()
}

pub(super) fn services(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, facts) in seen(observation) {
        for (unit, state) in &facts.units {
            findings.extend(unit_finding(name, unit, state, facts));
        }
    }
    findings
}

fn unit_finding(name: &HostName, unit: &str, state: &Unit, facts: &HostFacts) -> Option<Finding> {
    let shown = format!("{unit}: {} ({}), {}", state.active, state.sub, state.load);
    let finding = if state.load == "masked" {
        let mut finding = Finding::of(&catalogue::UNIT_MASKED, Some(name))
            .what(format!("`{unit}` is masked"))
            .fixed_by(Fix::EnableUnit {
                unit: unit.to_owned(),
            });
        finding.cure = finding.cure.replace("UNIT", unit);
        finding
    } else if state.active == "active" || state.active == "reloading" {
        return None;
    } else if state.exit_status == EXIT_CONFIG {
        Finding::of(&catalogue::CONFIGURATION_REFUSED, Some(name))
            .what(format!(
                "`{unit}` refuses its configuration (exit status {EXIT_CONFIG})"
            ))
            .fixed_by(Fix::Apply)
    } else {
        Finding::of(&catalogue::SERVICE_DOWN, Some(name))
            .what(format!("`{unit}` is {}", state.active))
            .fixed_by(Fix::EnableUnit {
                unit: unit.to_owned(),
            })
    };
    let words = facts.words.get(unit).into_iter().flatten();
    Some(words.fold(finding.seen(shown), |finding, line| {
        finding.seen(format!("{unit}: {line}"))
    }))
}

pub(super) fn edited(observation: &Observation) -> Vec<Finding> {
    seen(observation)
        .filter(|(_, facts)| !facts.edited.is_empty())
        .map(|(name, facts)| {
            let count = facts.edited.len();
            let finding = Finding::of(&catalogue::FILE_EDITED, Some(name))
                .what(format!(
                    "{count} file(s) of ours on `{name}` differ from what was applied"
                ))
                .fixed_by(Fix::Apply);
            facts.edited.iter().take(10).fold(finding, |finding, path| {
                finding.seen(format!("{path}: its hash is not the one of the last apply"))
            })
        })
        .collect()
}

pub(super) fn names(observation: &Observation) -> Vec<Finding> {
    let mains: Vec<IpAddr> = observation
        .hosts
        .values()
        .filter(|sight| sight.roles.contains(&Role::Main))
        .flat_map(|sight| sight.addresses.iter().copied())
        .collect();
    let mut findings = Vec::new();
    for (name, facts) in seen(observation) {
        match facts.names.get(observation.domain.as_str()) {
            Some(NameAnswer::Silent) => findings.push(
                Finding::of(&catalogue::DNS_SILENT, Some(name)).seen(format!(
                    "getent ahosts {}: no answer within 2 s",
                    observation.domain
                )),
            ),
            Some(NameAnswer::Found(addresses))
                if !addresses.is_empty()
                    && !addresses
                        .iter()
                        .any(|one| mains.contains(one) || one.is_loopback()) =>
            {
                findings.push(
                    Finding::of(&catalogue::DNS_WRONG, Some(name))
                        .what(format!("`{}` leads to another host", observation.domain))
                        .seen(format!("{} is {}", observation.domain, join(addresses)))
                        .seen(format!("MAIN has {}", join(&mains))),
                );
            }
            Some(NameAnswer::Unknown) => findings.push(
                Finding::of(&catalogue::DNS_WRONG, Some(name))
                    .what(format!("`{}` does not exist in DNS", observation.domain))
                    .seen(format!("getent ahosts {}: not found", observation.domain)),
            ),
            _ => {}
        }
    }
    one_per_site(findings)
}

/// A wrong record is one fault, however many hosts see it.
fn one_per_site(findings: Vec<Finding>) -> Vec<Finding> {
    let (mut wrong, rest): (Vec<Finding>, Vec<Finding>) = findings
        .into_iter()
        .partition(|finding| finding.code == catalogue::DNS_WRONG.code);
    let others = wrong.split_off(wrong.len().min(1));
    if let Some(first) = wrong.first_mut() {
        for other in others {
            if let Some(host) = other.host {
                first.evidence.push(format!("the same on `{host}`"));
            }
        }
    }
    wrong.into_iter().chain(rest).collect()
}

fn join(addresses: &[IpAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
