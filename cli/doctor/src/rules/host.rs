//! The host itself: reach, clock, disk, packages.

use jitctl_inventory::names::HostName;
use jitctl_transport::{ConnectFailure, RemoteError};

use crate::catalogue;
use crate::finding::Finding;
use crate::observe::Observation;

/// Beyond this, certificates and tokens are refused somewhere.
const CLOCK_LIMIT_SECONDS: i64 = 30;
/// A file system above this share, or below this rest, is full.
const DISK_FULL_PERCENT: u8 = 97;
const DISK_LEFT_KIB: u64 = 64 * 1024;

pub(super) fn reach(observation: &Observation) -> Vec<Finding> {
    let unseen = observation
        .hosts
        .iter()
        .filter_map(|(name, sight)| sight.facts.as_ref().err().map(|error| (name, error)));
    unseen
        .map(|(name, error)| unreachable(name, error))
        .collect()
}

/// Why a host could not be looked into.
pub(crate) fn unreachable(name: &HostName, error: &RemoteError) -> Finding {
    let check = match error {
        RemoteError::Connect { failure, .. } => match failure {
            ConnectFailure::ChangedHostKey => &catalogue::HOST_KEY_CHANGED,
            ConnectFailure::UnknownHostKey => &catalogue::HOST_KEY_UNKNOWN,
            ConnectFailure::Dns => &catalogue::HOST_NAME_UNKNOWN,
            ConnectFailure::Sudo => &catalogue::SUDO_MISSING,
            ConnectFailure::AuthenticationRefused => &catalogue::LOGIN_REFUSED,
            _ => &catalogue::HOST_UNREACHABLE,
        },
        RemoteError::Lost { .. } | RemoteError::Deadline { .. } => &catalogue::HOST_UNREACHABLE,
    };
    Finding::of(check, Some(name))
        .what(format!("`{name}`: {}", check.title))
        .seen(error.to_string())
}

pub(super) fn clock(observation: &Observation) -> Vec<Finding> {
    observation
        .seen()
        .filter_map(|(name, _, facts)| {
            let offset = facts.clock_offset_seconds?;
            let side = if offset > 0 { "ahead" } else { "behind" };
            let what = format!("the clock of `{name}` is {} s {side}", offset.abs());
            (offset.abs() > CLOCK_LIMIT_SECONDS).then(|| {
                Finding::of(&catalogue::CLOCK_OFF, Some(name))
                    .what(what)
                    .seen(format!("its clock less ours, way taken off: {offset} s"))
            })
        })
        .collect()
}

pub(super) fn disk(observation: &Observation) -> Vec<Finding> {
    observation
        .seen()
        .filter_map(|(name, _, facts)| {
            let full = facts.disks.iter().find(|disk| {
                let scarce = !disk.inodes && disk.free < DISK_LEFT_KIB;
                disk.used_percent >= DISK_FULL_PERCENT || scarce
            })?;
            let unit = if full.inodes { "inodes" } else { "KiB" };
            let what = format!(
                "`{}` on `{name}` is {} % full",
                full.mount, full.used_percent
            );
            Some(
                Finding::of(&catalogue::DISK_FULL, Some(name))
                    .what(what)
                    .seen(format!("{} {unit} left on {}", full.free, full.mount)),
            )
        })
        .collect()
}

pub(super) fn packages(observation: &Observation) -> Vec<Finding> {
    observation
        .seen()
        .filter(|(_, _, facts)| !facts.packages.is_empty())
        .map(|(name, _, facts)| {
            let names: Vec<&str> = facts
                .packages
                .iter()
                .map(|(_, package)| package.as_str())
                .collect();
            let finding = Finding::of(&catalogue::PACKAGE_HALF_INSTALLED, Some(name))
                .what(format!("half installed on `{name}`: {}", names.join(", ")));
            let shown = facts.packages.iter().take(5);
            shown.fold(finding, |finding, (state, package)| {
                finding.seen(format!("dpkg: {package} is in state `{state}`"))
            })
        })
        .collect()
}
