//! A plan as scripts: one per phase, pure.
//!
//! Every script starts with the same prologue (strict mode, paths, lease, journal), can be cut off
//! anywhere, and does nothing twice: what it finds done it leaves. Values go in through one
//! quoting function; secrets only as input bytes.

mod activate;
mod check;
mod commit;
mod leave;
mod packages;
mod services;
mod stage;

use std::time::Duration;

use jitctl_transport::quote;
use serde::{Deserialize, Serialize};

use crate::lease;
use crate::plan::HostPlan;
use crate::resolved::ResolvedHost;

pub(crate) use activate::KEEP;
pub use activate::{activate, restore_fragment, roll_back};
pub use check::check;
pub use commit::{commit, discard};
pub use leave::leave;
pub use packages::packages;
pub(crate) use services::EVIDENCE;
pub use services::services;
pub use stage::{StageError, stage};

/// The phases of an apply, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Take the lease.
    Lease,
    /// Carry files and programs to a private folder.
    Stage,
    /// Install packages and make users; nothing starts yet.
    Packages,
    /// Have every changed file checked by its own program.
    Check,
    /// Keep the previous state, then switch by renames.
    Activate,
    /// Change the packet filter, confirmed by a new connection.
    Firewall,
    /// Reload, restart, start.
    Services,
    /// Wait until it works.
    Gates,
    /// Write our records and give the lease back.
    Commit,
    /// Remove what is left of us, and the lease with it.
    Leave,
    /// Put the previous state back.
    RollBack,
}

impl Phase {
    /// The phase in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Lease => "take the lease",
            Self::Stage => "carry files",
            Self::Packages => "install packages",
            Self::Check => "check files",
            Self::Activate => "switch files",
            Self::Firewall => "change the packet filter",
            Self::Services => "restart services",
            Self::Gates => "wait until it works",
            Self::Commit => "record the release",
            Self::Leave => "remove what is left",
            Self::RollBack => "put the previous state back",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Stage => "stage",
            Self::Packages => "packages",
            Self::Check => "check",
            Self::Activate => "activate",
            Self::Firewall => "firewall",
            Self::Services => "services",
            Self::Gates => "gates",
            Self::Commit => "commit",
            Self::Leave => "leave",
            Self::RollBack => "roll_back",
        }
    }
}

/// What all steps of one host share.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What changes.
    pub plan: &'a HostPlan,
    /// The bytes.
    pub host: &'a ResolvedHost,
    /// The release that the host has now.
    pub current_release: u64,
    /// Identity of our lease.
    pub lease: &'a str,
    /// Prefix of all paths, empty but in tests.
    pub root: &'a str,
}

pub(crate) const FUNCTIONS: &str = r#"tab=$(printf '\t')
fail() { printf '%s\n' "$*" >&2; exit 1; }
[ -z "$root" ] || PATH=$root/bin:$PATH
# A folder that services can enter; those that must be private are desired as such.
public() { [ -d "$1" ] || (umask 022; mkdir -p "$1"); }
"#;

impl Context<'_> {
    /// The head of every phase.
    pub fn prologue(&self, phase: Phase, deadline: Duration) -> String {
        let time = deadline + Duration::from_secs(60);
        format!(
            "set -eu\nroot={}; state=$root/var/lib/jitctl; staging=$state/staging\n{FUNCTIONS}{}printf '%s\\n' {} > \"$state/journal\"\n",
            quote(self.root),
            lease::keep_fragment(self.lease, time),
            phase.word(),
        )
    }
}

/// A shell command with quoted words.
pub(crate) fn line(words: &[&str]) -> String {
    let mut text = words
        .iter()
        .map(|word| quote(word))
        .collect::<Vec<_>>()
        .join(" ");
    text.push('\n');
    text
}
