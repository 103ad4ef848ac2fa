//! Mounts of a mount namespace that nobody outside sees, and that end with it.

use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::error::LabError;

const NOTHING: Option<&str> = None;

/// Cuts the mounts of this process off from the machine's.
pub(crate) fn make_private() -> Result<(), LabError> {
    mount(
        NOTHING,
        "/",
        NOTHING,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        NOTHING,
    )
    .map_err(LabError::system("make mounts private"))
}

/// Shows the processes of this process's own PID namespace.
pub(crate) fn mount_proc() -> Result<(), LabError> {
    mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        MsFlags::empty(),
        NOTHING,
    )
    .map_err(LabError::system("mount /proc"))
}

/// Hides a folder below an empty file system in memory; `options` as `mount -o` takes them.
pub(crate) fn cover_with_tmpfs(folder: &Path, options: &str) -> Result<(), LabError> {
    mount(
        Some("tmpfs"),
        folder,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(options),
    )
    .map_err(LabError::system(format!(
        "mount a tmpfs on {}",
        folder.display()
    )))
}

/// Puts a file or folder in the place of another.
pub(crate) fn bind(source: &Path, target: &Path) -> Result<(), LabError> {
    mount(Some(source), target, NOTHING, MsFlags::MS_BIND, NOTHING)
        .map_err(LabError::system(format!("cover {}", target.display())))
}
