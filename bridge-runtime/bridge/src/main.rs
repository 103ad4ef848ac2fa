//! `jitctl-bridge`: arguments, configuration, exit code.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use jitctl_bridge::config::REFERENCE;
use jitctl_bridge::{BridgeConfig, Connections, MediaConferences, run, websocket};
use jitctl_daemon::config::ConfigError;
use jitctl_daemon::{Arguments, EXIT_CONFIG, Invocation, VERSION, arguments, logging};
use tokio::net::TcpListener;

const NAME: &str = "jitctl-bridge";
const DEFAULT_CONFIG: &str = "/etc/jitctl/bridge.toml";

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
    let config = BridgeConfig::load(path)?;
    for xmpp in &config.xmpp {
        xmpp.target(path)?;
        if xmpp.password_file.is_some() || std::env::var_os("CREDENTIALS_DIRECTORY").is_some() {
            xmpp.credentials(path)?;
        }
    }
    Ok(())
}

fn start(path: &Path) -> ExitCode {
    let config = match BridgeConfig::load(path) {
        Ok(config) => config,
        Err(error) => return complain(&error.to_string(), EXIT_CONFIG),
    };
    if let Err(message) = logging::start(&config.log) {
        return complain(&message, EXIT_CONFIG);
    }
    let connections = match Connections::prepare(&config, path) {
        Ok(connections) => connections,
        Err(error) => return complain(&error.to_string(), EXIT_CONFIG),
    };
    // XMPP and HTTP need little; media brings its own threads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("cannot start: {error}"), 1),
    };
    match runtime.block_on(serve(config, connections)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => complain(&message, 1),
    }
}

async fn serve(config: BridgeConfig, connections: Connections) -> Result<(), String> {
    let service = MediaConferences::start(&config)
        .await
        .map_err(|error| error.to_string())?;
    tracing::info!(addresses = ?service.addresses(), "media port bound");
    if let Some(websocket) = &config.websocket {
        let address = websocket.listen;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            format!("cannot listen on {address} for bridge channels (`websocket.listen`): {error}")
        })?;
        // Ends with the runtime: clients are told when their endpoints go.
        tokio::spawn(websocket::serve(listener, service.clone()));
    }
    let stop = jitctl_daemon::stop_requested();
    run(config, connections, service, stop)
        .await
        .map_err(|error| error.to_string())
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
