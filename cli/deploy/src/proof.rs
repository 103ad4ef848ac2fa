//! A gate that is tried where `jitctl` runs: by people's own way to a changed host.

use std::fmt;

use futures_util::future::BoxFuture;
use jitctl_inventory::names::HostName;
use jitctl_templates::desired::Action;

use crate::gates::RedGate;
use crate::plan::HostPlan;

/// Proves a changed host whose own gates are green, before the change is recorded.
pub trait Proof: Send + Sync + fmt::Debug {
    /// What is red, and takes the change back. Nothing when all is well, or when that cannot be
    /// told from here.
    fn red<'a>(&'a self, host: &'a HostName) -> BoxFuture<'a, Option<RedGate>>;
}

/// Units that a call goes through.
const OF_CALLS: [&str; 4] = [
    "jitctl-bridge.service",
    "jitctl-focus.service",
    "nginx.service",
    "prosody.service",
];

/// Whether a change may be felt in calls: a unit that they go through starts again or reads its
/// configuration anew, or the packet filter changes.
pub(crate) fn concerns_calls(plan: &HostPlan) -> bool {
    let acted_on = plan.actions.iter().filter_map(|action| match action {
        Action::Reload(unit) | Action::Restart(unit) => Some(unit),
        Action::DaemonReload | Action::Sysctl(_) => None,
    });
    let started = plan.services.iter().filter(|service| !service.stop);
    let mut units = acted_on.chain(started.map(|service| &service.unit));
    plan.leaving.is_none()
        && (plan.firewall.is_some() || units.any(|unit| OF_CALLS.contains(&unit.as_str())))
}
