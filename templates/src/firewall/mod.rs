//! One intent, three ways to state it: a table of nftables, commands of ufw, files of firewalld.
//!
//! A host may have a filter of its own. In nftables a packet passes every base chain of a hook: a
//! drop in ours is final, an accept only means "not dropped here". So opening a port is the
//! business of whatever filter the host already has, and closing one is ours.

pub mod firewalld;
pub mod nftables;
pub mod ufw;

use crate::desired::{PortRule, Protocol};

/// A command as program and arguments; the executor quotes it.
pub type Command = Vec<String>;

fn command(words: &[&str]) -> Command {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `tcp` or `udp`.
pub(crate) fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// `5222`, or `49152-50175` with the separator of the program that reads it.
pub(crate) fn port_range(rule: &PortRule, separator: char) -> String {
    if rule.port == rule.last_port {
        rule.port.to_string()
    } else {
        format!("{}{separator}{}", rule.port, rule.last_port)
    }
}

#[cfg(test)]
pub(crate) mod test_intent {
    use crate::desired::{FirewallIntent, PortRule, Protocol, Source};

    pub(crate) fn main_host() -> FirewallIntent {
        let rule = |protocol, port, last_port, from, why: &str| PortRule {
            protocol,
            port,
            last_port,
            from,
            why: why.to_owned(),
        };
        let bridges = ["10.0.0.12", "2001:db8::12"].map(|text| text.parse().unwrap());
        FirewallIntent {
            backend: jitctl_inventory::model::FirewallBackend::Nftables,
            rules: vec![
                rule(Protocol::Tcp, 443, 443, Source::World, "meeting page"),
                rule(
                    Protocol::Tcp,
                    5222,
                    5222,
                    Source::Only(bridges.into()),
                    "XMPP",
                ),
                rule(Protocol::Tcp, 5347, 5347, Source::Nobody, "components"),
                rule(Protocol::Udp, 49152, 50175, Source::World, "TURN relays"),
            ],
        }
    }
}
