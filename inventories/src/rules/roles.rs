//! What hosts carry, and settings that their roles leave without effect.

use super::syntax::{dns_name_fault, plain_name_fault, server_fault};
use super::{Finding, Rule};
use crate::load::Path;
use crate::model::{BridgeOverrides, Host, Inventory, Role};
use crate::names::HostName;

/// Ports of coturn on MAIN.
const TURN_PORTS: [u16; 2] = [3478, 5349];

pub(super) const RULES: &[Rule] = &[
    Rule::error("E030", "host without a role", "A host that carries nothing needs no place in the inventory: give it `main`, `bridge` or both.").check(no_role),
    Rule::error("E032", "no host with role `main`", "Without MAIN there is no Prosody, no focus and no web page, so the bridges have nothing to join.").check(no_main),
    Rule::warning("E033", "no host with role `bridge`", "Without a bridge people find the page and each other, but no picture and no sound pass. `jitctl add-bridge HOST` adds one.").check(no_bridge),
    Rule::warning("E034", "several hosts with role `main`", "Every MAIN runs rooms of its own: people of one room must reach the same MAIN, or they will not find each other. A front that places rooms is not part of this release; point the DNS name at one MAIN.").check(several_mains),
    Rule::warning("E035", "bridge settings without a bridge", "`overrides.bridge` has no effect on a host without the role `bridge`.").check(bridge_overrides),
    Rule::warning("E036", "`xmpp_via` without a bridge", "`overrides.xmpp_via` says how this host's bridge dials MAIN; a host without a bridge dials nobody.").check(via_override),
    Rule::warning("E037", "region without a bridge", "Only bridges publish a region; on another host it serves `--on region=` at most.").check(region_without_bridge),
    Rule::error("E038", "media port cannot be used", "The media port is one UDP port from 1 to 65535 that no other service of the host uses: with TURN on MAIN, 3478 and 5349 are taken.").check(media_port),
    Rule::error("E064", "STUN server that is none", "A bridge asks its STUN servers at `HOST:PORT`, such as `stun.example.org:3478`.").check(stun_servers),
    Rule::error("E062", "`foreign` where it cannot be", "`foreign:` marks the MAIN of a site that others keep. Such a site has this one MAIN, and the host carries no bridge of ours: the media port there belongs to theirs.").check(foreign_place),
    Rule::error("E063", "`foreign` that no bridge can use", "`domain` is the XMPP host of the bridges' account, a DNS name; `username` its local part; `brewery` the room as `ROOM@HOST`. `jitctl import` reads all three from the host.").check(foreign_values),
    Rule::warning("E039", "some bridges have no region", "The focus prefers bridges of the participant's region. With regions on some bridges only, the others are chosen last.").check(mixed_regions),
];

fn hosts(inventory: &Inventory, wanted: impl Fn(&Host) -> bool) -> Vec<&HostName> {
    let hosts = inventory.hosts.iter();
    hosts
        .filter(|(_, host)| wanted(host))
        .map(|(name, _)| name)
        .collect()
}

fn is_bridge(host: &Host) -> bool {
    host.roles.contains(&Role::Bridge)
}

fn no_role(inventory: &Inventory) -> Vec<Finding> {
    hosts(inventory, |host| host.roles.is_empty())
        .into_iter()
        .map(|name| {
            Finding::new(
                Path::host(name).key("roles"),
                format!("`{name}` has no role"),
                "empty",
            )
            .help("write `roles: [main]`, `[bridge]` or `[main, bridge]`")
        })
        .collect()
}

fn no_main(inventory: &Inventory) -> Vec<Finding> {
    if inventory.hosts_with(Role::Main).next().is_some() {
        return Vec::new();
    }
    vec![
        Finding::new(
            Path::root().key("hosts"),
            "no host has the role `main`",
            "no MAIN below here",
        )
        .on_key()
        .cause("the bridges have nothing to join")
        .help("write `roles: [main]` at one host"),
    ]
}

fn no_bridge(inventory: &Inventory) -> Vec<Finding> {
    if inventory.hosts.is_empty() || inventory.hosts_with(Role::Bridge).next().is_some() {
        return Vec::new();
    }
    vec![
        Finding::new(
            Path::root().key("hosts"),
            "no host has the role `bridge`",
            "no BRIDGE below here",
        )
        .on_key()
        .cause("neither sound nor picture will pass")
        .help("add a host with `jitctl add-bridge HOST`, or `bridge` to the roles of MAIN"),
    ]
}

fn several_mains(inventory: &Inventory) -> Vec<Finding> {
    let mains: Vec<_> = inventory
        .hosts_with(Role::Main)
        .map(|(name, _)| name)
        .collect();
    let [first, second, ..] = mains[..] else {
        return Vec::new();
    };
    let count = mains.len();
    vec![
        Finding::new(
            Path::host(second).key("roles"),
            format!("{count} hosts have the role `main`, and each runs rooms of its own"),
            "another MAIN",
        )
        .twin(Path::host(first).key("roles"), "the first MAIN")
        .cause("people of one room who reach different MAINs do not find each other")
        .help(format!(
            "let `{}` resolve to one MAIN at a time",
            inventory.site.domain
        )),
    ]
}

