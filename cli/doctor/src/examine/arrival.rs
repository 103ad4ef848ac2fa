//! When a host that does not let us in counts as away.
//!
//! All hosts are dialled at the same moment, so those that answer say how long a login takes just
//! now, on this machine with whatever else it does: one that takes several times as long is not
//! slow, it is away. Where nobody answers there is nothing to compare with, and the limit of the
//! connection itself decides.

use std::time::Duration;

use jitctl_inventory::names::HostName;
use jitctl_transport::{ConnectFailure, RemoteError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A first packet that was lost twice is sent again after one second and after two more (RFC 6298
/// section 2), so nothing is over before.
const LEAST: Duration = Duration::from_millis(3300);
/// So many times as long as the slowest of the others.
const TIMES: u32 = 3;

/// The logins to the hosts of a site.
#[derive(Debug)]
pub(super) struct Arrivals {
    started: Instant,
    /// How long the slowest took that has come about.
    slowest: watch::Sender<Option<Duration>>,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        let (slowest, _) = watch::channel(None);
        Self {
            started: Instant::now(),
            slowest,
        }
    }

    /// Since the first login was tried.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Logs in, unless others say that it takes too long.
    ///
    /// # Errors
    /// Those of the login; a time-out when the host counts as away.
    pub(super) async fn within<T>(
        &self,
        host: &HostName,
        login: impl Future<Output = Result<T, RemoteError>>,
    ) -> Result<T, RemoteError> {
        tokio::select! {
            biased;
            result = login => {
                if result.is_ok() {
                    let took = self.elapsed();
                    self.slowest.send_modify(|slowest| *slowest = (*slowest).max(Some(took)));
                }
                result
            }
            waited = self.too_late() => Err(RemoteError::Connect {
                host: host.clone(),
                failure: ConnectFailure::Timeout,
                cause: format!(
                    "it did not answer within {:.1} s, and other hosts did",
                    waited.as_secs_f64()
                ),
                remedy: "look whether the host runs and whether a firewall drops port 22 from here"
                    .to_owned(),
            }),
        }
    }

    /// Ends when a host that is still to come counts as away.
    async fn too_late(&self) -> Duration {
        let mut slowest = self.slowest.subscribe();
        loop {
            let limit = limit(*slowest.borrow_and_update());
            let end = async {
                match limit {
                    Some(limit) => sleep_until(self.started + limit).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = end => return self.elapsed(),
                // The sender lives as long as this.
                _ = slowest.changed() => {}
            }
        }
    }
}

/// How long a login may take, by the slowest that has come about.
fn limit(slowest: Option<Duration>) -> Option<Duration> {
    slowest.map(|slowest| (slowest * TIMES).max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_several_times_as_long_as_others_and_time_for_lost_packets() {
        let millis = Duration::from_millis;
        assert_eq!(limit(Some(millis(300))), Some(LEAST));
        assert_eq!(limit(Some(millis(2000))), Some(millis(6000)));
        assert_eq!(limit(None), None, "the connection's own limit decides");
    }
}
