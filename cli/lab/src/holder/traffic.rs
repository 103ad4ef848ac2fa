//! The faults of links as nftables rules and queueing disciplines, pure.

use std::fmt::Write as _;

use crate::address::CLIENT;
use crate::fault::{BlockSource, Fault, Protocol};
use crate::host::{HostName, HostSpec};

/// The table of the lab's faults, replaced as a whole with every change.
///
/// Packets are dropped on the host's own link, where those of the bridge, of the router and of
/// the router's own programs all pass.
pub(super) fn ruleset(faults: &[Fault], hosts: &[HostSpec]) -> String {
    let mut to_hosts = String::new();
    let mut from_hosts = String::new();
    for fault in faults {
        match fault {
            Fault::Loss { host, percent } => {
                let link = ports(host);
                // Only what a lossy path far away would lose: the link's own address questions
                // pass, or a lost one would silence the host for a second.
                let chance = match percent {
                    ..100 => format!("numgen random mod 100 < {percent} "),
                    100.. => String::new(),
                };
                let lose = format!("meta protocol {{ ip, ip6 }} {chance}counter drop");
                let _ = writeln!(to_hosts, "    oifname {link} {lose}");
                let _ = writeln!(from_hosts, "    iifname {link} {lose}");
            }
            Fault::Block {
                host,
                protocol,
                port,
                from,
            } => {
                let link = ports(host);
                let protocol = match protocol {
                    Protocol::Tcp => "tcp",
                    Protocol::Udp => "udp",
                };
                let source = match from {
                    BlockSource::All => String::new(),
                    BlockSource::Client => format!("ip saddr {CLIENT} "),
                    BlockSource::Host(source) => match address_of(source, hosts) {
                        Some(address) => format!("ip saddr {address} "),
                        None => continue,
                    },
                };
                let _ = writeln!(
                    to_hosts,
                    "    oifname {link} {source}{protocol} dport {port} counter drop"
                );
            }
            _ => {}
        }
    }
    let table = "bridge jitctl_faults";
    // Declared first, so that deleting it also works when there is none.
    format!(
        "table {table}\ndelete table {table}\ntable {table} {{\n\
         \x20 chain to_hosts {{\n    type filter hook postrouting priority 0;\n{to_hosts}  }}\n\
         \x20 chain from_hosts {{\n    type filter hook prerouting priority 0;\n{from_hosts}  }}\n\
         }}\n"
    )
}

/// How packets to one host are queued: arguments of `tc qdisc replace dev LINK root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    Plain,
    /// Limited, by the token bucket that every kernel has.
    Limited {
        kilobits: u32,
    },
    /// Delayed, by netem where the kernel has it.
    Delayed {
        milliseconds: u32,
        jitter_milliseconds: u32,
        kilobits: Option<u32>,
    },
}

impl Queue {
    /// The queue that the faults of `host` add up to.
    pub(super) fn of(host: &HostName, faults: &[Fault]) -> Self {
        let mine = || faults.iter().filter(|fault| fault.host() == Some(host));
        let rate = mine().find_map(|fault| match fault {
            Fault::Rate { kilobits, .. } => Some(*kilobits),
            _ => None,
        });
        let delay = mine().find_map(|fault| match fault {
            Fault::Delay {
                milliseconds,
                jitter_milliseconds,
                ..
            } => Some((*milliseconds, *jitter_milliseconds)),
            _ => None,
        });
        match (delay, rate) {
            (Some((milliseconds, jitter_milliseconds)), kilobits) => Self::Delayed {
                milliseconds,
                jitter_milliseconds,
                kilobits,
            },
            (None, Some(kilobits)) => Self::Limited { kilobits },
            (None, None) => Self::Plain,
        }
    }

    /// The same without its delay.
    pub(super) fn undelayed(&self) -> Self {
        match self {
            Self::Plain | Self::Delayed { kilobits: None, .. } => Self::Plain,
            Self::Limited { kilobits }
            | Self::Delayed {
                kilobits: Some(kilobits),
                ..
            } => Self::Limited {
                kilobits: *kilobits,
            },
        }
    }

