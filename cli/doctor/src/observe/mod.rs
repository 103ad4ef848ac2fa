//! What one look saw, as values. Rules read these; nothing here judges.

pub mod host;
pub(crate) mod parse;
pub mod probe;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use jitctl_inventory::model::Role;
use jitctl_inventory::names::{Domain, HostName};
use jitctl_transport::RemoteError;
use serde::Deserialize;

pub use host::HostFacts;

use crate::foreign::ForeignSight;
pub(crate) use parse::{LOOK, parse};
pub use probe::{Certificate, GuestVisit, Http, Login, MediaPort, Outside, TurnView, WebSite};

/// A whole look at a site.
#[derive(Debug)]
pub struct Observation {
    /// The site's name.
    pub domain: Domain,
    /// Seconds since 1970, on this machine.
    pub now: u64,
    /// What was seen of each host.
    pub hosts: BTreeMap<HostName, HostSight>,
    /// The site from this machine.
    pub outside: Outside,
    /// How long it took.
    pub elapsed: Duration,
}

impl Observation {
    /// Every host that answered, with its facts.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&HostName, &HostSight, &HostFacts)> {
        self.hosts.iter().filter_map(|(name, sight)| {
            let facts = sight.facts.as_ref().ok()?;
            Some((name, sight, facts))
        })
    }

    /// Whether this machine reaches the site without ssh: what answers at MAIN's address from
    /// here is what answers on MAIN itself.
    pub(crate) fn looks_from_outside(&self) -> bool {
        self.mains().any(|(_, sight)| {
            let own = sight.web.as_ref().map(|web| &web.chain);
            let chain = own.or(sight.foreign.as_ref().map(|foreign| &foreign.chain));
            let leaf = chain.and_then(|chain| chain.first());
            leaf.is_some_and(|leaf| self.outside.leaves.contains(leaf))
        })
    }

    /// The MAIN that others keep, if the site has one.
    pub(crate) fn foreign_main(&self) -> Option<&HostName> {
        let mut mains = self.mains();
        mains.find_map(|(name, sight)| sight.expected.foreign.then_some(name))
    }

    /// The MAIN hosts.
    pub(crate) fn mains(&self) -> impl Iterator<Item = (&HostName, &HostSight)> {
        self.hosts
            .iter()
            .filter(|(_, sight)| sight.roles.contains(&Role::Main))
    }
}

/// What was seen of one host.
#[derive(Debug)]
pub struct HostSight {
    /// What it carries.
    pub roles: Vec<Role>,
    /// The nickname its bridge should have.
    pub nickname: Option<String>,
    /// Addresses that lead to it, private and public.
    pub addresses: Vec<IpAddr>,
    /// Those of them that the inventory calls public.
    pub public_addresses: Vec<IpAddr>,
    /// What it should look like.
    pub expected: Expected,
    /// The script's answer, or why there is none.
    pub facts: Result<HostFacts, RemoteError>,
    /// The bridge's logins, one a MAIN.
    pub bridge_logins: Vec<Login>,
    /// The focus's login.
    pub focus_login: Option<Login>,
    /// The web site as its own host shows it.
    pub web: Option<WebSite>,
    /// How the web server passes on the channel of each bridge, where the site has such channels.
    pub channels: Vec<(HostName, Http)>,
    /// The focus's list of bridges.
    pub focus: Option<Result<FocusView, String>>,
    /// The bridge's own health.
    pub bridge_health: Option<Health>,
    /// The breweries of the bridge by its own word; asked for where another focus than ours counts
    /// bridges.
    pub rooms: Option<Vec<Membership>>,
    /// What was seen of a MAIN that others keep.
    pub foreign: Option<ForeignSight>,
    /// How the bridge's media port is reached.
    pub media: Option<MediaPort>,
    /// What a guest meets.
    pub guest: Option<GuestVisit>,
    /// The TURN server.
    pub turn: Option<TurnView>,
}

/// What the inventory makes of a host, as far as the rules compare it.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Path to SHA-256 of files without secrets.
    pub hashes: BTreeMap<String, String>,
    /// Path to mode of files that hold secrets.
    pub private: BTreeMap<String, u32>,
    /// TCP ports that our own table closes to the world.
    pub closed: Vec<u16>,
    /// The bridge's media port.
    pub media_port: Option<u16>,
    /// Where MAIN hosts reach the bridge's channels.
    pub channel_port: Option<u16>,
    /// Whether others keep the host.
    pub foreign: bool,
}

/// An answer to `GET /about/health`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Status code, or why there is none.
    pub status: Result<u16, String>,
    /// What it says.
    pub words: String,
}

/// A brewery of a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Membership {
    /// The room.
    pub brewery: String,
    /// Whether the bridge is in it.
    pub joined: bool,
    /// The last trouble.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// What the focus says of itself and its bridges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FocusView {
    /// The room it looks for bridges in.
    pub brewery: Option<String>,
    /// Its account.
    pub account: Connection,
    /// Its component.
    pub component: Connection,
    /// The bridges it sees.
    pub bridges: Vec<BridgeSeen>,
}

/// A connection of the focus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Connection {
    /// Its address while it is connected.
    #[serde(default)]
    pub jid: Option<String>,
    /// Whether the brewery is joined.
    #[serde(default)]
    pub joined: bool,
    /// The last trouble.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// A bridge as the focus sees it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct BridgeSeen {
    /// Nickname in the brewery.
    pub nickname: String,
    /// Real addresses behind the nickname.
    #[serde(default, rename = "jids")]
    pub real_jids: Vec<String>,
    /// Whether two of them use it at a time.
    #[serde(default, rename = "nickname_clash")]
    pub clash: bool,
    /// Version.
    #[serde(default)]
    pub version: Option<String>,
    /// Region.
    #[serde(default)]
    pub region: Option<String>,
    /// Load, 1.0 is full.
    #[serde(default)]
    pub stress: Option<f64>,
    /// Whether the focus would use it.
    #[serde(default)]
    pub operational: bool,
    /// Result of its health checks, in words.
    #[serde(default)]
    pub health: Option<String>,
    /// Whether it is drained.
    #[serde(default)]
    pub drain: bool,
}
