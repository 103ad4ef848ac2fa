//! coturn with time-limited credentials shared with Prosody.
//!
//! The package's `turnserver.conf` stays untouched; a drop-in starts coturn with our file. A
//! reload renews the certificate only; a changed configuration needs a restart, which ends the
//! relayed streams. Relays to private addresses are refused except to bridges that have no
//! public one, so adding an ordinary bridge does not touch coturn.

use std::net::IpAddr;

use jitctl_inventory::model::Role;
use serde::Serialize;

use super::super::Scene;
use super::super::common::SCRIPTS;
use super::web;
use crate::desired::{Action, Gate, Protocol, SecretName, Source};
use crate::error::RenderError;
use crate::host::{FileSpec, HostBuilder};
use crate::{ports, secrets};

const UNIT: &str = "coturn.service";
const CONFIGURATION: &str = "/etc/jitctl/turnserver.conf";
const SCRIPT: &str = "/etc/jitctl/scripts/turn-certificate";

#[derive(Serialize)]
struct TurnView<'a> {
    domain: &'a str,
    port: u16,
    tls_port: u16,
    first_relay: u16,
    last_relay: u16,
    secret: String,
    external: Vec<String>,
    bridges: Vec<String>,
    tls_folder: &'a str,
    configuration: &'a str,
    script: &'a str,
}

pub(super) fn add(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) -> Result<(), RenderError> {
    if !scene.inventory.site.turn.enabled {
        return Ok(());
    }
    let restart = Action::Restart(UNIT.to_owned());
    let view = view(scene);
    builder.package("coturn");
    builder.directory(SCRIPTS, 0o755);
    builder.template(
        "main/turn-certificate.sh",
        &view,
        FileSpec::executable(SCRIPT),
    )?;
    builder.template(
        "main/turnserver.conf",
        &view,
        FileSpec::shared_with(CONFIGURATION, "turnserver").on_change([restart.clone()]),
    )?;
    builder.template(
        "main/coturn-drop-in.conf",
        &view,
        FileSpec::public("/etc/systemd/system/coturn.service.d/jitctl.conf")
            .on_change([Action::DaemonReload, restart]),
    )?;
    builder.service(UNIT);
    for port in [
        ports::TURN_UDP,
        ports::TURN_TCP,
        ports::TURN_TLS,
        ports::TURN_RELAYS,
    ] {
        builder.port(port, Source::World);
    }
    builder.gate(Gate::UnitActive(UNIT.to_owned()));
    builder.gate(Gate::Listening(Protocol::Udp, ports::TURN_UDP.number));
    builder.gate(Gate::Listening(Protocol::Tcp, ports::TURN_TLS.number));
    Ok(())
}

fn view<'a>(scene: &'a Scene<'_>) -> TurnView<'a> {
    TurnView {
        domain: scene.domain(),
        port: ports::TURN_UDP.number,
        tls_port: ports::TURN_TLS.number,
        first_relay: ports::TURN_RELAYS.number,
        last_relay: ports::TURN_RELAYS.last,
        secret: SecretName(secrets::TURN.to_owned()).marker(),
        external: external_addresses(scene),
        bridges: private_bridges(scene),
        tls_folder: web::tls_folder(scene),
        configuration: CONFIGURATION,
        script: SCRIPT,
    }
}

/// `public/private` pairs for a host behind one-to-one NAT, one a family.
fn external_addresses(scene: &Scene<'_>) -> Vec<String> {
    let address = &scene.host.address;
    [IpAddr::is_ipv4 as fn(&IpAddr) -> bool, IpAddr::is_ipv6]
        .into_iter()
        .filter_map(|of_family| {
            let public = address.public.iter().find(|address| of_family(address))?;
            let private = address.private.iter().find(|address| of_family(address))?;
            (public != private).then(|| format!("{public}/{private}"))
        })
        .collect()
}

fn private_bridges(scene: &Scene<'_>) -> Vec<String> {
    scene
        .inventory
        .hosts_with(Role::Bridge)
        .filter(|(_, host)| host.address.public.is_empty())
        .flat_map(|(_, host)| host.address.private.iter().map(IpAddr::to_string))
        .collect()
}
