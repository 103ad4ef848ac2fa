//! Binding requests to each bridge's advertised addresses: from the operator's machine and from
//! every host of the site. A bridge answers with the address that it saw; silence is looked into
//! with the counters of the bridge's own host.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jitctl_inventory::names::HostName;
use jitctl_transport::{Remote, Script};
use serde::Deserialize;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::stun::{Answer, Request, TransactionId, transaction_id};
use crate::observe::HostFacts;
use crate::observe::probe::{Counted, MediaPort, Reach, UdpAnswer};

/// How long an answer may take each time: the far side of the world and back.
const PATIENCE: Duration = Duration::from_millis(400);
/// How often a request is sent.
const TRIES: usize = 3;
/// How long a host waits for the looks at the others, to learn their addresses.
const COMPANY: Duration = Duration::from_millis(1500);
/// Datagrams sent while the bridge's host counts.
const COUNTED: u64 = 5;

const SCRIPT: &str = include_str!("udp.sh");
const COUNTERS: &str = "awk '/^Udp: [0-9]/ { print $2, $3 }' /proc/net/snmp
    timeout 3 nft -nn list table inet jitctl 2> /dev/null || true";

#[derive(Deserialize)]
struct BridgeFile {
    media: Media,
}

#[derive(Deserialize)]
struct Media {
    port: u16,
    #[serde(default)]
    public_addresses: Vec<IpAddr>,
    #[serde(default = "yes")]
    advertise_private: bool,
    #[serde(default)]
    stun_servers: Vec<String>,
}

fn yes() -> bool {
    true
}

/// What the bridge of this host advertises, by its configuration and its interfaces.
pub(super) fn advertised(facts: &HostFacts) -> Option<MediaPort> {
    let media = toml::from_str::<BridgeFile>(facts.bridge.as_ref()?)
        .ok()?
        .media;
    let at = |ip: IpAddr| SocketAddr::new(ip, media.port);
    let mapped: Vec<SocketAddr> = media.public_addresses.iter().copied().map(at).collect();
    let own =
        facts.addresses.iter().copied().filter(|ip| {
            media.advertise_private || !jitctl_inventory::rules::is_private_address(*ip)
        });
    Some(MediaPort {
        own: own.map(at).filter(|one| !mapped.contains(one)).collect(),
        mapped,
        servers: media.stun_servers,
        ..MediaPort::default()
    })
}

impl MediaPort {
    /// All addresses that people are told.
    fn all(&self) -> Vec<SocketAddr> {
        self.mapped.iter().chain(&self.own).copied().collect()
    }

    /// Whether this is one of them.
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        self.mapped.contains(&address) || self.own.contains(&address)
    }

    /// The first one that gave this machine no answer.
    pub(super) fn silent_from_here(&self) -> Option<SocketAddr> {
        let silent = self.reaches.iter().find(|reach| {
            reach.from.is_none() && matches!(reach.answer, UdpAnswer::Silent | UdpAnswer::Refused)
        });
        silent.map(|reach| reach.address)
    }
}

/// Where hosts learn each other's addresses while they are looked at.
#[derive(Debug)]
pub(super) struct Board {
    /// Known so far; `None` for hosts that are not seen or carry no bridge.
    known: watch::Sender<BTreeMap<HostName, Option<Vec<SocketAddr>>>>,
    hosts: usize,
    /// Whether this machine reaches the site past ssh; nothing while that is being tried.
    direct: watch::Sender<Option<bool>>,
}

impl Board {
    pub(super) fn new(hosts: usize) -> Arc<Self> {
        let (known, _) = watch::channel(BTreeMap::new());
        let (direct, _) = watch::channel(None);
        Arc::new(Self {
            known,
            hosts,
            direct,
        })
    }

    /// Whether this machine reaches the site past ssh; to be told once.
    pub(super) fn tell_directness(&self, direct: bool) {
        self.direct.send_replace(Some(direct));
    }

    /// Waits until that is told.
    async fn is_direct(&self) -> bool {
        let mut direct = self.direct.subscribe();
        let told = direct.wait_for(Option::is_some).await;
        told.is_ok_and(|told| *told == Some(true))
    }

