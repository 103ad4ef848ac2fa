//! The contract between planners, probes and whatever carries a script to a host.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jitctl_inventory::names::HostName;

use crate::tunnel::TunnelFuture;
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Exit status of the script; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, as text.
    pub stderr: String,
}

impl Script {
    /// A script without input.
    pub fn new(title: impl Into<String>, text: impl Into<String>, deadline: Duration) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            input: Vec::new(),
            deadline,
        }
    }

    /// The same script with bytes on its standard input.
    #[must_use]
    pub fn with_input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }
}

impl Output {
    /// Whether the script ended with status 0.
    pub fn success(&self) -> bool {
        self.status == Some(0)
    }

    /// Standard output as text; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Why a connection could not be made, so that a caller need not read `ssh`'s words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectFailure {
    /// The name does not resolve.
    Dns,
    /// Nothing listens on the port.
    Refused,
    /// No answer in time.
    Timeout,
    /// No route, or the network is down.
    Unreachable,
    /// The host key is in no known_hosts file.
    UnknownHostKey,
    /// The host key differs from the known one.
    ChangedHostKey,
    /// No key or agent identity was accepted.
    AuthenticationRefused,
    /// The login is not root and `sudo -n` does not work.
    Sudo,
    /// The jump host or proxy command failed.
    Proxy,
    /// The settings of `ssh` on this machine are wrong.
    Configuration,
    /// Something else: the cause has `ssh`'s words.
    Other,
}

/// Why a script could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The host could not be reached at all.
    #[error("cannot reach `{host}`: {cause}")]
    Connect {
        /// Which host.
        host: HostName,
        /// The class of the failure.
        failure: ConnectFailure,
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

impl RemoteError {
    /// What the operator can do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Connect { remedy, .. } => remedy.clone(),
            Self::Lost { host, .. } => format!(
                "run the same command again: it first heals what was left half done on `{host}`"
            ),
            Self::Deadline { host, .. } => {
                format!("look at the load of `{host}`, then run the same command again")
            }
        }
    }
}

/// A host that runs scripts as root.
pub trait Remote: Send + Sync + fmt::Debug {
    /// The host's name in the inventory.
    fn host(&self) -> &HostName;

    /// Runs a script to its end. A non-zero exit status is not an error here.
    fn run(&self, script: Script) -> RemoteFuture<'_>;

    /// Opens a TCP connection from the host to `address:port`.
    ///
    /// # Errors
    /// The host cannot be reached, or this kind of remote has no way to do it. That the far end
    /// refuses shows only as an end of the stream.
    fn open_tunnel<'a>(&'a self, address: &'a str, port: u16) -> TunnelFuture<'a> {
        let host = self.host().clone();
        let title = format!("connection to {address}:{port}");
        Box::pin(async move { Err(RemoteError::Lost { host, title }) })
    }

    /// Runs a script over a connection made for it alone: proof that the host still lets one in.
    fn run_on_new_connection(&self, script: Script) -> RemoteFuture<'_> {
        self.run(script)
    }
}
