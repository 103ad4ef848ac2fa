//! How `jitctl` reaches the hosts: nothing that ssh would misread, no circles of jump hosts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Rule, doubled};
use crate::load::Path;
use crate::model::{Host, Inventory};
use crate::names::HostName;

pub(super) const RULES: &[Rule] = &[
    Rule::error("E045", "jump through itself", "A host cannot be its own jump host: ssh would have to be there already to get there.").check(jump_to_itself),
    Rule::error("E046", "jump hosts in a circle", "Hosts of the inventory that are reached through each other can never be reached at all.").check(jump_circle),
    Rule::error("E047", "ssh value that ssh would misread", "Addresses, logins and jump hosts are handed to `ssh` as they are: no spaces, no leading `-` (it would be an option), no port inside `address:`, port from 1.").check(misread),
    Rule::error("E048", "two hosts at one ssh address", "Two entries would be reached at the same address and port through the same jump host: the second apply would undo the first.").check(same_target),
    Rule::warning("E049", "no way to root", "Changing a host needs root: log in as `root`, or leave `sudo: true` with `NOPASSWD` for the login.").check(no_root),
];

fn field(name: &HostName, key: &str) -> Path {
    Path::host(name).key("ssh").key(key)
}

/// The address of `user@address:port`, as `ssh -J` takes it.
fn jump_host(jump: &str) -> &str {
    let last = jump.rsplit(',').next().unwrap_or(jump);
    let address = last.rsplit_once('@').map_or(last, |(_, address)| address);
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => host,
        _ => address,
    }
}

/// What `ssh` is told to dial.
fn target<'a>(name: &'a HostName, host: &'a Host) -> &'a str {
    host.ssh.address.as_deref().unwrap_or(name.as_str())
}

fn jump_to_itself(inventory: &Inventory) -> Vec<Finding> {
    let hosts = inventory.hosts.iter();
    hosts
        .filter(|(name, host)| {
            host.ssh.jump.as_deref().is_some_and(|jump| {
                let jump = jump_host(jump);
                let own_port = host.ssh.port.is_none();
                own_port && (jump == target(name, host) || jump == name.as_str())
            })
        })
        .map(|(name, _)| {
            Finding::new(
                field(name, "jump"),
                format!("`{name}` would be reached through itself"),
                "this is the host itself",
            )
            .help("remove `jump:`, or name the host in between")
        })
        .collect()
}

fn jump_circle(inventory: &Inventory) -> Vec<Finding> {
    let hosts = inventory.hosts.iter();
    let targets: BTreeMap<&str, (&HostName, &Host)> = hosts
        .map(|(name, host)| (target(name, host), (name, host)))
        .collect();
    let mut findings = Vec::new();
    for (name, host) in &inventory.hosts {
        let mut seen = BTreeSet::from([name]);
        let mut current = host;
        while let Some((next_name, next)) = current
            .ssh
            .jump
            .as_deref()
            .and_then(|jump| targets.get(jump_host(jump)).copied())
        {
            // A jump to oneself is a rule of its own; another host's circle is that host's.
            if !seen.insert(next_name) {
                if next_name == name && seen.len() > 1 {
                    let way = seen
                        .iter()
                        .map(|one| format!("`{one}`"))
                        .collect::<Vec<_>>();
                    let message =
                        format!("`{name}` is reached through a circle of {}", way.join(", "));
                    findings.push(
                        Finding::new(field(name, "jump"), message, "part of the circle")
                            .help("let one of them be reached directly"),
                    );
                }
                break;
            }
            current = next;
        }
    }
    findings
}

fn misread(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, host) in &inventory.hosts {
        let texts = [
            ("address", &host.ssh.address),
            ("user", &host.ssh.user),
            ("jump", &host.ssh.jump),
        ];
        for (key, text) in texts {
            let Some(text) = text else {
                continue;
            };
            if let Some((fault, help)) = text_fault(key, text) {
                let message = format!("`{text}` cannot be the ssh {key} of `{name}`: {fault}");
                findings.push(Finding::new(field(name, key), message, fault).help(help));
            }
        }
        if host.ssh.port == Some(0) {
            let message = format!("`{name}` cannot be reached at port 0");
            findings.push(
                Finding::new(field(name, "port"), message, "not a port")
                    .help("the usual port is 22"),
            );
        }
    }
    findings
}

fn text_fault(key: &str, text: &str) -> Option<(&'static str, &'static str)> {
    if text.is_empty() {
        return Some(("it is empty", "leave the key out for ssh's own default"));
    }
    if text.starts_with('-') {
        return Some(("it starts with `-`", "ssh would take it for an option"));
    }
    if text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Some(("it has a space", "write it without spaces"));
    }
    if text.contains(|letter: char| "'\"`$;|&<>(){}\\".contains(letter)) {
        return Some((
            "it has a character that shells treat as their own",
            "use a plain name or address",
        ));
    }
    if key == "address" && text.contains('@') {
        return Some(("it has a login", "write the login as `ssh.user`"));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    if key == "address" && !host.contains(':') && port.parse::<u16>().is_ok() {
        return Some(("it has a port", "write the port as `ssh.port`"));
    }
    if key == "address" && text.starts_with('[') {
        return Some(("it has brackets", "write an IPv6 address without brackets"));
    }
    (key == "user" && text.contains(['@', ':', '/']))
        .then_some(("it is no login name", "write the login only"))
}

fn same_target(inventory: &Inventory) -> Vec<Finding> {
    let targets = inventory.hosts.iter().map(|(name, host)| {
        let ssh = &host.ssh;
        (
            (
                target(name, host),
                ssh.port.unwrap_or(22),
                &ssh.jump,
                &ssh.config,
            ),
            name,
        )
    });
    let report = |((address, port, ..), names): ((&str, u16, _, _), Vec<&HostName>)| {
        let (first, others) = names.split_first()?;
        let finding = |name: &&HostName| {
            Finding::new(
                field(name, "address"),
                format!("`{name}` and `{first}` are both reached at {address} port {port}"),
                "same target",
            )
            .twin(field(first, "address"), "first used here")
            .help("correct one of the two, or remove the doubled host")
        };
        Some(others.iter().map(finding).collect::<Vec<_>>())
    };
    doubled(targets)
        .into_iter()
        .filter_map(report)
        .flatten()
        .collect()
}

fn no_root(inventory: &Inventory) -> Vec<Finding> {
    let hosts = inventory.hosts.iter();
    hosts
        .filter(|(_, host)| {
            !host.ssh.sudo && host.ssh.user.as_deref().is_some_and(|user| user != "root")
        })
        .map(|(name, host)| {
            let user = host.ssh.user.as_deref().unwrap_or_default();
            Finding::new(
                field(name, "sudo"),
                format!("`{user}` on `{name}` has no way to root"),
                "no sudo",
            )
            .also(field(name, "user"), "not root")
            .help("set `sudo: true`, or log in as root")
        })
        .collect()
}
