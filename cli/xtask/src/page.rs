//! The meeting page of `bridge-runtime/web`: its packages, its checks, and the archive that
//! `jitctl` carries to MAIN hosts.

use std::fs;
use std::path::PathBuf;

use crate::shell::{self, Result};

/// The archive's name among the programs.
const NAME: &str = "jitctl-web";

fn folder() -> PathBuf {
    shell::root().join("bridge-runtime/web")
}

/// Where fetched packages are kept between builds.
fn cache() -> PathBuf {
    shell::target_dir().join("web/cache")
}

/// Installs exactly the packages of the lock file, unless they are there already.
fn packages(folder: &std::path::Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    let wanted =
        fs::read(&lock).map_err(|error| format!("cannot read {}: {error}", lock.display()))?;
    let stamp = folder.join("node_modules/.jitctl-lock");
    if fs::read(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    shell::run(
        shell::program("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(folder),
    )?;
    fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))
}

/// What the tests in real browsers need beside a browser.
pub(crate) fn for_browsers() -> Result<()> {
    packages(&shell::root().join("tests/browser"))?;
    // People in the lab reach no registry: what one of them brings is fetched before.
    shell::run(
        shell::program("node")
            .arg("build/older.mjs")
            .arg(cache())
            .current_dir(folder()),
    )
}

/// Builds the page and packs it for `dist/artifacts/any`.
pub(crate) fn build() -> Result<()> {
    shell::title("build the meeting page");
    packages(&folder())?;
    let target = shell::target_dir().join("web");
    let out = target.join("page");
    shell::run(
        shell::program("node")
            .arg("build/build.mjs")
            .args([&out, &cache()])
            .current_dir(folder()),
    )?;
    let carried = shell::root().join("dist/artifacts/any");
    fs::create_dir_all(&carried)
        .map_err(|error| format!("cannot make {}: {error}", carried.display()))?;
    let part = carried.join(format!("{NAME}.part"));
    // The same files give the same bytes, and a version of the page is named by them.
    shell::output(
        shell::program("tar")
            .args(["--create", "--sort=name", "--mtime=@0", "--numeric-owner"])
            .args(["--owner=0", "--group=0", "--mode=u=rwX,go=rX"])
            .args(["--use-compress-program", "gzip -9n"])
            .arg("--file")
            .arg(&part)
            .arg("--directory")
            .arg(&out)
            .arg("."),
    )?;
    let archive = carried.join(NAME);
    fs::rename(&part, &archive)
        .map_err(|error| format!("cannot write {}: {error}", archive.display()))?;
    let sums = shell::output(shell::program("sha256sum").arg(NAME).current_dir(&carried))?;
    let list = carried.join("SHA256SUMS");
    fs::write(&list, sums).map_err(|error| format!("cannot write {}: {error}", list.display()))
}

/// Types, form and logic of the page.
pub(crate) fn check() -> Result<()> {
    shell::title("the meeting page");
    packages(&folder())?;
    for task in ["types", "lint", "test"] {
        shell::run(
            shell::program("npm")
                .args(["run", "--silent", task])
                .current_dir(folder()),
        )?;
    }
    Ok(())
}