fn bridge_overrides(inventory: &Inventory) -> Vec<Finding> {
    hosts(inventory, |host| {
        !is_bridge(host) && host.overrides.bridge != BridgeOverrides::default()
    })
    .into_iter()
    .map(|name| without_bridge(name, Path::host(name).key("overrides").key("bridge")))
    .collect()
}

fn via_override(inventory: &Inventory) -> Vec<Finding> {
    hosts(inventory, |host| {
        !is_bridge(host) && host.overrides.xmpp_via.is_some()
    })
    .into_iter()
    .map(|name| without_bridge(name, Path::host(name).key("overrides").key("xmpp_via")))
    .collect()
}

fn region_without_bridge(inventory: &Inventory) -> Vec<Finding> {
    hosts(inventory, |host| !is_bridge(host) && host.region.is_some())
        .into_iter()
        .map(|name| without_bridge(name, Path::host(name).key("region")))
        .collect()
}

fn without_bridge(name: &HostName, path: Path) -> Finding {
    let message = format!("`{path}` has no effect: `{name}` is no bridge");
    Finding::new(path, message, "does nothing")
        .on_key()
        .also(Path::host(name).key("roles"), "no `bridge` here")
        .help("remove it, or add the role `bridge`")
}

fn media_port(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, host) in inventory.hosts_with(Role::Bridge) {
        let path = Path::host(name)
            .key("overrides")
            .key("bridge")
            .key("media_port");
        let port = host.media_port();
        if port == 0 {
            findings.push(
                Finding::new(path, "0 is no port for media", "not a fixed port")
                    .help("choose one, or leave it out for 10000"),
            );
        } else if inventory.site.turn.enabled
            && host.roles.contains(&Role::Main)
            && TURN_PORTS.contains(&port)
        {
            findings.push(
                Finding::new(
                    path,
                    format!("UDP port {port} belongs to TURN on this host"),
                    "taken",
                )
                .also(
                    Path::root().key("site").key("turn").key("enabled"),
                    "TURN is on",
                )
                .help("leave it out for 10000, or choose another"),
            );
        }
    }
    findings
}

fn stun_servers(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, host) in inventory.hosts_with(Role::Bridge) {
        for (number, server) in host.overrides.bridge.stun_servers.iter().enumerate() {
            let path = Path::host(name)
                .key("overrides")
                .key("bridge")
                .key("stun_servers")
                .index(number);
            if let Some(fault) = server_fault(server) {
                findings.push(
                    Finding::new(
                        path,
                        format!("`{server}` is no STUN server: {fault}"),
                        "here",
                    )
                    .help("write `HOST:PORT`, such as `stun.example.org:3478`"),
                );
            }
        }
    }
    findings
}

fn foreign_place(inventory: &Inventory) -> Vec<Finding> {
    let mains = inventory.hosts_with(Role::Main).count();
    let hosts = inventory.hosts.iter();
    let foreign = hosts.filter(|(_, host)| host.foreign.is_some());
    foreign
        .filter_map(|(name, host)| {
            let (what, help) = if !host.roles.contains(&Role::Main) {
                ("is no MAIN", "write `roles: [main]`, or remove `foreign:`")
            } else if is_bridge(host) {
                (
                    "carries a bridge of ours",
                    "put the bridge on another host: `jitctl add-bridge HOST`",
                )
            } else if mains > 1 {
                ("is not the only MAIN", "keep one inventory for each site")
            } else {
                return None;
            };
            let path = Path::host(name).key("foreign");
            let message = format!("`{name}` is kept by others and {what}");
            Some(
                Finding::new(path, message, "kept by others")
                    .on_key()
                    .also(Path::host(name).key("roles"), "its roles")
                    .help(help),
            )
        })
        .collect()
}

fn foreign_values(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, host) in &inventory.hosts {
        let Some(foreign) = &host.foreign else {
            continue;
        };
        let brewery = foreign.brewery.split_once('@');
        let wrong = [
            ("domain", dns_name_fault(foreign.domain.as_str()).is_some()),
            ("username", plain_name_fault(&foreign.username).is_some()),
            (
                "brewery",
                brewery.is_none_or(|(room, at)| room.is_empty() || dns_name_fault(at).is_some()),
            ),
        ];
        for (key, _) in wrong.into_iter().filter(|(_, wrong)| *wrong) {
            let path = Path::host(name).key("foreign").key(key);
            let message = format!("`{path}` cannot be used to log in");
            findings.push(
                Finding::new(path, message, "not usable")
                    .help("write what `jvb.conf` on that host says, or run `jitctl import` again"),
            );
        }
    }
    findings
}

fn mixed_regions(inventory: &Inventory) -> Vec<Finding> {
    let some = inventory
        .hosts_with(Role::Bridge)
        .find(|(_, host)| host.region.is_some());
    let Some((with_region, _)) = some else {
        return Vec::new();
    };
    inventory
        .hosts_with(Role::Bridge)
        .filter(|(_, host)| host.region.is_none())
        .map(|(name, _)| {
            Finding::new(
                Path::host(name),
                format!("bridge `{name}` has no region, others have"),
                "no `region:`",
            )
            .on_key()
            .also(Path::host(with_region).key("region"), "has one")
            .help("give every bridge a `region:`, or none")
        })
        .collect()
}
