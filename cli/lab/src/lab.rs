//! One lab as its user sees it: up, down, status, faults, and ways in.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;

use crate::cgroup::{self, LabCgroup};
use crate::control::{self, ClearWhat, Reply, Request};
use crate::error::LabError;
use crate::event::Event;
use crate::fault::Fault;
use crate::host::{HostName, HostSpec, HostState, HostStatus, LabName};
use crate::paths::LabPaths;
use crate::record::Record;
use crate::{base, certificates, files, preflight, process, ssh};

const HOLDER_PATIENCE: Duration = Duration::from_secs(20);
const SSH_PATIENCE: Duration = Duration::from_secs(60);
const DEATH_PATIENCE: Duration = Duration::from_secs(10);

/// What `up` shall make.
#[derive(Clone, Debug, Default)]
pub struct UpOptions {
    /// Hosts that shall be there; a lab that has more keeps them.
    pub hosts: Vec<HostName>,
    /// Size of each new host's own disk in mebibytes; without it hosts share this machine's.
    pub disk_mebibytes: Option<u32>,
    /// The lab ends with the [`RunningLab`] that `up` returns, however its owner dies.
    pub ephemeral: bool,
    /// The package proxy serves from its cache only.
    pub offline: bool,
}

impl UpOptions {
    /// Options for hosts `h1` … `hN`.
    pub fn numbered(hosts: u8) -> Self {
        Self {
            hosts: (1..=hosts).map(HostName::numbered).collect(),
            ..Self::default()
        }
    }
}

/// What a lab is and does now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabStatus {
    /// Its name.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// Its hosts, in the order they were added.
    pub hosts: Vec<HostStatus>,
    /// What is broken in it.
    pub faults: Vec<Fault>,
    /// For `ssh -F`.
    pub ssh_config: PathBuf,
    /// The certificate of its authority.
    pub ca_certificate: PathBuf,
    /// The address of the internet client.
    pub client: Ipv4Addr,
}

/// A lab that is up. Dropping it ends the lab only when it was made `ephemeral`.
#[derive(Debug)]
pub struct RunningLab {
    /// What it was like when it came up.
    pub status: LabStatus,
    /// While this is open an ephemeral lab lives.
    _lifeline: Option<ChildStdin>,
}

/// Where a command of `exec` runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecTarget {
    /// On a host, as root, without ssh.
    Host(HostName),
    /// On this machine, but on the lab's internet, with its names and its authority trusted.
    Client,
}

/// A lab, running or not.
#[derive(Clone, Debug)]
pub struct Lab {
    paths: LabPaths,
    program: PathBuf,
}

impl Lab {
    /// The lab `name` of this user; nothing is touched yet.
    ///
    /// The running program must call [`crate::run_internal`] first in `main`: the lab starts it
    /// again for its own processes.
    pub fn open(name: &LabName) -> Result<Self, LabError> {
        let program =
            std::env::current_exe().map_err(LabError::system("find the running program"))?;
        Ok(Self::at(LabPaths::from_environment(name)?, program))
    }

    /// A lab at given paths, whose own processes are started from `program`.
    pub fn at(paths: LabPaths, program: PathBuf) -> Self {
        Self { paths, program }
    }

    /// Where the lab keeps its things.
    pub fn paths(&self) -> &LabPaths {
        &self.paths
    }

    /// Brings the lab up, or adds what it lacks. A lab that is as wanted is left alone; the
    /// hosts of one whose holder died are powered on again with their disks as they were.
    pub fn up(
        &self,
        options: &UpOptions,
        observer: &mut dyn FnMut(Event),
    ) -> Result<RunningLab, LabError> {
        let start = Instant::now();
        preflight::check(self.paths.state())?;
        let lock = self.lock(observer)?;
        let mut record = Record::load(&self.paths)?;
        for host in &options.hosts {
            record.add_host(host, options.disk_mebibytes)?;
        }
        let mut lifeline = None;
        if !control::is_up(&self.paths) {
            if LabCgroup::of(&self.paths)?.exists() {
                observer(Event::Sweeping);
                self.sweep()?;
            }
            let base = self.base(&record, observer)?;
            record.base = Some(base);
            certificates::ensure(&self.paths)?;
            record.store(&self.paths)?;
            lifeline = self.start_holder(&lock, options.ephemeral)?;
        }
        record.store(&self.paths)?;
        control::wait_until_ready(&self.paths, HOLDER_PATIENCE, || !self.holder_lives())?;
        observer(Event::NetworkReady {
            elapsed: start.elapsed(),
        });
        if options.offline {
            self.fault(Fault::Registry { cached: true })?;
        }
        self.boot(&record.hosts, observer)?;
        ssh::write_configuration(&self.paths, &self.program, &record.hosts)?;
        self.wait_for_ssh(&record.hosts, start, observer)?;
        Ok(RunningLab {
            status: self.status()?,
            _lifeline: lifeline,
        })
    }

