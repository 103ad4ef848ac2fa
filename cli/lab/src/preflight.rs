//! What the outer machine must have before a lab can start.

use std::path::Path;

use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};

use crate::error::{LabError, MissingTool};
use crate::process::PATH;

const TOOLS: &[(&str, &str)] = &[
    ("systemd-nspawn", "systemd-container"),
    ("mmdebstrap", "mmdebstrap"),
    ("zstd", "zstd"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("nft", "nftables"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("nsenter", "util-linux"),
    ("mkfs.ext4", "e2fsprogs"),
    ("tar", "tar"),
];

/// Checks root, the programs, and where the state would lie.
pub(crate) fn check(state: &Path) -> Result<(), LabError> {
    check_root()?;
    let missing: Vec<_> = TOOLS
        .iter()
        .filter(|(program, _)| !is_installed(program))
        .map(|&(program, package)| MissingTool { program, package })
        .collect();
    if !missing.is_empty() {
        return Err(LabError::MissingTools(missing));
    }
    let existing = state
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    let file_system = statfs(existing).map_err(LabError::system("inspect the state's disk"))?;
    if file_system.filesystem_type() == OVERLAYFS_SUPER_MAGIC {
        return Err(LabError::StateOnOverlay(state.to_owned()));
    }
    Ok(())
}

/// Only root can make and enter the lab's namespaces.
pub(crate) fn check_root() -> Result<(), LabError> {
    if nix::unistd::geteuid().is_root() {
        Ok(())
    } else {
        Err(LabError::NotRoot)
    }
}

fn is_installed(program: &str) -> bool {
    PATH.split(':')
        .any(|directory| Path::new(directory).join(program).exists())
}
