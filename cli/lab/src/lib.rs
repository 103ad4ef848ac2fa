//! The embedded lab: several real Debian hosts on one machine.
//!
//! Each host is a systemd-nspawn container with its own systemd, sshd, network and firewall, on
//! an overlay over one shared base image. All of a lab lives in one private set of namespaces
//! whose first process is the *holder*: when it dies, every process, mount and link of the lab
//! is gone. Nothing listens on the outer machine; ssh gets in through a `ProxyCommand` that
//! hands over a socket, so that the rest of jitctl need not know that it talks to a lab.
//!
//! The crate is synchronous and never prints: progress is told to an observer as [`Event`]s.
//! A program that embeds it calls [`run_internal`] first in `main`, before any thread starts.
#![forbid(unsafe_code)]

mod address;
mod apt;
mod base;
mod certificates;
mod cgroup;
mod client;
mod control;
mod dial;
mod error;
mod event;
mod fault;
mod files;
mod holder;
mod host;
mod internal;
mod lab;
mod mounts;
mod paths;
mod preflight;
mod process;
mod record;
mod ssh;

pub use error::LabError;
pub use event::Event;
pub use fault::{BlockSource, Fault, Protocol};
pub use host::{HostName, HostSpec, HostState, HostStatus, LabName};
pub use internal::run_internal;
pub use lab::{ExecTarget, Lab, LabStatus, RunningLab, UpOptions};
pub use paths::LabPaths;
