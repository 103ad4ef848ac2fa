//! One host: its overlay, its systemd, and the thread that keeps it booted.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};

use super::children::Exit;
use super::{Holder, disk, locked, seed};
use crate::address::BRIDGE;
use crate::cgroup;
use crate::error::LabError;
use crate::host::{HostName, HostSpec, HostState, HostStatus};
use crate::process::PATH;

/// With `--keep-unit`, nspawn does not loop on a reboot: it ends with this status.
const REBOOT: i32 = 133;

/// One host of the running lab.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) spec: HostSpec,
    /// `hosts/NAME` in the lab's state.
    pub(super) directory: PathBuf,
    /// Its control group in the unified hierarchy.
    pub(super) cgroup: PathBuf,
    pub(super) power: Mutex<Power>,
}

/// Whether a host runs. Locked while that changes.
#[derive(Debug, Default)]
pub(super) struct Power {
    is_mounted: bool,
    /// Whether it is meant to run: a host that was cut off while it rebooted must stay off.
    is_wanted: bool,
    /// Closed when the supervisor thread ends.
    pub(super) supervisor: Option<mpsc::Receiver<()>>,
    pub(super) boots: u32,
}

impl Power {
    fn is_on(&self) -> bool {
        self.supervisor
            .as_ref()
            .is_some_and(|ended| matches!(ended.try_recv(), Err(mpsc::TryRecvError::Empty)))
    }
}

impl Holder {
    /// Boots the host unless it runs; makes its tree first when it is new.
    pub(super) fn start_host(self: &Arc<Self>, spec: &HostSpec) -> Result<(), LabError> {
        let host = {
            let mut hosts = locked(&self.hosts);
            let host = hosts.entry(spec.name.clone()).or_insert_with(|| {
                Arc::new(Host {
                    directory: self.paths.host(&spec.name),
                    cgroup: self.cgroup.part(spec.name.as_str()),
                    power: Mutex::default(),
                    spec: spec.clone(),
                })
            });
            Arc::clone(host)
        };
        self.names.add_host(spec);
        self.power_on(&host)
    }

    /// Boots the host unless it runs.
    pub(super) fn power_on(self: &Arc<Self>, host: &Arc<Host>) -> Result<(), LabError> {
        let mut power = locked(&host.power);
        if power.is_on() {
            return Ok(());
        }
        if !power.is_mounted {
            disk::mount_tree(&self.children, &self.base, host)?;
            power.is_mounted = true;
        }
        seed::seed(self, host)?;
        self.cgroup.make(host.spec.name.as_str())?;
        let (ended, supervisor) = mpsc::channel();
        let holder = Arc::clone(self);
        let supervised = Arc::clone(host);
        power.supervisor = Some(supervisor);
        power.is_wanted = true;
        std::thread::spawn(move || {
            holder.supervise(&supervised);
            drop(ended);
        });
        Ok(())
    }

