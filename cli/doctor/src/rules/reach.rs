//! The way to each bridge's media port, from this machine and from the site's hosts.

use std::net::SocketAddr;

use jitctl_inventory::names::HostName;
use jitctl_inventory::rules::is_private_address;

use crate::catalogue;
use crate::discovery;
use crate::finding::Finding;
use crate::observe::probe::{Counted, MediaPort, Reach, UdpAnswer};
use crate::observe::{HostFacts, Observation};

const UNIT: &str = "jitctl-bridge.service";

/// A running bridge with its media port.
struct Bridge<'o> {
    name: &'o HostName,
    facts: &'o HostFacts,
    port: &'o MediaPort,
    public: &'o [std::net::IpAddr],
    number: u16,
}

impl Bridge<'_> {
    fn asked_here(&self) -> impl Iterator<Item = &Reach> {
        self.port.reaches.iter().filter(|one| one.from.is_none())
    }

    fn asked_on_hosts(&self) -> impl Iterator<Item = &Reach> {
        self.port.reaches.iter().filter(|one| one.from.is_some())
    }

    /// All addresses that people are told: those it was told, has, and asked for.
    fn advertised(&self) -> Vec<SocketAddr> {
        let told = self.port.mapped.iter().chain(&self.port.own).copied();
        let discovered = self.port.discovered.iter();
        told.chain(discovered.filter_map(|(_, answer)| match answer {
            UdpAnswer::Answered(address) => Some(SocketAddr::new(address.ip(), self.number)),
            _ => None,
        }))
        .collect()
    }

    /// Whether the world has an address of it. An operator may call a private one public: then it
    /// is meant.
    fn is_public(&self) -> bool {
        let mut advertised = self.advertised().into_iter().map(|one| one.ip());
        advertised.any(|ip| !is_private_address(ip) || self.public.contains(&ip))
    }

    /// Whether the bridge's own program holds the port.
    fn listens(&self) -> bool {
        self.facts.listeners.iter().any(|one| {
            let program = one.process.as_deref().unwrap_or_default();
            one.protocol == "udp" && one.port == self.number && program.starts_with("jitctl-bridge")
        })
    }
}

fn bridges(observation: &Observation) -> Vec<Bridge<'_>> {
    observation
        .seen()
        .filter_map(|(name, sight, facts)| {
            let port = sight.media.as_ref()?;
            let address = port.mapped.first().or_else(|| port.own.first());
            let number = address
                .map(SocketAddr::port)
                .or(sight.expected.media_port)?;
            let running = facts.units.get(UNIT)?.active == "active";
            running.then_some(Bridge {
                name,
                facts,
                port,
                public: &sight.public_addresses,
                number,
            })
        })
        .collect()
}

fn answered(reach: &Reach) -> bool {
    matches!(reach.answer, UdpAnswer::Answered(_))
}

fn failed(reach: &Reach) -> bool {
    matches!(reach.answer, UdpAnswer::Silent | UdpAnswer::Refused)
}

/// Nobody listens; wrong mapping; blocked: for each bridge the first that holds.
pub(super) fn media(observation: &Observation) -> Vec<Finding> {
    let outside = observation.looks_from_outside();
    bridges(observation)
        .iter()
        .filter_map(|bridge| {
            unused(bridge)
                .or_else(|| outside.then(|| wrong(bridge)).flatten())
                .or_else(|| blocked(bridge, outside))
        })
        .collect()
}

fn unused(bridge: &Bridge<'_>) -> Option<Finding> {
    if bridge.listens() || bridge.port.reaches.iter().any(answered) {
        return None;
    }
    let taken = bridge
        .facts
        .listeners
        .iter()
        .any(|one| one.protocol == "udp" && one.port == bridge.number && one.process.is_some());
    // That another program has it is a finding of its own.
    if taken {
        return None;
    }
    let (name, number) = (bridge.name, bridge.number);
    let finding = Finding::of(&catalogue::MEDIA_PORT_UNUSED, Some(name))
        .what(format!("nobody on `{name}` listens on {number}/udp"))
        .seen(format!("ss on `{name}` shows no bridge on {number}/udp"))
        .fixed_by_apply();
    let refusals = bridge
        .port
        .reaches
        .iter()
        .filter(|one| one.answer == UdpAnswer::Refused);
    Some(
        refusals
            .take(2)
            .fold(finding, |finding, reach| finding.seen(line(reach))),
    )
}

/// A mapping that is silent while the bridge answers under another address.
fn wrong(bridge: &Bridge<'_>) -> Option<Finding> {
    if !bridge.asked_here().any(answered) {
        return None;
    }
    let silent: Vec<&Reach> = bridge
        .asked_here()
        .filter(|one| failed(one) && bridge.port.mapped.contains(&one.address))
        .collect();
    let first = silent.first()?;
    let name = bridge.name;
    let finding = Finding::of(&catalogue::ADDRESS_WRONG, Some(name)).what(format!(
        "`{name}` advertises {}, where nobody answers",
        first.address
    ));
    let shown = silent
        .iter()
        .copied()
        .chain(bridge.asked_here().filter(|one| answered(one)));
    Some(shown.fold(finding, |finding, reach| finding.seen(line(reach))))
}

