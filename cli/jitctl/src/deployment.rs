//! From the inventory to a plan: what `plan`, `apply` and the bridge commands share.
//!
//! The inventory is opened, desired states are rendered and filled with secrets, hosts are asked
//! for facts (unless offline), and the engine makes the plan. Nothing is changed here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jitctl_deploy::archive::pack_page;
use jitctl_deploy::executor::{HostError, Remotes};
use jitctl_deploy::plan::plan_site;
use jitctl_deploy::{Artifacts, Facts, ResolvedHost, SitePlan, firewall, gather};
use jitctl_inventory::model::{FirewallBackend, Role};
use jitctl_inventory::names::HostName;
use jitctl_inventory::secrets::{Slot, Store};
use jitctl_templates::desired::{DesiredHost, FirewallIntent};
use jitctl_templates::{AccountSlot, RenderError, RenderOptions, Renderer};
use jitctl_transport::Remote;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Problem};
use crate::site::Site;
use crate::vault::{self, Vault};

/// Everything an apply works with.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) site: Site,
    pub(crate) vault: Vault,
    pub(crate) artifacts: Artifacts,
    pub(crate) hosts: Vec<ResolvedHost>,
    pub(crate) remotes: Remotes,
    pub(crate) facts: BTreeMap<HostName, Facts>,
    /// Hosts that gave no facts, and why.
    pub(crate) silent: Vec<(HostName, HostError)>,
}

/// How the facts come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// So many hosts at a time.
    Hosts(usize),
    /// Nobody is asked: hosts count as freshly installed.
    Nobody,
}

impl Deployment {
    /// Opens everything and asks the selected hosts.
    pub(crate) async fn prepare(
        context: &Context,
        on: Option<&str>,
        asking: Asking,
    ) -> Result<Self, Failure> {
        let site = context.open()?;
        let names = site.select(on)?;
        Self::of(context, site, &names, asking).await
    }

    /// The same for given hosts of an opened site.
    pub(crate) async fn of(
        context: &Context,
        site: Site,
        names: &[HostName],
        asking: Asking,
    ) -> Result<Self, Failure> {
        Self::with_leaving(context, site, names, None, asking).await
    }

    /// The same with a host that leaves the site: everything of ours goes from it.
    pub(crate) async fn with_leaving(
        context: &Context,
        site: Site,
        names: &[HostName],
        leaving: Option<(DesiredHost, Arc<dyn Remote>)>,
        asking: Asking,
    ) -> Result<Self, Failure> {
        let vault = vault::open(context)?;
        let mut artifacts = artifacts(context)?;
        if let Some(folder) = site.page_folder() {
            let archive = pack_page(&folder).map_err(|error| {
                Failure::usage(
                    error.to_string(),
                    "`jitctl check` looks at every file that the inventory names",
                )
            })?;
            artifacts.replace_page(&folder, archive);
        }
        let renderer = renderer(context, &vault.store)?;
        let mut desired: Vec<DesiredHost> = names
            .iter()
            .map(|name| renderer.desired_host(site.inventory(), name))
            .collect::<Result<_, _>>()?;
        // MAIN hosts that are not selected are witnesses: they say whether a bridge counts.
        let mut witnesses = site.with_role(Role::Main);
        witnesses.retain(|name| !names.contains(name));
        for name in &witnesses {
            desired.push(renderer.desired_host(site.inventory(), name)?);
        }
        let mut remotes = remotes(&site, &[names, &witnesses].concat());
        if let Some((host, remote)) = leaving {
            remotes.insert(host.host.clone(), remote);
            desired.push(host);
        }
        let hosts = resolve(&desired, &vault)?;
        let mut deployment = Self {
            remotes,
            site,
            vault,
            artifacts,
            hosts,
            facts: BTreeMap::new(),
            silent: Vec::new(),
        };
        deployment.ask(asking, &witnesses).await;
        deployment.settle(&renderer, desired)?;
        Ok(deployment)
    }

    /// Asks all hosts but the witnesses; without facts a host has no plan.
    async fn ask(&mut self, asking: Asking, witnesses: &[HostName]) {
        let mut asked = self.hosts.clone();
        asked.retain(|host| !witnesses.contains(&host.desired.host));
        let parallel = match asking {
            Asking::Nobody => {
                let bare = asked.iter().map(|host| host.desired.host.clone());
                self.facts = bare.map(|name| (name, Facts::bare())).collect();
                return;
            }
            Asking::Hosts(parallel) => parallel,
        };
        for (name, facts) in gather(&asked, &self.remotes, parallel, "").await {
            match facts {
                Ok(facts) => {
                    self.facts.insert(name, facts);
                }
                Err(error) => self.silent.push((name, error)),
            }
        }
    }

