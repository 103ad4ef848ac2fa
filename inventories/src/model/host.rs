//! One host: how to reach it, what it carries, how others reach it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::site::{FirewallBackend, XmppVia};
use crate::names::{Domain, HostName, MucNick};

/// The UDP port of media unless the host says another.
pub const DEFAULT_MEDIA_PORT: u16 = 10_000;

/// A host of the site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// What the host carries.
    pub roles: BTreeSet<Role>,
    /// Only on a MAIN that others set up and keep: `jitctl` opens its XMPP port for the site's
    /// bridges and touches nothing else there. `jitctl import` writes it.
    #[serde(default)]
    pub foreign: Option<Foreign>,
    /// How `jitctl` reaches it.
    #[serde(default)]
    pub ssh: Ssh,
    /// How the other hosts and the world reach it.
    pub address: Addresses,
    /// The region that bridges publish and focuses match.
    #[serde(default)]
    pub region: Option<String>,
    /// Free labels, for `--on region=eu,label=value`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The bridge's nickname in the brewery; written once and never changed by `jitctl`.
    #[serde(default)]
    pub nickname: Option<MucNick>,
    /// Deviations from the site's settings.
    #[serde(default)]
    pub overrides: Overrides,
}

impl Host {
    /// The nickname in the brewery room: the written one, else the host's own name.
    pub fn muc_nick(&self, name: &HostName) -> MucNick {
        self.nickname
            .clone()
            .unwrap_or_else(|| MucNick::new(name.as_str()))
    }

    /// The UDP port of the bridge's media.
    pub fn media_port(&self) -> u16 {
        self.overrides
            .bridge
            .media_port
            .unwrap_or(DEFAULT_MEDIA_PORT)
    }
}

/// What a host can carry.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// nginx, the web client, Prosody and the focus.
    Main,
    /// A selective forwarding unit.
    Bridge,
}

/// The XMPP server of a MAIN that others keep, as its own bridges use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    /// XMPP host of the bridges' account; also the name in the server's certificate.
    pub domain: Domain,
    /// Local part of that account.
    pub username: String,
    /// The room in which the focus finds its bridges.
    pub brewery: String,
    /// Nicknames there of bridges that others keep; no bridge of ours takes one of them.
    #[serde(default)]
    pub nicknames: Vec<MucNick>,
    /// The docker-jitsi-meet folder on the host, when it is in no usual place.
    #[serde(default)]
    pub folder: Option<String>,
}

/// How `jitctl` reaches a host: everything unset is left to the operator's own `ssh_config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ssh {
    /// Address or `ssh_config` alias; the default is the host's name.
    #[serde(default)]
    pub address: Option<String>,
    /// TCP port.
    #[serde(default)]
    pub port: Option<u16>,
    /// Login name.
    #[serde(default)]
    pub user: Option<String>,
    /// Private key file.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Jump host, as in `ssh -J`.
    #[serde(default)]
    pub jump: Option<String>,
    /// Whether to use `sudo -n` when the login is not root.
    #[serde(default = "yes")]
    pub sudo: bool,
    /// An `ssh_config` file to use instead of the operator's own.
    #[serde(default)]
    pub config: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

impl Default for Ssh {
    fn default() -> Self {
        Self {
            address: None,
            port: None,
            user: None,
            key: None,
            jump: None,
            sudo: yes(),
            config: None,
        }
    }
}

/// Addresses of a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// Addresses inside the site's own network, IPv4 or IPv6.
    #[serde(default)]
    pub private: Vec<IpAddr>,
    /// Addresses as the world sees them, IPv4 or IPv6.
    #[serde(default)]
    pub public: Vec<IpAddr>,
}

/// Deviations of one host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Another firewall backend than the site's.
    #[serde(default)]
    pub firewall: Option<FirewallBackend>,
    /// Another way to MAIN than the site's.
    #[serde(default)]
    pub xmpp_via: Option<XmppVia>,
    /// Settings of this host's bridge.
    #[serde(default)]
    pub bridge: BridgeOverrides,
}

/// Settings of one bridge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeOverrides {
    /// The UDP port of all media; 10000 unless set.
    #[serde(default)]
    pub media_port: Option<u16>,
    /// Whether private addresses are advertised to clients; yes unless set.
    #[serde(default)]
    pub advertise_private: Option<bool>,
    /// STUN servers, `HOST:PORT` (RFC 8489), that tell the bridge its public address when it
    /// starts; for hosts behind a NAT whose address nobody can write down.
    #[serde(default)]
    pub stun_servers: Vec<String>,
}
