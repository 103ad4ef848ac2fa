//! nginx in front of everything a browser talks to, `config.js` and the page.
//!
//! nginx reads a changed file on reload without dropping a connection, so nothing here restarts.

use jitctl_inventory::model::{AuthenticationMode, BridgeChannel, Role, Tls, Web};
use serde::Serialize;

use super::super::Scene;
use crate::addresses;
use crate::desired::{Action, Binary, FileCheck, Gate, Protocol, SecretName, Source};
use crate::error::RenderError;
use crate::host::{FileSpec, HostBuilder};
use crate::{ports, secrets};

/// nginx's unit.
const UNIT: &str = "nginx.service";
/// Where the certificate of the site, or with ACME its stand-in, lies.
pub(super) const BOOTSTRAP_TLS: &str = "/etc/jitctl/pki/web";
/// What points at the certificate in use where ACME changes it.
pub(super) const ACME_TLS: &str = "/etc/jitctl/tls";
/// The unpacked page that `jitctl` carried; the link moves with each version.
const CARRIED_PAGE: &str = "/usr/lib/jitctl/current-web/web";
/// Where Debian's package of the upstream web app puts it.
const PACKAGED_PAGE: &str = "/usr/share/jitsi-meet";
/// Where challenges are answered from.
pub(super) const ACME_ROOT: &str = "/var/lib/jitctl-acme";

/// The folder with the `fullchain.pem` and `privkey.pem` in use.
pub(super) fn tls_folder(scene: &Scene<'_>) -> &'static str {
    match scene.inventory.site.tls {
        Tls::Acme { .. } => ACME_TLS,
        Tls::PrivateCa | Tls::Files { .. } => BOOTSTRAP_TLS,
    }
}

#[derive(Serialize)]
struct NginxView<'a> {
    domain: &'a str,
    shard: &'a str,
    tls_folder: &'a str,
    acme_root: &'a str,
    /// Browsers may insist on HTTPS for good, which an untrusted certificate would turn into a
    /// site that can not be opened.
    strict_transport: bool,
    xmpp_http: u16,
    focus_http: u16,
    websocket: bool,
    bridges: Vec<WebsocketView>,
    page_root: &'static str,
    /// Our own page lives under the strictest content policy; upstream's could not.
    strict_content: bool,
}

#[derive(Serialize)]
struct WebsocketView {
    id: String,
    address: String,
}

#[derive(Serialize)]
struct ConfigView<'a> {
    domain: &'a str,
    secure_domain: bool,
    focus_user: &'a str,
    turn: bool,
    prefer_sctp: bool,
    turn_port: u16,
}

#[derive(Serialize)]
struct RepositoryView<'a> {
    repository: &'a str,
    suite: &'a str,
    /// None for a path that ends in `/`.
    components: &'a str,
    /// Lines of a deb822 field: each after a space, an empty one as a dot.
    key: String,
}

pub(super) fn add(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) -> Result<(), RenderError> {
    builder.package("nginx");
    builder.directory(BOOTSTRAP_TLS, 0o700);
    for path in ["/etc/jitctl/web", ACME_ROOT] {
        builder.directory(path, 0o755);
    }
    add_certificate(builder, scene);
    add_pages(builder, scene)?;
    builder.template(
        "main/nginx.conf",
        &nginx_view(scene)?,
        FileSpec::public("/etc/nginx/conf.d/jitctl.conf")
            .check(FileCheck::Nginx)
            .on_change([reload()]),
    )?;
    builder.service(UNIT);
    builder.port(ports::HTTP, Source::World);
    builder.port(ports::HTTPS, Source::World);
    builder.gate(Gate::UnitActive(UNIT.to_owned()));
    for port in [ports::HTTP, ports::HTTPS] {
        builder.gate(Gate::Listening(Protocol::Tcp, port.number));
    }
    builder.gate(Gate::PageServed {
        domain: scene.domain().to_owned(),
        certificate: format!("{}/fullchain.pem", tls_folder(scene)),
    });
    Ok(())
}