    /// Arguments of `tc` for the host's link.
    pub(super) fn arguments(&self, link: &str) -> Vec<String> {
        let text = match self {
            Self::Plain => format!("qdisc replace dev {link} root noqueue"),
            Self::Limited { kilobits } => format!(
                "qdisc replace dev {link} root tbf rate {kilobits}kbit burst 32kb latency 400ms"
            ),
            Self::Delayed {
                milliseconds,
                jitter_milliseconds,
                kilobits,
            } => {
                let rate = kilobits.map_or_else(String::new, |rate| format!(" rate {rate}kbit"));
                format!(
                    "qdisc replace dev {link} root netem limit 20000 delay {milliseconds}ms \
                     {jitter_milliseconds}ms{rate}"
                )
            }
        };
        text.split_ascii_whitespace().map(str::to_owned).collect()
    }
}

/// The bridge's port of a host: its link, or what stands for it.
fn ports(host: &HostName) -> String {
    format!("{{ \"{}\", \"{}\" }}", host.link(), host.delayed_link())
}

fn address_of(name: &HostName, hosts: &[HostSpec]) -> Option<std::net::Ipv4Addr> {
    hosts
        .iter()
        .find(|host| host.name == *name)
        .map(|host| host.address)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn name(text: &str) -> HostName {
        text.parse().unwrap()
    }

    #[test]
    fn rules_name_the_hosts_link_and_the_source() {
        let hosts = [HostSpec {
            name: name("h3"),
            address: Ipv4Addr::new(10, 77, 0, 13),
            disk_mebibytes: None,
        }];
        let block = |from| Fault::Block {
            host: name("h1"),
            protocol: Protocol::Udp,
            port: 10000,
            from,
        };
        let text = ruleset(
            &[
                Fault::Loss {
                    host: name("h2"),
                    percent: 30,
                },
                block(BlockSource::All),
                block(BlockSource::Client),
                block(BlockSource::Host(name("h3"))),
                Fault::Cut { host: name("h1") },
            ],
            &hosts,
        );
        for rule in [
            "oifname { \"vb-h2\", \"td-h2\" } meta protocol { ip, ip6 } numgen random mod 100 < 30 counter drop",
            "iifname { \"vb-h2\", \"td-h2\" } meta protocol { ip, ip6 } numgen random mod 100 < 30 counter drop",
            "oifname { \"vb-h1\", \"td-h1\" } udp dport 10000 counter drop",
            "oifname { \"vb-h1\", \"td-h1\" } ip saddr 10.99.0.2 udp dport 10000 counter drop",
            "oifname { \"vb-h1\", \"td-h1\" } ip saddr 10.77.0.13 udp dport 10000 counter drop",
        ] {
            assert!(
                text.lines().any(|line| line.trim() == rule),
                "{rule}\n{text}"
            );
        }
    }

    #[test]
    fn delay_and_rate_of_one_host_are_one_queue() {
        let rate = Fault::Rate {
            host: name("h1"),
            kilobits: 500,
        };
        let delay = Fault::Delay {
            host: name("h1"),
            milliseconds: 50,
            jitter_milliseconds: 5,
        };
        assert_eq!(Queue::of(&name("h1"), &[]), Queue::Plain);
        assert_eq!(
            Queue::of(&name("h2"), std::slice::from_ref(&rate)),
            Queue::Plain
        );
        assert_eq!(
            Queue::of(&name("h1"), std::slice::from_ref(&rate)),
            Queue::Limited { kilobits: 500 }
        );
        let both = Queue::of(&name("h1"), &[delay, rate])
            .arguments("vb-h1")
            .join(" ");
        assert!(
            both.ends_with("netem limit 20000 delay 50ms 5ms rate 500kbit"),
            "{both}"
        );
    }
}
