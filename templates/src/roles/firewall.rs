//! The packet filter's files for each backend.
//!
//! Whatever opens ports, our own table closes those that are nobody's business: a drop there is
//! final, an accept is not. So the table is loaded beside ufw and firewalld as well, and only
//! `none` goes without.

use jitctl_inventory::model::FirewallBackend;
use serde::Serialize;

use crate::desired::{Action, DesiredHost, FileCheck};
use crate::engine::Engine;
use crate::error::RenderError;
use crate::firewall::{firewalld, nftables};
use crate::host::{FileSpec, HostBuilder};

const UNIT: &str = "jitctl-firewall.service";

#[derive(Serialize)]
struct UnitView<'a> {
    ruleset: &'a str,
}

/// Drops the files of any backend and adds those of `backend`; a host that others keep has none.
pub(crate) fn set_backend(
    engine: &Engine,
    host: &mut DesiredHost,
    backend: FirewallBackend,
) -> Result<(), RenderError> {
    host.firewall.backend = backend;
    if host.foreign {
        return Ok(());
    }
    let owned = [
        nftables::RULESET,
        nftables::UNIT_FILE,
        nftables::DROP_IN,
        firewalld::SERVICE_FILE,
        firewalld::BRIDGES4_FILE,
        firewalld::BRIDGES6_FILE,
    ];
    host.files
        .retain(|file| !owned.contains(&file.path.as_str()));
    host.services.retain(|service| service.unit != UNIT);
    if backend == FirewallBackend::None {
        return Ok(());
    }
    let intent = host.firewall.clone();
    let mut builder = HostBuilder::new(engine, host.clone());
    if backend == FirewallBackend::Firewalld {
        for (path, text) in firewalld::files(&intent) {
            builder.generated(text, FileSpec::public(path));
        }
    }
    add_table(&mut builder, &nftables::view(&intent))?;
    *host = builder.desired;
    Ok(())
}

fn add_table<V: Serialize>(builder: &mut HostBuilder<'_>, view: &V) -> Result<(), RenderError> {
    builder.package("nftables");
    builder.template(
        "common/firewall.nft",
        view,
        FileSpec::public(nftables::RULESET)
            .check(FileCheck::Nftables)
            .on_change([Action::Reload(UNIT.to_owned())]),
    )?;
    let unit = UnitView {
        ruleset: nftables::RULESET,
    };
    builder.template(
        "common/jitctl-firewall.service",
        &unit,
        FileSpec::public(nftables::UNIT_FILE)
            .check(FileCheck::SystemdUnit)
            .on_change([Action::DaemonReload]),
    )?;
    builder.template(
        "common/nftables-drop-in.conf",
        &unit,
        FileSpec::public(nftables::DROP_IN).on_change([Action::DaemonReload]),
    )?;
    builder.service(UNIT);
    Ok(())
}
