//! `jitctl ssh`: the operator's own `ssh`, with what the inventory knows about the host.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use jitctl_transport::ssh_arguments;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;

/// Open a shell on a host, or run one command there with a terminal.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl ssh m1", "a shell"),
        ("jitctl ssh b1 -- journalctl -fu jitctl-bridge", "one command, with a terminal"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage],
))]
pub(crate) struct Ssh {
    /// The host's name in the inventory.
    host: String,

    /// A command to run instead of a shell.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<String>,
}

impl Ssh {
    /// Becomes `ssh`, so its exit status is ours.
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let (name, _) = site.host(&self.host)?;
        let mut ssh = Command::new("ssh");
        if !self.command.is_empty() {
            ssh.arg("-t");
        }
        ssh.args(ssh_arguments(name, &site.ssh(name)));
        ssh.args(&self.command);
        let error = ssh.exec();
        Err(Failure::other(
            format!("cannot start `ssh`: {error}"),
            "install the OpenSSH client",
        ))
    }
}
