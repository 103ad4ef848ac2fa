//! `jitctl apply`: make the hosts what the inventory says, exactly as the plan shows.

use std::path::PathBuf;

use crate::context::Context;
use crate::deployment::{Asking, Deployment};
use crate::enactment::{self, Limits};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::plan_view::{Detail, PlanView};
use crate::saved_plan;

/// Make the hosts what the inventory says.
///
/// Shows the plan and asks, then carries out exactly that: MAIN first, one bridge, then the other
/// bridges. A host whose health gates stay red gets its previous state back. A second apply
/// changes nothing. The last gate of a host is a call of two through its bridge, when the change
/// concerns calls and this machine can reach the site as people do.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl apply", "show, ask, apply"),
        ("jitctl apply --yes --on b2", "one host, without asking"),
        ("jitctl apply monday.json", "a plan that was reviewed; refused when a host moved since"),
    ],
    &[
        Exit::Success, Exit::Failure, Exit::Usage, Exit::Findings, Exit::Connect, Exit::Locked,
        Exit::RolledBack, Exit::Interrupted,
    ],
))]
pub(crate) struct Apply {
    /// A plan saved with `jitctl plan --out`; it says which hosts.
    #[arg(conflicts_with = "on")]
    plan: Option<PathBuf>,

    /// Which hosts: names, `@role`, `region=…`, `label=…`, `*`, `!` for not; commas between.
    #[arg(long, value_name = "HOSTS")]
    on: Option<String>,

    /// Do not ask.
    #[arg(short, long)]
    yes: bool,

    /// Switch no host at all when one cannot be reached or refuses its new files.
    #[arg(long)]
    all_or_nothing: bool,

    /// How many hosts at a time.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    parallel: usize,

    /// How long health gates may stay red, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 45)]
    gate_limit: u64,

    /// Leave out the last gate, a call of two through each bridge.
    #[arg(long)]
    no_call: bool,
}

impl Apply {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let asking = Asking::Hosts(self.parallel);
        let saved = self.plan.as_deref().map(saved_plan::read).transpose()?;
        let mut deployment = match &saved {
            Some(plan) => {
                let site = context.open()?;
                let names = saved_plan::hosts(plan, &site)?;
                Deployment::of(context, site, &names, asking).await?
            }
            None => Deployment::prepare(context, self.on.as_deref(), asking).await?,
        };
        if self.all_or_nothing
            && let Some(mut failure) = deployment.silence()
        {
            context.printer.note("nothing was started on any host");
            failure.exit = Exit::Connect;
            return Err(failure);
        }
        let mut plan = deployment.plan()?;
        if let Some(saved) = saved {
            saved_plan::still_holds(&saved, &plan)?;
            plan = saved;
        }
        if plan.is_empty() && deployment.silent.is_empty() {
            context.printer.view(&enactment::unchanged(&plan));
            return Ok(Exit::Success);
        }
        let asked = !self.yes && !plan.is_empty();
        if asked {
            context.printer.chatter_view(&PlanView {
                plan: &plan,
                detail: Detail::Diffs,
            });
            if !context.confirm("Apply this plan?", "--yes").await? {
                context.printer.note("nothing was changed");
                return Ok(Exit::Failure);
            }
        }
        let limits = Limits {
            parallel: self.parallel,
            require_all: self.all_or_nothing,
            check_basis: asked || self.plan.is_some(),
            gate_seconds: self.gate_limit,
            // Rooms are pinned at a focus of ours.
            calls: !self.no_call && deployment.site.inventory().foreign_main().is_none(),
        };
        enactment::run(context, &mut deployment, &plan, "apply", &limits).await
    }
}
