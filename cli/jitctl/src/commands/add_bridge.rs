//! `jitctl add-bridge`: one more bridge, all or nothing.
//!
//! The inventory is changed in memory, MAIN opens 5222 for the newcomer, the newcomer is deployed,
//! and its last gate is that the focus counts it. Only then is the file written; when a gate stays
//! red, MAIN gets back what it had.

use std::time::Duration;

use jitctl_deploy::gates::{foreign_focus, wait_counted};
use jitctl_inventory::edit;
use jitctl_inventory::model::Role;
use jitctl_inventory::names::HostName;
use jitctl_inventory::scaffold::ScaffoldHost;
use jitctl_inventory::secrets::os_random;
use jitctl_transport::trust::{self, Known};
use miette::Report;
use serde::Serialize;

use super::trust::failure as trust_failure;
use crate::context::Context;
use crate::deployment::{Asking, Deployment};
use crate::enactment::{self, Limits};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::host_argument::HostArgument;
use crate::plan_view::{Detail, PlanView};
use crate::printer::{Style, View};
use crate::site::Site;

/// Add a bridge to the site: firewall, deployment, and the focus's word that it counts.
///
/// HOST is `[USER@]NAME[=ADDRESS]`. Comments and order of the inventory stay. When the bridge does
/// not join, everything is as it was before, the inventory too.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl add-bridge root@b3=203.0.113.9", "show, ask, add"),
        ("jitctl add-bridge b3.example.org --region eu --yes --fingerprint SHA256:…", "in a script"),
    ],
    &[
        Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Locked, Exit::RolledBack,
        Exit::Interrupted,
    ],
))]
pub(crate) struct AddBridge {
    /// The new host.
    host: HostArgument,

    /// Its region.
    #[arg(long)]
    region: Option<String>,

    /// Take the host from the lab of this name.
    #[arg(long, value_name = "LAB", num_args = 0..=1, default_missing_value = "default")]
    lab: Option<String>,

    /// The host's ssh key, when it is not known yet.
    #[arg(long, value_name = "SHA256:…")]
    fingerprint: Option<String>,

    /// Do not ask.
    #[arg(short, long)]
    yes: bool,

    /// How long the focus may take to count it, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    gate_limit: u64,
}

#[derive(Debug, Serialize)]
struct Added {
    host: String,
    nickname: String,
    /// The room that it has joined, where others keep the focus.
    #[serde(skip_serializing_if = "Option::is_none")]
    brewery: Option<String>,
    /// The focus's own words.
    focus_says: String,
}

impl AddBridge {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let before = context.open()?;
        let mut scaffold = self.scaffold(&before)?;
        scaffold.region.clone_from(&self.region);
        let name = scaffold.name.clone();
        let host = scaffold.build(&mut os_random)?;
        let nickname = host.muc_nick(&name).to_string();
        let text = edit::add_host(before.text(), &name, &host)?;
        let after = context.imagine(&text)?;
        self.trust(context, &after, &name).await?;

