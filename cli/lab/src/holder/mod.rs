//! The holder: first process of a lab's namespaces, and all of the lab's own services.
//!
//! It keeps the namespaces, boots and supervises the hosts, answers names, fetches packages and
//! takes requests. It starts nothing that could outlive it: the death of a process namespace's
//! first process kills every other, and with the last process go mounts, links and loops.

mod checksum;
mod children;
mod delay;
mod disk;
mod faults;
mod hosts;
mod message;
mod names;
mod network;
mod proxy;
mod requests;
mod seed;
mod traffic;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

use crate::cgroup::{self, LabCgroup};
use crate::error::LabError;
use crate::fault::Fault;
use crate::host::HostName;
use crate::paths::LabPaths;
use crate::record::Record;
use crate::{files, mounts, process};

use children::Children;
use delay::Shim;
use hosts::Host;
use names::Names;
use proxy::Registry;

/// `start STATE CACHE EPHEMERAL`: steps into a process namespace, starts the holder there, writes
/// down its process id as the outer machine sees it, and ends.
pub(crate) fn start(arguments: &[OsString]) -> Result<(), LabError> {
    let paths = paths_of(arguments)?;
    let cgroup = LabCgroup::of(&paths)?;
    cgroup::join(&cgroup.make("holder")?)?;
    // Already the leader of a session when a terminal started it; no matter.
    let _ = nix::unistd::setsid();
    unshare(CloneFlags::CLONE_NEWPID).map_err(LabError::system("make a process namespace"))?;
    let mut inner = process::command("/proc/self/exe");
    inner.args(["__lab-holder", "hold"]).args(arguments);
    inner.stdin(Stdio::inherit()).current_dir("/");
    // Our output is the command's lock, held until this starter ends: not for the holder.
    let log = std::io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .map_err(LabError::system("share the holder's log"))?;
    inner.stdout(log);
    let child = inner
        .spawn()
        .map_err(LabError::system("start the lab's first process"))?;
    let id = i32::try_from(child.id()).unwrap_or_default();
    let started = process::start_time(id)
        .ok_or_else(|| LabError::HolderFailed(files::tail(&paths.holder_log(), 5)))?;
    files::replace(
        &paths.holder_pid(),
        format!("{id} {started}\n").as_bytes(),
        0o644,
    )
}

/// `hold STATE CACHE EPHEMERAL`: the holder itself. Returns only when an ephemeral lab's owner is
/// gone.
pub(crate) fn hold(arguments: &[OsString]) -> Result<(), LabError> {
    let paths = paths_of(arguments)?;
    let is_ephemeral = arguments
        .get(2)
        .is_some_and(|argument| argument == "ephemeral");
    let alive = files::try_lock_for(&paths.holder_lock(), Duration::from_secs(3))?;
    let Some(_alive) = alive else {
        return Err(LabError::HolderFailed(
            "another holder of this lab lives".into(),
        ));
    };
    let _base_in_use = use_base(&paths)?;
    let outer_network = File::open("/proc/thread-self/ns/net")
        .map_err(LabError::file("open", "/proc/thread-self/ns/net"))?;
    enter_namespaces()?;
    let holder = Holder::new(paths, outer_network)?;
    // From here on there are threads.
    let holder = Arc::new(holder);
    holder.children.start_reaper();
    seed::ensure_user_key(&holder)?;
    network::make(&holder.children)?;
    holder.names.serve()?;
    proxy::serve(Arc::clone(&holder.registry))?;
    requests::serve(&holder)?;
    holder.log("holds");
    wait_for_end(is_ephemeral);
    Ok(())
}

/// Everything that the holder's threads share.
struct Holder {
    paths: LabPaths,
    cgroup: LabCgroup,
    base: std::path::PathBuf,
    children: Arc<Children>,
    names: Arc<Names>,
    registry: Arc<Registry>,
    hosts: Mutex<BTreeMap<HostName, Arc<Host>>>,
    /// What is broken now, oldest first. Held while anything is broken or mended.
    faults: Mutex<Vec<Fault>>,
    /// Links that this kernel cannot delay by itself.
    delayed: Mutex<BTreeMap<HostName, Shim>>,
}

impl Holder {
    fn new(paths: LabPaths, outer_network: File) -> Result<Self, LabError> {
        let record = Record::load(&paths)?;
        let base = record
            .base
            .clone()
            .ok_or_else(|| LabError::HolderFailed("no base image is recorded".into()))?;
        Ok(Self {
            cgroup: LabCgroup::of(&paths)?,
            base,
            children: Arc::new(Children::default()),
            names: Arc::new(Names::new(&record)),
            registry: Arc::new(Registry::new(paths.packages(), outer_network)?),
            hosts: Mutex::default(),
            faults: Mutex::default(),
            delayed: Mutex::default(),
            paths,
        })
    }

    fn host(&self, name: &HostName) -> Result<Arc<Host>, LabError> {
        let hosts = locked(&self.hosts);
        hosts.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = hosts.keys().map(HostName::as_str).collect();
            LabError::NoSuchHost {
                name: name.to_string(),
                known: known.join(", "),
            }
        })
    }

    /// Adds a line to `holder.log`, where standard error goes.
    fn log(&self, line: &str) {
        let _ = writeln!(std::io::stderr(), "{}: {line}", self.paths.name());
    }
}

/// A mutex's content, also after a thread died holding it: one failed request must not make the
/// lab unusable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn paths_of(arguments: &[OsString]) -> Result<LabPaths, LabError> {
    match arguments {
        [state, cache, ..] => Ok(LabPaths::of_state(Path::new(state), Path::new(cache))),
        _ => Err(LabError::Refused("usage: STATE CACHE [ephemeral]".into())),
    }
}

/// A shared lock on the base image, which keeps it from being pruned.
fn use_base(paths: &LabPaths) -> Result<Option<File>, LabError> {
    let Some(base) = Record::load(paths)?.base else {
        return Ok(None);
    };
    let marker = base.with_file_name(".ok");
    let file = File::open(&marker).map_err(LabError::file("open", &marker))?;
    file.lock_shared()
        .map_err(LabError::file("lock", &marker))?;
    Ok(Some(file))
}

fn enter_namespaces() -> Result<(), LabError> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWNET)
        .map_err(LabError::system("make the lab's namespaces"))?;
    mounts::make_private()?;
    mounts::mount_proc()?;
    // nspawn's and ip's own state stays in the lab, on file systems that vanish with it.
    for directory in ["/run/systemd/nspawn", "/run/netns"].map(Path::new) {
        files::make_directory(directory)?;
        mounts::cover_with_tmpfs(directory, "mode=755")?;
    }
    Ok(())
}

/// Blocks for ever, or until the owner of an ephemeral lab closes its end of our input.
fn wait_for_end(is_ephemeral: bool) {
    if is_ephemeral {
        let mut nothing = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut nothing);
        return;
    }
    let (_sender, never) = mpsc::channel::<()>();
    let _ = never.recv();
}
