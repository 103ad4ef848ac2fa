//! `dist/`: the programs as an operator gets them.
//!
//! `dist/jitctl`, the programs that it carries to hosts in `dist/artifacts/ARCH/`, the meeting page
//! in `dist/artifacts/any/`, and their checksums. One build for one target, so that every dependency is compiled once.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{self, Result};
use crate::{page, setup};

const GLIBC: &str = "x86_64-unknown-linux-gnu";
const CARRIED: [&str; 2] = ["jitctl-bridge", "jitctl-focus"];

/// Builds for this machine, or what hosts of another architecture need.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["--arch", "x86_64"] => setup::run().and_then(|()| build().map(drop)),
        ["--arch", "aarch64"] => setup::for_aarch64().and_then(|()| build_aarch64()),
        _ => Err("`cargo xtask dist` knows only `--arch x86_64` and `--arch aarch64`".into()),
    }
}

/// Builds the carried programs for ARM hosts, beside those for this machine's architecture.
fn build_aarch64() -> Result<()> {
    shell::title("build jitctl-bridge and jitctl-focus for aarch64");
    let mut cargo = shell::cargo();
    cargo
        .args(["build", "--release", "--locked", "--target", setup::AARCH64])
        .args(["-p", "jitctl-bridge", "-p", "jitctl-focus"])
        // The C parts of `ring`; Rust's own linker knows the target.
        .env("CC_aarch64_unknown_linux_musl", "aarch64-linux-gnu-gcc")
        .env("AR_aarch64_unknown_linux_musl", "aarch64-linux-gnu-ar")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
    shell::run(&mut cargo)?;
    let built = shell::target_dir().join(setup::AARCH64).join("release");
    carry(&built, "aarch64")
}

/// Builds all and returns the path of `jitctl`.
pub(crate) fn build() -> Result<PathBuf> {
    page::build()?;
    shell::title("build jitctl, jitctl-bridge and jitctl-focus");
    let musl = setup::has_musl();
    let target = if musl { setup::MUSL } else { GLIBC };
    let mut cargo = shell::cargo();
    cargo
        .args(["build", "--release", "--locked", "--target", target])
        .args(["-p", "jitctl", "-p", "jitctl-bridge", "-p", "jitctl-focus"]);
    if !musl {
        println!(
            "  no {} here: linking glibc statically instead",
            setup::MUSL
        );
        cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    }
    shell::run(&mut cargo)?;
    lay_out(&shell::target_dir().join(target).join("release"))
}

/// Where `build` leaves `jitctl`.
pub(crate) fn jitctl() -> PathBuf {
    shell::root().join("dist/jitctl")
}

/// Writes the published schema from the program itself.
pub(crate) fn write_schema() -> Result<()> {
    let schema = shell::output(shell::cargo().args(["run", "-q", "-p", "jitctl", "--", "schema"]))?;
    let path = shell::root().join("inventories/schema.json");
    fs::write(&path, schema).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Writes the pages about checks: the test that compares them writes them when told to.
pub(crate) fn write_pages() -> Result<()> {
    let mut cargo = shell::cargo();
    cargo
        .args(["test", "-q", "-p", "jitctl-doctor", "--test", "pages"])
        .args(["--test", "schema"])
        .env("JITCTL_WRITE_DOCS", "1");
    shell::run(&mut cargo)
}

fn lay_out(built: &Path) -> Result<PathBuf> {
    carry(built, "x86_64")?;
    place(&built.join("jitctl"), &jitctl())?;
    Ok(jitctl())
}

/// Puts the carried programs and their checksums in place for one architecture.
fn carry(built: &Path, arch: &str) -> Result<()> {
    let carried = shell::root().join("dist/artifacts").join(arch);
    fs::create_dir_all(&carried)
        .map_err(|error| format!("cannot make {}: {error}", carried.display()))?;
    for name in CARRIED {
        place(&built.join(name), &carried.join(name))?;
    }
    let sums = shell::output(
        shell::program("sha256sum")
            .args(CARRIED)
            .current_dir(&carried),
    )?;
    let sums_path = carried.join("SHA256SUMS");
    if fs::read_to_string(&sums_path).is_ok_and(|old| old == sums) {
        return Ok(());
    }
    fs::write(&sums_path, sums)
        .map_err(|error| format!("cannot write {}: {error}", sums_path.display()))
}

/// Copies unless the bytes are there already; a running program is replaced, not overwritten.
fn place(from: &Path, to: &Path) -> Result<()> {
    let bytes =
        fs::read(from).map_err(|error| format!("cannot read {}: {error}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let part = to.with_extension("part");
    fs::copy(from, &part)
        .and_then(|_| fs::rename(&part, to))
        .map_err(|error| format!("cannot write {}: {error}", to.display()))
}