        let mut names = after.with_role(Role::Main);
        names.push(name.clone());
        let mut deployment = Deployment::of(context, after, &names, Asking::Hosts(10)).await?;
        if let Some(failure) = deployment.silence() {
            return Err(failure);
        }
        let plan = deployment.plan()?;
        if !self.yes {
            let detail = Detail::Diffs;
            context.printer.chatter_view(&PlanView {
                plan: &plan,
                detail,
            });
            if !context.confirm(&format!("Add `{name}`?"), "--yes").await? {
                context.printer.note("nothing was changed");
                return Ok(Exit::Failure);
            }
        }
        let limits = self.limits();
        let report =
            enactment::carry_out(context, &mut deployment, &plan, "add-bridge", &limits).await;
        if Exit::of(report.exit_code()) != Exit::Success {
            self.take_back(context, before).await;
            return Err(Failure {
                exit: Exit::of(report.exit_code()),
                reports: enactment::reports(&report),
            });
        }
        let foreign = deployment.site.inventory().foreign_main();
        let brewery = foreign.map(|(_, foreign)| foreign.brewery.clone());
        let focus_says = match foreign {
            Some((main, _)) => Self::foreign_focus(&deployment, main).await,
            None => self.counted(&deployment, &nickname).await,
        };
        context.write_inventory(&text)?;
        context.printer.view(&Added {
            host: name.to_string(),
            nickname,
            brewery,
            focus_says,
        });
        Ok(Exit::Success)
    }

    fn limits(&self) -> Limits {
        Limits {
            parallel: 10,
            require_all: true,
            check_basis: !self.yes,
            gate_seconds: self.gate_limit,
            calls: false,
        }
    }

    fn scaffold(&self, site: &Site) -> Result<ScaffoldHost, Failure> {
        if let Some(lab) = &self.lab {
            let status = super::lab::open(lab)?.status()?;
            let name = self.host.name().unwrap_or_default();
            return super::lab::scaffold(&status, name, &[Role::Bridge]);
        }
        let taken = |name: &str| site.host(name).is_ok();
        let free = (1..1000)
            .map(|number| format!("b{number}"))
            .find(|name| !taken(name));
        self.host
            .scaffold(&free.unwrap_or_default(), &[Role::Bridge])
    }

    /// Learns the newcomer's key when the operator vouches for it.
    async fn trust(&self, context: &Context, site: &Site, name: &HostName) -> Result<(), Failure> {
        let offered = trust::offered_key(name, &site.ssh(name), Duration::from_secs(10))
            .await
            .map_err(trust_failure)?;
        if offered.known == Known::Same {
            return Ok(());
        }
        context.printer.chatter_view(&offered);
        let accepted = if let Some(expected) = &self.fingerprint {
            *expected == offered.fingerprint
        } else {
            let question = format!("Is this the key of `{name}`?");
            context.confirm(&question, "--fingerprint SHA256:…").await?
        };
        if !accepted {
            return Err(Failure::usage(
                format!("the key of `{name}` was not accepted"),
                "compare it with what the host's console or your provider shows",
            ));
        }
        trust::accept(&offered, false).await.map_err(trust_failure)
    }

    /// What a focus that others keep says, now that the bridge is in its brewery.
    async fn foreign_focus(deployment: &Deployment, main: &HostName) -> String {
        let Some(remote) = deployment.remotes.get(main) else {
            return String::new();
        };
        match foreign_focus(remote.as_ref()).await {
            Ok(Some(health)) => format!("its health is {health}"),
            // Where it listens is its keepers' business.
            Ok(None) | Err(_) => String::new(),
        }
    }

    /// The line people look for: the focus has the bridge.
    async fn counted(&self, deployment: &Deployment, nickname: &str) -> String {
        let limit = Duration::from_secs(self.gate_limit);
        for name in deployment.site.with_role(Role::Main) {
            let Some(main) = deployment.remotes.get(&name) else {
                continue;
            };
            if let Ok(Ok(line)) = wait_counted(main.as_ref(), nickname, true, limit).await {
                return line;
            }
        }
        String::new()
    }

    /// MAIN gets back what it had; the newcomer was put back by the engine.
    async fn take_back(&self, context: &Context, before: Site) {
        let names = before.with_role(Role::Main);
        let result = async {
            let mut old = Deployment::of(context, before, &names, Asking::Hosts(10)).await?;
            let plan = old.plan()?;
            let report =
                enactment::carry_out(context, &mut old, &plan, "add-bridge", &self.limits()).await;
            Ok::<_, Failure>(Exit::of(report.exit_code()))
        };
        match Box::pin(result).await {
            Ok(Exit::Success) => context
                .printer
                .note("MAIN is as it was, and so is the inventory"),
            _ => context
                .printer
                .warn("MAIN could not be put back; `jitctl apply` does it"),
        }
    }
}

impl From<edit::EditError> for Failure {
    fn from(error: edit::EditError) -> Self {
        Self {
            exit: Exit::Usage,
            reports: vec![Report::new(error)],
        }
    }
}

impl View for Added {
    fn human(&self, style: Style) -> String {
        let (host, nickname) = (style.bold(&self.host), &self.nickname);
        let mut text = match &self.brewery {
            Some(room) => format!("{host} is {} `{room}` as `{nickname}`", style.good("in")),
            None => format!(
                "{host} is {} by the focus as `{nickname}`",
                style.good("counted")
            ),
        };
        if !self.focus_says.is_empty() {
            text.push_str("\nthe focus says: ");
            text.push_str(&self.focus_says);
        }
        text
    }
}
