//! The focus: XMPP client and component of the local Prosody.

use std::num::NonZeroU32;

use jitctl_inventory::model::AuthenticationMode;
use serde::Serialize;

use super::super::Scene;
use super::super::common::{CA_FILE, CREDENTIALS};
use crate::desired::{Action, Binary, FileCheck, Gate, SecretName, Source};
use crate::error::RenderError;
use crate::host::{FileSpec, HostBuilder};
use crate::{ports, secrets};

/// The unit of the focus.
const UNIT: &str = "jitctl-focus.service";

#[derive(Serialize)]
struct FocusView<'a> {
    domain: &'a str,
    username: &'a str,
    ca_file: &'a str,
    xmpp_address: String,
    component_address: String,
    http_private: String,
    secure_domain: bool,
    start_audio_muted: Option<u32>,
    start_video_muted: Option<u32>,
}

#[derive(Serialize)]
struct UnitView<'a> {
    credentials: &'a str,
}

pub(super) fn add(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) -> Result<(), RenderError> {
    let restart = Action::Restart(UNIT.to_owned());
    builder.user("jitctl-focus");
    builder.desired.binaries.push(Binary {
        name: "jitctl-focus".to_owned(),
        restarts: vec![UNIT.to_owned()],
    });
    builder.secret(
        &scene.options.focus_account.focus_password(),
        FileSpec::private(format!("{CREDENTIALS}/focus-xmpp-password"))
            .on_change([restart.clone()]),
    );
    builder.secret(
        &SecretName(secrets::COMPONENT.to_owned()),
        FileSpec::private(format!("{CREDENTIALS}/focus-component-secret"))
            .on_change([restart.clone()]),
    );
    let meetings = &scene.inventory.site.meetings;
    let view = FocusView {
        domain: scene.domain(),
        username: scene.options.focus_account.focus_user(),
        ca_file: CA_FILE,
        xmpp_address: format!("127.0.0.1:{}", ports::XMPP.number),
        component_address: format!("127.0.0.1:{}", ports::COMPONENT.number),
        http_private: format!("127.0.0.1:{}", ports::FOCUS_HTTP.number),
        secure_domain: scene.inventory.site.authentication.mode == AuthenticationMode::SecureDomain,
        start_audio_muted: meetings.start_audio_muted.map(NonZeroU32::get),
        start_video_muted: meetings.start_video_muted.map(NonZeroU32::get),
    };
    builder.template(
        "main/focus.toml",
        &view,
        FileSpec::public("/etc/jitctl/focus.toml")
            .check(FileCheck::Focus)
            .on_change([restart.clone()]),
    )?;
    builder.template(
        "main/jitctl-focus.service",
        &UnitView {
            credentials: CREDENTIALS,
        },
        FileSpec::public(format!("/etc/systemd/system/{UNIT}"))
            .check(FileCheck::SystemdUnit)
            .on_change([Action::DaemonReload, restart]),
    )?;
    builder.service(UNIT);
    builder.port(ports::FOCUS_HTTP, Source::Nobody);
    builder.gate(Gate::UnitActive(UNIT.to_owned()));
    builder.gate(Gate::HttpOk(format!(
        "http://127.0.0.1:{}/about/version",
        ports::FOCUS_HTTP.number
    )));
    Ok(())
}
