//! Running one script per host and phase.
//!
//! [`Remote`] is the only way in which anything reaches a host: a POSIX shell script goes in on
//! standard input together with the bytes it needs, its output comes back. Three kinds: the
//! system's OpenSSH through the `openssh` crate ([`SshRemote`]), this machine ([`LocalRemote`]),
//! and a fake for tests ([`FakeRemote`]). Host keys are always checked; [`trust`] learns them.
#![forbid(unsafe_code)]

mod classify;
mod fake;
mod framing;
mod local;
mod quote;
mod remote;
mod ssh;
pub mod trust;
mod tunnel;

pub use fake::{Exchange, FakeRemote, RecordingRemote};
pub use local::LocalRemote;
pub use quote::quote;
pub use remote::{ConnectFailure, Output, Remote, RemoteError, RemoteFuture, Script};
pub use ssh::{SshOptions, SshRemote, ssh_arguments};
pub use tunnel::{Stream, Tunnel, TunnelFuture};
