//! What a lab tells its observer while it works.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::host::HostName;

/// A step of `up` or `down`. The crate never prints; the caller shows these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Another command works on this lab; this one waits for it.
    WaitingForOtherCommand,
    /// The last run of this lab died; what it left is being removed.
    Sweeping,
    /// The base image is being built; this takes half a minute.
    BuildingBase {
        /// The Debian release.
        suite: String,
    },
    /// The base image is being unpacked from the cache.
    UnpackingBase {
        /// The cached image.
        archive: PathBuf,
    },
    /// The base image is there.
    BaseReady {
        /// How long that took.
        elapsed: Duration,
    },
    /// The lab's namespaces and network are there.
    NetworkReady {
        /// Since the start of the command.
        elapsed: Duration,
    },
    /// A host boots.
    HostBooting {
        /// Which.
        host: HostName,
    },
    /// A host answers ssh.
    HostReady {
        /// Which.
        host: HostName,
        /// Since the start of the command.
        elapsed: Duration,
    },
    /// All of the lab is gone.
    Down {
        /// Since the start of the command.
        elapsed: Duration,
    },
}
