//! The addresses of a lab. They are the same in every lab: each has a network of its own.

use std::net::Ipv4Addr;

/// The lab's router, name server and package proxy, as hosts see it.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The same machine, as the internet client sees it.
pub(crate) const CLIENT_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// The internet client.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// Length of both networks' prefixes.
pub(crate) const PREFIX: u8 = 24;
/// TCP port of the caching package proxy on the gateway.
pub(crate) const PROXY_PORT: u16 = 3142;
/// The bridge that joins the hosts.
pub(crate) const BRIDGE: &str = "br0";
/// The router's link to the internet client.
pub(crate) const CLIENT_LINK: &str = "c0";
/// The internet client's network namespace, as `ip netns` names it.
pub(crate) const CLIENT_NAMESPACE: &str = "client";
/// Hosts take 10.77.0.11 and up.
pub(crate) const FIRST_HOST: u8 = 11;
/// The last address a host may take.
pub(crate) const LAST_HOST: u8 = 250;

/// The address at `last_octet` of the hosts' network.
pub(crate) fn host_address(last_octet: u8) -> Ipv4Addr {
    let [a, b, c, _] = GATEWAY.octets();
    Ipv4Addr::new(a, b, c, last_octet)
}
