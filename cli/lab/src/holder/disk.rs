//! Where a host's files are: an overlay on the outer disk, or on a disk of the host's own.

use std::fs::File;
use std::path::Path;

use super::children::Children;
use super::hosts::{Host, mount_overlay};
use crate::error::LabError;
use crate::files;
use crate::process::command;

/// Mounts the host's tree at `root` in its directory.
pub(super) fn mount_tree(children: &Children, base: &Path, host: &Host) -> Result<(), LabError> {
    let root = host.directory.join("root");
    files::make_directory(&root)?;
    let layers = match host.spec.disk_mebibytes {
        None => host.directory.clone(),
        Some(mebibytes) => mount_own_disk(children, &host.directory, mebibytes)?,
    };
    files::make_directory(&layers.join("upper"))?;
    files::make_directory(&layers.join("work"))?;
    mount_overlay(&host.spec.name, base, &layers, &root)
}

fn mount_own_disk(
    children: &Children,
    directory: &Path,
    mebibytes: u32,
) -> Result<std::path::PathBuf, LabError> {
    let image = directory.join("disk.img");
    if !image.exists() {
        let part = directory.join("disk.img.part");
        let file = File::create(&part).map_err(LabError::file("make", &part))?;
        file.set_len(u64::from(mebibytes) * 1024 * 1024)
            .map_err(LabError::file("size", &part))?;
        let mut format = command("mkfs.ext4");
        format.args(["-q", "-m0", "-O", "^has_journal"]).arg(&part);
        children.run(&mut format, "")?;
        std::fs::rename(&part, &image).map_err(LabError::file("make", &image))?;
    }
    let disk = directory.join("disk");
    files::make_directory(&disk)?;
    let mut mount = command("mount");
    mount.args(["-o", "loop"]).arg(&image).arg(&disk);
    children.run(&mut mount, "")?;
    Ok(disk)
}
