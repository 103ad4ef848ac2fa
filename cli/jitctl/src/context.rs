//! What every command works with: the printer, the inventory's path, and whether anybody is there
//! to answer a question.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use crate::arguments::Arguments;
use crate::commands::Command;
use crate::failure::Failure;
use crate::printer::Printer;

/// The surroundings of a command.
#[derive(Debug)]
pub(crate) struct Context {
    /// The only way to print.
    pub(crate) printer: Printer,
    /// The inventory file.
    pub(crate) inventory_path: PathBuf,
    /// Where the programs for hosts are, if the operator says.
    pub(crate) artifacts: Option<PathBuf>,
    /// How often `-v` was given.
    pub(crate) verbosity: u8,
}

impl Context {
    /// Splits what was typed into the command and its surroundings.
    pub(crate) fn split(arguments: Arguments) -> (Command, Self) {
        let global = arguments.global;
        let context = Self {
            printer: Printer::new(global.json, global.color, !global.no_progress),
            inventory_path: global.file,
            artifacts: global.artifacts,
            verbosity: global.verbose,
        };
        (arguments.command, context)
    }

    /// Asks for a value. Without a terminal nobody can answer: then the failure names the flag.
    pub(crate) fn ask(&self, question: &str, flag: &str) -> Result<String, Failure> {
        let answer = self.answer(&format!("{question}: "), flag)?;
        if answer.is_empty() {
            return Err(Failure::usage(
                "there was no answer",
                format!("give it with `{flag}`"),
            ));
        }
        Ok(answer)
    }

    /// Asks before something is done. Without a terminal nobody can answer: then the failure names
    /// the flag that answers beforehand.
    pub(crate) fn confirm(&self, question: &str, flag: &str) -> Result<bool, Failure> {
        let answer = self.answer(&format!("{question} [y/N] "), flag)?;
        Ok(matches!(answer.as_str(), "y" | "Y" | "yes" | "Yes"))
    }

    fn answer(&self, question: &str, flag: &str) -> Result<String, Failure> {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(
                format!("cannot ask without a terminal: {}", question.trim_end()),
                format!("answer beforehand with `{flag}`"),
            ));
        }
        self.printer.question(question);
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|error| {
                Failure::other(format!("cannot read the answer: {error}"), String::new())
            })?;
        Ok(answer.trim().to_owned())
    }
}
