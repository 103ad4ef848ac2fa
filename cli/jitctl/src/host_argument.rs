//! A host as an operator types it: `[USER@]NAME[=ADDRESS]`.
//!
//! `b1`, `b1=203.0.113.7`, `root@bridge2.example.org`, `admin@203.0.113.9`. A name with dots is
//! how ssh reaches the host and its first label is the name in the inventory; an address alone
//! leaves the name to the command.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::str::FromStr;

use jitctl_inventory::model::{Role, Ssh};
use jitctl_inventory::names::HostName;
use jitctl_inventory::scaffold::ScaffoldHost;

use crate::failure::Failure;

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostArgument {
    user: Option<String>,
    /// A name, a DNS name or an address.
    target: String,
    addresses: Vec<IpAddr>,
}

impl FromStr for HostArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (user, rest) = match text.split_once('@') {
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, text),
        };
        let (target, list) = match rest.split_once('=') {
            Some((target, list)) => (target, list),
            None => (rest, ""),
        };
        if target.is_empty() || user.as_deref() == Some("") {
            return Err("expected `[USER@]NAME[=ADDRESS]`, such as `root@b1=203.0.113.7`".into());
        }
        let addresses = list
            .split(',')
            .filter(|address| !address.is_empty())
            .map(|address| {
                address
                    .parse()
                    .map_err(|_| format!("`{address}` is no IPv4 or IPv6 address"))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            user,
            target: target.to_owned(),
            addresses,
        })
    }
}

impl HostArgument {
    /// The name for the inventory; none when only an address was typed.
    pub(crate) fn name(&self) -> Option<&str> {
        if self.target.parse::<IpAddr>().is_ok() {
            return None;
        }
        self.target.split('.').next()
    }

    /// The addresses that were typed.
    pub(crate) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// How to reach it by ssh, beyond what `ssh_config` knows under its name.
    pub(crate) fn ssh(&self) -> Ssh {
        let named = self.name() == Some(&self.target);
        let single = match self.addresses.as_slice() {
            [first, ..] if named => Some(first.to_string()),
            _ => None,
        };
        Ssh {
            address: if named {
                single
            } else {
                Some(self.target.clone())
            },
            user: self.user.clone(),
            ..Ssh::default()
        }
    }

    /// The host for an inventory; `unnamed` is its name when only an address was typed.
    pub(crate) fn scaffold(&self, unnamed: &str, roles: &[Role]) -> Result<ScaffoldHost, Failure> {
        let addresses = if self.addresses.is_empty() {
            self.resolve()
                .map_err(|error| Failure::usage(error, String::new()))?
        } else {
            self.addresses.clone()
        };
        Ok(ScaffoldHost {
            name: HostName::new(self.name().unwrap_or(unnamed)),
            roles: roles.to_vec(),
            addresses,
            ssh: self.ssh(),
            region: None,
        })
    }

    fn resolve(&self) -> Result<Vec<IpAddr>, String> {
        let found = (self.target.as_str(), 0).to_socket_addrs().map_err(|_| {
            format!(
                "`{target}` does not resolve here; add its address: `{target}=ADDRESS`",
                target = self.target
            )
        })?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.map(|socket| socket.ip()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use jitctl_inventory::model::Role;

    use super::HostArgument;

    fn parse(text: &str) -> HostArgument {
        text.parse().unwrap()
    }

    #[test]
    fn a_dns_name_gives_a_short_name_and_an_ssh_address() {
        let host = parse("root@bridge2.example.org=203.0.113.7");
        assert_eq!(host.name(), Some("bridge2"));
        let ssh = host.ssh();
        assert_eq!(ssh.address.as_deref(), Some("bridge2.example.org"));
        assert_eq!(ssh.user.as_deref(), Some("root"));
    }

    #[test]
    fn an_address_alone_has_no_name() {
        let host = parse("203.0.113.9");
        assert_eq!(host.name(), None);
        assert_eq!(host.ssh().address.as_deref(), Some("203.0.113.9"));
        let scaffold = host.scaffold("b1", &[Role::Bridge]).unwrap();
        assert_eq!(scaffold.name.as_str(), "b1");
        assert_eq!(scaffold.addresses[0].to_string(), "203.0.113.9");
    }

    #[test]
    fn a_name_with_an_address_is_reached_there() {
        let host = parse("b1=10.0.0.7,203.0.113.7");
        assert_eq!(host.ssh().address.as_deref(), Some("10.0.0.7"));
        let scaffold = host.scaffold("b9", &[Role::Bridge]).unwrap();
        assert_eq!(scaffold.name.as_str(), "b1");
        assert_eq!(scaffold.addresses.len(), 2);
    }

    #[test]
    fn nonsense_is_refused_with_the_form() {
        for text in ["", "@b1", "=1.2.3.4", "root@", "b1=here"] {
            assert!(text.parse::<HostArgument>().is_err(), "{text}");
        }
    }
}
