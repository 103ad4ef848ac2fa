//! What a host should look like: the value that `plan` compares with facts.
//!
//! Nothing here knows how a host is reached or changed. Order inside the lists is the order of
//! application; every list is free of duplicates by path, name or port.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jitctl_inventory::model::Role;
use jitctl_inventory::names::HostName;
use serde::{Deserialize, Serialize};

/// The desired state of one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DesiredHost {
    /// Which host.
    pub host: HostName,
    /// What it carries.
    pub roles: BTreeSet<Role>,
    /// Others keep this host: nothing there is ours but ports that are opened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
    /// Debian packages that must be installed.
    pub packages: Vec<String>,
    /// System users of our services, without login.
    pub users: Vec<SystemUser>,
    /// Our own programs.
    pub binaries: Vec<Binary>,
    /// Directories that must exist with these permissions, before any file is written.
    pub directories: Vec<Directory>,
    /// Files that we own, whole.
    pub files: Vec<RenderedFile>,
    /// Links that we own.
    pub links: Vec<Link>,
    /// XMPP accounts that must exist with the password of a secret.
    pub accounts: Vec<Account>,
    /// Services that must be enabled and running.
    pub services: Vec<Service>,
    /// Which ports are open to whom.
    pub firewall: FirewallIntent,
    /// What must be true after an apply.
    pub gates: Vec<Gate>,
}

/// A system user without login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemUser {
    /// Login name, also the name of its group.
    pub name: String,
}

/// A directory that must exist; its other contents are none of our business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// Absolute path on the host.
    pub path: String,
    /// Permission bits, such as `0o700`.
    pub mode: u32,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
}

/// One of our programs, carried by `jitctl` and switched atomically.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// `jitctl-focus` or `jitctl-bridge`; or `jitctl-web`, an archive that is unpacked beside it.
    pub name: String,
    /// Services to restart when it changes.
    pub restarts: Vec<String>,
}

/// A file we own whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedFile {
    /// Absolute path on the host.
    pub path: String,
    /// Permission bits, such as `0o644`.
    pub mode: u32,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
    /// The text, with `@@secret:NAME@@` where a secret belongs.
    pub content: String,
    /// The template it came from, or the override's path.
    pub source: TemplateSource,
    /// How the host's own program checks it before it replaces anything.
    pub check: Option<FileCheck>,
    /// What a change of this file needs.
    pub on_change: Vec<Action>,
}

/// Where a rendered text came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateSource {
    /// Compiled in, by template name.
    BuiltIn(String),
    /// The operator's own template file; shown in plans.
    Override(String),
    /// Not a template: a certificate, a key, a credential.
    Generated,
}

/// A secret by name; its value is known to the secrets store alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretName(pub String);

impl SecretName {
    /// The marker that stands for the secret inside a rendered text.
    pub fn marker(&self) -> String {
        format!("@@secret:{}@@", self.0)
    }
}

/// The host's own checker of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileCheck {
    /// `prosodyctl check config`.
    Prosody,
    /// `nginx -t`.
    Nginx,
    /// `nft -c -f`.
    Nftables,
    /// `systemd-analyze verify`.
    SystemdUnit,
    /// `jitctl-focus --check-config`.
    Focus,
    /// `jitctl-bridge --check-config`.
    Bridge,
}

/// What a change brings with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `systemctl daemon-reload`, before anything else.
    DaemonReload,
    /// `systemctl reload UNIT`.
    Reload(String),
    /// `systemctl restart UNIT`.
    Restart(String),
    /// `systemd-sysctl` with this file, and a read back.
    Sysctl(String),
}

/// A symbolic link we own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Absolute path of the link.
    pub path: String,
    /// What it points at.
    pub target: String,
    /// Create it only where nothing stands at `path`, and leave it alone afterwards: the host
    /// itself points it elsewhere later (the ACME hook does so with the web certificate).
    pub seed: bool,
    /// What a change needs.
    pub on_change: Vec<Action>,
}

/// An XMPP account on this host's Prosody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Local part.
    pub user: String,
    /// XMPP host.
    pub domain: String,
    /// The secret that is its password.
    pub password: SecretName,
}

/// A unit that must be enabled and active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Unit name with suffix.
    pub unit: String,
}

/// A port as the world or a named set may reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRule {
    /// Transport.
    pub protocol: Protocol,
    /// Port number, the first one of a range.
    pub port: u16,
    /// The last port of a range; the same as `port` for a single one.
    pub last_port: u16,
    /// Who may come in.
    pub from: Source,
    /// Why, for plans and comments.
    pub why: String,
}

/// Transport protocol of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Who may reach a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Everybody.
    World,
    /// These addresses only, beside the host itself.
    Only(Vec<IpAddr>),
    /// Nobody but the host itself.
    Nobody,
}

/// The ports of a host. Ports that no rule names are left to the host's own rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallIntent {
    /// The backend to use; `Auto` is resolved from facts.
    pub backend: jitctl_inventory::model::FirewallBackend,
    /// One rule a port.
    pub rules: Vec<PortRule>,
}

/// Something that must hold after an apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The unit is active and has not restarted since.
    UnitActive(String),
    /// Something listens on the port.
    Listening(Protocol, u16),
    /// An HTTP GET on the host itself answers 200.
    HttpOk(String),
    /// nginx on the host itself answers for a room with a page of the site.
    PageServed {
        /// The name of the site.
        domain: String,
        /// The certificate it is to show, a file.
        certificate: String,
    },
    /// The focus on each MAIN counts this nickname among its operational bridges.
    BridgeCounted(String),
    /// The bridge has joined the brewery of every MAIN under this nickname.
    BridgeJoined(String),
}
