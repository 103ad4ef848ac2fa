//! What the script on a host answers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use secrecy::SecretString;

/// What a host says of itself.
#[derive(Clone, Default)]
pub struct HostFacts {
    /// Its clock, less ours; the way there and back taken off. Positive is ahead.
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
    /// Main processes of units by number.
    pub processes: BTreeMap<u32, Process>,
    /// Packages in a bad state: state, name.
    pub packages: Vec<(String, String)>,
    /// Addresses of its interfaces, of global scope.
    pub addresses: Vec<IpAddr>,
    /// Listening sockets.
    pub listeners: Vec<Listener>,
    /// Receive buffers of UDP sockets: port, bytes as the kernel counts them.
    pub buffers: Vec<(u16, u64)>,
    /// Our loaded table of the packet filter; nothing when it is not loaded.
    pub filter: Option<String>,
    /// Settings and counters of the kernel by name.
    pub kernel: BTreeMap<String, String>,
    /// Files of ours whose hash differs from the manifest's, or that are gone.
    pub edited: Vec<String>,
    /// Path to SHA-256 of the last apply.
    pub applied: BTreeMap<String, String>,
    /// Mode, owner and group of files that were asked for.
    pub modes: BTreeMap<String, FileMode>,
    /// The bridge's configuration.
    pub bridge: Option<String>,
    /// The focus's configuration.
    pub focus: Option<String>,
    /// The authority that our services trust, PEM.
    pub authority: Option<String>,
    /// Prosody's configuration of the site, without secrets.
    pub prosody: Option<String>,
    /// `includes` (lines of Prosody's own file that include ours) and `version` of its package.
    pub server: BTreeMap<String, String>,
    /// The script's last words came, too.
    pub came_to_its_end: bool,
    /// Contents of credential files by path.
    pub credentials: BTreeMap<String, SecretString>,
    /// Credentials that stand in an argument list.
    pub leaks: Vec<Leak>,
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

/// Units that ask for the public certificate and renew it: between their runs they are idle.
pub(crate) const ISSUANCE_JOBS: [&str; 2] = ["jitctl-acme.service", "certbot.service"];

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
    /// Main process; 0 when none runs.
    pub main_process: u32,
    /// How many tasks it may have; nothing when it may have any number.
    pub tasks_max: Option<u64>,
    /// How the last run ended: `success`, `exit-code`, `oom-kill`.
    pub result: String,
}

/// The main process of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// State letter of /proc: `S` sleeps, `T` is stopped.
    pub state: String,
    /// Soft limit of open files.
    pub file_limit: Option<u64>,
    /// Files that are open.
    pub open_files: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

/// A listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Address without its port; `*` is any.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Name of the process, if shown.
    pub process: Option<String>,
}

impl Listener {
    /// Whether only the host itself can reach it.
    pub fn is_local(&self) -> bool {
        let plain = self.address.trim_matches(['[', ']']);
        plain.starts_with("127.") || plain == "::1" || plain.starts_with("::ffff:127.")
    }
}

/// Permissions of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMode {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
}

/// A credential in an argument list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The credential's file.
    pub credential: String,
    /// Process number.
    pub process: u32,
    /// Name of the program.
    pub program: String,
}
