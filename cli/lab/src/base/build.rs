//! Building the base image on a tmpfs, where dpkg's many syncs cost nothing, and unpacking it.
//!
//! The worker is the first process of mount and process namespaces of its own and dies with
//! the command that wanted the image: a killed one leaves no process and no mount.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};

use super::{Ingredients, recipe};
use crate::error::LabError;
use crate::{files, mounts, process};

/// Where the builder finds its input and leaves its result.
const SOURCES: &str = "base.sources";
const BUILD_SWITCHES: &str = "build.conf";
const HOST_SWITCHES: &str = "hosts.conf";

pub(super) fn build(
    cache: &Path,
    archive: &Path,
    program: &Path,
    ingredients: &Ingredients,
) -> Result<(), LabError> {
    let work = cache.join("build");
    let _ = fs::remove_dir_all(&work);
    files::make_directory(&work.join("tmpfs"))?;
    files::replace(
        &work.join(SOURCES),
        ingredients.sources.to_deb822().as_bytes(),
        0o644,
    )?;
    // The outer machine's proxy may hold a password: for root's eyes only, and gone after.
    let switches = ingredients.switches.for_build();
    files::replace(&work.join(BUILD_SWITCHES), switches.as_bytes(), 0o600)?;
    let switches = ingredients.switches.for_hosts();
    files::replace(&work.join(HOST_SWITCHES), switches.as_bytes(), 0o644)?;
    let result = run_worker(program, "build", &work, archive);
    let _ = fs::remove_dir_all(&work);
    result
}

/// Unpacks `archive` into the fresh directory `root`.
pub(super) fn unpack(archive: &Path, root: &Path, program: &Path) -> Result<(), LabError> {
    run_worker(program, "unpack", root, archive)
}

fn run_worker(
    program: &Path,
    task: &str,
    directory: &Path,
    archive: &Path,
) -> Result<(), LabError> {
    let mut worker = process::command(&program.to_string_lossy());
    worker
        .args(["__lab-holder", "base", task])
        .arg(directory)
        .arg(archive);
    process::run_tied(&mut worker).map(drop)
}

/// The worker's own process: `base TASK DIRECTORY ARCHIVE` steps into a process namespace and
/// starts itself again as `base-inside` with the same arguments.
pub(crate) fn run_builder(inside: bool, arguments: &[OsString]) -> Result<(), LabError> {
    let [task, directory, archive] = arguments else {
        return Err(LabError::Refused(
            "usage: base build|unpack DIRECTORY ARCHIVE".into(),
        ));
    };
    process::die_with_parent()?;
    if !inside {
        unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)
            .map_err(LabError::system("make namespaces for the build"))?;
        let mut inner = process::command("/proc/self/exe");
        inner.args(["__lab-holder", "base-inside"]).args(arguments);
        return process::run_tied(&mut inner).map(drop);
    }
    let (directory, archive) = (Path::new(directory), Path::new(archive));
    if task == "build" {
        build_inside(directory, archive)
    } else {
        extract(archive, directory)
    }
}

fn extract(archive: &Path, root: &Path) -> Result<(), LabError> {
    let mut extract = process::command("tar");
    extract
        .arg("-C")
        .arg(root)
        .args(["--zstd", "--numeric-owner", "--xattrs"]);
    extract.args(["--xattrs-include=*", "-xpf"]).arg(archive);
    process::run(&mut extract).map(drop)
}

fn build_inside(work: &Path, archive: &Path) -> Result<(), LabError> {
    mounts::make_private()?;
    mounts::mount_proc()?;
    let tmpfs = work.join("tmpfs");
    mounts::cover_with_tmpfs(&tmpfs, "size=3g,mode=755")?;
    let root = tmpfs.join("root");
    files::make_directory(&root)?;
    bootstrap(work, &root)?;
    recipe::customise(&root, &files::read(&work.join(HOST_SWITCHES))?)?;
    pack(&root, archive)
}

fn bootstrap(work: &Path, root: &Path) -> Result<(), LabError> {
    let mut bootstrap = process::command("mmdebstrap");
    bootstrap
        .args(["--quiet", "--mode=root", "--variant=minbase"])
        .arg(format!("--include={}", recipe::PACKAGES.join(",")))
        .args([
            "--aptopt=Acquire::Languages \"none\"",
            "--aptopt=APT::Install-Recommends \"false\"",
        ])
        .arg(format!("--aptopt={}", work.join(BUILD_SWITCHES).display()))
        .arg("--dpkgopt=force-unsafe-io")
        .arg(recipe::SUITE)
        .arg(root)
        .arg(work.join(SOURCES));
    process::run(&mut bootstrap).map(drop)
}

fn pack(root: &Path, archive: &Path) -> Result<(), LabError> {
    let part = PathBuf::from(format!("{}.part", archive.display()));
    let mut pack = process::command("tar");
    pack.arg("-C")
        .arg(root)
        .args(["-I", "zstd -T0 -3 -q", "--numeric-owner", "--xattrs"]);
    pack.args(["--xattrs-include=*", "-cf"]).arg(&part).arg(".");
    process::run(&mut pack)?;
    fs::rename(&part, archive).map_err(LabError::file("write", archive))
}
