//! The commands, one file each: its arguments and what it does.

mod completions;
mod man;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// What `jitctl` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Completions(completions::Completions),
    Man(man::Man),
}

/// Runs a command to its end.
pub(crate) fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Completions(command) => Ok(command.run(context)),
        Command::Man(command) => command.run(context),
    }
}
