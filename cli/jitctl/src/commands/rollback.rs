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
/// The inventory stays as it is: the next apply brings the hosts back to what it says. Rules that
/// were given to `ufw` or `firewalld` stay, too; our own table goes back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl rollback --on b1", "to the release before the present one"),
        ("jitctl rollback --to 7 --yes", "every host to its release 7, without asking"),
    ],
    &[
        Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Locked, Exit::Interrupted,
    ],
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
        let results = join_all(moves).await;
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for (one, result) in view.hosts.into_iter().zip(results) {
            match result {
                Ok(_) => done.push(one),
                Err(error) => failed.push(failure(&error)),
            }
        }
        context.printer.view(&RolledBack { hosts: done });
        Failure::all(failed).map_or(Ok(Exit::Success), Err)
    }
}

fn failure(error: &RollbackError) -> Failure {
    let problem = Problem::new(error.to_string()).help(error.remedy());
    Failure::new(Exit::of(error.exit_code()), problem)
}

impl View for RolledBack {
    fn human(&self, style: Style) -> String {
        if self.hosts.is_empty() {
            return String::new();
        }
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
