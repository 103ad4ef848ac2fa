//! The lab's network: a bridge for the hosts, a router, and an "internet" with one client.

use std::fs;

use super::children::Children;
use crate::address::{
    BRIDGE, CLIENT, CLIENT_GATEWAY, CLIENT_LINK, CLIENT_NAMESPACE, GATEWAY, PREFIX,
};
use crate::error::LabError;
use crate::process::command;

/// Makes all of it in the holder's own network namespace.
pub(super) fn make(children: &Children) -> Result<(), LabError> {
    // A fixed hardware address: a bridge's own follows its ports.
    let router = format!(
        "link set lo up\n\
         link add {BRIDGE} address 02:4a:49:54:00:01 type bridge forward_delay 0\n\
         addr add {GATEWAY}/{PREFIX} dev {BRIDGE}\n\
         link set {BRIDGE} up\n\
         netns add {CLIENT_NAMESPACE}\n\
         link add {CLIENT_LINK} type veth peer name eth0 netns {CLIENT_NAMESPACE}\n\
         addr add {CLIENT_GATEWAY}/{PREFIX} dev {CLIENT_LINK}\n\
         link set {CLIENT_LINK} up\n"
    );
    children.run(command("ip").args(["-batch", "-"]), &router)?;
    let client = format!(
        "addr add {CLIENT}/{PREFIX} dev eth0\n\
         link set lo up\n\
         link set eth0 up\n\
         route add default via {CLIENT_GATEWAY}\n"
    );
    children.run(
        command("ip").args(["-n", CLIENT_NAMESPACE, "-batch", "-"]),
        &client,
    )?;
    set("/proc/sys/net/ipv4/ip_forward", "1")?;
    // Ask often for a booting host's hardware address: the first question comes too early, and
    // the next one would be a second later.
    set("/proc/sys/net/ipv4/neigh/br0/retrans_time_ms", "100")
}

fn set(path: &str, value: &str) -> Result<(), LabError> {
    fs::write(path, value).map_err(LabError::file("set", path))
}
