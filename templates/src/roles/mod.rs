//! What each role adds to a host, one file a role.

mod bridge;
mod common;
pub(crate) mod firewall;
mod foreign;
mod main;

use jitctl_inventory::model::{Inventory, Role};
use jitctl_inventory::names::HostName;

use crate::RenderOptions;
use crate::desired::{DesiredHost, FirewallIntent};
use crate::engine::Engine;
use crate::error::RenderError;
use crate::host::HostBuilder;

pub use common::SYSCTL_FILE;

/// Where an inventory and options meet one host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) inventory: &'a Inventory,
    pub(crate) options: &'a RenderOptions,
    pub(crate) name: &'a HostName,
    pub(crate) host: &'a jitctl_inventory::model::Host,
}

impl Scene<'_> {
    /// The site's domain `D`.
    pub(crate) fn domain(&self) -> &str {
        self.inventory.site.domain.as_str()
    }
}

pub(crate) fn desired_host(
    engine: &Engine,
    options: &RenderOptions,
    inventory: &Inventory,
    name: &HostName,
) -> Result<DesiredHost, RenderError> {
    let host = inventory
        .hosts
        .get(name)
        .ok_or_else(|| RenderError::UnknownHost {
            host: name.to_string(),
        })?;
    let scene = Scene {
        inventory,
        options,
        name,
        host,
    };
    let mut builder = HostBuilder::new(engine, empty(&scene));
    if host.foreign.is_some() {
        foreign::add(&mut builder, &scene);
        return Ok(builder.desired);
    }
    common::add(&mut builder, &scene)?;
    if host.roles.contains(&Role::Main) {
        main::add(&mut builder, &scene)?;
    }
    if host.roles.contains(&Role::Bridge) {
        bridge::add(&mut builder, &scene)?;
    }
    let mut desired = builder.desired;
    desired
        .firewall
        .rules
        .sort_by_key(|rule| (rule.protocol, rule.port));
    firewall::set_backend(engine, &mut desired, scene_backend(&scene))?;
    Ok(desired)
}

fn scene_backend(scene: &Scene<'_>) -> jitctl_inventory::model::FirewallBackend {
    scene
        .host
        .overrides
        .firewall
        .unwrap_or(scene.inventory.site.firewall)
}

fn empty(scene: &Scene<'_>) -> DesiredHost {
    DesiredHost {
        host: scene.name.clone(),
        roles: scene.host.roles.clone(),
        foreign: scene.host.foreign.is_some(),
        packages: Vec::new(),
        users: Vec::new(),
        binaries: Vec::new(),
        directories: Vec::new(),
        files: Vec::new(),
        links: Vec::new(),
        accounts: Vec::new(),
        services: Vec::new(),
        firewall: FirewallIntent::default(),
        gates: Vec::new(),
    }
}
