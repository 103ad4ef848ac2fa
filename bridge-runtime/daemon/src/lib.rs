//! What bridge and focus share as services of a host.
//!
//! Configuration from one TOML file with positions in every error, credentials from systemd,
//! logs for the journal, readiness and watchdog, metrics in the three formats collectors ask
//! for. Knows nothing of XMPP or media.
#![forbid(unsafe_code)]

pub mod arguments;
pub mod config;
mod credential;
pub mod logging;
pub mod metrics;
mod process;
mod program;
pub mod systemd;
mod time;

pub use arguments::{Arguments, Invocation};
pub use credential::{CredentialError, Secret};
pub use process::{CpuMeter, resident_bytes, threads};
pub use program::{Failure, Program, runtime};
pub use time::utc_timestamp;

/// Exit code of a configuration that cannot be used (`EX_CONFIG` of sysexits).
pub const EXIT_CONFIG: u8 = 78;

/// Version of every program of this workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Waits for a request to stop: SIGTERM or SIGINT. Never returns when signals cannot be had.
pub async fn stop_requested() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut stream) => {
                stream.recv().await;
            }
            Err(error) => {
                tracing::error!(%error, "cannot listen for signals");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}