    /// Adds a host to a lab that is up.
    pub fn add_host(
        &self,
        host: &HostName,
        disk_mebibytes: Option<u32>,
        observer: &mut dyn FnMut(Event),
    ) -> Result<(), LabError> {
        self.require_up()?;
        let options = UpOptions {
            hosts: vec![host.clone()],
            disk_mebibytes,
            ..UpOptions::default()
        };
        self.up(&options, observer).map(drop)
    }

    /// Ends the lab and removes all of it but the cache. A lab that is not there is no error.
    pub fn down(&self, observer: &mut dyn FnMut(Event)) -> Result<(), LabError> {
        let start = Instant::now();
        preflight::check_root()?;
        if self.paths.state().exists() || LabCgroup::of(&self.paths)?.exists() {
            let _lock = self.lock(observer)?;
            self.sweep()?;
            let state = self.paths.state();
            fs::remove_dir_all(state).map_err(LabError::file("remove", state))?;
        }
        observer(Event::Down {
            elapsed: start.elapsed(),
        });
        Ok(())
    }

    /// What the lab is and does now; also for a lab that is down.
    pub fn status(&self) -> Result<LabStatus, LabError> {
        let record = Record::load(&self.paths)?;
        let answer = match control::ask(&self.paths, &Request::Status) {
            Err(LabError::NotUp(_)) => None,
            answer => Some(answer?),
        };
        let mut status = LabStatus {
            name: self.paths.name(),
            up: answer.is_some(),
            hosts: Vec::new(),
            faults: Vec::new(),
            ssh_config: self.paths.ssh_config(),
            ca_certificate: self.paths.ca_certificate(),
            client: crate::address::CLIENT,
        };
        let mut running = Vec::new();
        if let Some(Reply::Status { hosts, faults }) = answer {
            running = hosts;
            status.faults = faults;
        }
        for spec in record.hosts {
            let found = running
                .iter()
                .find(|host| host.spec.name == spec.name)
                .cloned();
            let off = HostStatus {
                spec,
                state: HostState::Off,
                boots: 0,
            };
            status.hosts.push(found.unwrap_or(off));
        }
        Ok(status)
    }

    /// Makes `name` known to the lab's name server, or forgets it. `*.meet.test` stands for
    /// every name below `meet.test`. Hosts' own names (`h1`, `h1.test`) are always known.
    pub fn set_name(&self, name: &str, address: Option<Ipv4Addr>) -> Result<(), LabError> {
        self.require_up()?;
        let _lock = self.lock(&mut |_| {})?;
        let mut record = Record::load(&self.paths)?;
        match address {
            Some(address) => record.names.insert(name.to_owned(), address),
            None => record.names.remove(name),
        };
        record.store(&self.paths)?;
        let request = Request::SetName {
            name: name.to_owned(),
            address,
        };
        control::ask(&self.paths, &request).map(drop)
    }

    /// Breaks something.
    pub fn fault(&self, fault: Fault) -> Result<(), LabError> {
        control::ask(&self.paths, &Request::Fault { fault }).map(drop)
    }

    /// Mends one fault, as it is listed in the status.
    pub fn clear_fault(&self, fault: Fault) -> Result<(), LabError> {
        self.clear(ClearWhat::Exactly(fault))
    }

    /// Mends everything of one host, or with `None` of the whole lab.
    pub fn clear_faults(&self, host: Option<&HostName>) -> Result<(), LabError> {
        self.clear(host.map_or(ClearWhat::All, |host| ClearWhat::Host(host.clone())))
    }

