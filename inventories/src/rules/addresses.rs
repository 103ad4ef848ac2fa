//! Addresses of hosts: usable, in the right list, and of one host only.

use std::net::IpAddr;

use super::syntax::{private_range, unusable};
use super::{Finding, Rule, doubled};
use crate::load::Path;
use crate::model::{Host, Inventory, Role};
use crate::names::HostName;

pub(super) const RULES: &[Rule] = &[
    Rule::error("E020", "host without an address", "Firewall sets, XMPP and media all need to know an address of every host: at least one under `private:` or `public:`.").check(none),
    Rule::error("E021", "address of two hosts", "One address cannot belong to two hosts. Hosts behind one NAT may share a public address as long as no port is wanted twice: one MAIN, and bridges with a media port each.").check(shared),
    Rule::error("E022", "address written twice", "The same address stands twice in the lists of one host. If private and public are the same, write it under `public:` only.").check(repeated),
    Rule::error("E023", "address that no host can have", "Loopback, unspecified, multicast, link-local and reserved addresses mean something else on every host, so no other host could use them.").check(special),
    Rule::error("E024", "private address under `public:`", "Addresses under `public:` are advertised to the participants' browsers, which cannot reach private ranges (RFC 1918, RFC 6598, RFC 4193).").check(private_in_public),
    Rule::warning("E025", "public address under `private:`", "An address that is reachable from the Internet stands under `private:`. That works when your network really uses it inside; usually it belongs under `public:`.").check(public_in_private),
];

/// All addresses of a host with their paths.
fn of<'a>(name: &'a HostName, host: &'a Host) -> impl Iterator<Item = (IpAddr, Path, bool)> + 'a {
    let list = move |key: &'static str, addresses: &'a [IpAddr]| {
        addresses.iter().enumerate().map(move |(index, address)| {
            let path = Path::host(name).key("address").key(key).index(index);
            (*address, path, key == "public")
        })
    };
    list("private", &host.address.private).chain(list("public", &host.address.public))
}

fn all(inventory: &Inventory) -> impl Iterator<Item = (&HostName, &Host, IpAddr, Path, bool)> {
    inventory.hosts.iter().flat_map(|(name, host)| {
        of(name, host).map(move |(address, path, public)| (name, host, address, path, public))
    })
}

fn none(inventory: &Inventory) -> Vec<Finding> {
    let hosts = inventory.hosts.iter();
    hosts
        .filter(|(_, host)| host.address.private.is_empty() && host.address.public.is_empty())
        .map(|(name, _)| {
            Finding::new(
                Path::host(name).key("address"),
                format!("`{name}` has no address"),
                "empty",
            )
            .on_key()
            .help("write `address: { private: [10.0.0.5] }`, `public:`, or both")
        })
        .collect()
}

/// Whether two hosts may stand behind one public address: the router forwards MAIN's ports to one
/// host and each bridge's media port to its own.
fn may_share(one: &Host, two: &Host) -> bool {
    let both = |role| one.roles.contains(&role) && two.roles.contains(&role);
    !both(Role::Main) && (!both(Role::Bridge) || one.media_port() != two.media_port())
}

fn shared(inventory: &Inventory) -> Vec<Finding> {
    let owners = all(inventory)
        .map(|(name, host, address, path, public)| (address, (name, host, path, public)));
    let mut findings = Vec::new();
    for (address, owners) in doubled(owners) {
        for (position, (name, host, path, public)) in owners.iter().enumerate() {
            let earlier = owners[..position]
                .iter()
                .find(|(other, other_host, _, other_public)| {
                    other != name && !(*public && *other_public && may_share(host, other_host))
                });
            let Some((other, _, other_path, _)) = earlier else {
                continue;
            };
            let message = format!("`{name}` and `{other}` have the same address {address}");
            findings.push(
                Finding::new(path.clone(), message, "used again")
                    .twin(other_path.clone(), "first used here")
                    .cause("whatever is meant for one of the two would reach the other")
                    .help("correct one of the two; bridges behind one NAT need different `overrides.bridge.media_port`"),
            );
        }
    }
    findings
}

fn repeated(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, host) in &inventory.hosts {
        for (address, paths) in doubled(of(name, host).map(|(address, path, _)| (address, path))) {
            let Some((first, others)) = paths.split_first() else {
                continue;
            };
            findings.extend(others.iter().map(|path| {
                Finding::new(
                    path.clone(),
                    format!("`{name}` has the address {address} twice"),
                    "again",
                )
                .twin(first.clone(), "first written here")
                .help(
                    "remove one of the two; an address that the world reaches goes under `public:`",
                )
            }));
        }
    }
    findings
}

fn special(inventory: &Inventory) -> Vec<Finding> {
    all(inventory)
        .filter_map(|(_, _, address, path, _)| {
            let what = unusable(address)?;
            Some(
                Finding::new(
                    path,
                    format!("{address} cannot be the address of a host"),
                    what,
                )
                .help("write the address under which the other hosts or the world reach it"),
            )
        })
        .collect()
}

fn private_in_public(inventory: &Inventory) -> Vec<Finding> {
    all(inventory)
        .filter(|(.., public)| *public)
        .filter_map(|(_, _, address, path, _)| {
            let range = private_range(address)?;
            Some(Finding::new(path, format!("{address} is not a public address"), range)
                .cause("browsers would be told to send their media there and could not")
                .help("write it under `private:`, and the address that the world sees under `public:`"))
        })
        .collect()
}

fn public_in_private(inventory: &Inventory) -> Vec<Finding> {
    all(inventory)
        .filter(|(_, _, address, _, public)| {
            !public && private_range(*address).is_none() && unusable(*address).is_none()
        })
        .map(|(_, _, address, path, _)| {
            Finding::new(
                path,
                format!("{address} is not in a private range"),
                "reachable from the Internet?",
            )
            .help("write it under `public:`, unless your own network really uses it inside")
        })
        .collect()
}
