//! `jitctl lab`: real Debian hosts on this machine, to try everything on.

mod fault;
mod power;
mod status;
mod up;
mod ways_in;

use std::net::IpAddr;

use clap::Subcommand;
use jitctl_inventory::model::{Role, Ssh};
use jitctl_inventory::names::HostName;
use jitctl_inventory::scaffold::ScaffoldHost;
use jitctl_lab::{LabError, LabName, LabStatus};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Problem};
use crate::help;

pub(crate) use self::up::tell;

/// Run real Debian hosts on this machine: a place to try a site before it costs anything.
///
/// Each host has its own systemd, sshd, network, firewall and clock. Nothing listens on this
/// machine itself, and `down` leaves nothing behind. The lab's hosts share this machine's kernel:
/// run only code there that you trust.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl lab up --hosts 3 && jitctl init --lab --domain meet.test", "three hosts and an inventory of them"),
        ("jitctl lab exec client -- curl https://meet.test/", "what somebody on the Internet sees"),
        ("jitctl lab fault cut h2", "pull a cable"),
        ("jitctl lab down", "as if it never was"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage],
))]
pub(crate) struct Lab {
    /// Which lab, when there are several.
    #[arg(long, global = true, value_name = "LAB", default_value = "default")]
    name: String,

    #[command(subcommand)]
    command: LabCommand,
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    Up(up::Up),
    Down(power::Down),
    Status(status::Status),
    Ssh(ways_in::Ssh),
    Exec(ways_in::Exec),
    Fault(fault::Fault),
    Reboot(power::Reboot),
}

impl Lab {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let lab = open(&self.name)?;
        match &self.command {
            LabCommand::Up(command) => command.run(context, &lab),
            LabCommand::Down(command) => command.run(context, &lab),
            LabCommand::Status(command) => command.run(context, &lab),
            LabCommand::Ssh(command) => command.run(&lab),
            LabCommand::Exec(command) => command.run(&lab),
            LabCommand::Fault(command) => command.run(context, &lab),
            LabCommand::Reboot(command) => command.run(context, &lab),
        }
    }
}

/// The lab of that name; nothing is touched yet.
pub(crate) fn open(name: &str) -> Result<jitctl_lab::Lab, Failure> {
    let name: LabName = name.parse()?;
    Ok(jitctl_lab::Lab::open(&name)?)
}

/// A lab host for an inventory, reached through the lab's own ssh configuration.
pub(crate) fn scaffold(
    lab: &LabStatus,
    name: &str,
    roles: &[Role],
) -> Result<ScaffoldHost, Failure> {
    let found = lab
        .hosts
        .iter()
        .find(|host| host.spec.name.as_str() == name)
        .ok_or_else(|| {
            Failure::usage(
                format!("lab `{}` has no host `{name}`", lab.name),
                "start it with `jitctl lab up --hosts NAMES`",
            )
        })?;
    Ok(ScaffoldHost {
        name: HostName::new(name),
        roles: roles.to_vec(),
        addresses: vec![IpAddr::V4(found.spec.address)],
        ssh: Ssh {
            config: Some(lab.ssh_config.clone()),
            ..Ssh::default()
        },
        region: None,
    })
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        let exit = match error {
            LabError::BadName { .. } | LabError::NoSuchHost { .. } | LabError::NotUp(_) => {
                Exit::Usage
            }
            _ => Exit::Failure,
        };
        let help = error.remedy().unwrap_or_default();
        Self::new(exit, Problem::new(error.to_string()).help(help))
    }
}
