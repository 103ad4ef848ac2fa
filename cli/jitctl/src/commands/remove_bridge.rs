//! `jitctl remove-bridge`: take a bridge out of the site, and everything of ours off its host.

use std::sync::Arc;

use jitctl_inventory::edit;
use jitctl_inventory::model::Role;
use jitctl_transport::{SshOptions, SshRemote};
use serde::Serialize;

use crate::context::Context;
use crate::deployment::{Asking, Deployment, nothing};
use crate::enactment::{self, Limits};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::plan_view::{Detail, PlanView};
use crate::printer::{Style, View};

/// Remove a bridge: from its host, from MAIN's firewall, from the inventory.
///
/// Calls on the bridge end; people reconnect through another one. Packages of Debian stay on the
/// host, and so does everything that jitctl did not put there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl remove-bridge b3", "show, ask, remove"),
        ("jitctl remove-bridge b3 --gone --yes", "the machine does not exist any more"),
    ],
    &[
        Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Locked, Exit::RolledBack,
        Exit::Interrupted,
    ],
))]
pub(crate) struct RemoveBridge {
    /// The host's name in the inventory.
    host: String,

    /// The machine is gone: do not try to reach it.
    #[arg(long)]
    gone: bool,

    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
struct Removed {
    host: String,
    cleaned: bool,
}

impl RemoveBridge {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let before = context.open()?;
        let (name, host) = before.host(&self.host)?;
        if host.roles.contains(&Role::Main) {
            return Err(Failure::usage(
                format!("`{name}` carries MAIN too"),
                "take `bridge` out of its `roles` in the inventory, then `jitctl apply`",
            ));
        }
        let name = name.clone();
        let text = edit::remove_host(before.text(), &name)?;
        let after = context.imagine(&text)?;
        let leaving = (!self.gone).then(|| {
            let remote = SshRemote::new(name.clone(), before.ssh(&name), SshOptions::default());
            (nothing(&name), Arc::new(remote) as Arc<_>)
        });
        let mains = after.with_role(Role::Main);
        let mut deployment =
            Deployment::with_leaving(context, after, &mains, leaving, Asking::Hosts(10)).await?;
        if let Some(failure) = deployment.silence() {
            context
                .printer
                .note("nothing was changed; `--gone` skips a machine that does not exist any more");
            return Err(failure);
        }
        let plan = deployment.plan()?;
        if !self.yes {
            let detail = Detail::Summary;
            context.printer.chatter_view(&PlanView {
                plan: &plan,
                detail,
            });
            if !context.confirm(&format!("Remove `{name}`?"), "--yes")? {
                context.printer.note("nothing was changed");
                return Ok(Exit::Failure);
            }
        }
        let limits = Limits {
            parallel: 10,
            require_all: true,
            check_basis: !self.yes,
            gate_seconds: 45,
        };
        let report =
            enactment::carry_out(context, &mut deployment, &plan, "remove-bridge", &limits).await;
        if Exit::of(report.exit_code()) != Exit::Success {
            return Err(Failure {
                exit: Exit::of(report.exit_code()),
                reports: enactment::reports(&report),
            });
        }
        context.write_inventory(&text)?;
        context.printer.view(&Removed {
            host: name.to_string(),
            cleaned: !self.gone,
        });
        Ok(Exit::Success)
    }
}

impl View for Removed {
    fn human(&self, style: Style) -> String {
        let host = style.bold(&self.host);
        if self.cleaned {
            format!("{host} carries nothing of the site any more and is out of the inventory")
        } else {
            format!("{host} is out of the inventory; the machine itself was not touched")
        }
    }
}