    fn supervise(self: &Arc<Self>, host: &Host) {
        let name = &host.spec.name;
        loop {
            {
                let mut power = locked(&host.power);
                if !power.is_wanted {
                    return;
                }
                power.boots += 1;
            }
            let start = Instant::now();
            let exit = self.boot(host);
            self.log(&format!(
                "{name} ended after {:.1?}: {exit:?}",
                start.elapsed()
            ));
            match exit {
                Ok(Exit::Code(REBOOT)) => {}
                // The link of the last life may take a moment to vanish after a power cut.
                Ok(Exit::Code(1)) if start.elapsed() < Duration::from_millis(500) => {
                    let boots = locked(&host.power).boots;
                    if boots > 50 {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
                _ => return,
            }
        }
    }

    fn boot(self: &Arc<Self>, host: &Host) -> Result<Exit, LabError> {
        let console = host.directory.join("console.log");
        let console = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&console)
            .map_err(LabError::file("open", console))?;
        let mut nspawn = nspawn_command(host, console)?;
        let exit = self
            .children
            .spawn(&mut nspawn)
            .map_err(LabError::system(format!("boot {}", host.spec.name)))?;
        drop(nspawn);
        self.restore_link_faults(&host.spec.name);
        exit.recv()
            .map_err(|_| LabError::HolderFailed("an exit was lost".into()))
    }

    /// Waits until the host's sshd sends its banner; whether it did.
    pub(super) fn wait_for_ssh(
        &self,
        name: &HostName,
        patience: Duration,
    ) -> Result<bool, LabError> {
        let host = self.host(name)?;
        let start = Instant::now();
        while start.elapsed() < patience {
            if ssh_speaks(SocketAddr::from((host.spec.address, 22))) {
                return Ok(true);
            }
            if !locked(&host.power).is_on() {
                return Err(LabError::HostNotRunning(name.to_string()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(false)
    }
}

/// Cuts the host's power and waits until nothing of it runs.
pub(super) fn power_off(host: &Host) -> Result<(), LabError> {
    // A frozen group is killed all the same, but thaw it for its next life.
    let _ = cgroup::freeze(&host.cgroup.join("payload"), false);
    let supervisor = {
        let mut power = locked(&host.power);
        power.is_wanted = false;
        power.supervisor.take()
    };
    cgroup::kill(&host.cgroup)?;
    if let Some(ended) = supervisor {
        let _ = ended.recv_timeout(Duration::from_secs(10));
    }
    Ok(())
}

/// What the host does now.
pub(super) fn host_status(host: &Host) -> HostStatus {
    let power = locked(&host.power);
    let frozen = fs::read_to_string(host.cgroup.join("payload/cgroup.freeze"));
    let state = if !power.is_on() {
        HostState::Off
    } else if frozen.is_ok_and(|text| text.trim() == "1") {
        HostState::Hung
    } else {
        HostState::Running
    };
    HostStatus {
        spec: host.spec.clone(),
        state,
        boots: power.boots,
    }
}

fn ssh_speaks(address: SocketAddr) -> bool {
    let attempt = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(300))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        let mut banner = [0; 4];
        stream.read_exact(&mut banner)?;
        Ok(&banner == b"SSH-")
    };
    attempt().unwrap_or(false)
}

fn nspawn_command(host: &Host, console: File) -> Result<Command, LabError> {
    let name = host.spec.name.as_str();
    let errors = console
        .try_clone()
        .map_err(LabError::system("share the console's log"))?;
    // Our own program first: it joins the host's control group and becomes nspawn.
    let mut command = Command::new("/proc/self/exe");
    command.args(["__lab-holder", "boot"]).arg(&host.cgroup);
    command.args(["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"]);
    command
        .arg("--directory")
        .arg(host.directory.join("root"))
        .args(["--machine", name]);
    command.args(["--network-veth", &format!("--network-bridge={BRIDGE}")]);
    command.args(["--resolv-conf=off", "--timezone=off", "--link-journal=no"]);
    // Lets `IPAddressDeny=` of the hosts' units take effect.
    command.args([
        "--capability=CAP_BPF,CAP_PERFMON",
        "--system-call-filter=bpf",
    ]);
    command.args(["--boot", "--console=read-only"]);
    command.env_clear().env("PATH", PATH);
    command
        .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
        .env("SYSTEMD_NSPAWN_LOCK", "0");
    command
        .stdin(Stdio::null())
        .stdout(console)
        .stderr(errors)
        .current_dir("/");
    Ok(command)
}

/// Mounts `upper` and `work` over `base` at `root`.
pub(super) fn mount_overlay(
    name: &HostName,
    base: &Path,
    layers: &Path,
    root: &Path,
) -> Result<(), LabError> {
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        overlay_word(base),
        overlay_word(&layers.join("upper")),
        overlay_word(&layers.join("work"))
    );
    let source = format!("lab-{name}");
    mount(
        Some(source.as_str()),
        root,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .map_err(LabError::system(format!("mount the tree of {name}")))
}

/// A path within overlayfs' options, where `:` and `,` separate.
fn overlay_word(path: &Path) -> String {
    let mut text = String::new();
    for character in path.display().to_string().chars() {
        if matches!(character, ':' | ',' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}
