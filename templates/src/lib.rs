//! The desired state of each host, rendered from an inventory.
//!
//! [`desired`] holds the values that plans are made of. Rendering is pure: the same inventory,
//! overrides and options give the same bytes. Secrets never enter a rendered text: where a file
//! needs one it carries a [`desired::SecretName`] marker that only the executor fills in.
//! Texts come from Tera templates compiled in from `files/`; a folder of the operator's can
//! replace each of them. Nothing here reaches a host, prints, or knows the time.
#![forbid(unsafe_code)]

pub mod addresses;
pub mod desired;
pub mod firewall;
pub mod ports;
pub mod secrets;

mod engine;
mod error;
mod host;
mod registry;
mod roles;

pub use error::RenderError;
pub use registry::{TemplateFile, templates};
pub use roles::SYSCTL_FILE;
pub use secrets::AccountSlot;

use std::path::PathBuf;

use jitctl_inventory::model::Inventory;
use jitctl_inventory::names::HostName;

use desired::DesiredHost;
use engine::Engine;

/// What rendering takes beside the inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// A folder whose files replace templates of the same relative path.
    pub overrides: Option<PathBuf>,
    /// Which of its two accounts the focus logs in with.
    pub focus_account: AccountSlot,
    /// Which of their two accounts the bridges log in with.
    pub bridge_account: AccountSlot,
}

/// Templates parsed once, for any number of hosts.
#[derive(Debug)]
pub struct Renderer {
    engine: Engine,
    options: RenderOptions,
}

impl Renderer {
    /// Parses all templates, and the overrides among them.
    ///
    /// # Errors
    /// The overrides folder can not be read, holds a file that replaces nothing, or a template
    /// does not parse.
    pub fn new(options: &RenderOptions) -> Result<Self, RenderError> {
        Ok(Self {
            engine: Engine::new(options.overrides.as_deref())?,
            options: options.clone(),
        })
    }

    /// The desired state of one host.
    ///
    /// The packet filter follows the inventory; `auto` renders as nftables, which is what a
    /// Debian host without ufw and firewalld uses. Once facts are known,
    /// [`Renderer::set_firewall_backend`] swaps these files.
    ///
    /// # Errors
    /// The host is not in the inventory, has no way to a MAIN host, or a template fails.
    pub fn desired_host(
        &self,
        inventory: &Inventory,
        host: &HostName,
    ) -> Result<DesiredHost, RenderError> {
        roles::desired_host(&self.engine, &self.options, inventory, host)
    }

    /// Replaces the packet filter's files and services of a host by those of `backend`.
    ///
    /// # Errors
    /// A template fails.
    pub fn set_firewall_backend(
        &self,
        host: &mut DesiredHost,
        backend: jitctl_inventory::model::FirewallBackend,
    ) -> Result<(), RenderError> {
        roles::firewall::set_backend(&self.engine, host, backend)
    }
}

/// The desired state of one host: [`Renderer`] for a single use.
///
/// # Errors
/// See [`Renderer::new`] and [`Renderer::desired_host`].
pub fn desired_host(
    inventory: &Inventory,
    host: &HostName,
    options: &RenderOptions,
) -> Result<DesiredHost, RenderError> {
    Renderer::new(options)?.desired_host(inventory, host)
}
