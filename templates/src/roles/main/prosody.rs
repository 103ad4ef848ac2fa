//! Prosody 0.12 as Debian 12 ships it, through a file in `conf.d`.
//!
//! The package's `prosody.cfg.lua` stays untouched: it includes `conf.d/*.cfg.lua`, every included
//! file starts in the global section, and what is set there replaces what was set before. Secrets
//! stand in a second file, so that the first one can be shown in a diff.
//! A reload re-reads certificates only; everything else needs a restart.

use std::num::NonZeroU32;

use jitctl_inventory::model::AuthenticationMode;
use serde::Serialize;

use super::super::Scene;
use crate::addresses;
use crate::desired::{Account, Action, FileCheck, Gate, Link, Protocol, SecretName, Source};
use crate::error::RenderError;
use crate::host::{FileSpec, HostBuilder};
use crate::ports;
use crate::secrets::{self, AccountSlot};

/// Prosody's unit.
const UNIT: &str = "prosody.service";

/// Where Prosody finds our modules.
const MODULES: &str = "/usr/lib/jitctl/prosody";

/// Our modules and what they share.
const MODULE_FILES: [&str; 7] = [
    "jitctl.lib.lua",
    "mod_jitctl_av_moderation.lua",
    "mod_jitctl_focus_away.lua",
    "mod_jitctl_identities.lua",
    "mod_jitctl_lobby.lua",
    "mod_jitctl_max_occupants.lua",
    "mod_jitctl_speakerstats.lua",
];

#[derive(Serialize)]
struct ProsodyView<'a> {
    domain: &'a str,
    secure_domain: bool,
    max_occupants: Option<u32>,
    service_accounts: Vec<String>,
    turn: Option<TurnView>,
    ports: PortsView,
}

/// For a template without variables.
#[derive(Serialize)]
struct NoView {}

#[derive(Serialize)]
struct PortsView {
    xmpp: u16,
    http: u16,
    component: u16,
}

#[derive(Serialize)]
struct TurnView {
    port: u16,
    tls_port: u16,
}

#[derive(Serialize)]
struct SecretsView<'a> {
    domain: &'a str,
    component_secret: String,
    turn_secret: Option<String>,
    secure_domain: bool,
}

pub(super) fn add(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) -> Result<(), RenderError> {
    builder.package("prosody");
    add_certificate(builder, scene);
    add_modules(builder)?;
    add_configuration(builder, scene)?;
    builder.template(
        "main/prosody-drop-in.conf",
        &NoView {},
        FileSpec::public("/etc/systemd/system/prosody.service.d/jitctl.conf")
            .on_change([Action::DaemonReload, restart()]),
    )?;
    builder.desired.accounts.extend(accounts(scene));
    builder.service(UNIT);

    let bridges = addresses::xmpp_sources(scene.inventory, scene.name);
    builder.port(ports::XMPP, Source::Only(bridges));
    builder.port(ports::XMPP_HTTP, Source::Nobody);
    builder.port(ports::COMPONENT, Source::Nobody);
    builder.gate(Gate::UnitActive(UNIT.to_owned()));
    for port in [ports::XMPP, ports::XMPP_HTTP, ports::COMPONENT] {
        builder.gate(Gate::Listening(Protocol::Tcp, port.number));
    }
    Ok(())
}

/// Our modules, before the configuration that names them.
fn add_modules(builder: &mut HostBuilder<'_>) -> Result<(), RenderError> {
    builder.directory(MODULES, 0o755);
    for file in MODULE_FILES {
        builder.template(
            &format!("main/prosody/{file}"),
            &NoView {},
            FileSpec::public(format!("{MODULES}/{file}")).on_change([restart()]),
        )?;
    }
    Ok(())
}

fn restart() -> Action {
    Action::Restart(UNIT.to_owned())
}

fn add_certificate(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) {
    let reload = Action::Reload(UNIT.to_owned());
    let path = format!("/etc/prosody/certs/auth.{}", scene.domain());
    builder.secret(
        &SecretName(secrets::PKI_AUTH_CERT.to_owned()),
        FileSpec::shared_with(format!("{path}.crt"), "prosody").on_change([reload.clone()]),
    );
    builder.secret(
        &SecretName(secrets::PKI_AUTH_KEY.to_owned()),
        FileSpec::shared_with(format!("{path}.key"), "prosody").on_change([reload]),
    );
}

fn add_configuration(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) -> Result<(), RenderError> {
    let secure_domain =
        scene.inventory.site.authentication.mode == AuthenticationMode::SecureDomain;
    let turn = scene.inventory.site.turn.enabled;
    let view = ProsodyView {
        domain: scene.domain(),
        secure_domain,
        max_occupants: scene
            .inventory
            .site
            .meetings
            .max_occupants
            .map(NonZeroU32::get),
        service_accounts: accounts(scene)
            .into_iter()
            .map(|account| format!("{}@{}", account.user, account.domain))
            .collect(),
        turn: turn.then_some(TurnView {
            port: ports::TURN_UDP.number,
            tls_port: ports::TURN_TLS.number,
        }),
        ports: PortsView {
            xmpp: ports::XMPP.number,
            http: ports::XMPP_HTTP.number,
            component: ports::COMPONENT.number,
        },
    };
    let secrets_view = SecretsView {
        domain: scene.domain(),
        component_secret: SecretName(secrets::COMPONENT.to_owned()).marker(),
        turn_secret: turn.then(|| SecretName(secrets::TURN.to_owned()).marker()),
        secure_domain,
    };
    for name in ["jitctl-secrets", "jitctl"] {
        let spec =
            FileSpec::shared_with(format!("/etc/prosody/conf.avail/{name}.cfg.lua"), "prosody")
                .check(FileCheck::Prosody)
                .on_change([restart()]);
        if name == "jitctl" {
            builder.template("main/prosody.cfg.lua", &view, spec)?;
        } else {
            builder.template("main/prosody-secrets.cfg.lua", &secrets_view, spec)?;
        }
        builder.link(Link {
            path: format!("/etc/prosody/conf.d/{name}.cfg.lua"),
            target: format!("../conf.avail/{name}.cfg.lua"),
            seed: false,
            on_change: vec![restart()],
        });
    }
    Ok(())
}

/// Both accounts of both roles, whichever is in use: rotation finds the other one ready.
fn accounts(scene: &Scene<'_>) -> Vec<Account> {
    let domain = format!("auth.{}", scene.domain());
    let account = |user: &str, password| Account {
        user: user.to_owned(),
        domain: domain.clone(),
        password,
    };
    let focus = AccountSlot::BOTH.map(|slot| account(slot.focus_user(), slot.focus_password()));
    let bridges = AccountSlot::BOTH.map(|slot| account(slot.bridge_user(), slot.bridge_password()));
    focus.into_iter().chain(bridges).collect()
}
