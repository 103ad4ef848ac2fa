//! What the script on a host answers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use secrecy::SecretString;

/// What a host says of itself.
#[derive(Clone, Default)]
pub struct HostFacts {
    /// Its clock, less ours; half the round trip taken off. Positive is ahead.
    pub clock_offset_seconds: Option<i64>,
    /// How long the script took, with the way there and back.
    pub round_trip: Duration,
    /// File systems.
    pub disks: Vec<Disk>,
    /// What names lead to.
    pub names: BTreeMap<String, NameAnswer>,
    /// Units by name.
    pub units: BTreeMap<String, Unit>,
    /// Last words of units that are not active.
    pub words: BTreeMap<String, Vec<String>>,
    /// Packages in a bad state: state, name, version.
    pub packages: Vec<(String, String)>,
    /// Listening sockets, as `ss` prints them.
    pub listeners: Vec<String>,
    /// Files of ours whose hash differs from the manifest's, or that are gone.
    pub edited: Vec<String>,
    /// The bridge's configuration.
    pub bridge: Option<String>,
    /// The focus's configuration.
    pub focus: Option<String>,
    /// The authority that our services trust, PEM.
    pub authority: Option<String>,
    /// Contents of credential files by path.
    pub credentials: BTreeMap<String, SecretString>,
}

impl fmt::Debug for HostFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostFacts")
            .field("clock_offset_seconds", &self.clock_offset_seconds)
            .field("disks", &self.disks)
            .field("units", &self.units)
            .finish_non_exhaustive()
    }
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// Free, KiB; or free inodes.
    pub free: u64,
    /// Used, percent.
    pub used_percent: u8,
    /// Whether this counts inodes.
    pub inodes: bool,
}

/// What a look-up on the host gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameAnswer {
    /// These addresses.
    Found(Vec<IpAddr>),
    /// The name does not exist.
    Unknown,
    /// No answer in two seconds.
    Silent,
}

/// A unit as systemd shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// `loaded`, `not-found`, `masked`.
    pub load: String,
    /// `active`, `failed`, `inactive`, `activating`.
    pub active: String,
    /// Finer state.
    pub sub: String,
    /// `enabled`, `disabled`, `masked`.
    pub file: String,
    /// Last exit status of the main process.
    pub exit_status: i32,
    /// Automatic restarts since the last start by hand.
    pub restarts: u32,
}
