//! Building the base image on a tmpfs, where dpkg's many syncs cost nothing.
//!
//! The builder is the first process of mount and process namespaces of its own and dies with
//! the command that wanted the image: a killed build leaves no process and no mount.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use super::{Ingredients, recipe};
use crate::error::LabError;
use crate::{files, process};

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
    let mut builder = process::command(&program.to_string_lossy());
    builder
        .args(["__lab-holder", "build"])
        .arg(&work)
        .arg(archive);
    let result = process::run(&mut builder, None);
    let _ = fs::remove_dir_all(&work);
    result.map(drop)
}

/// The builder's own process: `build WORK ARCHIVE` steps into a process namespace and starts
/// itself again as `build-inside WORK ARCHIVE`.
pub(crate) fn run_builder(inside: bool, arguments: &[OsString]) -> Result<(), LabError> {
    let [work, archive] = arguments else {
        return Err(LabError::Refused("usage: build WORK ARCHIVE".into()));
    };
    set_pdeathsig(Signal::SIGKILL).map_err(LabError::system("tie the build to its caller"))?;
    if inside {
        return build_inside(Path::new(work), Path::new(archive));
    }
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)
        .map_err(LabError::system("make namespaces for the build"))?;
    let mut inner = process::command("/proc/self/exe");
    inner.args(["__lab-holder", "build-inside"]).args(arguments);
    process::run(&mut inner, None).map(drop)
}

fn build_inside(work: &Path, archive: &Path) -> Result<(), LabError> {
    let nothing = None::<&str>;
    mount(
        nothing,
        "/",
        nothing,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        nothing,
    )
    .map_err(LabError::system("make mounts private"))?;
    mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        MsFlags::empty(),
        nothing,
    )
    .map_err(LabError::system("mount /proc"))?;
    let tmpfs = work.join("tmpfs");
    mount(
        Some("tmpfs"),
        &tmpfs,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=3g,mode=755"),
    )
    .map_err(LabError::system("mount a tmpfs for the build"))?;
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
    process::run(&mut bootstrap, None).map(drop)
}

fn pack(root: &Path, archive: &Path) -> Result<(), LabError> {
    let part = PathBuf::from(format!("{}.part", archive.display()));
    let mut pack = process::command("tar");
    pack.arg("-C")
        .arg(root)
        .args(["-I", "zstd -T0 -3 -q", "--numeric-owner", "--xattrs"]);
    pack.args(["--xattrs-include=*", "-cf"]).arg(&part).arg(".");
    process::run(&mut pack, None)?;
    fs::rename(&part, archive).map_err(LabError::file("write", archive))
}
