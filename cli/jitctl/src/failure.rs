//! A command that did not succeed: an exit code and what to show for it.
//!
//! Every problem says what happened, why when that is known, and what cures it. Errors of the
//! engine crates are turned into this shape where a command calls them.

use std::fmt;

use miette::{Diagnostic, Report};

use crate::arguments::Color;
use crate::exit::Exit;
use crate::printer::Printer;

/// Why a command stopped: all reports at once, under one exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The code to exit with.
    pub(crate) exit: Exit,
    /// What to show, most important first.
    pub(crate) reports: Vec<Report>,
}

impl Failure {
    /// A failure with one problem.
    pub(crate) fn new(exit: Exit, problem: Problem) -> Self {
        Self {
            exit,
            reports: vec![Report::new(problem)],
        }
    }

    /// Everything that failed, under the exit code of the first; nothing when nothing did.
    pub(crate) fn all(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        failures.into_iter().reduce(|mut first, next| {
            first.reports.extend(next.reports);
            first
        })
    }

    /// The operator typed or configured something that cannot work.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Usage, Problem::new(message).help(help))
    }

    /// Something went wrong on this machine.
    pub(crate) fn other(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Failure, Problem::new(message).help(help))
    }
}

/// One problem in words.
#[derive(Debug)]
pub(crate) struct Problem {
    message: String,
    code: Option<String>,
    help: Option<String>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Problem {
    /// What happened, in lower case and without a final stop.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: None,
            help: None,
            cause: None,
        }
    }

    /// What cures it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        let help = help.into();
        self.help = (!help.is_empty()).then_some(help);
        self
    }

    /// A stable code to search for.
    #[cfg(test)]
    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The error behind it; shown as a chain.
    pub(crate) fn cause(
        mut self,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code
            .as_ref()
            .map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reports: Vec<String> = self.reports.iter().map(ToString::to_string).collect();
        f.write_str(&reports.join("; "))
    }
}

/// Shows what clap has to say; help and version are no errors.
pub(crate) fn usage(error: &clap::Error) -> Exit {
    // What was typed could not be read, so it is looked for by eye.
    if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
        let said = error.render().to_string();
        let (message, help) = said.split_once("\n\n").unwrap_or((&said, ""));
        let message = message.trim_start_matches("error: ");
        Printer::new(true, Color::Never, false).failure(&Failure::usage(message, help.trim()));
        return Exit::Usage;
    }
    // A closed pipe behind `jitctl --help | head` is not worth a message.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Success
    }
}

impl From<jitctl_transport::RemoteError> for Failure {
    fn from(error: jitctl_transport::RemoteError) -> Self {
        use jitctl_transport::RemoteError;

        let exit = match &error {
            RemoteError::Connect { .. } => Exit::Connect,
            _ => Exit::Failure,
        };
        let help = error.remedy();
        Self::new(exit, Problem::new(error.to_string()).help(help))
    }
}
