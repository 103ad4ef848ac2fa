//! The lab's name server: hosts' names, names set by commands, and the name server's faults.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex};

use super::{locked, message};
use crate::address::{CLIENT_GATEWAY, GATEWAY};
use crate::error::LabError;
use crate::host::HostSpec;
use crate::record::Record;

/// Shared by the serving threads and by requests.
#[derive(Debug, Default)]
pub(super) struct Names {
    zone: Mutex<Zone>,
}

/// What the name server knows, pure.
#[derive(Debug, Default)]
struct Zone {
    hosts: BTreeMap<String, Ipv4Addr>,
    names: BTreeMap<String, Ipv4Addr>,
    wrong: BTreeMap<String, Ipv4Addr>,
    silent_for_all: bool,
    silent_for: Vec<Ipv4Addr>,
}

impl Names {
    pub(super) fn new(record: &Record) -> Self {
        let zone = Zone {
            names: record.names.clone(),
            ..Zone::default()
        };
        Self {
            zone: Mutex::new(zone),
        }
    }

    /// Makes a host known as `NAME` and `NAME.test`.
    pub(super) fn add_host(&self, host: &HostSpec) {
        locked(&self.zone)
            .hosts
            .insert(host.name.to_string(), host.address);
    }

    /// Sets or forgets a name; `*.meet.test` stands for every name below `meet.test`.
    pub(super) fn set(&self, name: &str, address: Option<Ipv4Addr>) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let names = &mut locked(&self.zone).names;
        match address {
            Some(address) => names.insert(name, address),
            None => names.remove(&name),
        };
    }

    /// Lies about a name from now on, or no longer.
    pub(super) fn lie(&self, name: &str, address: Option<Ipv4Addr>) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let wrong = &mut locked(&self.zone).wrong;
        match address {
            Some(address) => wrong.insert(name, address),
            None => wrong.remove(&name),
        };
    }

    /// Stops or starts answering everybody, or one host.
    pub(super) fn silence(&self, host: Option<Ipv4Addr>, silent: bool) {
        let zone = &mut *locked(&self.zone);
        match host {
            None => zone.silent_for_all = silent,
            Some(address) => {
                zone.silent_for.retain(|other| *other != address);
                if silent {
                    zone.silent_for.push(address);
                }
            }
        }
    }

    /// Binds both networks' port 53 and answers in threads of their own.
    pub(super) fn serve(self: &Arc<Self>) -> Result<(), LabError> {
        for address in [GATEWAY, CLIENT_GATEWAY] {
            let socket = UdpSocket::bind((address, 53))
                .map_err(LabError::system(format!("serve names on {address}")))?;
            let names = Arc::clone(self);
            std::thread::spawn(move || names.serve_on(&socket));
        }
        Ok(())
    }

    fn serve_on(&self, socket: &UdpSocket) {
        let mut query = [0; 1500];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut query) else {
                continue;
            };
            let reply = {
                let zone = locked(&self.zone);
                if zone.is_silent_for(from.ip()) {
                    continue;
                }
                message::answer(&query[..length], |name| zone.look_up(name))
            };
            if let Some(reply) = reply {
                let _ = socket.send_to(&reply, from);
            }
        }
    }
}

impl Zone {
    fn is_silent_for(&self, asker: IpAddr) -> bool {
        self.silent_for_all
            || self
                .silent_for
                .iter()
                .any(|address| IpAddr::V4(*address) == asker)
    }

    fn look_up(&self, name: &str) -> Option<Vec<Ipv4Addr>> {
        if let Some(wrong) = find(&self.wrong, name) {
            return Some(vec![wrong]);
        }
        let host = name.strip_suffix(".test").unwrap_or(name);
        let address = find(&self.names, name).or_else(|| self.hosts.get(host).copied());
        address.map(|address| vec![address])
    }
}

/// The name itself, or the nearest `*.` above it.
fn find(names: &BTreeMap<String, Ipv4Addr>, name: &str) -> Option<Ipv4Addr> {
    if let Some(address) = names.get(name) {
        return Some(*address);
    }
    let mut rest = name;
    while let Some((_, above)) = rest.split_once('.') {
        if let Some(address) = names.get(&format!("*.{above}")) {
            return Some(*address);
        }
        rest = above;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let names = Names::default();
        names.add_host(&HostSpec {
            name: "h1".parse().unwrap(),
            address: Ipv4Addr::new(10, 77, 0, 11),
            disk_mebibytes: None,
        });
        names
    }

    fn look_up(names: &Names, name: &str) -> Option<u8> {
        locked(&names.zone)
            .look_up(name)
            .map(|found| found[0].octets()[3])
    }

    #[test]
    fn hosts_are_known_with_and_without_their_domain() {
        let names = names();
        assert_eq!(look_up(&names, "h1"), Some(11));
        assert_eq!(look_up(&names, "h1.test"), Some(11));
        assert_eq!(look_up(&names, "h2"), None);
        assert_eq!(look_up(&names, "meet.h1.test"), None);
    }

    #[test]
    fn set_names_may_be_wild_and_can_be_forgotten() {
        let names = names();
        names.set("Meet.test.", Some(Ipv4Addr::new(10, 77, 0, 12)));
        names.set("*.meet.test", Some(Ipv4Addr::new(10, 77, 0, 13)));
        assert_eq!(look_up(&names, "meet.test"), Some(12));
        assert_eq!(look_up(&names, "auth.meet.test"), Some(13));
        assert_eq!(look_up(&names, "a.b.meet.test"), Some(13));
        names.set("*.meet.test", None);
        assert_eq!(look_up(&names, "auth.meet.test"), None);
    }

    #[test]
    fn a_lie_wins_and_ends() {
        let names = names();
        names.lie("h1.test", Some(Ipv4Addr::new(203, 0, 113, 66)));
        assert_eq!(look_up(&names, "h1.test"), Some(66));
        assert_eq!(look_up(&names, "h1"), Some(11));
        names.lie("h1.test", None);
        assert_eq!(look_up(&names, "h1.test"), Some(11));
    }

    #[test]
    fn silence_may_be_for_one_host_only() {
        let names = names();
        let host = Ipv4Addr::new(10, 77, 0, 11);
        names.silence(Some(host), true);
        let silent = |address: Ipv4Addr| locked(&names.zone).is_silent_for(address.into());
        assert!(silent(host) && !silent(CLIENT_GATEWAY));
        names.silence(Some(host), false);
        assert!(!silent(host));
        names.silence(None, true);
        assert!(silent(CLIENT_GATEWAY));
    }
}
