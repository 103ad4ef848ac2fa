//! Diagnostics of the program itself: `tracing` to standard error, as loud as `-v` asks.
//!
//! Lines pass the printer's mask, so a secret that slips into a field is not shown.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::Uptime;

use crate::context::Context;

/// Starts logging; without `-v` only warnings appear.
pub(crate) fn start(context: &Context) {
    let directives = match context.verbosity {
        0 => "warn",
        1 => {
            "warn,jitctl=info,jitctl_deploy=info,jitctl_transport=info,jitctl_lab=info,jitctl_doctor=info"
        }
        2 => {
            "info,jitctl=debug,jitctl_deploy=debug,jitctl_transport=debug,jitctl_lab=debug,jitctl_doctor=debug"
        }
        _ => {
            "debug,jitctl=trace,jitctl_deploy=trace,jitctl_transport=trace,jitctl_lab=trace,jitctl_doctor=trace"
        }
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_timer(Uptime::default())
        .with_ansi(context.printer.colored())
        .with_target(context.verbosity > 1)
        .with_writer(context.printer.log_writer())
        .finish();
    // Only a second call could fail, and there is none.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
