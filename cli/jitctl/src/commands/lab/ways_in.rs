//! `jitctl lab ssh` and `jitctl lab exec`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use jitctl_lab::{ExecTarget, Lab};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;

/// Open a shell on a lab host by ssh, or run a command there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl lab ssh h1", "a shell"),
        ("jitctl lab ssh h1 -- systemctl --failed", "one command"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage],
))]
pub(super) struct Ssh {
    /// The host's name in the lab.
    host: String,

    /// A command to run instead of a shell.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Ssh {
    pub(super) fn run(&self, lab: &Lab) -> Result<Exit, Failure> {
        become_it(lab.ssh_command(&self.host.parse()?, &self.command)?)
    }
}

/// Run a command on a lab host without ssh, or as a client on the lab's internet.
///
/// `client` runs the command on this machine with the lab's network, names and certificate
/// authority: curl and a browser see the site as people do.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl lab exec client -- curl -sS https://meet.test/", "the site as people see it"),
        ("jitctl lab exec h2 -- ss -lnup", "when ssh is what is broken"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage],
))]
pub(super) struct Exec {
    /// A host of the lab, or `client`.
    target: String,

    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Exec {
    pub(super) fn run(&self, lab: &Lab) -> Result<Exit, Failure> {
        let target = match self.target.as_str() {
            "client" => ExecTarget::Client,
            host => ExecTarget::Host(host.parse()?),
        };
        become_it(lab.exec_command(&target, &self.command)?)
    }
}

/// Becomes the program, so its exit status is ours.
fn become_it(mut command: Command) -> Result<Exit, Failure> {
    let error = command.exec();
    Err(Failure::other(
        format!(
            "cannot start `{}`: {error}",
            command.get_program().to_string_lossy()
        ),
        "install the program, or look for a typing error",
    ))
}
