//! What would change, as a value.
//!
//! Made by [`plan_host`] from a resolved host, its facts and our programs: pure, linear in the
//! number of files. Holds no secret: diffs are made of marker text, lines that might hold an
//! unknown secret are hidden. The executor carries out exactly this and nothing else.

mod build;
mod diff;
mod files;
mod services;

use std::collections::BTreeSet;

use jitctl_inventory::model::{FirewallBackend, Role};
use jitctl_inventory::names::HostName;
use jitctl_templates::desired::{Action, Directory, SecretName, TemplateSource};
use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;
use crate::settings::Setting;

pub use build::{PlanError, next_manifest, plan_host, plan_site};

/// Version of the format of saved plans.
pub const VERSION: u32 = 1;

/// What would change on all hosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SitePlan {
    /// [`VERSION`].
    pub version: u32,
    /// The hosts, those without changes too.
    pub hosts: Vec<HostPlan>,
}

/// What would change on one host. Lists are in the order of application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostPlan {
    /// Which host.
    pub host: HostName,
    /// What it carries.
    pub roles: BTreeSet<Role>,
    /// [`crate::Facts::basis`] of the facts that this was made from.
    pub basis: String,
    /// The number of the release that an apply of this makes.
    pub release: u64,
    /// The phase in which an earlier apply was interrupted; this one heals it.
    pub heals: Option<String>,
    /// Packages to install.
    pub packages: Vec<String>,
    /// System users to make.
    pub users: Vec<String>,
    /// Folders to make or to give other permissions.
    pub directories: Vec<Directory>,
    /// Our programs to carry or switch.
    pub programs: Vec<ProgramChange>,
    /// Files.
    pub files: Vec<FileChange>,
    /// Links.
    pub links: Vec<LinkChange>,
    /// XMPP accounts.
    pub accounts: Vec<AccountChange>,
    /// The packet filter.
    pub firewall: Option<FirewallChange>,
    /// Units to enable, start or stop.
    pub services: Vec<ServiceChange>,
    /// Kernel settings that get the value back that stood before ours.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// Reloads and restarts, without doubles, in order.
    pub actions: Vec<Action>,
    /// What people will notice.
    pub interruptions: Vec<Interruption>,
    /// Our own records on the host are out of date, or an apply was interrupted.
    pub records: bool,
    /// The host leaves the site: nothing of ours stays there.
    #[serde(default)]
    pub leaving: Option<Leaving>,
    /// The records that an apply leaves there.
    pub manifest: Manifest,
    /// What the operator should know and no apply changes.
    pub warnings: Vec<String>,
}

/// What goes from a host that leaves, beside files and units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// Commands that remove our rules of `ufw` or `firewalld`.
    pub commands: Vec<Vec<String>>,
}

/// One of our programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramChange {
    /// `jitctl-bridge` or `jitctl-focus`.
    pub name: String,
    /// Folder in use now.
    pub from: Option<String>,
    /// Folder to use.
    pub to: String,
    /// Hash of the program.
    pub sha256: String,
    /// Whether it must be carried there first.
    pub upload: bool,
}

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Create,
    /// Its bytes change.
    Update,
    /// Only permissions or owner change.
    Attributes,
    /// It goes: we own it and it is no longer desired.
    Remove,
}

/// A file that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileChange {
    /// Absolute path.
    pub path: String,
    /// What happens.
    pub change: Change,
    /// Somebody edited our file since we wrote it; the edit is in the diff and will be lost.
    pub edited_by_hand: bool,
    /// Permission bits afterwards.
    pub mode: u32,
    /// Owner afterwards.
    pub owner: String,
    /// Group afterwards.
    pub group: String,
    /// Hash of the bytes afterwards; empty for removals.
    pub sha256: String,
    /// Unified diff without secrets; empty for removals and attributes.
    pub diff: String,
    /// Secrets in the file whose value changes.
    pub changed_secrets: Vec<SecretName>,
    /// Template or override; nothing for removals.
    pub source: Option<TemplateSource>,
}

/// A link that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkChange {
    /// Absolute path.
    pub path: String,
    /// What it points at now.
    pub from: Option<String>,
    /// What it will point at; nothing when it goes.
    pub to: Option<String>,
}

/// An account that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChange {
    /// Local part.
    pub user: String,
    /// XMPP host.
    pub domain: String,
    /// The secret with its password; nothing when the account goes.
    pub password: Option<SecretName>,
    /// Whether it exists with another password.
    pub exists: bool,
}

/// A change of the packet filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallChange {
    /// Who keeps the rules.
    pub backend: FirewallBackend,
    /// Whether our table is loaded anew.
    pub load_table: bool,
    /// The rules in the kernel are not those that we loaded.
    pub edited_by_hand: bool,
    /// Commands that add or remove rules of `ufw` or `firewalld`.
    pub commands: Vec<Vec<String>>,
    /// Commands that undo them, in order.
    pub undo: Vec<Vec<String>>,
    /// The delta in words, one a line.
    pub delta: Vec<String>,
}

/// What happens to a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceChange {
    /// Unit name with suffix.
    pub unit: String,
    /// Enable it.
    pub enable: bool,
    /// Start it.
    pub start: bool,
    /// Stop and disable it: it is no longer desired.
    pub stop: bool,
}

/// What people will notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interruption {
    /// The unit that causes it.
    pub unit: String,
    /// What stops working, in words.
    pub what: String,
    /// For about how long, in seconds.
    pub seconds: u32,
}

impl SitePlan {
    /// Whether nothing would change anywhere.
    pub fn is_empty(&self) -> bool {
        self.hosts.iter().all(HostPlan::is_empty)
    }

    /// The plan of one host.
    pub fn host(&self, name: &HostName) -> Option<&HostPlan> {
        self.hosts.iter().find(|plan| plan.host == *name)
    }
}

impl HostPlan {
    /// Whether an apply starts, restarts or reloads a unit.
    pub fn disturbs(&self, unit: &str) -> bool {
        let acted_on = |action: &Action| match action {
            Action::Restart(other) | Action::Reload(other) => other == unit,
            Action::DaemonReload | Action::Sysctl(_) => false,
        };
        let started = |service: &ServiceChange| service.start && service.unit == unit;
        self.actions.iter().any(acted_on) || self.services.iter().any(started)
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        !self.records && self.leaving.is_none() && self.count() == 0
    }

    /// How many things would change, our own records aside.
    pub fn count(&self) -> usize {
        self.packages.len()
            + self.users.len()
            + self.directories.len()
            + self.programs.len()
            + self.files.len()
            + self.links.len()
            + self.accounts.len()
            + usize::from(self.firewall.is_some())
            + self.services.len()
            + self.settings.len()
            + self.actions.len()
    }
}