    pub(super) fn tell(&self, host: &HostName, port: Option<&MediaPort>) {
        let addresses = port.map(MediaPort::all);
        self.known.send_modify(|known| {
            known.insert(host.clone(), addresses);
        });
    }

    /// What is known when every host has told, or when it takes too long.
    async fn others(&self, host: &HostName) -> Vec<SocketAddr> {
        let mut known = self.known.subscribe();
        let all = known.wait_for(|known| known.len() >= self.hosts);
        let _ = tokio::time::timeout(COMPANY, all).await;
        let known = self.known.borrow();
        let others = known.iter().filter(|(name, _)| *name != host);
        others
            .filter_map(|(_, addresses)| addresses.as_ref())
            .flatten()
            .copied()
            .collect()
    }
}

/// Asks every other bridge from this host.
pub(super) async fn from_host(remote: &dyn Remote, board: &Board) -> Vec<Reach> {
    let targets = board.others(remote.host()).await;
    let named: Vec<(String, u16)> = targets
        .iter()
        .map(|address| (address.ip().to_string(), address.port()))
        .collect();
    let answers = ask_from(remote, &named).await;
    let reach = |(number, answer): (usize, UdpAnswer)| {
        Some(Reach {
            from: Some(remote.host().clone()),
            address: *targets.get(number)?,
            answer,
        })
    };
    answers.into_iter().filter_map(reach).collect()
}

/// Sends Binding requests from a host to addresses or names, all at once: which of them gave what.
pub(crate) async fn ask_from(
    remote: &dyn Remote,
    targets: &[(String, u16)],
) -> Vec<(usize, UdpAnswer)> {
    if targets.is_empty() {
        return Vec::new();
    }
    let ids: Vec<TransactionId> = targets.iter().map(|_| transaction_id()).collect();
    let lines = targets.iter().zip(&ids).enumerate();
    let lines: Vec<String> = lines
        .map(|(number, ((host, port), id))| {
            let bytes = escaped(&Request::padded_binding(*id));
            format!("{number}\t{host}\t{port}\t{bytes}\n")
        })
        .collect();
    let script = Script::new("send Binding requests", SCRIPT, Duration::from_secs(3));
    let input = lines.concat().into_bytes();
    let Ok(output) = remote.run(script.with_input(input)).await else {
        return Vec::new();
    };
    let text = output.text();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let number: usize = fields.next()?.parse().ok()?;
            let answer = match fields.next()? {
                "answer" => read(&unhex(fields.next()?)?, ids.get(number)?),
                "refused" => UdpAnswer::Refused,
                "silent" => UdpAnswer::Silent,
                _ => UdpAnswer::NoWay,
            };
            Some((number, answer))
        })
        .collect()
}

/// Asks a bridge from this machine, if it reaches the site at all.
pub(super) async fn from_here(port: &MediaPort, board: &Board) -> Vec<Reach> {
    if !board.is_direct().await {
        return Vec::new();
    }
    let asked = port.all().into_iter().map(|address| async move {
        Reach {
            from: None,
            address,
            answer: ask(address).await,
        }
    });
    join_all(asked).await
}

async fn ask(address: SocketAddr) -> UdpAnswer {
    let Some(socket) = socket_to(address).await else {
        return UdpAnswer::NoWay;
    };
    let id = transaction_id();
    let request = Request::padded_binding(id);
    let mut buffer = [0; 512];
    for _ in 0..TRIES {
        match socket.send(&request).await {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return UdpAnswer::Refused;
            }
            Err(_) => return UdpAnswer::NoWay,
        }
        match tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await {
            Ok(Ok(count)) => return read(buffer.get(..count).unwrap_or_default(), &id),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return UdpAnswer::Refused;
            }
            Ok(Err(_)) => return UdpAnswer::NoWay,
            Err(_) => {}
        }
    }
    UdpAnswer::Silent
}

async fn socket_to(address: SocketAddr) -> Option<UdpSocket> {
    let any: &str = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(address).await.ok()?;
    Some(socket)
}

/// Something that is no Binding answer comes from another program: as good as silence.
fn read(bytes: &[u8], id: &TransactionId) -> UdpAnswer {
    Answer::parse(bytes, id)
        .and_then(|answer| answer.mapped)
        .map_or(UdpAnswer::Silent, UdpAnswer::Answered)
}

