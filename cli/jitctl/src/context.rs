//! What every command works with: the printer, the inventory's path, and whether anybody is there
//! to answer a question.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use secrecy::SecretString;

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
        self.put(&format!("{question}: "), flag)?;
        let answer = read_answer()?;
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
    ///
    /// Reading happens on a thread of its own, so that Ctrl-C is heard meanwhile.
    pub(crate) async fn confirm(&self, question: &str, flag: &str) -> Result<bool, Failure> {
        self.put(&format!("{question} [y/N] "), flag)?;
        let answer = self.answer().await?;
        Ok(matches!(answer.as_str(), "y" | "Y" | "yes" | "Yes"))
    }

    /// Asks for a secret, which is not shown while it is typed.
    pub(crate) async fn ask_secret(&self, question: &str) -> Result<SecretString, Failure> {
        let _hidden = HiddenInput::start()?;
        self.put(&format!("{question}: "), "standard input")?;
        let answer = self.answer().await.map(SecretString::from);
        self.printer.question("\n");
        answer
    }

    async fn answer(&self) -> Result<String, Failure> {
        let mut line = OpenLine {
            printer: &self.printer,
            open: true,
        };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // Not one of the runtime's threads: ending would wait for it, and it waits for a person.
        std::thread::spawn(move || sender.send(read_answer()));
        let answer = receiver.await.unwrap_or_else(|_| Ok(String::new()));
        line.open = false;
        answer
    }

    /// Shows a question, if there is somebody to answer it.
    fn put(&self, question: &str, flag: &str) -> Result<(), Failure> {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(
                format!("cannot ask without a terminal: {}", question.trim_end()),
                format!("answer beforehand with `{flag}`"),
            ));
        }
        self.printer.question(question);
        Ok(())
    }
}

/// A question that waits for its answer; interrupted, what follows begins on a line of its own.
struct OpenLine<'a> {
    printer: &'a Printer,
    open: bool,
}

impl Drop for OpenLine<'_> {
    fn drop(&mut self) {
        if self.open {
            self.printer.question("\n");
        }
    }
}

/// The terminal does not show what is typed, until this is dropped.
struct HiddenInput {
    before: Termios,
}

impl HiddenInput {
    fn start() -> Result<Self, Failure> {
        let failure = |error| {
            Failure::other(
                format!("cannot hide what is typed: {error}"),
                "give the secret on standard input",
            )
        };
        let before = termios::tcgetattr(std::io::stdin()).map_err(failure)?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &hidden).map_err(failure)?;
        Ok(Self { before })
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // Nothing is left to do when the terminal itself is gone.
        let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.before);
    }
}

fn read_answer() -> Result<String, Failure> {
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| {
            Failure::other(format!("cannot read the answer: {error}"), String::new())
        })?;
    Ok(answer.trim().to_owned())
}
