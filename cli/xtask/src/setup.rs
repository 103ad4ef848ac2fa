//! What this machine needs: packages of Debian, a Rust target and components, installed only when
//! missing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::shell::{self, Result};

/// What the lab runs with, and what a static build links with.
const PACKAGES: [&str; 12] = [
    "ca-certificates",
    "curl",
    "e2fsprogs",
    "iproute2",
    "mmdebstrap",
    "musl-tools",
    "nftables",
    "openssh-client",
    "procps",
    "systemd-container",
    "tar",
    "zstd",
];

/// What tests hold rendered files, protocols and the meeting page against: the programs that read
/// them. `libnss3-tools` tells Chromium which authority to trust.
const TEST_PACKAGES: [&str; 9] = [
    "chromium",
    "coturn",
    "libnss3-tools",
    "lua5.4",
    "nginx",
    "openssl",
    "prosody",
    "python3",
    "systemd",
];

/// While this file is there, Debian's packages install without starting their services.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The target of our static programs.
pub(crate) const MUSL: &str = "x86_64-unknown-linux-musl";

/// What the meeting page is built with, where no other Node.js is installed.
const NODE_PACKAGES: [&str; 2] = ["nodejs", "npm"];
/// Debian 12 has this one.
const OLDEST_NODE: u32 = 18;

/// The same for hosts with ARM processors.
pub(crate) const AARCH64: &str = "aarch64-unknown-linux-musl";

/// Installs what a build for ARM hosts needs, and nothing without need: no other task uses it.
pub(crate) fn for_aarch64() -> Result<()> {
    packages(&["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"])?;
    if has_target(AARCH64) {
        return Ok(());
    }
    shell::title(&format!("add the Rust target {AARCH64}"));
    shell::run(shell::program("rustup").args(["target", "add", AARCH64]))
}

/// Installs what is missing.
pub(crate) fn run() -> Result<()> {
    packages(&PACKAGES)?;
    if !has_node() {
        packages(&NODE_PACKAGES)?;
    }
    rust_target();
    Ok(())
}

/// Installs what is missing for comparisons with other tools, too.
pub(crate) fn for_comparison() -> Result<()> {
    run()?;
    packages(&["python3", "python3-venv"])
}

/// Installs what is missing for a comparison of bridges: Janus, and what starts the servers.
pub(crate) fn for_bridges() -> Result<()> {
    packages_unstarted(&[
        "ca-certificates",
        "iproute2",
        "janus",
        "openssl",
        "python3",
        "util-linux",
    ])
}

/// Whether a Node.js that is new enough is on the path, with its npm.
fn has_node() -> bool {
    let version = |program: &str| {
        let said = shell::program(program)
            .arg("--version")
            .stderr(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let said = String::from_utf8(said.stdout).ok()?;
        let major = said.trim().trim_start_matches('v').split('.').next()?;
        major.parse::<u32>().ok()
    };
    version("node").is_some_and(|major| major >= OLDEST_NODE) && version("npm").is_some()
}

/// Installs what is missing for the tests, too.
pub(crate) fn for_tests() -> Result<()> {
    run()?;
    rust_components()?;
    packages_unstarted(&TEST_PACKAGES)
}

/// Servers come without being started: tests and measurements run their own, and this machine is
/// not to become one.
fn packages_unstarted(wanted: &[&'static str]) -> Result<()> {
    if wanted.iter().all(|package| installed(package)) {
        return Ok(());
    }
    let ours = !Path::new(POLICY).exists();
    if ours {
        let text = "#!/bin/sh\nexit 101\n";
        fs::write(POLICY, text).map_err(|error| format!("cannot write {POLICY}: {error}"))?;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(POLICY, mode).map_err(|error| format!("{POLICY}: {error}"))?;
    }
    let done = packages(wanted);
    if ours {
        fs::remove_file(POLICY).map_err(|error| format!("cannot remove {POLICY}: {error}"))?;
    }
    done
}

fn packages(wanted: &[&'static str]) -> Result<()> {
    let missing: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|package| !installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    shell::title(&format!("install from Debian: {}", missing.join(" ")));
    shell::run(shell::as_root("apt-get").args(["update", "-qq"]))?;
    shell::run(
        shell::as_root("env")
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install"])
            .args(["-qq", "-y", "--no-install-recommends"])
            .args(missing)
            .stdin(Stdio::null()),
    )
}

fn installed(package: &str) -> bool {
    shell::program("dpkg-query")
        .args(["-W", "-f", "${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

/// Tries to have the musl target; [`crate::dist`] falls back to a static glibc build without it.
fn rust_target() {
    if has_musl() {
        return;
    }
    shell::title(&format!("add the Rust target {MUSL}"));
    let added = shell::run(shell::program("rustup").args(["target", "add", MUSL]));
    if let Err(error) = added {
        println!("  {error}");
    }
}

/// rustup's smallest profile comes without the formatter and the lints.
fn rust_components() -> Result<()> {
    for (component, command) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let there = shell::cargo()
            .args([command, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !there {
            shell::title(&format!("add the Rust component {component}"));
            shell::run(shell::program("rustup").args(["component", "add", component]))?;
        }
    }
    Ok(())
}

/// Whether the compiler in use can build for musl.
pub(crate) fn has_musl() -> bool {
    has_target(MUSL)
}

fn has_target(target: &str) -> bool {
    shell::output(shell::program("rustc").args(["--print", "target-libdir", "--target", target]))
        .is_ok_and(|folder| Path::new(folder.trim()).is_dir())
}
