//! The opened inventory, as commands use it: hosts, selections, connections.

use std::path::PathBuf;

use jitctl_inventory::Loaded;
use jitctl_inventory::model::{Host, Inventory, Ssh};
use jitctl_inventory::names::HostName;
use jitctl_transport::{SshOptions, SshRemote};
use miette::Report;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// A usable inventory.
#[derive(Debug)]
pub(crate) struct Site {
    /// The inventory with the place of every value.
    pub(crate) loaded: Loaded,
    home: Option<PathBuf>,
}

impl Context {
    /// Reads the inventory; warnings are shown, errors end the command, all at once.
    pub(crate) fn open(&self) -> Result<Site, Failure> {
        let loaded = jitctl_inventory::load(&self.inventory_path).map_err(|found| Failure {
            exit: Exit::Usage,
            reports: found.into_iter().map(Report::new).collect(),
        })?;
        for warning in &loaded.warnings {
            self.printer.diagnostic(&Report::new(warning.clone()));
        }
        Ok(Site {
            loaded,
            home: std::env::home_dir(),
        })
    }
}

impl Site {
    /// The typed inventory.
    pub(crate) fn inventory(&self) -> &Inventory {
        &self.loaded.inventory
    }

    /// The host of that name.
    pub(crate) fn host(&self, name: &str) -> Result<(&HostName, &Host), Failure> {
        self.inventory()
            .hosts
            .iter()
            .find(|(known, _)| known.as_str() == name)
            .ok_or_else(|| {
                let known: Vec<&str> = self
                    .inventory()
                    .hosts
                    .keys()
                    .map(HostName::as_str)
                    .collect();
                Failure::usage(
                    format!("the inventory has no host `{name}`"),
                    format!("it has {}", known.join(", ")),
                )
            })
    }

    /// The hosts that `--on` names; all without it.
    pub(crate) fn select(&self, on: Option<&str>) -> Result<Vec<HostName>, Failure> {
        match on {
            None => Ok(self.inventory().hosts.keys().cloned().collect()),
            Some(list) => list
                .split(',')
                .map(|name| self.host(name).map(|(name, _)| name.clone()))
                .collect(),
        }
    }

    /// How to reach a host: the inventory's settings, with paths as seen from here.
    pub(crate) fn ssh(&self, name: &HostName) -> Ssh {
        let mut ssh = self
            .inventory()
            .hosts
            .get(name)
            .map(|host| host.ssh.clone())
            .unwrap_or_default();
        for path in [&mut ssh.key, &mut ssh.config].into_iter().flatten() {
            *path = self.loaded.resolve(path, self.home.as_deref());
        }
        ssh
    }

    /// Connections to hosts; nothing is dialled yet.
    pub(crate) fn remotes(&self, names: &[HostName]) -> Vec<SshRemote> {
        names
            .iter()
            .map(|name| SshRemote::new(name.clone(), self.ssh(name), SshOptions::default()))
            .collect()
    }
}
