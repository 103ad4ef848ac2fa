//! The lab's control groups: one for the lab, one below it for each host.
//!
//! They are how all of a lab is found and killed even when its holder is gone. On machines with
//! the old and the new hierarchy side by side, nspawn mirrors the path in the old one
//! (`/sys/fs/cgroup/systemd`), so both are removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::error::LabError;
use crate::files;
use crate::paths::LabPaths;

/// The control group of one lab, in the unified hierarchy.
#[derive(Clone, Debug)]
pub(crate) struct LabCgroup {
    unified: PathBuf,
    mirror: PathBuf,
}

impl LabCgroup {
    /// The group of the lab; it need not exist.
    ///
    /// Its name holds a digest of the state directory: labs of the same name may have different
    /// owners, and one's `down` must not end the other's.
    pub(crate) fn of(paths: &LabPaths) -> Result<Self, LabError> {
        let digest = Sha256::digest(paths.state().as_os_str().as_encoded_bytes());
        let digest = files::hexadecimal(&digest[..4]);
        let name = format!("jitctl-lab-{}-{digest}", paths.name());
        let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .into_iter()
            .map(Path::new)
            .find(|root| root.join("cgroup.controllers").exists())
            .ok_or_else(|| LabError::Machine {
                problem: "no unified cgroup hierarchy is mounted".into(),
                remedy: "mount -t cgroup2 cgroup2 /sys/fs/cgroup".into(),
            })?;
        Ok(Self {
            unified: root.join(&name),
            mirror: Path::new("/sys/fs/cgroup/systemd").join(&name),
        })
    }

    /// Makes the group `part` (`holder`, `client`, or a host) below the lab's and gives its path.
    pub(crate) fn make(&self, part: &str) -> Result<PathBuf, LabError> {
        let path = self.part(part);
        fs::create_dir_all(&path).map_err(LabError::file("make the cgroup", &path))?;
        Ok(path)
    }

    /// The path of the group `part`.
    pub(crate) fn part(&self, part: &str) -> PathBuf {
        self.unified.join(part)
    }

    /// Whether anything of the lab's groups exists.
    pub(crate) fn exists(&self) -> bool {
        self.unified.exists() || self.mirror.exists()
    }

    /// Kills every process in the lab's groups.
    pub(crate) fn kill(&self) -> Result<(), LabError> {
        kill(&self.unified)
    }

    /// The processes in the lab's groups.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mut found = Vec::new();
        collect_processes(&self.unified, &mut found);
        found
    }

    /// Removes the emptied groups, waiting a little for the kernel to finish the dead.
    pub(crate) fn remove(&self) -> Result<(), LabError> {
        let start = Instant::now();
        loop {
            remove_tree(&self.unified);
            remove_tree(&self.mirror);
            if !self.exists() {
                return Ok(());
            }
            if start.elapsed() > Duration::from_secs(5) {
                return Err(LabError::Remains(format!(
                    "cgroup {} (processes {:?})",
                    self.unified.display(),
                    self.processes()
                )));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Moves the calling process into `group`.
pub(crate) fn join(group: &Path) -> Result<(), LabError> {
    let file = group.join("cgroup.procs");
    fs::write(&file, "0").map_err(LabError::file("join the cgroup", &file))
}

/// Kills every process in `group` and below.
pub(crate) fn kill(group: &Path) -> Result<(), LabError> {
    if !group.exists() {
        return Ok(());
    }
    let file = group.join("cgroup.kill");
    fs::write(&file, "1").map_err(LabError::file("kill through", &file))
}

/// Stops or continues every process in `group` and below.
pub(crate) fn freeze(group: &Path, frozen: bool) -> Result<(), LabError> {
    let file = group.join("cgroup.freeze");
    fs::write(&file, if frozen { "1" } else { "0" })
        .map_err(LabError::file("freeze through", &file))
}

/// The first process of a booted host, in the reader's process ids.
pub(crate) fn leader(host_group: &Path) -> Option<i32> {
    let file = host_group.join("payload/init.scope/cgroup.procs");
    fs::read_to_string(file).ok()?.lines().next()?.parse().ok()
}

fn collect_processes(group: &Path, found: &mut Vec<i32>) {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    for child in children(group) {
        collect_processes(&child, found);
    }
}

fn remove_tree(group: &Path) {
    for child in children(group) {
        remove_tree(&child);
    }
    let _ = fs::remove_dir(group);
}

fn children(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
