//! Public certificates by ACME (RFC 8555) with Debian's certbot and the site's own nginx.
//!
//! The first apply must work before any certificate exists and even before DNS points here. So
//! nginx reads `/etc/jitctl/tls`, a link that starts out at a certificate of the private
//! authority. A timer asks for the real one, once an hour until it is there; certbot's own timer
//! renews it. After each issue a hook points the link at certbot's folder and reloads nginx and
//! coturn. Prosody's certificate is always of the private authority: no public name changes it.

use jitctl_inventory::model::Tls;
use serde::Serialize;

use super::super::Scene;
use super::super::common::SCRIPTS;
use super::web::{ACME_ROOT, ACME_TLS, BOOTSTRAP_TLS};
use crate::desired::{Action, FileCheck, Link};
use crate::error::RenderError;
use crate::host::{FileSpec, HostBuilder};

const TIMER: &str = "jitctl-acme.timer";
const SCRIPT: &str = "/etc/jitctl/scripts/acme";

#[derive(Serialize)]
struct AcmeView<'a> {
    domain: &'a str,
    email: &'a str,
    directory: Option<&'a str>,
    acme_root: &'a str,
    link: &'a str,
    script: &'a str,
    turn: bool,
}

pub(super) fn add(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) -> Result<(), RenderError> {
    let Tls::Acme { email, directory } = &scene.inventory.site.tls else {
        return Ok(());
    };
    let view = AcmeView {
        domain: scene.domain(),
        email,
        directory: directory.as_deref(),
        acme_root: ACME_ROOT,
        link: ACME_TLS,
        script: SCRIPT,
        turn: scene.inventory.site.turn.enabled,
    };
    builder.package("certbot");
    builder.directory(SCRIPTS, 0o755);
    builder.link(Link {
        path: ACME_TLS.to_owned(),
        target: BOOTSTRAP_TLS.to_owned(),
        seed: true,
        on_change: vec![Action::Reload("nginx.service".to_owned())],
    });
    builder.template("main/acme.sh", &view, FileSpec::executable(SCRIPT))?;
    builder.template(
        "main/acme-deployed.sh",
        &view,
        FileSpec::executable("/etc/letsencrypt/renewal-hooks/deploy/jitctl"),
    )?;
    builder.template(
        "main/acme.service",
        &view,
        FileSpec::public("/etc/systemd/system/jitctl-acme.service")
            .check(FileCheck::SystemdUnit)
            .on_change([Action::DaemonReload]),
    )?;
    builder.template(
        "main/acme.timer",
        &view,
        FileSpec::public(format!("/etc/systemd/system/{TIMER}"))
            .check(FileCheck::SystemdUnit)
            .on_change([Action::DaemonReload, Action::Restart(TIMER.to_owned())]),
    )?;
    builder.service(TIMER);
    Ok(())
}
