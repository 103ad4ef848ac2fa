//! firewalld: a service of ours with all open ports, and address sets for the rest.
//!
//! These are files below `/etc/firewalld`, compared and written like any other file; the zone gets
//! the service and one rule a set, once. `firewall-cmd --reload` makes changes active.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Command, command, port_range, protocol_name};
use crate::desired::{FirewallIntent, Source};

/// The service with the ports open to the world.
pub const SERVICE_FILE: &str = "/etc/firewalld/services/jitctl.xml";
/// The set of IPv4 addresses that may reach restricted ports.
pub const BRIDGES4_FILE: &str = "/etc/firewalld/ipsets/jitctl4.xml";
/// The same for IPv6.
pub const BRIDGES6_FILE: &str = "/etc/firewalld/ipsets/jitctl6.xml";

const XML: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

/// Paths and texts of the files that state `intent`.
pub fn files(intent: &FirewallIntent) -> Vec<(&'static str, String)> {
    vec![
        (SERVICE_FILE, service(intent)),
        (BRIDGES4_FILE, address_set(intent, "inet", IpAddr::is_ipv4)),
        (BRIDGES6_FILE, address_set(intent, "inet6", IpAddr::is_ipv6)),
    ]
}

/// The commands after the files are in place; each does nothing where it has already been done.
pub fn commands(intent: &FirewallIntent) -> Vec<Command> {
    let mut commands = vec![
        command(&["firewall-cmd", "--reload"]),
        command(&["firewall-cmd", "--permanent", "--add-service=jitctl"]),
    ];
    for rule in &intent.rules {
        if !matches!(rule.from, Source::Only(_)) {
            continue;
        }
        for (set, family) in [("jitctl4", "ipv4"), ("jitctl6", "ipv6")] {
            commands.push(command(&[
                "firewall-cmd",
                "--permanent",
                &format!(
                    "--add-rich-rule=rule family=\"{family}\" source ipset=\"{set}\" port \
                     port=\"{}\" protocol=\"{}\" accept",
                    port_range(rule, '-'),
                    protocol_name(rule.protocol)
                ),
            ]));
        }
    }
    commands.push(command(&["firewall-cmd", "--reload"]));
    commands
}

/// The commands that take our service and rules out of the zone again; `present` are its services
/// (`service NAME`) and its rich rules.
pub fn removals(present: &[String]) -> Vec<Command> {
    let mut commands = Vec::new();
    for rule in present {
        let argument = if rule == "service jitctl" {
            "--remove-service=jitctl".to_owned()
        } else if rule.contains("ipset=\"jitctl") {
            format!("--remove-rich-rule={rule}")
        } else {
            continue;
        };
        commands.push(command(&["firewall-cmd", "--permanent", &argument]));
    }
    if !commands.is_empty() {
        commands.push(command(&["firewall-cmd", "--reload"]));
    }
    commands
}

/// Comes after all rules of the host's keepers, so that one of theirs that drops counts; and tells
/// ours from theirs.
const MARK: &str = "rule priority=\"5222\" ";

/// The commands that lead from `present`, the zone's rich rules, to `intent` on a host that others
/// keep: rules for single addresses, additions first. Each holds at once and for good; a reload would
/// drop what the keepers added for the moment only.
pub fn changes(intent: &FirewallIntent, present: &[String]) -> Vec<Command> {
    let wanted = rules(intent);
    let ours: Vec<&String> = present
        .iter()
        .filter(|rule| rule.starts_with(MARK))
        .collect();
    let additions = wanted.iter().filter(|rule| !ours.contains(rule));
    let additions = additions.map(|rule| format!("--add-rich-rule={rule}"));
    let removals = ours.iter().filter(|rule| !wanted.contains(*rule));
    let removals = removals.map(|rule| format!("--remove-rich-rule={rule}"));
    additions
        .chain(removals)
        .flat_map(|change| {
            let at_once = command(&["firewall-cmd", &change]);
            let for_good = command(&["firewall-cmd", "--permanent", &change]);
            [at_once, for_good]
        })
        .collect()
}

/// As firewalld itself writes them.
fn rules(intent: &FirewallIntent) -> Vec<String> {
    let mut rules = Vec::new();
    for rule in &intent.rules {
        let Source::Only(addresses) = &rule.from else {
            continue;
        };
        for address in addresses {
            let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            rules.push(format!(
                "{MARK}family=\"{family}\" source address=\"{address}\" port port=\"{}\" \
                 protocol=\"{}\" accept",
                port_range(rule, '-'),
                protocol_name(rule.protocol)
            ));
        }
    }
    rules
}

