//! Where a lab keeps its things on the outer machine, after the XDG base directory rules.

use std::path::{Path, PathBuf};

use crate::error::LabError;
use crate::host::{HostName, LabName};

/// The directories of one lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabPaths {
    state: PathBuf,
    cache: PathBuf,
}

impl LabPaths {
    /// `$XDG_STATE_HOME/jitctl/lab/NAME` and `$XDG_CACHE_HOME/jitctl/lab`, with the usual
    /// defaults under the home directory.
    pub fn from_environment(name: &LabName) -> Result<Self, LabError> {
        let variable = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let home = variable("HOME").ok_or_else(|| LabError::Machine {
            problem: "`HOME` is not set".into(),
            remedy: "set `HOME`, or `XDG_STATE_HOME` and `XDG_CACHE_HOME`".into(),
        });
        let state = match variable("XDG_STATE_HOME") {
            Some(state) => state,
            None => home
                .as_ref()
                .map_or_else(|_| PathBuf::new(), |home| home.join(".local/state")),
        };
        let cache = match variable("XDG_CACHE_HOME") {
            Some(cache) => cache,
            None => home
                .as_ref()
                .map_or_else(|_| PathBuf::new(), |home| home.join(".cache")),
        };
        if state.as_os_str().is_empty() || cache.as_os_str().is_empty() {
            home?;
        }
        Ok(Self::new(
            &state.join("jitctl/lab"),
            &cache.join("jitctl/lab"),
            name,
        ))
    }

    /// The directories of lab `name` under a root for all labs' state and the shared cache.
    pub fn new(state_root: &Path, cache: &Path, name: &LabName) -> Self {
        Self {
            state: state_root.join(name.as_str()),
            cache: cache.to_owned(),
        }
    }

    /// From the state directory itself, for the holder and its helpers.
    pub(crate) fn of_state(state: &Path, cache: &Path) -> Self {
        Self {
            state: state.to_owned(),
            cache: cache.to_owned(),
        }
    }

    /// All of the lab; removed by `down`.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Base images and packages, shared by all labs and kept by `down`.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The ssh configuration that reaches every host: `ssh -F FILE h1`.
    pub fn ssh_config(&self) -> PathBuf {
        self.state.join("ssh_config")
    }

    /// The hosts' keys.
    pub fn known_hosts(&self) -> PathBuf {
        self.state.join("known_hosts")
    }

    /// The private key that every host trusts for `root` and `ops`; the public one is beside it.
    pub fn ssh_key(&self) -> PathBuf {
        self.state.join("id_ed25519")
    }

    /// Certificate of the lab's authority, trusted by hosts and the internet client (PEM).
    pub fn ca_certificate(&self) -> PathBuf {
        self.state.join("ca/ca.crt")
    }

    /// Private key of the lab's authority (PEM, 0600).
    pub fn ca_key(&self) -> PathBuf {
        self.state.join("ca/ca.key")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.state.join("lab.json")
    }

    pub(crate) fn command_lock(&self) -> PathBuf {
        self.state.join("command.lock")
    }

    pub(crate) fn holder_lock(&self) -> PathBuf {
        self.state.join("holder.lock")
    }

    pub(crate) fn holder_pid(&self) -> PathBuf {
        self.state.join("holder.pid")
    }

    pub(crate) fn holder_log(&self) -> PathBuf {
        self.state.join("holder.log")
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.state.join("control.sock")
    }

    pub(crate) fn client(&self) -> PathBuf {
        self.state.join("client")
    }

    pub(crate) fn host(&self, host: &HostName) -> PathBuf {
        self.state.join("hosts").join(host.as_str())
    }

    /// What a host's systemd said while it booted.
    pub fn console(&self, host: &HostName) -> PathBuf {
        self.host(host).join("console.log")
    }

    pub(crate) fn packages(&self) -> PathBuf {
        self.cache.join("apt")
    }

    /// The lab's name: the last part of its state directory.
    pub(crate) fn name(&self) -> String {
        self.state
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}
