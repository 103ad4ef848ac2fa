//! Readiness, status and watchdog towards systemd; silent where there is none.

use std::time::Duration;

use sd_notify::NotifyState;

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

/// The service is up.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// What the service is doing, for `systemctl status`.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The service is going down.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog that all is well while `is_alive` says so; returns at once without a
/// watchdog.
pub async fn feed_watchdog(is_alive: impl Fn() -> bool) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut ticks = tokio::time::interval((limit / 3).max(Duration::from_millis(100)));
    loop {
        ticks.tick().await;
        if is_alive() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}