fn service(intent: &FirewallIntent) -> String {
    let mut text = format!("{XML}<!-- Managed by jitctl. -->\n<service>\n");
    text.push_str("  <short>jitctl</short>\n");
    for rule in intent
        .rules
        .iter()
        .filter(|rule| rule.from == Source::World)
    {
        let _ = writeln!(
            text,
            "  <port port=\"{}\" protocol=\"{}\"/>",
            port_range(rule, '-'),
            protocol_name(rule.protocol)
        );
    }
    text.push_str("</service>\n");
    text
}

fn address_set(intent: &FirewallIntent, family: &str, wanted: fn(&IpAddr) -> bool) -> String {
    let mut text = format!("{XML}<!-- Managed by jitctl. -->\n<ipset type=\"hash:ip\">\n");
    let _ = writeln!(text, "  <option name=\"family\" value=\"{family}\"/>");
    let mut addresses: Vec<&IpAddr> = intent
        .rules
        .iter()
        .filter_map(|rule| match &rule.from {
            Source::Only(addresses) => Some(addresses),
            Source::World | Source::Nobody => None,
        })
        .flatten()
        .filter(|address| wanted(address))
        .collect();
    addresses.sort();
    addresses.dedup();
    for address in addresses {
        let _ = writeln!(text, "  <entry>{address}</entry>");
    }
    text.push_str("</ipset>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::test_intent;

    #[test]
    fn the_service_holds_the_ports_of_the_world_only() {
        let text = service(&test_intent::main_host());
        assert!(text.contains("<port port=\"443\" protocol=\"tcp\"/>"));
        assert!(text.contains("<port port=\"49152-50175\" protocol=\"udp\"/>"));
        assert!(!text.contains("5222") && !text.contains("5347"));
    }

    #[test]
    fn each_family_has_its_own_set() {
        let files = files(&test_intent::main_host());
        assert!(files[1].1.contains("10.0.0.12") && !files[1].1.contains("2001"));
        assert!(files[2].1.contains("2001:db8::12") && !files[2].1.contains("10.0.0.12"));
    }

    #[test]
    fn only_what_is_ours_leaves_the_zone() {
        let ours = "rule family=\"ipv4\" source ipset=\"jitctl4\" port port=\"5222\" protocol=\"tcp\" accept";
        let present = [
            "service ssh",
            "service jitctl",
            ours,
            "rule family=\"ipv4\" drop",
        ];
        let commands = removals(&present.map(str::to_owned));
        let expected = [
            "firewall-cmd --permanent --remove-service=jitctl".to_owned(),
            format!("firewall-cmd --permanent --remove-rich-rule={ours}"),
            "firewall-cmd --reload".to_owned(),
        ];
        let words: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
        assert_eq!(words, expected);
        assert!(removals(&["service ssh".to_owned()]).is_empty());
    }

    #[test]
    fn on_a_host_of_others_only_marked_rules_come_and_go() {
        let theirs = "rule family=\"ipv4\" source address=\"10.0.0.99\" port port=\"5222\" protocol=\"tcp\" accept";
        let stale = format!("{MARK}{}", theirs.trim_start_matches("rule "));
        let intent = test_intent::main_host();
        let commands = changes(&intent, &[theirs.to_owned(), stale.clone()]);
        let words: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
        assert_eq!(words.len(), 6, "two addresses come and one goes: {words:?}");
        assert_eq!(
            words[5],
            format!("firewall-cmd --permanent --remove-rich-rule={stale}")
        );
        assert!(words[0].contains("10.0.0.12") && !words[0].contains("--permanent"));
        assert!(words[2].contains("family=\"ipv6\" source address=\"2001:db8::12\""));
        assert_eq!(changes(&intent, &rules(&intent)), Vec::<Command>::new());
    }

    #[test]
    fn restricted_ports_get_a_rule_for_each_family() {
        let commands = commands(&test_intent::main_host());
        let rules: Vec<&String> = commands
            .iter()
            .filter_map(|words| words.get(2))
            .filter(|word| word.contains("rich-rule"))
            .collect();
        assert_eq!(rules.len(), 2);
        assert!(rules.iter().all(|rule| rule.contains("port=\"5222\"")));
    }
}
