//! `jitctl remove-bridge`: take a bridge out of the site, and everything of ours off its host.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jitctl_deploy::drain::{self, Load};
use jitctl_inventory::edit;
use jitctl_inventory::model::Role;
use jitctl_transport::{Remote, SshOptions, SshRemote};
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
/// First the bridge drains: it gets no new conference, and those that it has may end in peace. When
/// people are still there after the wait, nothing is removed and the bridge goes back to work;
/// `--now` does not wait, and their calls move to another bridge. Packages of Debian stay on the
/// host, and so does everything that jitctl did not put there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl remove-bridge b3", "show, ask, wait until nobody uses it, remove"),
        ("jitctl remove-bridge b3 --now", "without waiting for its people"),
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

    /// Do not wait until the bridge is empty.
    #[arg(long, conflicts_with = "drain_limit")]
    now: bool,

    /// How long the bridge may take to get empty, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    drain_limit: u64,

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
        if !host.roles.contains(&Role::Bridge) {
            return Err(Failure::usage(
                format!("`{name}` carries no bridge"),
                "`jitctl status` shows the bridges",
            ));
        }
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
            if !context
                .confirm(&format!("Remove `{name}`?"), "--yes")
                .await?
            {
                context.printer.note("nothing was changed");
                return Ok(Exit::Failure);
            }
        }
        let remote = deployment.remotes.get(&name).cloned();
        if let Some(remote) = remote.as_deref().filter(|_| !self.now) {
            self.drain(context, remote).await?;
        }
        let limits = Limits {
            parallel: 10,
            require_all: true,
            check_basis: !self.yes,
            gate_seconds: 45,
            calls: false,
        };
        let report =
            enactment::carry_out(context, &mut deployment, &plan, "remove-bridge", &limits).await;
        if Exit::of(report.exit_code()) != Exit::Success {
            if let Some(remote) = remote.as_deref().filter(|_| !self.now) {
                // Its own timer does the same a little later.
                let _ = drain::end(remote).await;
            }
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

    /// Waits until nobody uses the bridge, and shows who is left.
    async fn drain(&self, context: &Context, remote: &dyn Remote) -> Result<(), Failure> {
        let host = remote.host().as_str();
        let limit = Duration::from_secs(self.drain_limit);
        let end = Instant::now() + limit;
        let mut load = drain::begin(remote, limit).await?;
        while let Some(left) = load.filter(|load| !load.is_empty()) {
            let remaining = end.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                drain::end(remote).await?;
                return Err(Failure::other(
                    format!("`{host}` still carries {} after {limit:?}", shown(left)),
                    "nothing was removed, and the bridge works as before; wait longer with \
                     `--drain-limit SECONDS`, or move its people with `--now`",
                ));
            }
            let minutes = remaining.as_secs().div_ceil(60).max(1);
            let step = format!("drain: {} left, at most {minutes} min more", shown(left));
            context.printer.progress().step(host, 0, 1, &step);
            tokio::time::sleep(Duration::from_secs(1)).await;
            load = drain::look(remote).await?;
        }
        Ok(())
    }
}

/// Who is left on a bridge.
fn shown(load: Load) -> String {
    let count = |number: u64, one: &str, many: &str| {
        let word = if number == 1 { one } else { many };
        format!("{number} {word}")
    };
    format!(
        "{} in {}",
        count(load.participants, "person", "people"),
        count(load.conferences, "room", "rooms")
    )
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
