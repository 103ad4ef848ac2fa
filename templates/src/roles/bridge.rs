//! A BRIDGE host: the selective forwarding unit and its settings.

use std::net::IpAddr;

use jitctl_inventory::model::{BridgeChannel, Foreign, Role};
use jitctl_inventory::names::Domain;
use jitctl_inventory::secrets::FOREIGN_BRIDGE;
use serde::Serialize;

use super::Scene;
use super::common::{CA_FILE, CREDENTIALS};
use crate::addresses;
use crate::desired::{Action, Binary, FileCheck, Gate, Protocol, SecretName, Source};
use crate::error::RenderError;
use crate::host::{FileSpec, HostBuilder};
use crate::ports;

/// The unit of the bridge.
pub(crate) const UNIT: &str = "jitctl-bridge.service";

#[derive(Serialize)]
struct BridgeView<'a> {
    nickname: String,
    region: Option<&'a str>,
    xmpp: Vec<XmppView>,
    domain: &'a str,
    ca_file: &'a str,
    http_private: String,
    media_port: u16,
    public_addresses: Vec<String>,
    advertise_private: bool,
    stun_servers: &'a [String],
    websocket: Option<String>,
}

#[derive(Serialize)]
struct XmppView {
    main: String,
    address: String,
    domain: String,
    username: String,
    brewery: String,
}

#[derive(Serialize)]
struct UnitView<'a> {
    credentials: &'a str,
}

pub(super) fn add(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) -> Result<(), RenderError> {
    let restart = Action::Restart(UNIT.to_owned());
    let nickname = scene.host.muc_nick(scene.name);
    let media_port = scene.host.media_port();

    builder.user("jitctl-bridge");
    builder.desired.binaries.push(Binary {
        name: "jitctl-bridge".to_owned(),
        restarts: vec![UNIT.to_owned()],
    });
    let foreign = scene.inventory.foreign_main().is_some();
    let password = if foreign {
        SecretName(FOREIGN_BRIDGE.to_owned())
    } else {
        scene.options.bridge_account.bridge_password()
    };
    builder.secret(
        &password,
        FileSpec::private(format!("{CREDENTIALS}/bridge-xmpp-password"))
            .on_change([restart.clone()]),
    );
    let view = BridgeView {
        nickname: nickname.to_string(),
        region: scene.host.region.as_deref(),
        xmpp: xmpp_views(scene)?,
        domain: scene.domain(),
        ca_file: CA_FILE,
        http_private: format!("127.0.0.1:{}", ports::BRIDGE_HTTP.number),
        media_port,
        public_addresses: scene
            .host
            .address
            .public
            .iter()
            .map(IpAddr::to_string)
            .collect(),
        advertise_private: scene
            .host
            .overrides
            .bridge
            .advertise_private
            .unwrap_or(true),
        stun_servers: &scene.host.overrides.bridge.stun_servers,
        websocket: websocket_listener(scene),
    };
    builder.template(
        "bridge/bridge.toml",
        &view,
        FileSpec::public("/etc/jitctl/bridge.toml")
            .check(FileCheck::Bridge)
            .on_change([restart.clone()]),
    )?;
    builder.template(
        "bridge/jitctl-bridge.service",
        &UnitView {
            credentials: CREDENTIALS,
        },
        FileSpec::public(format!("/etc/systemd/system/{UNIT}"))
            .check(FileCheck::SystemdUnit)
            .on_change([Action::DaemonReload, restart]),
    )?;

    builder.service(UNIT);
    builder.numbered_port(ports::MEDIA, media_port, Source::World);
    builder.port(ports::BRIDGE_HTTP, Source::Nobody);
    if scene.inventory.site.bridge_channel == BridgeChannel::Websocket {
        let mains = addresses::websocket_sources(scene.inventory, scene.name);
        builder.port(ports::BRIDGE_WEBSOCKET, Source::Only(mains));
    }
    builder.gate(Gate::UnitActive(UNIT.to_owned()));
    builder.gate(Gate::Listening(Protocol::Udp, media_port));
    builder.gate(Gate::HttpOk(format!(
        "http://127.0.0.1:{}/about/health",
        ports::BRIDGE_HTTP.number
    )));
    builder.gate(if foreign {
        Gate::BridgeJoined(nickname.to_string())
    } else {
        Gate::BridgeCounted(nickname.to_string())
    });
    Ok(())
}

/// Where MAIN hosts reach the bridge channels; the packet filter lets in nobody else.
fn websocket_listener(scene: &Scene<'_>) -> Option<String> {
    if scene.inventory.site.bridge_channel != BridgeChannel::Websocket {
        return None;
    }
    let mains = addresses::websocket_sources(scene.inventory, scene.name);
    let any = if mains.iter().all(IpAddr::is_ipv4) {
        "0.0.0.0"
    } else {
        "[::]"
    };
    Some(format!("{any}:{}", ports::BRIDGE_WEBSOCKET.number))
}

fn xmpp_views(scene: &Scene<'_>) -> Result<Vec<XmppView>, RenderError> {
    scene
        .inventory
        .hosts_with(Role::Main)
        .map(|(main, host)| {
            let route =
                addresses::xmpp_via(scene.inventory, main, scene.name).ok_or_else(|| {
                    RenderError::NoRoute {
                        bridge: scene.name.to_string(),
                        main: main.to_string(),
                    }
                })?;
            let own = || Foreign {
                domain: Domain::new(format!("auth.{}", scene.domain())),
                username: scene.options.bridge_account.bridge_user().to_owned(),
                brewery: format!("jvbbrewery@internal.auth.{}", scene.domain()),
                nicknames: Vec::new(),
                folder: None,
            };
            let server = host.foreign.clone().unwrap_or_else(own);
            Ok(XmppView {
                main: main.to_string(),
                address: route.with_port(ports::XMPP.number),
                domain: server.domain.to_string(),
                username: server.username,
                brewery: server.brewery,
            })
        })
        .collect()
}
