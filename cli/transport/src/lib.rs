//! Running one script per host and phase.
//!
//! [`Remote`] is the only way in which anything reaches a host: a POSIX shell script goes in on
//! standard input together with the bytes it needs, its output comes back. Three kinds: the
//! system's OpenSSH through the `openssh` crate, this machine, and a fake for tests.
#![forbid(unsafe_code)]

mod remote;

pub use remote::{Output, Remote, RemoteError, RemoteFuture, Script};
