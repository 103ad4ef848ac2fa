//! `jitctl-focus`: arguments, configuration, exit code.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use jitctl_daemon::config::ConfigError;
use jitctl_daemon::{Arguments, EXIT_CONFIG, Invocation, VERSION, arguments, logging};
use jitctl_focus::config::REFERENCE;
use jitctl_focus::{FocusConfig, Logins, run};

const NAME: &str = "jitctl-focus";
const DEFAULT_CONFIG: &str = "/etc/jitctl/focus.toml";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1), DEFAULT_CONFIG) {
        Ok(arguments) => arguments,
        Err(message) => return complain(&message, EXIT_CONFIG),
    };
    match arguments.invocation {
        Invocation::Help => tell(&arguments::usage(NAME, DEFAULT_CONFIG)),
        Invocation::Version => tell(&format!("{NAME} {VERSION}\n")),
        Invocation::PrintConfig => tell(REFERENCE),
        Invocation::CheckConfig => match check(&arguments.config) {
            Ok(()) => tell(&format!("{}: valid\n", arguments.config.display())),
            Err(error) => complain(&error.to_string(), EXIT_CONFIG),
        },
        Invocation::Run => start(&arguments.config),
    }
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

fn start(path: &Path) -> ExitCode {
    let config = match FocusConfig::load(path) {
        Ok(config) => config,
        Err(error) => return complain(&error.to_string(), EXIT_CONFIG),
    };
    if let Err(message) = logging::start(&config.log) {
        return complain(&message, EXIT_CONFIG);
    }
    let logins = match Logins::prepare(&config, path) {
        Ok(logins) => logins,
        Err(error) => return complain(&error.to_string(), EXIT_CONFIG),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("cannot start: {error}"), 1),
    };
    let stop = jitctl_daemon::stop_requested();
    match runtime.block_on(run(config, logins, stop)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string(), 1),
    }
}

fn tell(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(message: &str, code: u8) -> ExitCode {
    // Nothing is left to do when even this cannot be written.
    let _ = writeln!(std::io::stderr(), "{NAME}: {message}");
    ExitCode::from(code)
}
