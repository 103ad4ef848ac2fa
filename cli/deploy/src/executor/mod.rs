//! Carries out plans.
//!
//! [`gather`] asks all hosts; [`apply`] carries out a [`SitePlan`]: all hosts are prepared side by
//! side, then switched in the order MAIN hosts, one bridge as canary, the other bridges side by
//! side, up to the first red host. Progress goes out as [`Event`]s; nothing is printed. A host is
//! touched only by what its plan says.

mod error;
mod gather;
mod host;
mod order;
mod report;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jitctl_inventory::names::HostName;
use jitctl_transport::{Remote, RemoteError};
use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use crate::artifacts::Artifacts;
use crate::facts::Facts;
use crate::lease::{self, Holder, LeaseError};
use crate::plan::SitePlan;
use crate::proof::Proof;
use crate::resolved::ResolvedHost;
use crate::secrets::SecretValues;
use crate::steps::Phase;

pub use error::HostError;
pub use gather::{gather, gather_one};
pub use report::{ApplyReport, HostOutcome};

/// The hosts by name.
pub type Remotes = BTreeMap<HostName, Arc<dyn Remote>>;

/// How to apply.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Who asks for the leases.
    pub holder: Holder,
    /// How many hosts at a time.
    pub parallel: usize,
    /// Whether one host that is unreachable or cannot be prepared keeps all others from being
    /// switched.
    pub require_all: bool,
    /// Whether facts are gathered again under the lease and compared with the plan's: for saved
    /// plans, and when a person took time to agree.
    pub check_basis: bool,
    /// How long gates may stay red.
    pub gate_limit: Duration,
    /// When an unconfirmed firewall change is put back.
    pub revert_after: Duration,
    /// Prefix of all paths on the hosts, empty but in tests.
    pub root: String,
}

impl ApplyOptions {
    /// Defaults for a holder.
    pub fn new(holder: Holder) -> Self {
        Self {
            holder,
            parallel: 10,
            require_all: false,
            check_basis: false,
            gate_limit: Duration::from_secs(45),
            revert_after: Duration::from_secs(60),
            root: String::new(),
        }
    }
}

/// What happens, as it happens.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// A phase starts.
    Started {
        /// Which host.
        host: HostName,
        /// Which phase.
        phase: Phase,
        /// The phase in words.
        title: &'static str,
        /// Phases of this host that are done.
        done: usize,
        /// Phases of this host in all.
        total: usize,
    },
    /// A phase ended well.
    Finished {
        /// Which host.
        host: HostName,
        /// Which phase.
        phase: Phase,
        /// How long it took.
        duration: Duration,
    },
    /// Something that the operator should know.
    Warning {
        /// Which host.
        host: HostName,
        /// What.
        text: String,
    },
    /// A host is done, well or not.
    HostDone {
        /// Which host.
        host: HostName,
        /// Whether it went well.
        ok: bool,
    },
}

/// What [`apply`] works with, beside the plan.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// Desired states with their bytes.
    pub hosts: &'a [ResolvedHost],
    /// The facts that the plan was made from.
    pub facts: &'a BTreeMap<HostName, Facts>,
    /// The hosts themselves.
    pub remotes: &'a Remotes,
    /// Our programs.
    pub artifacts: &'a Artifacts,
    /// The secrets.
    pub secrets: &'a dyn SecretValues,
    /// What proves a host once its own gates are green.
    pub proof: Option<&'a dyn Proof>,
}

impl std::fmt::Debug for Site<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("hosts", &self.hosts.len())
            .finish_non_exhaustive()
    }
}

/// Carries out a plan. Hosts whose plan is empty are not touched.
///
/// Every host ends in the report; no error is lost. When a lease is held, no host is changed.
pub async fn apply(
    plan: &SitePlan,
    site: Site<'_>,
    options: &ApplyOptions,
    events: &UnboundedSender<Event>,
) -> ApplyReport {
    let mut report = ApplyReport::default();
    let changing: Vec<_> = plan.hosts.iter().filter(|plan| !plan.is_empty()).collect();
    for unchanged in plan.hosts.iter().filter(|plan| plan.is_empty()) {
        report.set(&unchanged.host, HostOutcome::Unchanged);
    }
    let names: Vec<HostName> = changing.iter().map(|plan| plan.host.clone()).collect();
    let leased = take_leases(&names, site.remotes, options, events).await;
    let mut ready = Vec::new();
    let mut held = false;
    let mut missing = None;
    for (name, result) in leased {
        match result {
            Ok(()) => ready.push(name),
            Err(error) => {
                held |= matches!(error, LeaseError::Held { .. });
                report.set(&name, HostOutcome::failed(error.into()));
                missing = Some(name);
            }
        }
    }
    let because = match missing {
        _ if held => Some("another run holds a host".to_owned()),
        Some(name) if options.require_all => {
            Some(format!("`{name}` gave no lease and all are required"))
        }
        _ => None,
    };
    if let Some(because) = because {
        give_back(&ready, site.remotes, options).await;
        for name in ready {
            report.set(&name, HostOutcome::skipped(&because));
        }
        return report;
    }
    let prepared = prepare_all(&ready, plan, site, options, events).await;
    switch_in_order(
        order::waves(plan, &ready),
        prepared,
        options,
        events,
        &mut report,
    )
    .await;
    report
}

