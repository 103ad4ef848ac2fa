//! What this machine needs: packages of Debian and a Rust target, installed only when missing.

use std::process::Stdio;

use crate::shell::{self, Result};

/// What the lab runs with, and what a static build links with.
const PACKAGES: [&str; 11] = [
    "ca-certificates",
    "curl",
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

/// The target of our static programs.
pub(crate) const MUSL: &str = "x86_64-unknown-linux-musl";

/// Installs what is missing.
pub(crate) fn run() -> Result<()> {
    packages()?;
    rust_target();
    Ok(())
}

fn packages() -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .into_iter()
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

/// Whether the compiler in use can build for musl.
pub(crate) fn has_musl() -> bool {
    shell::output(shell::program("rustc").args(["--print", "target-libdir", "--target", MUSL]))
        .is_ok_and(|folder| std::path::Path::new(folder.trim()).is_dir())
}
