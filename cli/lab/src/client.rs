//! `client STATE CACHE COMMAND…`: a program of this machine as a client on the lab's internet.
//!
//! It runs with the machine's own files, but in the client's network, with the lab's name
//! server, and with the lab's authority trusted by what reads the usual bundle and by Chromium.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

use crate::address::{CLIENT_GATEWAY, CLIENT_NAMESPACE};
use crate::cgroup::{self, LabCgroup};
use crate::error::LabError;
use crate::paths::LabPaths;
use crate::{control, files, mounts};

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const RESOLVED: &str = "/run/systemd/resolve";

/// Becomes the command; returns only when that fails.
pub(crate) fn run(arguments: &[OsString]) -> Result<(), LabError> {
    let [state, cache, program, rest @ ..] = arguments else {
        return Err(LabError::Refused(
            "usage: client STATE CACHE COMMAND...".into(),
        ));
    };
    let paths = LabPaths::of_state(Path::new(state), Path::new(cache));
    let holder = control::holder_process(&paths)?;
    // In the lab's control group, so that `down` finds it.
    cgroup::join(&LabCgroup::of(&paths)?.make("client")?)?;
    let network = format!("/proc/{holder}/root/run/netns/{CLIENT_NAMESPACE}");
    let network = File::open(&network).map_err(LabError::file("open", network))?;
    setns(network, CloneFlags::CLONE_NEWNET)
        .map_err(LabError::system("enter the client's network"))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(LabError::system("make mounts of its own"))?;
    mounts::make_private()?;
    files::make_directory(&paths.client())?;
    use_lab_names(&paths)?;
    trust_authority(&paths)?;
    let error = Command::new(program).args(rest).exec();
    Err(LabError::system(format!("run `{}`", program.display()))(
        error,
    ))
}

fn use_lab_names(paths: &LabPaths) -> Result<(), LabError> {
    let text = format!("nameserver {CLIENT_GATEWAY}\nsearch test\n");
    let target = fs::canonicalize("/etc/resolv.conf").ok();
    if Path::new(RESOLVED).exists() {
        // Or the machine's own resolver would be asked through its socket.
        mounts::cover_with_tmpfs(Path::new(RESOLVED), "mode=755")?;
    }
    match target {
        Some(target) if target.starts_with(RESOLVED) => {
            fs::write(&target, text).map_err(LabError::file("write", target))
        }
        Some(target) => {
            let source = paths.client().join("resolv.conf");
            files::replace(&source, text.as_bytes(), 0o644)?;
            mounts::bind(&source, &target)
        }
        None => Ok(()),
    }
}

fn trust_authority(paths: &LabPaths) -> Result<(), LabError> {
    let authority = files::read(&paths.ca_certificate())?;
    if let Ok(bundle) = fs::read_to_string(BUNDLE) {
        let source = paths.client().join("ca-certificates.crt");
        files::replace(&source, format!("{bundle}{authority}").as_bytes(), 0o644)?;
        mounts::bind(&source, Path::new(BUNDLE))?;
    }
    // Chromium trusts what its managed policy lists; DER in base64 is PEM without its frame.
    let certificate: String = authority
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let policy = serde_json::json!({ "CACertificates": [certificate] }).to_string();
    for place in ["/etc/chromium", "/etc/opt/chrome"].map(PathBuf::from) {
        if !place.is_dir() {
            continue;
        }
        mounts::cover_with_tmpfs(&place, "mode=755")?;
        let managed = place.join("policies/managed");
        files::make_directory(&managed)?;
        let file = managed.join("lab.json");
        fs::write(&file, &policy).map_err(LabError::file("write", file))?;
    }
    Ok(())
}
