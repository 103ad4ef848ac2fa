//! What the operator can type: the global options and the list of commands.
//!
//! Each command's own options live beside its code in `commands/`.

use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};

use crate::commands::Command;
use crate::exit::Exit;
use crate::help;

/// Deploy, run and diagnose a Jitsi Meet of your own from one inventory file.
#[derive(Debug, Parser)]
#[command(
    name = "jitctl",
    version,
    max_term_width = 100,
    propagate_version = false,
    disable_help_subcommand = true,
    after_long_help = help::tail(
        &[
            ("jitctl init --domain meet.example.org --main m1 --bridge b1 --bridge b2", "write an inventory and its secrets"),
            ("jitctl plan", "see what would change, host by host and file by file"),
            ("jitctl apply", "make it so"),
        ],
        &[
            Exit::Success, Exit::Failure, Exit::Changes, Exit::Usage, Exit::Findings,
            Exit::Connect, Exit::Locked, Exit::RolledBack, Exit::Interrupted,
        ],
    )
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The inventory file.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "JITCTL_FILE",
        hide_env_values = true,
        default_value = "jitctl.yaml"
    )]
    pub(crate) file: PathBuf,

    /// Where the programs for the hosts are; the default is `artifacts` beside this program.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "JITCTL_ARTIFACTS",
        hide_env_values = true
    )]
    pub(crate) artifacts: Option<PathBuf>,

    /// Print data as JSON on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Say more on standard error; twice for every script and its timing.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,

    /// Print plain lines instead of progress bars.
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