    /// Mends, and waits for the hosts that get their power back.
    fn clear(&self, what: ClearWhat) -> Result<(), LabError> {
        let powered_off = |status: LabStatus| {
            let hosts = status.faults.into_iter().filter_map(|fault| match fault {
                Fault::PowerOff { host } => Some(host),
                _ => None,
            });
            hosts.collect::<Vec<_>>()
        };
        let before = powered_off(self.status()?);
        control::ask(&self.paths, &Request::Clear { what })?;
        if before.is_empty() {
            return Ok(());
        }
        let after = powered_off(self.status()?);
        let mut booting = before.iter().filter(|host| !after.contains(host));
        booting.try_for_each(|host| self.wait_for_host(host))
    }

    /// Reboots a host by its own `systemctl reboot` and waits for its sshd.
    pub fn reboot(&self, host: &HostName) -> Result<(), LabError> {
        let boots = |lab: &Self| -> Result<u32, LabError> {
            let status = lab.status()?;
            let found = status.hosts.iter().find(|status| status.spec.name == *host);
            found.map(|status| status.boots).ok_or_else(|| {
                Record::load(&lab.paths)
                    .and_then(|record| record.host(host.as_str()).map(drop))
                    .err()
                    .unwrap_or_else(|| LabError::HostNotRunning(host.to_string()))
            })
        };
        let before = boots(self)?;
        let target = ExecTarget::Host(host.clone());
        process::run(&mut self.exec_command(&target, ["systemctl", "reboot"])?)?;
        let start = Instant::now();
        while boots(self)? == before {
            if start.elapsed() > SSH_PATIENCE {
                return Err(self.host_silent(host));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.wait_for_host(host)
    }

    /// Waits until a host's sshd speaks.
    pub fn wait_for_host(&self, host: &HostName) -> Result<(), LabError> {
        let milliseconds = u64::try_from(SSH_PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let request = Request::WaitForSsh {
            host: host.clone(),
            milliseconds,
        };
        match control::ask(&self.paths, &request)? {
            Reply::Silent => Err(self.host_silent(host)),
            _ => Ok(()),
        }
    }

    /// A command that runs `arguments` on a host or as the internet client. Its input and
    /// output are the caller's to set.
    pub fn exec_command(
        &self,
        target: &ExecTarget,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Command, LabError> {
        preflight::check_root()?;
        self.require_up()?;
        let mut command = match target {
            ExecTarget::Client => {
                let mut command = Command::new(&self.program);
                command.args(["__lab-holder", "client"]);
                command.arg(self.paths.state()).arg(self.paths.cache());
                command
            }
            ExecTarget::Host(host) => {
                Record::load(&self.paths)?.host(host.as_str())?;
                let group = LabCgroup::of(&self.paths)?.part(host.as_str());
                let leader = cgroup::leader(&group)
                    .ok_or_else(|| LabError::HostNotRunning(host.to_string()))?;
                let mut command = Command::new("nsenter");
                command.args(["--target", &leader.to_string(), "--all", "--"]);
                command
                    .env_clear()
                    .env("PATH", process::PATH)
                    .env("HOME", "/root");
                if let Some(terminal) = std::env::var_os("TERM") {
                    command.env("TERM", terminal);
                }
                command
            }
        };
        command.args(arguments);
        Ok(command)
    }

    /// A command that runs plain `ssh` to a host with the lab's configuration.
    pub fn ssh_command(
        &self,
        host: &HostName,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Command, LabError> {
        self.require_up()?;
        Record::load(&self.paths)?.host(host.as_str())?;
        let mut command = Command::new("ssh");
        command
            .arg("-F")
            .arg(self.paths.ssh_config())
            .arg(host.as_str())
            .args(arguments);
        Ok(command)
    }

    fn require_up(&self) -> Result<(), LabError> {
        if control::is_up(&self.paths) {
            return Ok(());
        }
        Err(LabError::NotUp(self.paths.name()))
    }

    fn lock(&self, observer: &mut dyn FnMut(Event)) -> Result<File, LabError> {
        files::lock(&self.paths.command_lock(), || {
            observer(Event::WaitingForOtherCommand);
        })
    }

    fn base(&self, record: &Record, observer: &mut dyn FnMut(Event)) -> Result<PathBuf, LabError> {
        match &record.base {
            // Hosts' disks are differences to the base that they were made on.
            Some(base) if !base.exists() => Err(LabError::Machine {
                problem: format!(
                    "the base image of this lab's hosts is gone: {}",
                    base.display()
                ),
                remedy: "`jitctl lab down`, then `jitctl lab up`".into(),
            }),
            Some(base) if self.paths.state().join("hosts").exists() => Ok(base.clone()),
            _ => base::ensure(self.paths.cache(), &self.program, observer),
        }
    }

    /// Starts the holder; for an ephemeral lab, gives the pipe whose end ends it.
    fn start_holder(&self, lock: &File, ephemeral: bool) -> Result<Option<ChildStdin>, LabError> {
        let path = self.paths.holder_log();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(LabError::file("open", path))?;
        // Holding our lock as its output, the starter cannot outlive it: `down` waits for it.
        let lock = lock
            .try_clone()
            .map_err(LabError::system("share the lock"))?;
        let mut start = process::command(&self.program.to_string_lossy());
        start
            .args(["__lab-holder", "start"])
            .arg(self.paths.state())
            .arg(self.paths.cache());
        start.arg(if ephemeral { "ephemeral" } else { "lasting" });
        start.stdin(if ephemeral {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        start.stdout(lock).stderr(log);
        let mut child = start.spawn().map_err(LabError::system("start the lab"))?;
        drop(start);
        let lifeline = child.stdin.take();
        let status = child
            .wait()
            .map_err(LabError::system("wait for the lab's start"))?;
        if !status.success() {
            return Err(LabError::HolderFailed(files::tail(
                &self.paths.holder_log(),
                5,
            )));
        }
        Ok(lifeline)
    }

    fn holder_lives(&self) -> bool {
        let text = fs::read_to_string(self.paths.holder_pid()).unwrap_or_default();
        let mut words = text.split_ascii_whitespace();
        let process = words.next().and_then(|word| word.parse().ok());
        process.is_some_and(|process| process::start_time(process).is_some())
    }

    fn boot(&self, hosts: &[HostSpec], observer: &mut dyn FnMut(Event)) -> Result<(), LabError> {
        let Reply::Status {
            hosts: running,
            faults,
        } = control::ask(&self.paths, &Request::Status)?
        else {
            return Ok(());
        };
        for host in hosts {
            let found = running.iter().find(|status| status.spec.name == host.name);
            let kept_off = Fault::PowerOff {
                host: host.name.clone(),
            };
            // A host that a fault keeps off stays off; one that went off by itself is booted.
            if found
                .is_some_and(|status| status.state != HostState::Off || faults.contains(&kept_off))
            {
                continue;
            }
            observer(Event::HostBooting {
                host: host.name.clone(),
            });
            control::ask(&self.paths, &Request::StartHost { host: host.clone() })?;
        }
        Ok(())
    }

    fn wait_for_ssh(
        &self,
        hosts: &[HostSpec],
        start: Instant,
        observer: &mut dyn FnMut(Event),
    ) -> Result<(), LabError> {
        let status = self.status()?;
        for host in hosts {
            let runs = |status: &HostStatus| {
                status.spec.name == host.name && status.state == HostState::Running
            };
            let is_broken = status
                .faults
                .iter()
                .any(|fault| fault.host() == Some(&host.name));
            if !status.hosts.iter().any(runs) || is_broken {
                continue;
            }
            self.wait_for_host(&host.name)?;
            observer(Event::HostReady {
                host: host.name.clone(),
                elapsed: start.elapsed(),
            });
        }
        Ok(())
    }

    fn host_silent(&self, host: &HostName) -> LabError {
        LabError::HostSilent {
            host: host.to_string(),
            seconds: SSH_PATIENCE.as_secs(),
            console: files::tail(&self.paths.console(host), 8),
        }
    }

    /// Kills what runs of the lab and removes its control groups; its files stay.
    fn sweep(&self) -> Result<(), LabError> {
        let group = LabCgroup::of(&self.paths)?;
        let start = Instant::now();
        loop {
            group.kill()?;
            if let Ok(holder) = control::holder_process(&self.paths) {
                // Someone may have moved it out of the group.
                let _ = kill(Pid::from_raw(holder), Signal::SIGKILL);
            }
            let processes = group.processes();
            if processes.is_empty() && !control::is_up(&self.paths) {
                break;
            }
            if start.elapsed() > DEATH_PATIENCE {
                return Err(LabError::Remains(format!("processes {processes:?}")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        group.remove()?;
        for file in [self.paths.holder_pid(), self.paths.control_socket()] {
            remove_if_there(&file)?;
        }
        Ok(())
    }
}

fn remove_if_there(file: &Path) -> Result<(), LabError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LabError::file("remove", file)(error))
        }
        _ => Ok(()),
    }
}
