//! Who can reach whom: bridges dial MAIN, browsers dial MAIN and bridges.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Finding, Rule};
use crate::load::Path;
use crate::model::{Host, Inventory, Role, Tls, XmppVia};
use crate::names::HostName;

pub(super) const RULES: &[Rule] = &[
    Rule::error("E040", "`xmpp_via: private` without a private address", "The bridge shall dial MAIN at its private address, but one of the two has none: write it, or use `auto` or `public`.").check(via_private),
    Rule::error("E041", "`xmpp_via: public` without a public address", "The bridge shall dial MAIN at its public address, but MAIN has none: write it, or use `auto` or `private`.").check(via_public),
    Rule::error("E042", "no common address family", "The bridge has addresses of one family (IPv4 or IPv6) and MAIN has the other only, so the bridge can never log in.").check(families),
    Rule::error("E043", "bridge that nobody can reach", "`advertise_private: false` leaves the bridge with its public addresses only, and it has none: no participant would get an address to send media to.").check(no_candidate),
    Rule::warning("E044", "bridge without a public address", "The site takes part in the public Internet (TLS by ACME), but this bridge has only private addresses: people outside your network will have neither sound nor picture.").check(no_public),
];

/// What a bridge must do to reach MAIN, and where that was said.
fn via(inventory: &Inventory, name: &HostName, host: &Host) -> (XmppVia, Path) {
    match host.overrides.xmpp_via {
        Some(via) => (via, Path::host(name).key("overrides").key("xmpp_via")),
        None => (
            inventory.site.xmpp_via,
            Path::root().key("site").key("xmpp_via"),
        ),
    }
}

type Named<'a> = (&'a HostName, &'a Host);

/// Every bridge with every MAIN on another host.
fn pairs(inventory: &Inventory) -> impl Iterator<Item = (Named<'_>, Named<'_>)> {
    let mains: Vec<Named<'_>> = inventory.hosts_with(Role::Main).collect();
    inventory.hosts_with(Role::Bridge).flat_map(move |bridge| {
        let others: Vec<_> = mains
            .iter()
            .copied()
            .filter(|main| main.0 != bridge.0)
            .collect();
        others.into_iter().map(move |main| (bridge, main))
    })
}

fn via_private(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    // One host that lacks an address is one finding, however many need it.
    let mut reported = BTreeSet::new();
    for ((name, bridge), (main_name, main)) in pairs(inventory) {
        let (via, path) = via(inventory, name, bridge);
        let lacking = [(main_name, main), (name, bridge)]
            .into_iter()
            .find(|(_, host)| host.address.private.is_empty());
        if let (XmppVia::Private, Some((lacking, _))) = (via, lacking)
            && reported.insert(lacking)
        {
            let message = format!(
                "bridge `{name}` cannot dial `{main_name}` at a private address: `{lacking}` has none"
            );
            findings.push(
                Finding::new(Path::host(lacking).key("address"), message, "no `private:`")
                    .on_key()
                    .also(path, "asked for here")
                    .help("add the private address, or use `auto`"),
            );
        }
    }
    findings
}

fn via_public(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    // One host that lacks an address is one finding, however many need it.
    let mut reported = BTreeSet::new();
    for ((name, bridge), (main_name, main)) in pairs(inventory) {
        let (via, path) = via(inventory, name, bridge);
        let lacking = via == XmppVia::Public && main.address.public.is_empty();
        if lacking && reported.insert(main_name) {
            let message = format!(
                "bridge `{name}` cannot dial `{main_name}` at a public address: it has none"
            );
            findings.push(
                Finding::new(
                    Path::host(main_name).key("address"),
                    message,
                    "no `public:`",
                )
                .on_key()
                .also(path, "asked for here")
                .help("add the public address, or use `auto`"),
            );
        }
    }
    findings
}

fn all(host: &Host) -> impl Iterator<Item = &IpAddr> {
    host.address.private.iter().chain(&host.address.public)
}

fn families(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((name, bridge), (main_name, main)) in pairs(inventory) {
        let empty = all(bridge).next().is_none() || all(main).next().is_none();
        let common = all(bridge).any(|one| all(main).any(|two| one.is_ipv4() == two.is_ipv4()));
        if empty || common {
            continue;
        }
        let family = |host: &Host| {
            if all(host).all(IpAddr::is_ipv4) {
                "IPv4"
            } else {
                "IPv6"
            }
        };
        let message = format!(
            "bridge `{name}` has {} only and `{main_name}` has {} only",
            family(bridge),
            family(main)
        );
        findings.push(
            Finding::new(
                Path::host(name).key("address"),
                message,
                "cannot reach MAIN",
            )
            .on_key()
            .also(Path::host(main_name).key("address"), "MAIN")
            .help("give one of the two an address of the other family"),
        );
    }
    findings
}

/// Whether the bridge knows a public address, or asks for it.
fn has_public(host: &Host) -> bool {
    !host.address.public.is_empty() || !host.overrides.bridge.stun_servers.is_empty()
}

fn no_candidate(inventory: &Inventory) -> Vec<Finding> {
    inventory
        .hosts_with(Role::Bridge)
        .filter(|(_, host)| {
            host.overrides.bridge.advertise_private == Some(false) && !has_public(host)
        })
        .map(|(name, _)| {
            let path = Path::host(name)
                .key("overrides")
                .key("bridge")
                .key("advertise_private");
            Finding::new(
                path,
                format!("nobody could reach bridge `{name}`"),
                "hides its only addresses",
            )
            .also(Path::host(name).key("address"), "no `public:` here")
            .help("add `address.public` or `stun_servers`, or advertise the private addresses")
        })
        .collect()
}

fn no_public(inventory: &Inventory) -> Vec<Finding> {
    if !matches!(inventory.site.tls, Tls::Acme { .. }) {
        return Vec::new();
    }
    inventory
        .hosts_with(Role::Bridge)
        .filter(|(_, host)| {
            !has_public(host) && host.overrides.bridge.advertise_private != Some(false)
        })
        .map(|(name, _)| {
            let message = format!("bridge `{name}` has no public address");
            Finding::new(Path::host(name).key("address"), message, "private only")
                .on_key()
                .help("write the address that the world sees under `public:`, also behind NAT; if it changes, name `overrides.bridge.stun_servers`")
        })
        .collect()
}
