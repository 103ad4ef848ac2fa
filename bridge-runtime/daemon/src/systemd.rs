//! Readiness, status, watchdog and a kept socket towards systemd; silent where there is none.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// What the kept socket is called at systemd.
const KEPT: NotifyState<'_> = NotifyState::FdName("http");

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

/// The listening socket on this address that an earlier process left with systemd. Whoever came
/// meanwhile waits in it.
pub fn kept_listener(address: SocketAddr) -> Option<TcpListener> {
    let mut kept = ListenFd::from_env();
    let mut listeners = (0..kept.len()).filter_map(|index| kept.take_tcp_listener(index).ok()?);
    listeners.find(|listener| listener.local_addr().is_ok_and(|at| at == address))
}

/// Leaves a listening socket with systemd for the next process: across a restart, also one after a
/// crash, nobody is refused (`FileDescriptorStoreMax=`).
pub fn keep_listener(listener: &impl AsFd) {
    // One that was kept for another address goes.
    tell(&[NotifyState::FdStoreRemove, KEPT]);
    let state = [NotifyState::FdStore, KEPT];
    if let Err(error) = sd_notify::notify_with_fds(&state, &[listener.as_fd()]) {
        tracing::debug!(%error, "systemd keeps no socket");
    }
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
