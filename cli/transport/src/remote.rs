//! The contract between planners, probes and whatever carries a script to a host.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jitctl_inventory::names::HostName;

/// A script with its input. Neither appears in a remote argument list or environment: the host
/// runs `sh` (through `sudo -n` where needed) and reads both from standard input.
#[derive(Clone)]
pub struct Script {
    /// What the script does, in words, for progress and errors.
    pub title: String,
    /// POSIX shell text.
    pub text: String,
    /// Bytes that the script reads from its standard input; may hold secrets.
    pub input: Vec<u8>,
    /// How long it may take.
    pub deadline: Duration,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("title", &self.title)
            .field("input_bytes", &self.input.len())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit status of the script; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, as text.
    pub stderr: String,
}

/// Why a script could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The host could not be reached at all.
    #[error("cannot reach `{host}`: {cause}")]
    Connect {
        /// Which host.
        host: HostName,
        /// What `ssh` said.
        cause: String,
        /// What the operator can do about it.
        remedy: String,
    },
    /// The link broke while the script ran: what it did so far is unknown.
    #[error("lost `{host}` while it ran: {title}")]
    Lost {
        /// Which host.
        host: HostName,
        /// Which script.
        title: String,
    },
    /// The deadline passed.
    #[error("`{host}` did not finish in {seconds} s: {title}")]
    Deadline {
        /// Which host.
        host: HostName,
        /// Which script.
        title: String,
        /// The time it had.
        seconds: u64,
    },
}

/// A future of a remote call.
pub type RemoteFuture<'a> = Pin<Box<dyn Future<Output = Result<Output, RemoteError>> + Send + 'a>>;

/// A host that runs scripts as root.
pub trait Remote: Send + Sync + fmt::Debug {
    /// The host's name in the inventory.
    fn host(&self) -> &HostName;

    /// Runs a script to its end. A non-zero exit status is not an error here.
    fn run(&self, script: Script) -> RemoteFuture<'_>;
}
