//! `jitctl doctor --foreign`: hosts that other hands set up, without an inventory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use futures_util::future::join_all;
use jitctl_doctor::Report;
use jitctl_doctor::foreign::{ForeignSight, diagnose_foreign, examine_foreign};
use jitctl_inventory::model::Ssh;
use jitctl_inventory::names::HostName;
use jitctl_transport::{RemoteError, SshOptions, SshRemote};

use super::connect_deadline;
use crate::host_argument::HostArgument;

/// Which hosts, and how to find what is on them.
#[derive(Debug, clap::Args)]
pub(crate) struct Foreign {
    /// Look at a host that `jitctl` did not make: packages of Debian, or a docker-jitsi-meet folder.
    /// `[USER@]NAME`; may be given more than once. Needs no inventory and changes nothing.
    #[arg(long = "foreign", id = "foreign", value_name = "HOST", conflicts_with_all = ["on", "fix", "watch"])]
    pub(super) hosts: Vec<HostArgument>,

    /// The docker-jitsi-meet folder, when it is in no usual place.
    #[arg(long, value_name = "DIR", requires = "foreign")]
    folder: Option<String>,

    /// An `ssh_config` file to reach foreign hosts with.
    #[arg(long, value_name = "FILE", requires = "foreign")]
    ssh_config: Option<PathBuf>,
}

/// One look at a foreign host.
pub(crate) type Look = Result<ForeignSight, RemoteError>;

impl Foreign {
    pub(super) async fn look(&self) -> Report {
        let started = Instant::now();
        let looks = looks(
            &self.hosts,
            self.folder.as_deref(),
            self.ssh_config.as_ref(),
        )
        .await;
        Report {
            version: 1,
            hosts: looks.keys().cloned().collect(),
            unseen: looks
                .iter()
                .filter(|(_, look)| look.is_err())
                .map(|(name, _)| name.clone())
                .collect(),
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            findings: diagnose_foreign(looks),
        }
    }
}

/// Looks at all hosts at once.
pub(crate) async fn looks(
    hosts: &[HostArgument],
    folder: Option<&str>,
    config: Option<&PathBuf>,
) -> BTreeMap<HostName, Look> {
    let looks = hosts.iter().zip(1..).map(|(host, number)| async move {
        let unnamed = format!("host{number}");
        let name = HostName::new(host.name().unwrap_or(&unnamed));
        let ssh = Ssh {
            config: config.cloned(),
            ..host.ssh()
        };
        let look = look_at_foreign(&name, ssh, folder).await;
        (name, look)
    });
    join_all(looks).await.into_iter().collect()
}

/// Looks at one host, over a connection of its own.
pub(crate) async fn look_at_foreign(name: &HostName, ssh: Ssh, folder: Option<&str>) -> Look {
    let options = SshOptions {
        connect_deadline: connect_deadline(),
        ..SshOptions::default()
    };
    let remote = SshRemote::new(name.clone(), ssh, options);
    let look = Box::pin(examine_foreign(&remote, folder)).await;
    remote.close().await;
    look
}
