//! The typed shape of an inventory, version 1.
//!
//! Every field has a default where a sensible one exists, so that the smallest inventory is a
//! domain and a list of hosts with an address. Unknown keys are refused.

mod host;
mod site;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use host::{
    Addresses, BridgeOverrides, DEFAULT_MEDIA_PORT, Foreign, Host, Overrides, Role, Ssh,
};
pub use site::{
    Authentication, AuthenticationMode, BridgeChannel, FirewallBackend, Site, Tls, Turn, Web,
    XmppVia,
};

use crate::names::HostName;

/// The only inventory version this release reads.
pub const VERSION: u32 = 1;

/// A whole inventory file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
// The operator's own keys, for anchors; the loader leaves them out.
#[schemars(extend("patternProperties" = { "^x-": true }))]
pub struct Inventory {
    /// Version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// What is the same for all hosts.
    pub site: Site,
    /// The hosts by the name that operators use for them.
    pub hosts: BTreeMap<HostName, Host>,
}

impl Inventory {
    /// The hosts that carry `role`, in the order of their names.
    pub fn hosts_with(&self, role: Role) -> impl Iterator<Item = (&HostName, &Host)> {
        self.hosts
            .iter()
            .filter(move |(_, host)| host.roles.contains(&role))
    }

    /// The MAIN that others set up and keep, when the site has one.
    pub fn foreign_main(&self) -> Option<(&HostName, &Foreign)> {
        self.hosts_with(Role::Main)
            .find_map(|(name, host)| Some((name, host.foreign.as_ref()?)))
    }
}
