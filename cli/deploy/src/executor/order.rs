//! Who comes first.

use jitctl_inventory::model::Role;
use jitctl_inventory::names::HostName;

use crate::plan::SitePlan;

/// Waves of hosts: MAIN hosts, then one bridge alone, then the others. A new bridge finds its
/// address already let in on MAIN.
pub(super) fn waves(plan: &SitePlan, ready: &[HostName]) -> Vec<Vec<HostName>> {
    let hosts = plan.hosts.iter().filter(|host| ready.contains(&host.host));
    let (mains, others): (Vec<_>, Vec<_>) =
        hosts.partition(|host| host.roles.contains(&Role::Main));
    let name = |host: &crate::plan::HostPlan| host.host.clone();
    let mut others = others.into_iter().map(name);
    let canary: Vec<HostName> = others.next().into_iter().collect();
    [
        mains.into_iter().map(name).collect(),
        canary,
        others.collect(),
    ]
    .into_iter()
    .filter(|wave: &Vec<HostName>| !wave.is_empty())
    .collect()
}
