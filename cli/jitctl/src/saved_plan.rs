//! Plans kept in files between `jitctl plan --out` and `jitctl apply FILE`.
//!
//! A saved plan is carried out as it is or not at all: it is refused when the inventory, the
//! secrets or our programs want something else by now, and when a host is no longer what the plan
//! was made from. It holds no secret, only hashes and markers.

use std::path::Path;

use jitctl_deploy::plan::VERSION;
use jitctl_deploy::{HostPlan, SitePlan};
use jitctl_inventory::names::HostName;

use crate::failure::Failure;
use crate::site::Site;

const AGAIN: &str = "plan again, review, and apply the new plan";

/// Writes a plan.
pub(crate) fn write(path: &Path, plan: &SitePlan) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(plan)
        .map_err(|error| Failure::other(format!("cannot write JSON: {error}"), String::new()))?;
    std::fs::write(path, text).map_err(|error| {
        Failure::other(
            format!("cannot write `{}`: {error}", path.display()),
            "choose another place with `--out`",
        )
    })
}

/// Reads a plan.
pub(crate) fn read(path: &Path) -> Result<SitePlan, Failure> {
    const MAKE: &str = "make one with `jitctl plan --out FILE`";
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read `{shown}`: {error}"), MAKE))?;
    let value: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("`{shown}` is no plan: {error}"), MAKE))?;
    // Before the rest: another version may have other fields.
    let version = value.get("version").and_then(serde_json::Value::as_u64);
    if let Some(version) = version.filter(|version| *version != u64::from(VERSION)) {
        return Err(Failure::usage(
            format!("`{shown}` is a plan of version {version}; this jitctl reads {VERSION}"),
            AGAIN,
        ));
    }
    serde_json::from_value(value)
        .map_err(|error| Failure::usage(format!("`{shown}` is no plan: {error}"), MAKE))
}

/// The hosts of a saved plan; all of them must still be in the inventory.
pub(crate) fn hosts(plan: &SitePlan, site: &Site) -> Result<Vec<HostName>, Failure> {
    let names: Vec<HostName> = plan.hosts.iter().map(|host| host.host.clone()).collect();
    let gone: Vec<&str> = names
        .iter()
        .map(HostName::as_str)
        .filter(|name| site.host(name).is_err())
        .collect();
    if gone.is_empty() {
        return Ok(names);
    }
    Err(Failure::usage(
        format!("not in the inventory any more: {}", gone.join(", ")),
        AGAIN,
    ))
}

/// Whether a plan made just now would be the saved one. Hosts that gave no facts are left out: they
/// are reported on their own.
pub(crate) fn still_holds(saved: &SitePlan, fresh: &SitePlan) -> Result<(), Failure> {
    let mut moved = Vec::new();
    let mut wanted = Vec::new();
    for plan in &saved.hosts {
        let Some(now) = fresh.hosts.iter().find(|now| now.host == plan.host) else {
            continue;
        };
        if wants(plan) != wants(now) {
            wanted.push(plan.host.as_str());
        } else if plan != now {
            moved.push(plan.host.as_str());
        }
    }
    if !wanted.is_empty() {
        return Err(Failure::usage(
            format!(
                "the inventory, the secrets or the programs changed since the plan was made; this \
                 concerns {}",
                wanted.join(", ")
            ),
            AGAIN,
        ));
    }
    if !moved.is_empty() {
        return Err(Failure::usage(
            format!("changed since the plan was made: {}", moved.join(", ")),
            AGAIN,
        ));
    }
    Ok(())
}

/// What a plan wants the host to be in the end, whatever the host is now.
fn wants(plan: &HostPlan) -> jitctl_deploy::manifest::Manifest {
    let mut manifest = plan.manifest.clone();
    manifest.release = 0;
    manifest
}

#[cfg(test)]
mod tests {
    use jitctl_deploy::plan::VERSION;

    use super::{read, still_holds};
    use crate::failure::Failure;

    fn message(failure: &Failure) -> String {
        failure.reports[0].to_string()
    }

    fn plan(basis: &str, release: u64, service: &str) -> jitctl_deploy::SitePlan {
        serde_json::from_value(serde_json::json!({
            "version": VERSION,
            "hosts": [{
                "host": "h1", "roles": ["main"], "basis": basis, "release": release,
                "heals": null, "packages": [], "users": [], "directories": [], "programs": [],
                "files": [], "links": [], "accounts": [], "firewall": null, "services": [],
                "actions": [], "interruptions": [], "records": false, "warnings": [],
                "manifest": { "version": 1, "release": release, "files": [], "services": [service] },
            }],
        }))
        .expect("a plan")
    }

    #[test]
    fn a_plan_holds_as_long_as_hosts_and_wishes_are_the_same() {
        let saved = plan("a", 2, "prosody.service");
        still_holds(&saved, &saved).expect("nothing changed");
        let moved = still_holds(&saved, &plan("b", 3, "prosody.service")).unwrap_err();
        assert_eq!(message(&moved), "changed since the plan was made: h1");
        let other = still_holds(&saved, &plan("a", 2, "coturn.service")).unwrap_err();
        assert!(message(&other).starts_with("the inventory, the secrets or the programs changed"));
    }

    #[test]
    fn a_plan_of_another_version_is_refused_by_its_version() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plan.json");
        std::fs::write(&path, r#"{ "version": 99, "machines": [] }"#).expect("written");
        let refused = read(&path).unwrap_err();
        assert!(
            message(&refused).contains("version 99"),
            "{}",
            message(&refused)
        );
    }
}