/// Sends more datagrams from here to an address and lets the bridge's host count them.
pub(super) async fn count(remote: &dyn Remote, address: SocketAddr) -> Option<Counted> {
    let before = counters(remote, address.port()).await?;
    let socket = socket_to(address).await?;
    let request = Request::padded_binding(transaction_id());
    for _ in 0..COUNTED {
        let _ = socket.send(&request).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let after = counters(remote, address.port()).await?;
    let grown = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
    Some(Counted {
        sent: COUNTED,
        filter: grown(before.0, after.0),
        delivered: after.1.saturating_sub(before.1),
        unclaimed: after.2.saturating_sub(before.2),
    })
}

/// Our filter's count for the port, datagrams delivered, datagrams nobody wanted.
async fn counters(remote: &dyn Remote, port: u16) -> Option<(Option<u64>, u64, u64)> {
    let script = Script::new("count datagrams", COUNTERS, Duration::from_secs(4));
    let text = remote.run(script).await.ok()?.text();
    let mut kernel = text.lines().next()?.split_whitespace();
    let delivered = kernel.next()?.parse().ok()?;
    let unclaimed = kernel.next()?.parse().ok()?;
    Some((filter_count(&text, port), delivered, unclaimed))
}

/// The packets of our rule for this UDP port.
fn filter_count(rules: &str, port: u16) -> Option<u64> {
    let wanted = format!("udp dport {port} counter packets ");
    let rule = rules.lines().find_map(|line| line.split_once(&wanted))?;
    rule.1.split(' ').next()?.parse().ok()
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        })
        .collect();
    let digits = digits?;
    digits
        .chunks(2)
        .map(|pair| Some(pair.first()? << 4 | pair.get(1)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_advertises_its_mappings_and_its_own_addresses() {
        let mut facts = HostFacts {
            bridge: Some(
                "[media]\nport = 10000\npublic_addresses = [\"203.0.113.7\"]\nadvertise_private = true\n"
                    .into(),
            ),
            addresses: vec!["10.0.0.2".parse().unwrap(), "203.0.113.7".parse().unwrap()],
            ..HostFacts::default()
        };
        let port = advertised(&facts).unwrap();
        assert_eq!(port.mapped, ["203.0.113.7:10000".parse().unwrap()]);
        assert_eq!(port.own, ["10.0.0.2:10000".parse().unwrap()]);
        facts.bridge = facts.bridge.map(|text| text.replace("true", "false"));
        let port = advertised(&facts).unwrap();
        assert!(port.own.is_empty() && port.servers.is_empty());
        facts.bridge = facts
            .bridge
            .map(|text| text + "stun_servers = [\"stun.example.org:3478\"]\n");
        let port = advertised(&facts).unwrap();
        assert_eq!(port.servers, ["stun.example.org:3478"]);
    }

    #[test]
    fn bytes_survive_the_shell_and_rules_are_counted() {
        assert_eq!(escaped(&[0, 0x2a, 0xff]), "\\x00\\x2a\\xff");
        assert_eq!(unhex("002aff"), Some(vec![0, 0x2a, 0xff]));
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("0"), None);
        let rules = "12 3\n\t\tudp dport 10000 counter packets 41 bytes 9 accept comment \"media\"";
        assert_eq!(filter_count(rules, 10_000), Some(41));
        assert_eq!(filter_count(rules, 10_001), None);
    }

    #[tokio::test]
    async fn an_answer_silence_and_a_refusal_are_told_apart() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let serve = async {
            let mut buffer = [0; 512];
            let (count, from) = server.recv_from(&mut buffer).await.unwrap();
            let id: TransactionId = buffer[8..20].try_into().unwrap();
            let mut answer = Request::new(0x0101, id)
                .with(0x0020, &[0, 1, 0, 0, 0, 0, 0, 0])
                .into_bytes();
            answer.truncate(count);
            server.send_to(&answer, from).await.unwrap();
        };
        let (answer, ()) = tokio::join!(ask(address), serve);
        assert!(matches!(answer, UdpAnswer::Answered(_)));
        assert_eq!(ask(address).await, UdpAnswer::Silent);
        drop(server);
        assert_eq!(ask(address).await, UdpAnswer::Refused);
    }
}