/// Hosts that are ready to be switched, and why the others are not.
type Prepared<'a> = BTreeMap<HostName, Result<host::Run<'a>, HostError>>;

/// Prepares all hosts side by side: what takes long or may be refused is over before the first
/// host is switched.
async fn prepare_all<'a>(
    ready: &[HostName],
    plan: &'a SitePlan,
    site: Site<'a>,
    options: &'a ApplyOptions,
    events: &'a UnboundedSender<Event>,
) -> Prepared<'a> {
    futures_util::stream::iter(ready.to_vec())
        .map(|name| async move {
            let run = Box::pin(host::prepare(&name, plan, site, options, events)).await;
            (name, run)
        })
        .buffer_unordered(options.parallel.max(1))
        .collect()
        .await
}

/// Switches wave after wave. Once a host failed, later waves keep what they have.
async fn switch_in_order(
    waves: Vec<Vec<HostName>>,
    mut prepared: Prepared<'_>,
    options: &ApplyOptions,
    events: &UnboundedSender<Event>,
    report: &mut ApplyReport,
) {
    let unready = prepared.iter().find(|(_, run)| run.is_err());
    let mut stopped = unready
        .filter(|_| options.require_all)
        .map(|(name, _)| format!("`{name}` could not be prepared and all are required"));
    for wave in waves {
        let runs = wave
            .into_iter()
            .filter_map(|name| prepared.remove_entry(&name));
        let outcomes: Vec<(HostName, HostOutcome)> = futures_util::stream::iter(runs)
            .map(|(name, run)| {
                let stopped = stopped.as_deref();
                async move {
                    let outcome = match (run, stopped) {
                        (Err(error), _) => HostOutcome::failed(error),
                        (Ok(run), Some(because)) => {
                            run.discard().await;
                            HostOutcome::skipped(because)
                        }
                        (Ok(run), None) => Box::pin(run.switch_over()).await,
                    };
                    if !matches!(outcome, HostOutcome::Skipped { .. }) {
                        // Nobody may listen: a closed channel is no error.
                        let _ = events.send(Event::HostDone {
                            host: name.clone(),
                            ok: outcome.is_ok(),
                        });
                    }
                    (name, outcome)
                }
            })
            .buffer_unordered(options.parallel.max(1))
            .collect()
            .await;
        for (name, outcome) in outcomes {
            if !outcome.is_ok() && stopped.is_none() {
                stopped = Some(format!("`{name}` failed first"));
            }
            report.set(&name, outcome);
        }
    }
}

async fn take_leases(
    names: &[HostName],
    remotes: &Remotes,
    options: &ApplyOptions,
    events: &UnboundedSender<Event>,
) -> Vec<(HostName, Result<(), LeaseError>)> {
    let time = Duration::from_secs(300);
    futures_util::stream::iter(names.to_vec())
        .map(|name| async move {
            let result = match remotes.get(&name) {
                Some(remote) => {
                    let (holder, root) = (&options.holder, &options.root);
                    let taken =
                        lease::acquire_or_inherit(remote.as_ref(), holder, time, root).await;
                    if matches!(taken, Ok(true)) {
                        // Nobody may listen: a closed channel is no error.
                        let _ = events.send(Event::Warning {
                            host: name.clone(),
                            text: "took over from a run of yours that died".to_owned(),
                        });
                    }
                    taken.map(|_| ())
                }
                None => Err(unknown(&name).into()),
            };
            (name, result)
        })
        .buffer_unordered(options.parallel.max(1))
        .collect()
        .await
}

async fn give_back(names: &[HostName], remotes: &Remotes, options: &ApplyOptions) {
    for remote in names.iter().filter_map(|name| remotes.get(name)) {
        // It runs out by itself when the host cannot be reached any more.
        let _ = lease::release(remote.as_ref(), &options.holder.id, &options.root).await;
    }
}

fn unknown(name: &HostName) -> RemoteError {
    RemoteError::Connect {
        host: name.clone(),
        failure: jitctl_transport::ConnectFailure::Configuration,
        cause: "no way to it was given".to_owned(),
        remedy: "add it to the inventory".to_owned(),
    }
}
