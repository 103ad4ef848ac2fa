//! `jitctl plan`: what an apply would change, and nothing more.

use std::path::PathBuf;

use crate::context::Context;
use crate::deployment::{Asking, Deployment};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::plan_view::{Detail, PlanView};
use crate::saved_plan;

/// Show what an apply would change, host by host and file by file. Nothing is touched.
///
/// The same checks run as in an apply. Secrets are shown as markers.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl plan", "everything"),
        ("jitctl plan --on 'b*' --full", "the bridges, with new files in full"),
        ("jitctl plan --out monday.json && jitctl apply monday.json", "apply exactly what was reviewed"),
        ("jitctl plan --offline --summary", "without asking the hosts: as if they were new"),
    ],
    &[
        Exit::Success, Exit::Failure, Exit::Changes, Exit::Usage, Exit::Connect,
        Exit::Interrupted,
    ],
))]
pub(crate) struct Plan {
    /// Which hosts: names, `@role`, `region=…`, `label=…`, `*`, `!` for not; commas between.
    #[arg(long, value_name = "HOSTS")]
    on: Option<String>,

    /// Write the plan to a file for `jitctl apply FILE`.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Show paths only.
    #[arg(long, conflicts_with = "full")]
    summary: bool,

    /// Show new files in full.
    #[arg(long)]
    full: bool,

    /// Ask no host: plan as if all were freshly installed.
    #[arg(long, conflicts_with = "out")]
    offline: bool,

    /// How many hosts to ask at a time.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    parallel: usize,
}

impl Plan {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let asking = if self.offline {
            Asking::Nobody
        } else {
            Asking::Hosts(self.parallel)
        };
        let deployment = Deployment::prepare(context, self.on.as_deref(), asking).await?;
        let plan = deployment.plan()?;
        let detail = match (self.summary, self.full) {
            (true, _) => Detail::Summary,
            (_, true) => Detail::Full,
            _ => Detail::Diffs,
        };
        if let Some(path) = &self.out {
            saved_plan::write(path, &plan)?;
        }
        context.printer.view(&PlanView {
            plan: &plan,
            detail,
        });
        match deployment.silence() {
            Some(failure) => Err(failure),
            None if plan.is_empty() => Ok(Exit::Success),
            None => Ok(Exit::Changes),
        }
    }
}
