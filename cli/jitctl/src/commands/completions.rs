//! `jitctl completions`: what a shell needs to complete our commands.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::exit::Exit;
use crate::help;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl completions bash > /etc/bash_completion.d/jitctl", "complete in every bash"),
        ("jitctl completions zsh > ~/.zfunc/_jitctl", "complete in zsh"),
    ],
    &[Exit::Success, Exit::Usage],
))]
pub(crate) struct Completions {
    /// Which shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, context: &Context) -> Exit {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "jitctl", &mut script);
        context.printer.raw(&script);
        Exit::Success
    }
}
