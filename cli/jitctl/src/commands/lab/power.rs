//! `jitctl lab down` and `jitctl lab reboot`.

use jitctl_lab::Lab;

use super::tell;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;

/// End the lab and remove all of it but the cache.
///
/// No process, mount, link, cgroup or firewall rule is left, also after a crash. A lab that is
/// not there is no error.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[("jitctl lab down", "clean up")],
    &[Exit::Success, Exit::Failure],
))]
pub(super) struct Down {}

impl Down {
    #[expect(clippy::unused_self, reason = "every command runs from its arguments")]
    pub(super) fn run(&self, context: &Context, lab: &Lab) -> Result<Exit, Failure> {
        lab.down(&mut |event| tell(context, &event))?;
        Ok(Exit::Success)
    }
}

/// Reboot a host and wait until it answers ssh again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[("jitctl lab reboot h2", "does everything come back by itself?")],
    &[Exit::Success, Exit::Failure, Exit::Usage],
))]
pub(super) struct Reboot {
    /// The host's name in the lab.
    host: String,
}

impl Reboot {
    pub(super) fn run(&self, context: &Context, lab: &Lab) -> Result<Exit, Failure> {
        lab.reboot(&self.host.parse()?)?;
        context
            .printer
            .note(&format!("{} answers ssh again", self.host));
        Ok(Exit::Success)
    }
}