fn reload() -> Action {
    Action::Reload(UNIT.to_owned())
}

fn add_certificate(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) {
    let mut actions = vec![reload()];
    if scene.inventory.site.turn.enabled {
        actions.push(Action::Reload("coturn.service".to_owned()));
    }
    builder.secret(
        &SecretName(secrets::PKI_WEB_CERT.to_owned()),
        FileSpec::public(format!("{BOOTSTRAP_TLS}/fullchain.pem")).on_change(actions.clone()),
    );
    builder.secret(
        &SecretName(secrets::PKI_WEB_KEY.to_owned()),
        FileSpec::private(format!("{BOOTSTRAP_TLS}/privkey.pem")).on_change(actions),
    );
}

fn add_pages(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) -> Result<(), RenderError> {
    let site = &scene.inventory.site;
    let config = ConfigView {
        domain: scene.domain(),
        secure_domain: site.authentication.mode == AuthenticationMode::SecureDomain,
        focus_user: scene.options.focus_account.focus_user(),
        turn: site.turn.enabled,
        prefer_sctp: site.bridge_channel == BridgeChannel::Sctp,
        turn_port: ports::TURN_UDP.number,
    };
    builder.template(
        "main/config.js",
        &config,
        FileSpec::public("/etc/jitctl/web/config.js"),
    )?;
    match &site.web {
        Web::Builtin | Web::Dir { .. } => builder.desired.binaries.push(Binary {
            name: "jitctl-web".to_owned(),
            restarts: Vec::new(),
        }),
        Web::JitsiApt {
            repository,
            suite,
            key,
        } => {
            builder.package("jitsi-meet-web");
            let (release, components) = suite
                .trim()
                .split_once(char::is_whitespace)
                .unwrap_or((suite.trim(), ""));
            let lines = key.trim().lines().map(|line| match line.trim() {
                "" => "\n .".to_owned(),
                line => format!("\n {line}"),
            });
            let view = RepositoryView {
                repository,
                suite: release,
                components: components.trim(),
                key: lines.collect(),
            };
            builder.template(
                "main/jitsi.sources",
                &view,
                FileSpec::public("/etc/apt/sources.list.d/jitctl-jitsi.sources"),
            )?;
        }
    }
    Ok(())
}

fn nginx_view<'a>(scene: &'a Scene<'_>) -> Result<NginxView<'a>, RenderError> {
    let site = &scene.inventory.site;
    let websocket = site.bridge_channel == BridgeChannel::Websocket;
    Ok(NginxView {
        domain: scene.domain(),
        shard: scene.name.as_str(),
        tls_folder: tls_folder(scene),
        acme_root: ACME_ROOT,
        strict_transport: site.tls != Tls::PrivateCa,
        xmpp_http: ports::XMPP_HTTP.number,
        focus_http: ports::FOCUS_HTTP.number,
        websocket,
        page_root: match site.web {
            Web::Builtin | Web::Dir { .. } => CARRIED_PAGE,
            Web::JitsiApt { .. } => PACKAGED_PAGE,
        },
        strict_content: site.web == Web::Builtin,
        bridges: if websocket {
            websocket_views(scene)?
        } else {
            Vec::new()
        },
    })
}

fn websocket_views(scene: &Scene<'_>) -> Result<Vec<WebsocketView>, RenderError> {
    scene
        .inventory
        .hosts_with(Role::Bridge)
        .map(|(name, host)| {
            let route =
                addresses::websocket_via(scene.inventory, scene.name, name).ok_or_else(|| {
                    RenderError::NoRoute {
                        bridge: name.to_string(),
                        main: scene.name.to_string(),
                    }
                })?;
            Ok(WebsocketView {
                id: host.muc_nick(name).to_string(),
                address: route.with_port(ports::BRIDGE_WEBSOCKET.number),
            })
        })
        .collect()
}
