//! `jitctl-focus`: arguments, configuration, exit code.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use jitctl_daemon::config::ConfigError;
use jitctl_daemon::{Failure, Program, logging, runtime, stop_requested};
use jitctl_focus::config::REFERENCE;
use jitctl_focus::{FocusConfig, Logins, run};

fn main() -> ExitCode {
    let program = Program {
        name: "jitctl-focus",
        default_config: "/etc/jitctl/focus.toml",
        reference: REFERENCE,
        check,
        serve,
    };
    program.main()
}

/// Outside systemd there are no credentials to check.
fn check(path: &Path) -> Result<(), ConfigError> {
    let config = FocusConfig::load(path)?;
    config.xmpp.target(path)?;
    let has_credentials = std::env::var_os("CREDENTIALS_DIRECTORY").is_some();
    if has_credentials || config.xmpp.password_file.is_some() {
        config.xmpp.client(path)?;
    }
    if has_credentials || config.component.secret_file.is_some() {
        config.component.client(path)?;
    }
    Ok(())
}

fn serve(path: &Path) -> Result<(), Failure> {
    let config = FocusConfig::load(path)?;
    logging::start(&config.log).map_err(Failure::Configuration)?;
    let logins = Logins::prepare(&config, path)?;
    runtime()?
        .block_on(run(config, logins, stop_requested()))
        .map_err(|error| Failure::Service(error.to_string()))
}
