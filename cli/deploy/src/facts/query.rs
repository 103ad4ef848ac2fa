//! What to ask a host for.

use std::collections::BTreeSet;

use jitctl_templates::firewall::firewalld;

use crate::accounts::account_path;
use crate::firewall;
use crate::layout;
use crate::resolved::ResolvedHost;

/// What a plan needs to know about one host; what the host's own manifest lists is added there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Files with the hash that they should have; the bytes of those that differ come back.
    pub files: Vec<(String, String)>,
    /// Folders, and links that may be anything.
    pub paths: BTreeSet<String>,
    /// Units.
    pub units: BTreeSet<String>,
    /// Packages.
    pub packages: BTreeSet<String>,
    /// System users.
    pub users: BTreeSet<String>,
    /// Accounts: bare JID and file.
    pub accounts: Vec<(String, String)>,
}

impl Query {
    /// The questions for a host.
    pub fn for_host(host: &ResolvedHost) -> Self {
        let desired = &host.desired;
        let mut query = Self {
            files: host
                .files
                .iter()
                .map(|file| (file.file.path.clone(), file.sha256.clone()))
                .collect(),
            ..Self::default()
        };
        query
            .paths
            .extend(desired.links.iter().map(|link| link.path.clone()));
        query
            .paths
            .extend(desired.directories.iter().map(|folder| folder.path.clone()));
        for binary in &desired.binaries {
            query.paths.insert(layout::current_link(&binary.name));
            query.units.extend(binary.restarts.iter().cloned());
        }
        query
            .units
            .extend(desired.services.iter().map(|service| service.unit.clone()));
        query.units.insert(firewall::UNIT.to_owned());
        // Which backend the host has shows only in the answer: these may be desired then.
        for path in [
            firewalld::SERVICE_FILE,
            firewalld::BRIDGES4_FILE,
            firewalld::BRIDGES6_FILE,
        ] {
            if host.file(path).is_none() {
                query.files.push((path.to_owned(), String::new()));
            }
        }
        query.packages.extend(desired.packages.iter().cloned());
        query
            .packages
            .extend(["nftables".to_owned(), "ufw".to_owned()]);
        query
            .users
            .extend(desired.users.iter().map(|user| user.name.clone()));
        query.accounts = desired
            .accounts
            .iter()
            .map(|account| {
                (
                    format!("{}@{}", account.user, account.domain),
                    account_path(&account.domain, &account.user),
                )
            })
            .collect();
        query
    }

    /// The questions as lines of tab-separated words, for the script's input.
    pub fn to_lines(&self) -> Vec<u8> {
        let mut lines = String::new();
        let mut line = |words: &[&str]| {
            lines.push_str(&words.join("\t"));
            lines.push('\n');
        };
        for (path, sha256) in &self.files {
            line(&["file", path, sha256]);
        }
        for path in &self.paths {
            line(&["path", path]);
        }
        for unit in &self.units {
            line(&["unit", unit]);
        }
        for package in &self.packages {
            line(&["package", package]);
        }
        for user in &self.users {
            line(&["user", user]);
        }
        for (jid, path) in &self.accounts {
            line(&["account", jid, path]);
        }
        lines.into_bytes()
    }
}
