//! `jitctl lock`: who works on which host, and how to end a dead run's lease.

use clap::Subcommand;
use futures_util::future::join_all;
use jitctl_deploy::lease::{self, Lease, LeaseError};
use jitctl_transport::{Remote as _, SshRemote};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Problem};
use crate::help;
use crate::printer::{Cell, Style, View, table};

/// Show or release the leases that keep two operators apart.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl lock show", "who works on which host"),
        ("jitctl lock release --on b1", "after a run that died on another machine"),
    ],
    Exit::ON_HOSTS,
))]
pub(crate) struct Lock {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show who works on which host, why, and until when.
    #[command(after_long_help = help::tail(
        &[("jitctl lock show", "all hosts")],
        Exit::ON_HOSTS,
    ))]
    Show(Which),
    /// Take leases away from a run that is dead. A run that is alive stops at its next step.
    #[command(after_long_help = help::tail(
        &[("jitctl lock release --on b1", "one host"), ("jitctl lock release --yes", "all, without asking")],
        Exit::ON_HOSTS,
    ))]
    Release {
        #[command(flatten)]
        which: Which,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Which hosts: names, `@role`, `region=…`, `label=…`, `*`, `!` for not; commas between.
    #[arg(long, value_name = "HOSTS")]
    on: Option<String>,
}

#[derive(Debug, Serialize)]
struct Leases {
    #[serde(skip)]
    released: bool,
    hosts: Vec<HostLease>,
}

#[derive(Debug, Serialize)]
struct HostLease {
    host: String,
    lease: Option<Lease>,
}

impl Lock {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let (Command::Show(which) | Command::Release { which, .. }) = &self.command;
        let remotes = site.remotes(&site.select(which.on.as_deref())?);
        let release = match self.command {
            Command::Show(_) => false,
            Command::Release { yes: true, .. } => true,
            Command::Release { yes: false, .. } => {
                let (leases, _) = ask_all(&remotes, false).await;
                context.printer.chatter_view(&leases);
                if !context.confirm("Take the leases away?", "--yes").await? {
                    context.printer.note("nothing was released");
                    return Ok(Exit::Failure);
                }
                true
            }
        };
        let (leases, silent) = ask_all(&remotes, release).await;
        context.printer.view(&leases);
        Failure::all(silent).map_or(Ok(Exit::Success), Err)
    }
}

/// The leases of all hosts, given back or not, and why hosts said nothing.
async fn ask_all(remotes: &[SshRemote], release: bool) -> (Leases, Vec<Failure>) {
    let mut leases = Leases {
        released: release,
        hosts: Vec::new(),
    };
    let mut silent = Vec::new();
    let answers = join_all(remotes.iter().map(|remote| ask(remote, release))).await;
    for (remote, answer) in remotes.iter().zip(answers) {
        match answer {
            Ok(lease) => leases.hosts.push(HostLease {
                host: remote.host().to_string(),
                lease,
            }),
            Err(error) => silent.push(error.into()),
        }
    }
    (leases, silent)
}

async fn ask(remote: &SshRemote, release: bool) -> Result<Option<Lease>, LeaseError> {
    if release {
        lease::break_lease(remote, "").await
    } else {
        lease::show(remote, "").await
    }
}

impl From<LeaseError> for Failure {
    fn from(error: LeaseError) -> Self {
        let problem = Problem::new(error.to_string()).help(error.remedy());
        Self::new(Exit::of(error.exit_code()), problem)
    }
}

impl View for Leases {
    fn human(&self, style: Style) -> String {
        let held: Vec<&HostLease> = self
            .hosts
            .iter()
            .filter(|host| host.lease.is_some())
            .collect();
        if self.hosts.is_empty() {
            return String::new();
        }
        if held.is_empty() {
            return "no host is held".to_owned();
        }
        let rows = held
            .iter()
            .filter_map(|host| {
                let lease = host.lease.as_ref()?;
                let until = jiff::Timestamp::from_second(lease.until).ok()?;
                Some(vec![
                    Cell::from(host.host.as_str()),
                    lease.who.as_str().into(),
                    lease.why.as_str().into(),
                    until.to_string().into(),
                ])
            })
            .collect();
        let table = table(style, &["host", "held by", "for", "until"], rows);
        if self.released {
            format!("{table}\nreleased")
        } else {
            table
        }
    }
}
