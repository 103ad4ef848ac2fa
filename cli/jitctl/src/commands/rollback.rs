//! `jitctl rollback`: an earlier release of a host, with its files, programs and firewall.

use futures_util::future::join_all;
use jitctl_deploy::releases::{RollbackError, roll_back, target};
use jitctl_inventory::names::HostName;
use serde::Serialize;

use crate::context::Context;
use crate::deployment::{Asking, Deployment};
use crate::enactment;
use crate::exit::Exit;
use crate::failure::{Failure, Problem};
use crate::help;
use crate::printer::{Cell, Style, View, table};

/// Put an earlier release back: files, programs and firewall as they were.
///
/// The inventory stays as it is: the next apply brings the hosts back to what it says.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl rollback --on b1", "to the release before the present one"),
        ("jitctl rollback --to 7 --yes", "every host to its release 7, without asking"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Locked],
))]
pub(crate) struct Rollback {
    /// Which hosts: names, `@role`, `region=…`, `label=…`, `*`, `!` for not; commas between.
    #[arg(long, value_name = "HOSTS")]
    on: Option<String>,

    /// The release, as `jitctl status` shows it.
    #[arg(long, value_name = "RELEASE")]
    to: Option<u64>,

    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Serialize)]
struct RolledBack {
    hosts: Vec<Move>,
}

#[derive(Debug, Serialize)]
struct Move {
    host: HostName,
    from: u64,
    to: u64,
}

impl Rollback {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let asking = Asking::Hosts(10);
        let deployment = Deployment::prepare(context, self.on.as_deref(), asking).await?;
        if let Some(failure) = deployment.silence() {
            return Err(failure);
        }
        let mut hosts = Vec::new();
        for (host, facts) in &deployment.facts {
            hosts.push(Move {
                host: host.clone(),
                from: facts.manifest.release,
                to: target(host, facts, self.to).map_err(|error| failure(&error))?,
            });
        }
        let view = RolledBack { hosts };
        if !self.yes {
            context.printer.chatter_view(&view);
            if !context.confirm("Put these releases back?", "--yes").await? {
                context.printer.note("nothing was changed");
                return Ok(Exit::Failure);
            }
        }
        let holder = enactment::holder("rollback");
        let moves = view.hosts.iter().map(|one| {
            let remote = &deployment.remotes[&one.host];
            let facts = &deployment.facts[&one.host];
            roll_back(remote.as_ref(), facts, Some(one.to), &holder, "")
        });
        let failed: Vec<Failure> = join_all(moves)
            .await
            .into_iter()
            .filter_map(|result| result.err().as_ref().map(failure))
            .collect();
        let mut failed = failed.into_iter();
        let Some(mut first) = failed.next() else {
            context.printer.view(&view);
            return Ok(Exit::Success);
        };
        first.reports.extend(failed.flat_map(|next| next.reports));
        Err(first)
    }
}

fn failure(error: &RollbackError) -> Failure {
    let exit = match error {
        RollbackError::NoSuchRelease { .. } => Exit::Usage,
        _ => Exit::Failure,
    };
    Failure::new(exit, Problem::new(error.to_string()))
}

impl View for RolledBack {
    fn human(&self, style: Style) -> String {
        let rows = self
            .hosts
            .iter()
            .map(|one| -> Vec<Cell> {
                vec![
                    one.host.as_str().into(),
                    one.from.to_string().into(),
                    one.to.to_string().into(),
                ]
            })
            .collect();
        table(style, &["host", "release", "back to"], rows)
    }
}
