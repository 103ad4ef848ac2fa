//! Which address one host uses for another: pure, and used by both sides of a connection, so that
//! the address a bridge dials and the address a packet filter expects can not drift apart.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jitctl_inventory::model::{Host, Inventory, Role, XmppVia};
use jitctl_inventory::names::HostName;

/// The network that carries a connection between two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Both ends are the same host.
    Loopback,
    /// The site's own network.
    Private,
    /// The Internet.
    Public,
}

/// The way from a bridge to the XMPP server of a MAIN host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XmppRoute {
    /// Which network.
    pub network: Network,
    /// The address to dial.
    pub address: IpAddr,
}

impl XmppRoute {
    /// The address with a port, IPv6 in brackets.
    pub fn with_port(&self, port: u16) -> String {
        SocketAddr::new(self.address, port).to_string()
    }
}

/// How `bridge` reaches the XMPP server on `main`; nothing if no pair of addresses fits.
///
/// A host reaches itself over loopback. Otherwise the private network when both ends have an
/// address of the same family there, else the public one; `xmpp_via` of the bridge's overrides or
/// of the site can insist on either.
pub fn xmpp_via(inventory: &Inventory, main: &HostName, bridge: &HostName) -> Option<XmppRoute> {
    if main == bridge {
        return Some(XmppRoute {
            network: Network::Loopback,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        });
    }
    let main = inventory.hosts.get(main)?;
    let bridge = inventory.hosts.get(bridge)?;
    let via = bridge.overrides.xmpp_via.unwrap_or(inventory.site.xmpp_via);
    route(main, bridge, via)
}

fn route(target: &Host, caller: &Host, via: XmppVia) -> Option<XmppRoute> {
    let private =
        common_family(&target.address.private, &caller.address.private).map(|address| XmppRoute {
            network: Network::Private,
            address,
        });
    let public = target
        .address
        .public
        .iter()
        .find(|address| reachable_family(**address, caller))
        .or_else(|| target.address.public.first())
        .map(|address| XmppRoute {
            network: Network::Public,
            address: *address,
        });
    match via {
        XmppVia::Auto => private.or(public),
        XmppVia::Private => private,
        XmppVia::Public => public,
    }
}

/// The first of `targets` with an address of its own family among `callers`.
fn common_family(targets: &[IpAddr], callers: &[IpAddr]) -> Option<IpAddr> {
    targets.iter().copied().find(|target| {
        callers
            .iter()
            .any(|caller| caller.is_ipv4() == target.is_ipv4())
    })
}

fn reachable_family(target: IpAddr, caller: &Host) -> bool {
    caller
        .address
        .public
        .iter()
        .chain(&caller.address.private)
        .any(|address| address.is_ipv4() == target.is_ipv4())
}

/// The addresses from which the bridges of the site connect to the XMPP server on `main`, sorted.
///
/// Over the private network these are the bridge's private addresses; over the public one its
/// public addresses, and its private ones if it names no other. A bridge on `main` itself comes
/// over loopback, which no packet filter of ours touches.
pub fn xmpp_sources(inventory: &Inventory, main: &HostName) -> Vec<IpAddr> {
    let mut sources: Vec<IpAddr> = inventory
        .hosts_with(Role::Bridge)
        .filter_map(|(name, host)| Some((xmpp_via(inventory, main, name)?, host)))
        .flat_map(|(route, host)| sources_of(route.network, host))
        .copied()
        .collect();
    sources.sort();
    sources.dedup();
    sources
}

fn sources_of(network: Network, host: &Host) -> &[IpAddr] {
    match network {
        Network::Loopback => &[],
        Network::Private => &host.address.private,
        Network::Public if host.address.public.is_empty() => &host.address.private,
        Network::Public => &host.address.public,
    }
}

/// How a MAIN host reaches the WebSockets of a bridge: the reverse of [`xmpp_via`].
pub fn websocket_via(
    inventory: &Inventory,
    main: &HostName,
    bridge: &HostName,
) -> Option<XmppRoute> {
    if main == bridge {
        return xmpp_via(inventory, main, bridge);
    }
    let via = inventory
        .hosts
        .get(bridge)?
        .overrides
        .xmpp_via
        .unwrap_or(inventory.site.xmpp_via);
    route(
        inventory.hosts.get(bridge)?,
        inventory.hosts.get(main)?,
        via,
    )
}

/// The addresses from which MAIN hosts reach the WebSockets of `bridge`, sorted.
pub fn websocket_sources(inventory: &Inventory, bridge: &HostName) -> Vec<IpAddr> {
    let mut sources: Vec<IpAddr> = inventory
        .hosts_with(Role::Main)
        .filter_map(|(name, host)| Some((websocket_via(inventory, name, bridge)?, host)))
        .flat_map(|(route, host)| sources_of(route.network, host))
        .copied()
        .collect();
    sources.sort();
    sources.dedup();
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "
version: 1
site: { domain: meet.test, tls: { mode: private_ca } }
hosts:
  main: { roles: [main], address: { private: [10.0.0.1, 'fd00::1'], public: [198.51.100.1] } }
  near: { roles: [bridge], address: { private: [10.0.0.2], public: [198.51.100.2] } }
  six: { roles: [bridge], address: { private: ['fd00::6'], public: [198.51.100.6] } }
  far: { roles: [bridge], address: { public: [198.51.100.3] } }
  stubborn:
    roles: [bridge]
    address: { private: [10.0.0.4], public: [198.51.100.4] }
    overrides: { xmpp_via: public }
  hidden:
    roles: [bridge]
    address: { private: [10.0.0.5] }
    overrides: { xmpp_via: public }
";

    fn site() -> Inventory {
        // The rules object to some of these hosts; routes must be right nevertheless.
        serde_yaml::from_str(SITE).unwrap()
    }

    fn via(bridge: &str) -> String {
        xmpp_via(&site(), &HostName::new("main"), &HostName::new(bridge))
            .unwrap()
            .with_port(5222)
    }

    #[test]
    fn the_private_network_is_used_when_both_are_in_it() {
        assert_eq!(via("near"), "10.0.0.1:5222");
    }

    #[test]
    fn families_must_match_inside_the_private_network() {
        assert_eq!(via("six"), "[fd00::1]:5222");
    }

    #[test]
    fn a_bridge_outside_uses_the_public_address() {
        assert_eq!(via("far"), "198.51.100.1:5222");
    }

    #[test]
    fn an_override_wins_over_the_private_network() {
        assert_eq!(via("stubborn"), "198.51.100.1:5222");
    }

    #[test]
    fn a_host_reaches_itself_over_loopback() {
        assert_eq!(via("main"), "127.0.0.1:5222");
    }

    #[test]
    fn the_packet_filter_expects_the_addresses_of_the_same_network() {
        let sources: Vec<String> = xmpp_sources(&site(), &HostName::new("main"))
            .iter()
            .map(IpAddr::to_string)
            .collect();
        assert_eq!(
            sources,
            [
                "10.0.0.2",
                "10.0.0.5",
                "198.51.100.3",
                "198.51.100.4",
                "fd00::6"
            ]
        );
    }
}
