//! Which addresses of this host take part in media.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// Filters on the host's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressFilter {
    /// Only these interfaces; empty for all.
    pub allowed_interfaces: Vec<String>,
    /// Never these interfaces.
    pub blocked_interfaces: Vec<String>,
    /// Only these addresses; empty for all.
    pub allowed_addresses: Vec<IpAddr>,
    /// Never these addresses.
    pub blocked_addresses: Vec<IpAddr>,
    /// Whether IPv6 takes part.
    pub ipv6: bool,
    /// Whether link-local addresses take part.
    pub link_local: bool,
    /// Whether loopback takes part; for tests on one host.
    pub loopback: bool,
}

impl Default for AddressFilter {
    fn default() -> Self {
        Self {
            allowed_interfaces: Vec::new(),
            blocked_interfaces: Vec::new(),
            allowed_addresses: Vec::new(),
            blocked_addresses: Vec::new(),
            ipv6: true,
            link_local: false,
            loopback: false,
        }
    }
}

impl AddressFilter {
    /// Whether `address` on `interface` takes part.
    #[must_use]
    pub fn admits(&self, interface: &str, address: IpAddr) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == interface);
        let link_local = match address {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        (self.allowed_interfaces.is_empty() || named(&self.allowed_interfaces))
            && !named(&self.blocked_interfaces)
            && (self.allowed_addresses.is_empty() || self.allowed_addresses.contains(&address))
            && !self.blocked_addresses.contains(&address)
            && (self.ipv6 || address.is_ipv4())
            && (self.link_local || !link_local)
            && (self.loopback || !address.is_loopback())
            && !address.is_unspecified()
            && !address.is_multicast()
    }
}

/// The addresses to bind with `port`: those of interfaces that are up and admitted by `filter`,
/// IPv4 first.
///
/// # Errors
/// When the system does not tell its addresses.
pub fn local_addresses(filter: &AddressFilter, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for interface in getifaddrs()? {
        let Some(storage) = interface.address else {
            continue;
        };
        let address = match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
            (Some(v4), _) => SocketAddr::new(v4.ip().into(), port),
            (_, Some(v6)) => {
                let scope = if v6.ip().is_unicast_link_local() {
                    v6.scope_id()
                } else {
                    0
                };
                std::net::SocketAddrV6::new(v6.ip(), port, 0, scope).into()
            }
            _ => continue,
        };
        let up = interface.flags.contains(InterfaceFlags::IFF_UP);
        if up
            && filter.admits(&interface.interface_name, address.ip())
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses.sort_by_key(|address| !address.is_ipv4());
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_admit_what_they_say() {
        let filter = AddressFilter {
            blocked_interfaces: vec!["docker0".to_owned()],
            blocked_addresses: vec!["10.0.0.1".parse().unwrap()],
            ..AddressFilter::default()
        };
        let admits =
            |interface: &str, address: &str| filter.admits(interface, address.parse().unwrap());
        assert!(admits("eth0", "192.0.2.1"));
        assert!(admits("eth0", "2001:db8::1"));
        assert!(!admits("docker0", "172.17.0.1"));
        assert!(!admits("eth0", "10.0.0.1"));
        assert!(!admits("eth0", "fe80::1"));
        assert!(!admits("lo", "127.0.0.1"));
        let only = AddressFilter {
            allowed_interfaces: vec!["eth1".to_owned()],
            ipv6: false,
            ..AddressFilter::default()
        };
        assert!(only.admits("eth1", "192.0.2.1".parse().unwrap()));
        assert!(!only.admits("eth0", "192.0.2.1".parse().unwrap()));
        assert!(!only.admits("eth1", "2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn loopback_is_found_when_wanted() {
        let filter = AddressFilter {
            loopback: true,
            ..AddressFilter::default()
        };
        let addresses = local_addresses(&filter, 10_000).unwrap();
        assert!(addresses.contains(&"127.0.0.1:10000".parse().unwrap()));
    }
}
