//! The opened inventory, as commands use it: hosts, selections, connections.

use std::path::PathBuf;

use jitctl_inventory::model::{Host, Inventory, Role, Site as SiteSettings, Ssh, Tls, Web};
use jitctl_inventory::names::HostName;
use jitctl_inventory::rules::files::check_files;
use jitctl_inventory::select;
use jitctl_inventory::{Diagnostic, Loaded};
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
        Ok(Site::new(loaded))
    }

    /// The site as it would be with another text in the inventory; nothing is written.
    pub(crate) fn imagine(&self, text: &str) -> Result<Site, Failure> {
        let name = self.inventory_path.display().to_string();
        jitctl_inventory::load_text(&name, text)
            .map(Site::new)
            .map_err(|found| Failure {
                exit: Exit::Usage,
                reports: found.into_iter().map(Report::new).collect(),
            })
    }

    /// Writes the inventory, whole or not at all, with the permissions it had. A link stays one.
    pub(crate) fn write_inventory(&self, text: &str) -> Result<(), Failure> {
        let path = &self.inventory_path;
        let written = std::fs::canonicalize(path).and_then(|path| {
            let part = path.with_extension("yaml.part");
            std::fs::write(&part, text)?;
            std::fs::set_permissions(&part, std::fs::metadata(&path)?.permissions())?;
            std::fs::rename(&part, &path)
        });
        written.map_err(|error| {
            Failure::other(
                format!("cannot write `{}`: {error}", path.display()),
                "the hosts are changed already: write the host into the inventory by hand",
            )
        })
    }
}

impl Site {
    fn new(loaded: Loaded) -> Self {
        Self {
            loaded,
            home: std::env::home_dir(),
        }
    }

    /// The inventory's text.
    pub(crate) fn text(&self) -> &str {
        self.loaded.source.text()
    }

    /// The hosts that carry a role.
    pub(crate) fn with_role(&self, role: Role) -> Vec<HostName> {
        let hosts = self.inventory().hosts_with(role);
        hosts.map(|(name, _)| name.clone()).collect()
    }

    /// The MAIN hosts, for what only our focus can do.
    pub(crate) fn own_mains(&self) -> Result<Vec<HostName>, Failure> {
        match self.inventory().foreign_main() {
            Some((name, _)) => Err(Failure::usage(
                format!("`{name}` is kept by others, and so is its focus"),
                "rooms, people and accounts there are managed with its own tools",
            )),
            None => Ok(self.with_role(Role::Main)),
        }
    }

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
        let hosts = match on {
            None => return Ok(self.inventory().hosts.keys().cloned().collect()),
            Some(text) => {
                select::parse(text).and_then(|selection| selection.hosts(self.inventory()))
            }
        };
        hosts.map_err(|error| Failure {
            exit: Exit::Usage,
            reports: vec![Report::new(error)],
        })
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

    /// The site's settings with the paths of certificate files as seen from here.
    pub(crate) fn with_resolved_files(&self) -> SiteSettings {
        let mut site = self.inventory().site.clone();
        if let Tls::Files { certificate, key } = &mut site.tls {
            for path in [certificate, key] {
                *path = self.loaded.resolve(path, self.home.as_deref());
            }
        }
        site
    }

    /// The folder of the operator's own page, as seen from here.
    pub(crate) fn page_folder(&self) -> Option<PathBuf> {
        match &self.inventory().site.web {
            Web::Dir { path } => Some(self.loaded.resolve(path, self.home.as_deref())),
            Web::Builtin | Web::JitsiApt { .. } => None,
        }
    }

    /// What `check` says about files that the inventory names.
    pub(crate) fn check_files(&self) -> Vec<Diagnostic> {
        check_files(&self.loaded, self.home.as_deref())
    }

    /// Connections to hosts; nothing is dialled yet.
    pub(crate) fn remotes(&self, names: &[HostName]) -> Vec<SshRemote> {
        names
            .iter()
            .map(|name| SshRemote::new(name.clone(), self.ssh(name), SshOptions::default()))
            .collect()
    }
}
