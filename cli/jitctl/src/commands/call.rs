//! `jitctl call`: a call of two through each bridge.

use std::time::Duration;

use crate::calls::{self, CallsView};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::meeting::Way;

/// Make a call of two through each bridge and name the leg that fails.
///
/// Two participants without a browser join a room of their own on each bridge, as people do:
/// through the site's WebSocket, over ICE, DTLS and SRTP to the bridge. Signalling, ICE, DTLS,
/// SRTP, forwarding and data channel are told apart. The calls start on this machine, so its way
/// to 443/tcp and to the bridges' media port is part of what is tried.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl call", "through every bridge"),
        ("jitctl call --on b2", "through one"),
        ("jitctl call --json | jq '.calls[] | select(.failed)'", "for a monitor"),
    ],
    &[
        Exit::Success, Exit::Failure, Exit::Usage, Exit::Findings, Exit::Connect, Exit::Interrupted,
    ],
))]
pub(crate) struct Call {
    /// Which bridges: names, `@role`, `region=…`, `label=…`, `*`, `!` for not; commas between.
    #[arg(long, value_name = "HOSTS")]
    on: Option<String>,

    /// How long a call may take to come about, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    limit: u64,

    #[command(flatten)]
    way: Way,
}

impl Call {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let selected = site.select(self.on.as_deref())?;
        let meeting = self.way.site(context, &site)?;
        let limit = Duration::from_secs(self.limit);
        let view = calls::through_each(context, &site, &selected, &meeting, limit).await?;
        context.printer.view(&view);
        Ok(CallsView::exit(&view))
    }
}
