//! What a host is, gathered by one script.
//!
//! [`query`] says what to ask for, [`script`] asks, [`parse`] reads the answer. Facts are data:
//! a plan is made from them alone. File contents are kept in memory for diffs and never serialised
//! or shown by `Debug`, for they may hold secrets.

mod parse;
mod query;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::accounts::Credential;
use crate::lease::Lease;
use crate::manifest::Manifest;
use crate::resolved::sha256;

pub use parse::{ParseError, parse};
pub use query::Query;
pub use script::script;

/// The facts of one host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// `ID` of os-release, such as `debian`.
    pub os: String,
    /// `VERSION_ID` of os-release, such as `12`.
    pub os_version: String,
    /// `uname -m`.
    pub arch: String,
    /// Processors.
    pub cpus: u32,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Free space under `/var` in KiB.
    pub disk_free_kib: u64,
    /// What `systemd-detect-virt --container` says, `none` on a real machine.
    pub container: String,
    /// The host's clock minus ours in milliseconds; half the round trip is its error.
    pub clock_offset_ms: i64,
    /// The host's addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// Who listens where.
    pub listeners: Vec<Listener>,
    /// The packet filter.
    pub firewall: FirewallFacts,
    /// Installed packages among those asked for, with version.
    pub packages: BTreeMap<String, String>,
    /// System users among those asked for.
    pub users: BTreeSet<String>,
    /// Files and folders that exist among those asked for and owned.
    pub files: BTreeMap<String, FileFact>,
    /// Links among those asked for and owned, with their target.
    pub links: BTreeMap<String, String>,
    /// Units among those asked for.
    pub units: BTreeMap<String, UnitFact>,
    /// Accounts among those asked for: their keys, or nothing when the file holds none.
    pub accounts: BTreeMap<String, Option<Credential>>,
    /// Program files by path, with their hash.
    pub programs: BTreeMap<String, String>,
    /// What we own.
    pub manifest: Manifest,
    /// Who works on the host now.
    pub lease: Option<Lease>,
    /// Phase in which an apply was interrupted, if one was.
    pub interrupted: Option<String>,
    /// Kernel settings of ours with the values that stood before them.
    pub settings: BTreeMap<String, String>,
    /// Releases that can be put back.
    pub releases: BTreeSet<u64>,
    /// Bytes of the files that differ from what is desired; in memory only.
    #[serde(skip)]
    pub contents: Contents,
}

/// Bytes of files by path.
#[derive(Clone, Default, PartialEq)]
pub struct Contents(pub BTreeMap<String, Vec<u8>>);

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Local address, `*` for all.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Program, where the kernel says.
    pub program: String,
}

/// The packet filter of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallFacts {
    /// `ufw` is active.
    pub ufw: bool,
    /// `firewalld` is running.
    pub firewalld: bool,
    /// `nft` is installed.
    pub nft: bool,
    /// Hash of our table as the kernel has it, without counters.
    pub table: Option<String>,
    /// The same hash right after we loaded it.
    pub loaded: Option<String>,
    /// Rules of ours in `ufw` or `firewalld`, as their commands.
    pub rules: BTreeSet<String>,
}

/// A file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFact {
    /// Hash of the bytes; empty for folders.
    pub sha256: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
    /// Time of the last change, seconds since 1970.
    pub modified: i64,
    /// Whether it is a folder.
    pub folder: bool,
}

/// A unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitFact {
    /// `ActiveState`.
    pub active: String,
    /// `SubState`.
    pub sub: String,
    /// `UnitFileState`.
    pub enabled: String,
    /// `LoadState`.
    pub load: String,
    /// `NRestarts`.
    pub restarts: u32,
}

impl UnitFact {
    /// Whether the unit runs.
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }

    /// Whether it starts with the host.
    pub fn is_enabled(&self) -> bool {
        matches!(
            self.enabled.as_str(),
            "enabled" | "static" | "generated" | "alias" | "indirect"
        )
    }
}

impl Facts {
    /// Facts of a host on which nothing was ever done, for offline plans.
    pub fn bare() -> Self {
        Self {
            os: "debian".to_owned(),
            os_version: "12".to_owned(),
            arch: "x86_64".to_owned(),
            container: "none".to_owned(),
            firewall: FirewallFacts {
                nft: true,
                ..FirewallFacts::default()
            },
            ..Self::default()
        }
    }

    /// A hash of everything that a plan depends on: a saved plan is refused when it moved.
    pub fn basis(&self) -> String {
        let mut basis = self.clone();
        basis.memory_kib = 0;
        basis.disk_free_kib = 0;
        basis.clock_offset_ms = 0;
        basis.listeners.clear();
        basis.lease = None;
        for unit in basis.units.values_mut() {
            unit.restarts = 0;
        }
        // Maps of plain values: serialising cannot fail.
        sha256(&serde_json::to_vec(&basis).unwrap_or_default())
    }
}
