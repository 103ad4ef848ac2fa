//! What every host carries: our folders, the site's authority, kernel settings.

use serde::Serialize;

use super::Scene;
use crate::desired::{Action, SecretName};
use crate::error::RenderError;
use crate::host::{FileSpec, HostBuilder};
use crate::secrets;

/// The certificate of the private authority, as every daemon's `ca_file`.
pub(crate) const CA_FILE: &str = "/etc/jitctl/pki/ca.crt";
/// Where credentials lie for `LoadCredential=`.
pub(crate) const CREDENTIALS: &str = "/etc/jitctl/credentials";

/// Scripts that units and hooks run. Below `/etc`, as everything a check has to find beside a unit.
pub(crate) const SCRIPTS: &str = "/etc/jitctl/scripts";

/// Kernel settings.
pub const SYSCTL_FILE: &str = "/etc/sysctl.d/60-jitctl.conf";

#[derive(Serialize)]
struct SysctlView {
    bridge: bool,
    main: bool,
}

pub(super) fn add(builder: &mut HostBuilder<'_>, scene: &Scene<'_>) -> Result<(), RenderError> {
    use jitctl_inventory::model::Role;

    for (path, mode) in [
        ("/etc/jitctl", 0o755),
        ("/etc/jitctl/pki", 0o755),
        (CREDENTIALS, 0o700),
    ] {
        builder.directory(path, mode);
    }
    builder.secret(
        &SecretName(secrets::PKI_CA_CERT.to_owned()),
        FileSpec::public(CA_FILE),
    );
    let view = SysctlView {
        bridge: scene.host.roles.contains(&Role::Bridge),
        main: scene.host.roles.contains(&Role::Main),
    };
    builder.template(
        "common/sysctl.conf",
        &view,
        FileSpec::public(SYSCTL_FILE).on_change([Action::Sysctl(SYSCTL_FILE.to_owned())]),
    )
}
