//! What one look saw, as values. Rules read these; nothing here judges.

pub mod host;
mod parse;
pub mod probe;

use std::collections::BTreeMap;
use std::time::Duration;

use jitctl_inventory::model::Role;
use jitctl_inventory::names::{Domain, HostName};
use jitctl_transport::RemoteError;

pub use host::HostFacts;
pub(crate) use parse::{LOOK, parse};
pub use probe::{Certificate, Http, Login, WebSite};

/// A whole look at a site.
#[derive(Debug)]
pub struct Observation {
    /// The site's name.
    pub domain: Domain,
    /// Seconds since 1970, on this machine.
    pub now: u64,
    /// What was seen of each host.
    pub hosts: BTreeMap<HostName, HostSight>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What was seen of one host.
#[derive(Debug)]
pub struct HostSight {
    /// What it carries.
    pub roles: Vec<Role>,
    /// The nickname its bridge should have.
    pub nickname: Option<String>,
    /// Addresses that lead to it from outside.
    pub addresses: Vec<std::net::IpAddr>,
    /// The script's answer, or why there is none.
    pub facts: Result<HostFacts, RemoteError>,
    /// The bridge's logins, one a MAIN.
    pub bridge_logins: Vec<Login>,
    /// The focus's login.
    pub focus_login: Option<Login>,
    /// The web site as its own host shows it.
    pub web: Option<WebSite>,
    /// The focus's list of bridges.
    pub focus: Option<Result<FocusView, String>>,
}

/// What the focus says of its bridges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FocusView {
    /// The room it looks for bridges in.
    pub brewery: Option<String>,
    /// The bridges it sees.
    pub bridges: Vec<BridgeSeen>,
}

/// A bridge as the focus sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BridgeSeen {
    /// Nickname in the brewery.
    pub nickname: String,
    /// Real addresses behind the nickname; two or more are a clash.
    pub real_jids: Vec<String>,
    /// Version.
    pub version: Option<String>,
    /// Whether the focus would use it.
    pub operational: bool,
    /// Whether it is drained.
    pub drain: bool,
}
