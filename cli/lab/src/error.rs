//! What can go wrong in a lab: every error names its cause, its place and its cure.

use std::io;
use std::path::PathBuf;

/// An error of the lab.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// Namespaces, mounts and containers need root.
    #[error("the lab needs root: it makes namespaces, mounts and containers")]
    NotRoot,
    /// Programs of the outer machine are missing.
    #[error("programs that the lab needs are missing: {}", .0.iter().map(|tool| tool.program).collect::<Vec<_>>().join(", "))]
    MissingTools(Vec<MissingTool>),
    /// The kernel or the machine lacks something.
    #[error("this machine cannot run a lab: {problem}")]
    Machine {
        /// What is missing.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// Hosts' disks are overlays, and an overlay's upper layer cannot lie on an overlay.
    #[error("`{}` lies on an overlay file system, which cannot hold the disks of lab hosts", .0.display())]
    StateOnOverlay(PathBuf),
    /// The name of a lab or host is not usable.
    #[error("`{name}` cannot name a {what}: {reason}")]
    BadName {
        /// `lab` or `host`.
        what: &'static str,
        /// As given.
        name: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A lab can hold no more hosts.
    #[error("the lab's network has no address left for `{0}`")]
    NoAddressLeft(String),
    /// The named lab does not run.
    #[error("lab `{0}` is not up")]
    NotUp(String),
    /// The lab has no such host.
    #[error("the lab has no host `{name}`; it has {known}")]
    NoSuchHost {
        /// As given.
        name: String,
        /// The hosts there are.
        known: String,
    },
    /// The host is powered off or booting.
    #[error("host `{0}` does not run")]
    HostNotRunning(String),
    /// A host did not come up.
    #[error("host `{host}` did not answer ssh within {seconds} s")]
    HostSilent {
        /// The host.
        host: String,
        /// How long it was given.
        seconds: u64,
        /// The end of its console.
        console: String,
    },
    /// A program of the outer machine failed.
    #[error("`{command}` failed ({status}): {output}")]
    Command {
        /// The program and its first arguments.
        command: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        output: String,
    },
    /// A file or socket could not be used.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A system call failed.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: String,
        /// Why not.
        source: io::Error,
    },
    /// The holder ended, or never came up.
    #[error("the lab's first process did not come up: {0}")]
    HolderFailed(String),
    /// The holder refused a request.
    #[error("{0}")]
    Refused(String),
    /// A fault cannot be had on this lab or host.
    #[error("{problem}")]
    FaultUnavailable {
        /// Why not.
        problem: String,
        /// What to do instead.
        remedy: String,
    },
    /// Something of the lab would not go away.
    #[error("something of the lab is left: {0}")]
    Remains(String),
    /// The lab's certificates could not be made.
    #[error("cannot make the lab's certificate authority: {0}")]
    Certificate(String),
}

/// A program that the lab needs and the machine lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingTool {
    /// The program.
    pub program: &'static str,
    /// The Debian package that holds it.
    pub package: &'static str,
}

impl LabError {
    /// What to do about it, when there is something.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::NotRoot => Some("run the same command with `sudo`".into()),
            Self::MissingTools(tools) => {
                let mut packages: Vec<_> = tools.iter().map(|tool| tool.package).collect();
                packages.sort_unstable();
                packages.dedup();
                Some(format!(
                    "sudo apt-get install --no-install-recommends {}",
                    packages.join(" ")
                ))
            }
            Self::Machine { remedy, .. } | Self::FaultUnavailable { remedy, .. } => {
                Some(remedy.clone())
            }
            Self::StateOnOverlay(_) => Some(
                "set `XDG_STATE_HOME` to a directory on a disk or tmpfs, such as `/dev/shm`".into(),
            ),
            Self::NotUp(_) => Some("start it with `jitctl lab up`".into()),
            Self::HostNotRunning(host) => Some(format!(
                "mend it with `jitctl lab fault clear {host}`, or boot it with `jitctl lab up`"
            )),
            Self::HostSilent { console, .. } if !console.is_empty() => {
                Some(format!("the end of its console:\n{console}"))
            }
            Self::HolderFailed(_) | Self::Remains(_) => {
                Some("`jitctl lab down`, then `jitctl lab up` again".into())
            }
            _ => None,
        }
    }

    /// For `map_err` on operations on a file.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// For `map_err` on system calls.
    pub(crate) fn system<E: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |source| Self::System {
            action,
            source: source.into(),
        }
    }
}
