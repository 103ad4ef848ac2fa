//! The main function of a daemon: arguments, configuration, exit code.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use tokio::runtime::Runtime;

use crate::arguments::{self, Arguments, Invocation};
use crate::config::ConfigError;
use crate::{EXIT_CONFIG, VERSION};

/// A daemon, as its main function sees it.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Name of the binary.
    pub name: &'static str,
    /// Configuration file when none is given.
    pub default_config: &'static str,
    /// The reference configuration with every key explained.
    pub reference: &'static str,
    /// Checks a configuration and the files that it names.
    pub check: fn(&Path) -> Result<(), ConfigError>,
    /// Serves until a stop is requested.
    pub serve: fn(&Path) -> Result<(), Failure>,
}

/// Why a daemon ends by itself, in words.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It cannot be configured so: starting again is useless until somebody changes that.
    #[error("{0}")]
    Configuration(String),
    /// Anything else.
    #[error("{0}")]
    Service(String),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => EXIT_CONFIG,
            Self::Service(_) => 1,
        }
    }
}

impl Program {
    /// Does what the arguments of this process ask for.
    #[must_use]
    pub fn main(&self) -> ExitCode {
        match self.invoke() {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                // Nothing is left to do when even this cannot be written.
                let _ = writeln!(std::io::stderr(), "{}: {failure}", self.name);
                ExitCode::from(failure.exit_code())
            }
        }
    }

    fn invoke(&self) -> Result<(), Failure> {
        let Self { name, .. } = self;
        let arguments = Arguments::parse(std::env::args().skip(1), self.default_config)
            .map_err(Failure::Configuration)?;
        let path = &arguments.config;
        match arguments.invocation {
            Invocation::Help => tell(&arguments::usage(name, self.default_config)),
            Invocation::Version => tell(&format!("{name} {VERSION}\n")),
            Invocation::PrintConfig => tell(self.reference),
            Invocation::CheckConfig => {
                (self.check)(path)?;
                tell(&format!("{}: valid\n", path.display()))
            }
            Invocation::Run => (self.serve)(path),
        }
    }
}

/// The runtime of a daemon's control connections, which need little; media brings its own threads.
///
/// # Errors
/// The system gives no threads.
pub fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Service(format!("cannot start: {error}")))
}

fn tell(text: &str) -> Result<(), Failure> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::Service(format!("cannot write to standard output: {error}")))
}
