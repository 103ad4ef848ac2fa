//! `jitctl status`: one look at every host, and at the bridges as the focus sees them.

use std::time::Duration;

use futures_util::future::join_all;
use jitctl_inventory::model::Role;
use jitctl_transport::{Remote as _, Script};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::status::{self, HostStatus, SiteStatus};

/// Show every host and every bridge: services, releases, who is counted by the focus.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl status", "two tables and the URL"),
        ("jitctl status --json | jq '.bridges[] | select(.operational | not)'", "for a monitor"),
    ],
    &[
        Exit::Success, Exit::Failure, Exit::Usage, Exit::Findings, Exit::Connect,
        Exit::Interrupted,
    ],
))]
pub(crate) struct Status {
    /// Which hosts: names, `@role`, `region=…`, `label=…`, `*`, `!` for not; commas between.
    #[arg(long, value_name = "HOSTS")]
    on: Option<String>,
}

impl Status {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let names = site.select(self.on.as_deref())?;
        let remotes = site.remotes(&names);
        let looks = remotes.iter().map(|remote| async {
            let script = Script::new("look at the host", status::SCRIPT, Duration::from_secs(20));
            (remote.host().clone(), remote.run(script).await)
        });
        let mut answers = Vec::new();
        for (name, result) in join_all(looks).await {
            let host = site.host(name.as_str())?.1;
            let roles = &host.roles;
            let status = match result {
                Ok(output) => HostStatus::read(&name, roles, &output.text()),
                Err(error) => HostStatus::away(&name, roles, error.to_string()),
            };
            answers.push(if host.foreign.is_some() {
                status.kept_by_others()
            } else {
                status
            });
        }
        let bridges: Vec<_> = site
            .inventory()
            .hosts_with(Role::Bridge)
            .filter(|(name, _)| names.contains(name))
            .map(|(name, host)| (name.to_string(), host.muc_nick(name).to_string()))
            .collect();
        let view = SiteStatus::new(site.inventory().site.domain.as_str(), answers, &bridges);
        context.printer.view(&view);
        Ok(view.exit())
    }
}
