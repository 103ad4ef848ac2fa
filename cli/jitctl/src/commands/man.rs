//! `jitctl man`: manual pages, made from the same definitions as the help.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_mangen::Man as Page;

use crate::arguments::Arguments;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;

/// Print the manual page, or write one page per command into a folder.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl man | man -l -", "read the manual"),
        ("jitctl man --out /usr/local/share/man/man1", "install a page per command"),
    ],
    &[Exit::Success, Exit::Failure],
))]
pub(crate) struct Man {
    /// The folder for one page per command.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let mut root = Arguments::command();
        root.build();
        match &self.out {
            None => context.printer.raw(&page(&root)?),
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
                write_pages(folder, &root)?;
            }
        }
        Ok(Exit::Success)
    }
}

fn write_pages(folder: &Path, command: &clap::Command) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page(command)?).map_err(|error| unwritable(&path, &error))?;
    command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set())
        .try_for_each(|subcommand| write_pages(folder, subcommand))
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    Page::new(command.clone())
        .render(&mut text)
        .map_err(|error| {
            Failure::other(format!("cannot make the manual: {error}"), String::new())
        })?;
    Ok(text)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::other(
        format!("cannot write `{}`: {error}", path.display()),
        "choose a folder you may write to with `--out`",
    )
}
