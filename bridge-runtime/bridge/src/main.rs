//! `jitctl-bridge`: arguments, configuration, exit code.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use jitctl_bridge::config::REFERENCE;
use jitctl_bridge::{BridgeConfig, Connections, MediaConferences, run, websocket};
use jitctl_daemon::config::ConfigError;
use jitctl_daemon::{Failure, Program, logging, runtime, stop_requested};
use tokio::net::TcpListener;

fn main() -> ExitCode {
    let program = Program {
        name: "jitctl-bridge",
        default_config: "/etc/jitctl/bridge.toml",
        reference: REFERENCE,
        check,
        serve,
    };
    program.main()
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

fn serve(path: &Path) -> Result<(), Failure> {
    let config = BridgeConfig::load(path)?;
    logging::start(&config.log).map_err(Failure::Configuration)?;
    let connections = Connections::prepare(&config, path)?;
    runtime()?
        .block_on(serve_on(config, connections))
        .map_err(Failure::Service)
}

async fn serve_on(config: BridgeConfig, connections: Connections) -> Result<(), String> {
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
    run(config, connections, service, stop_requested())
        .await
        .map_err(|error| error.to_string())
}
