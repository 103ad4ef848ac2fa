//! The table `inet jitctl`, loaded as one transaction by a unit of its own.
//!
//! Debian's `nftables.service` flushes everything when it loads `/etc/nftables.conf`; a drop-in
//! makes it load our table again right after. That file itself stays the operator's.

use std::net::IpAddr;

use serde::Serialize;

use super::{port_range, protocol_name};
use crate::desired::{FirewallIntent, PortRule, Source};
use crate::ports;

/// The ruleset.
pub const RULESET: &str = "/etc/jitctl/firewall.nft";
/// The unit that loads it at boot.
pub const UNIT_FILE: &str = "/etc/systemd/system/jitctl-firewall.service";
/// The drop-in that survives a reload of the host's own ruleset.
pub const DROP_IN: &str = "/etc/systemd/system/nftables.service.d/jitctl.conf";

#[derive(Debug, Serialize)]
pub(crate) struct TableView {
    sets: Vec<SetView>,
    rules: Vec<RuleView>,
}

#[derive(Debug, Serialize)]
struct SetView {
    name: String,
    kind: &'static str,
    elements: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RuleView {
    protocol: &'static str,
    port: String,
    why: String,
    /// Name of the sets without the family's digit; nothing for the world and for nobody.
    set: Option<&'static str>,
    open: bool,
}

/// The sets of addresses by what they hold, as `bridges4` and `bridges6`.
fn set_name(rule: &PortRule) -> &'static str {
    if rule.port == ports::BRIDGE_WEBSOCKET.number {
        "mains"
    } else {
        "bridges"
    }
}

pub(crate) fn view(intent: &FirewallIntent) -> TableView {
    let mut sets = Vec::new();
    let mut rules = Vec::new();
    for rule in &intent.rules {
        let set = match &rule.from {
            Source::Only(addresses) => {
                sets.extend(sets_of(set_name(rule), addresses));
                Some(set_name(rule))
            }
            Source::World | Source::Nobody => None,
        };
        rules.push(RuleView {
            protocol: protocol_name(rule.protocol),
            port: port_range(rule, '-'),
            why: comment(&rule.why),
            set,
            open: rule.from == Source::World,
        });
    }
    TableView { sets, rules }
}

fn sets_of(name: &str, addresses: &[IpAddr]) -> [SetView; 2] {
    let of = |kind, digit, wanted: fn(&IpAddr) -> bool| SetView {
        name: format!("{name}{digit}"),
        kind,
        elements: addresses
            .iter()
            .filter(|address| wanted(address))
            .map(IpAddr::to_string)
            .collect(),
    };
    [
        of("ipv4_addr", '4', IpAddr::is_ipv4),
        of("ipv6_addr", '6', IpAddr::is_ipv6),
    ]
}

/// nftables has no escape inside a quoted comment and allows 128 bytes.
fn comment(why: &str) -> String {
    why.chars()
        .filter(|character| character.is_ascii() && !character.is_ascii_control())
        .filter(|character| *character != '"')
        .take(120)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::test_intent;

    #[test]
    fn addresses_go_to_the_set_of_their_family() {
        let view = view(&test_intent::main_host());
        let sets: Vec<(&str, &[String])> = view
            .sets
            .iter()
            .map(|set| (set.name.as_str(), set.elements.as_slice()))
            .collect();
        assert_eq!(
            sets,
            [
                ("bridges4", ["10.0.0.12".to_owned()].as_slice()),
                ("bridges6", ["2001:db8::12".to_owned()].as_slice()),
            ]
        );
    }

    #[test]
    fn only_ports_of_the_world_are_open() {
        let view = view(&test_intent::main_host());
        let open: Vec<&str> = view
            .rules
            .iter()
            .filter(|rule| rule.open)
            .map(|rule| rule.port.as_str())
            .collect();
        assert_eq!(open, ["443", "49152-50175"]);
    }

    #[test]
    fn a_comment_can_not_break_out_of_its_quotes() {
        assert_eq!(comment("a\"b\nc"), "abc");
        assert_eq!(comment(&"x".repeat(300)).len(), 120);
    }
}
