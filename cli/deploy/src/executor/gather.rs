//! Facts of all hosts, side by side.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use jitctl_inventory::names::HostName;
use jitctl_transport::Remote;

use super::{HostError, Remotes, unknown};
use crate::facts::{self, Facts, ParseError, Query};
use crate::resolved::ResolvedHost;

/// Asks all hosts, `parallel` at a time.
pub async fn gather(
    hosts: &[ResolvedHost],
    remotes: &Remotes,
    parallel: usize,
    root: &str,
) -> BTreeMap<HostName, Result<Facts, HostError>> {
    futures_util::stream::iter(hosts.iter().collect::<Vec<_>>())
        .map(|host| async move {
            let name = &host.desired.host;
            let facts = match remotes.get(name) {
                Some(remote) => gather_one(host, remote.as_ref(), root).await,
                None => Err(unknown(name).into()),
            };
            (name.clone(), facts)
        })
        .buffer_unordered(parallel.max(1))
        .collect()
        .await
}

/// Asks one host.
///
/// # Errors
/// The host cannot be reached, or its answer cannot be read.
pub async fn gather_one(
    host: &ResolvedHost,
    remote: &dyn Remote,
    root: &str,
) -> Result<Facts, HostError> {
    let script = facts::script(&Query::for_host(host), root);
    let asked = milliseconds();
    let output = remote.run(script).await?;
    // The host reads its clock at the start of the script, right after the connection stands.
    let now = asked + (milliseconds() - asked) / 2;
    if !output.success() {
        let said = output.stderr.lines().map(str::to_owned).collect();
        return Err(HostError::Refused {
            host: remote.host().clone(),
            phase: crate::steps::Phase::Lease,
            said,
        });
    }
    facts::parse(&output.text(), root, now).map_err(|cause: ParseError| HostError::Facts {
        host: remote.host().clone(),
        cause,
    })
}

fn milliseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| {
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    })
}