    /// Follows the packet filter that is active on each host, where the inventory leaves it open.
    fn settle(
        &mut self,
        renderer: &Renderer,
        mut desired: Vec<DesiredHost>,
    ) -> Result<(), Failure> {
        for host in &mut desired {
            if let Some(facts) = self.facts.get(&host.host) {
                firewall::settle(renderer, host, facts)?;
            }
        }
        self.hosts = resolve(&desired, &self.vault)?;
        Ok(())
    }

    /// What would change on the hosts that gave facts.
    pub(crate) fn plan(&self) -> Result<SitePlan, Failure> {
        plan_site(&self.hosts, &self.facts, &self.artifacts, &self.vault).map_err(|error| {
            Failure::new(
                Exit::Usage,
                Problem::new("cannot make a plan")
                    .cause(error)
                    .help("`cargo xtask dist` builds missing programs; `jitctl secrets init` makes missing secrets"),
            )
        })
    }

    /// The failure for hosts that gave no facts, if there are any.
    pub(crate) fn silence(&self) -> Option<Failure> {
        Failure::all(self.silent.iter().map(|(_, error)| {
            let problem = Problem::new(error.to_string()).help(error.remedy());
            Failure::new(Exit::of(error.exit_code()), problem)
        }))
    }
}

/// The desired state of a host that is to carry nothing of ours.
pub(crate) fn nothing(name: &HostName) -> DesiredHost {
    DesiredHost {
        host: name.clone(),
        roles: BTreeSet::new(),
        foreign: false,
        packages: Vec::new(),
        users: Vec::new(),
        directories: Vec::new(),
        binaries: Vec::new(),
        files: Vec::new(),
        links: Vec::new(),
        accounts: Vec::new(),
        services: Vec::new(),
        firewall: FirewallIntent {
            backend: FirewallBackend::None,
            rules: Vec::new(),
        },
        gates: Vec::new(),
    }
}

/// The renderer with the operator's overrides and the accounts in use.
pub(crate) fn renderer(context: &Context, store: &Store) -> Result<Renderer, Failure> {
    let options = RenderOptions {
        overrides: overrides(context),
        focus_account: account(store, "xmpp-focus"),
        bridge_account: account(store, "xmpp-bridge"),
    };
    Ok(Renderer::new(&options)?)
}

/// The folder `overrides` beside the inventory, when it exists.
pub(crate) fn overrides(context: &Context) -> Option<PathBuf> {
    let folder = context.inventory_path.with_file_name("overrides");
    folder.is_dir().then_some(folder)
}

fn account(store: &Store, pair: &str) -> AccountSlot {
    match store.active(pair) {
        Some(Slot::B) => AccountSlot::B,
        _ => AccountSlot::A,
    }
}

/// Connections to hosts; nothing is dialled yet.
pub(crate) fn remotes(site: &Site, names: &[HostName]) -> Remotes {
    site.remotes(names)
        .into_iter()
        .map(|remote| (remote.host().clone(), Arc::new(remote) as Arc<dyn Remote>))
        .collect()
}

fn resolve(desired: &[DesiredHost], vault: &Vault) -> Result<Vec<ResolvedHost>, Failure> {
    desired
        .iter()
        .map(|host| ResolvedHost::new(host.clone(), vault))
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::new(Exit::Usage, Problem::new(error.to_string())))
}

/// Our programs: by option, by environment, else in `artifacts` beside this program.
fn artifacts(context: &Context) -> Result<Artifacts, Failure> {
    let folder = match &context.artifacts {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()
            .map_err(|error| Failure::other(format!("cannot find myself: {error}"), String::new()))?
            .with_file_name("artifacts"),
    };
    Artifacts::open(&folder, env!("CARGO_PKG_VERSION")).map_err(|error| {
        Failure::usage(
            error.to_string(),
            "`cargo xtask dist` builds them; `--artifacts DIR` or `JITCTL_ARTIFACTS` says where they are",
        )
    })
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        Self::new(
            Exit::Usage,
            Problem::new("cannot render the site").cause(error),
        )
    }
}
