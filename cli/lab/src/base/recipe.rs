//! What the base image holds and how it differs from a plain minimal Debian.
//!
//! The text of this file is part of the image's key: a change here builds a new image.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::error::LabError;
use crate::process;

/// The Debian release of every host.
pub(crate) const SUITE: &str = "bookworm";

/// Beside the essential packages. Everything else is installed by jitctl over ssh, so that the
/// lab walks the same path as real hosts. `libfaketime` serves the clock fault.
pub(super) const PACKAGES: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "iproute2",
    "nftables",
    "ca-certificates",
    "sudo",
    "python3-minimal",
    "procps",
    "iputils-ping",
    "curl",
    "netcat-openbsd",
    "libfaketime",
];

/// Units that mean nothing in a container or would start work of their own.
const MASKED: &[&str] = &[
    "dev-hugepages.mount",
    "sys-kernel-debug.mount",
    "sys-fs-fuse-connections.mount",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "systemd-udevd.service",
    "systemd-modules-load.service",
    "console-getty.service",
    "getty.target",
    "systemd-firstboot.service",
    "systemd-resolved.service",
];

/// What must differ from host to host, what the builder left, and secrets of the build.
const REMOVED: &[&str] = &[
    "etc/machine-id",
    "var/lib/dbus/machine-id",
    "etc/resolv.conf",
    "etc/hostname",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
];

/// Turns the fresh Debian in `root` into the base image.
pub(super) fn customise(root: &Path, apt_switches: &str) -> Result<(), LabError> {
    for path in REMOVED {
        let _ = fs::remove_file(root.join(path));
    }
    for entry in fs::read_dir(root.join("etc/ssh"))
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with("ssh_host_") {
            let _ = fs::remove_file(entry.path());
        }
    }
    // Empty, not absent: an absent one makes systemd take the boot for a first boot.
    write(root, "etc/machine-id", "", 0o444)?;
    write(root, "etc/apt/apt.conf.d/99outer", apt_switches, 0o644)?;
    write(
        root,
        "etc/ssh/sshd_config.d/lab.conf",
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\n",
        0o644,
    )?;
    let mut add_user = process::command("chroot");
    add_user.arg(root).args([
        "useradd",
        "-m",
        "-u",
        "1000",
        "-s",
        "/bin/bash",
        "-G",
        "sudo",
        "ops",
    ]);
    process::run(&mut add_user)?;
    write(
        root,
        "etc/sudoers.d/ops",
        "ops ALL=(ALL) NOPASSWD:ALL\n",
        0o440,
    )?;
    let units = root.join("etc/systemd/system");
    for unit in MASKED {
        link("/dev/null", &units.join(unit))?;
    }
    let wants = units.join("multi-user.target.wants");
    fs::create_dir_all(&wants).map_err(LabError::file("make the directory", &wants))?;
    link(
        "/lib/systemd/system/systemd-networkd.service",
        &wants.join("systemd-networkd.service"),
    )
}

fn write(root: &Path, path: &str, text: &str, mode: u32) -> Result<(), LabError> {
    let path = root.join(path);
    fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
        .map_err(LabError::file("write", path))
}

fn link(target: &str, path: &Path) -> Result<(), LabError> {
    let _ = fs::remove_file(path);
    symlink(target, path).map_err(LabError::file("link", path))
}