fn blocked(bridge: &Bridge<'_>, outside: bool) -> Option<Finding> {
    let (name, number) = (bridge.name, bridge.number);
    let finding = |what: String| Finding::of(&catalogue::MEDIA_BLOCKED, Some(name)).what(what);
    let inside = bridge.asked_on_hosts().find(|one| answered(one));
    if outside {
        if bridge.asked_here().any(answered) || !bridge.asked_here().any(failed) {
            return None;
        }
        let mut finding = match inside {
            Some(reach) => finding(format!("{number}/udp of `{name}` is blocked from outside"))
                .because("a firewall before the host, or the host's own rules, let in the site's hosts only")
                .seen(line(reach)),
            None => finding(format!("{number}/udp of `{name}` is blocked for everybody")),
        };
        for reach in bridge.asked_here().filter(|one| failed(one)) {
            finding = finding.seen(line(reach));
        }
        return Some(match bridge.port.counted {
            Some(counted) => count(finding, name, number, counted),
            None => finding,
        });
    }
    // Without a view from outside only total silence says something.
    if inside.is_some() || !bridge.asked_on_hosts().any(failed) {
        return None;
    }
    let silent = bridge.asked_on_hosts().filter(|one| failed(one));
    Some(silent.fold(
        finding(format!(
            "no host of the site reaches {number}/udp of `{name}`"
        )),
        |finding, reach| finding.seen(line(reach)),
    ))
}

/// How far the datagrams came.
fn count(finding: Finding, name: &HostName, number: u16, counted: Counted) -> Finding {
    let Counted {
        sent,
        filter,
        delivered,
        unclaimed,
    } = counted;
    let seen = match filter {
        Some(filter) => finding.seen(format!(
            "of {sent} more datagrams the packet filter of `{name}` counted {filter} on {number}/udp; \
             its kernel delivered {delivered} datagrams to programs, {unclaimed} to nobody"
        )),
        None => finding.seen(format!(
            "while {sent} more datagrams were sent, the kernel of `{name}` delivered {delivered} to \
             programs, {unclaimed} to nobody; no rule of ours counts {number}/udp"
        )),
    };
    match filter {
        Some(0) => seen.because(
            "they do not reach the host: a firewall before it, at the provider for example",
        ),
        Some(_) if delivered < sent => {
            seen.because("they reach the host, and other rules there drop them after ours")
        }
        Some(_) => seen.because("they reach the bridge, and it does not answer"),
        None => seen,
    }
}

fn line(reach: &Reach) -> String {
    let from = reach
        .from
        .as_ref()
        .map_or_else(|| "this machine".to_owned(), |host| format!("`{host}`"));
    let answer = match &reach.answer {
        UdpAnswer::Answered(seen_as) => format!("answered, and saw {seen_as}"),
        UdpAnswer::Refused => "refused (port unreachable)".to_owned(),
        UdpAnswer::Silent => "no answer to 3 Binding requests".to_owned(),
        UdpAnswer::NoWay => "no way there".to_owned(),
    };
    format!("{from} to {}: {answer}", reach.address)
}

/// A bridge that knows no public address asks for one, and nobody tells it.
pub(super) fn undiscovered(observation: &Observation) -> Vec<Finding> {
    let hidden = bridges(observation).into_iter();
    hidden
        .filter(|bridge| !bridge.is_public())
        .filter_map(|bridge| {
            let finding = discovery::finding(bridge.name, &bridge.port.discovered)?;
            Some(finding.cured_by(catalogue::ADDRESS_PRIVATE.cure))
        })
        .collect()
}

/// MAIN has a public address and the bridge none.
pub(super) fn private_only(observation: &Observation) -> Vec<Finding> {
    let main_is_public = observation.mains().any(|(_, sight)| {
        sight
            .public_addresses
            .iter()
            .any(|ip| !is_private_address(*ip))
    });
    if !main_is_public {
        return Vec::new();
    }
    bridges(observation)
        .iter()
        .filter_map(|bridge| {
            if bridge.is_public() {
                return None;
            }
            let advertised = bridge.advertised();
            let name = bridge.name;
            let shown: Vec<String> = advertised.iter().map(ToString::to_string).collect();
            let shown = if shown.is_empty() {
                "nothing".to_owned()
            } else {
                shown.join(", ")
            };
            Some(
                Finding::of(&catalogue::ADDRESS_PRIVATE, Some(name))
                    .what(format!(
                        "the bridge on `{name}` advertises private addresses only"
                    ))
                    .seen(format!("it advertises {shown}; MAIN has a public address")),
            )
        })
        .collect()
}

/// A bridge that reaches none of another's addresses, which others do reach.
pub(super) fn apart(observation: &Observation) -> Vec<Finding> {
    let bridges = bridges(observation);
    let mut findings = Vec::new();
    for target in &bridges {
        for source in &bridges {
            let tried: Vec<&Reach> = target
                .asked_on_hosts()
                .filter(|one| one.from.as_ref() == Some(source.name))
                .collect();
            let cut = !tried.is_empty()
                && !tried.iter().any(|one| answered(one))
                && tried.iter().any(|one| failed(one));
            let others = target
                .port
                .reaches
                .iter()
                .any(|one| one.from.as_ref() != Some(source.name) && answered(one));
            if !cut || !others {
                continue;
            }
            let finding = Finding::of(&catalogue::BRIDGES_APART, Some(target.name)).what(format!(
                "the bridge on `{}` does not reach the one on `{}`",
                source.name, target.name
            ));
            findings.push(
                tried
                    .iter()
                    .fold(finding, |finding, reach| finding.seen(line(reach))),
            );
        }
    }
    findings
}
