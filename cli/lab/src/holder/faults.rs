//! Breaking and mending. The list of faults says what is broken; each kind knows how.

use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::delay::Shim;
use super::hosts::power_off;
use super::traffic::{Queue, ruleset};
use super::{Holder, cgroup, locked};
use crate::control::ClearWhat;
use crate::error::LabError;
use crate::fault::{BlockSource, Fault};
use crate::files;
use crate::host::HostName;
use crate::process::command;

/// Within the host's tree; it takes all that is free on its disk.
const BALLAST: &str = "var/tmp/lab-disk-full";
/// Sets, or with `off` unsets, the clock offset of all but sshd itself, whose sandbox dies
/// under libfaketime; sessions get it through `SetEnv`.
const CLOCK_SCRIPT: &str = include_str!("clock.sh");

/// The kernel's own limit of segments in one frame.
const ANY_SEGMENTS: u32 = 65_535;

impl Holder {
    /// Breaks something; the same thing broken otherwise is mended first.
    pub(super) fn cause(self: &Arc<Self>, fault: &Fault) -> Result<(), LabError> {
        if let Some(host) = fault.host() {
            self.host(host)?;
        }
        if let Fault::Block {
            from: BlockSource::Host(host),
            ..
        } = &fault
        {
            self.host(host)?;
        }
        let mut faults = locked(&self.faults);
        let replaced = faults.iter().position(|older| fault.replaces(older));
        let older = replaced.map(|place| faults.remove(place));
        faults.push(fault.clone());
        let result = self.set(fault, true, &faults);
        if let Err(error) = result {
            faults.pop();
            if let Some(older) = older {
                faults.push(older.clone());
                let _ = self.set(&older, true, &faults);
            } else {
                let _ = self.set(fault, false, &faults);
            }
            return Err(error);
        }
        self.log(&format!("fault {fault:?}"));
        Ok(())
    }

    /// Mends all that matches; what cannot be mended stays on the list, and is the error.
    pub(super) fn mend(self: &Arc<Self>, what: &ClearWhat) -> Result<(), LabError> {
        if let ClearWhat::Host(host) = what {
            self.host(host)?;
        }
        let mut faults = locked(&self.faults);
        let matches = |fault: &Fault| match what {
            ClearWhat::All => true,
            ClearWhat::Host(host) => fault.host() == Some(host),
            ClearWhat::Exactly(exact) => fault.replaces(exact),
        };
        let (mut to_mend, mut kept): (Vec<_>, Vec<_>) = faults.drain(..).partition(matches);
        // Power and life first: the other faults of a host are mended inside it.
        to_mend.sort_by_key(|fault| {
            !matches!(
                fault,
                Fault::PowerOff { .. } | Fault::Hang { .. } | Fault::Cut { .. }
            )
        });
        let mut failure = None;
        let mut unmended = Vec::new();
        for fault in to_mend {
            match self.set(&fault, false, &kept) {
                Ok(()) => self.log(&format!("mended {fault:?}")),
                Err(error) => {
                    failure.get_or_insert(error);
                    unmended.push(fault);
                }
            }
        }
        kept.append(&mut unmended);
        *faults = kept;
        failure.map_or(Ok(()), Err)
    }

    /// Makes one fault be there or not; `faults` is what shall be broken after.
    fn set(
        self: &Arc<Self>,
        fault: &Fault,
        broken: bool,
        faults: &[Fault],
    ) -> Result<(), LabError> {
        match fault {
            Fault::Loss { .. } | Fault::Block { .. } => self.set_rules(faults),
            Fault::Delay { host, .. } | Fault::Rate { host, .. } => self.set_queue(host, faults),
            Fault::Cut { host } => self.set_cable(host, broken),
            Fault::Hang { host } => {
                let host = self.host(host)?;
                cgroup::freeze(&host.cgroup.join("payload"), broken)
            }
            Fault::PowerOff { host } => {
                let host = self.host(host)?;
                if broken {
                    power_off(&host)
                } else {
                    self.power_on(&host)
                }
            }
            Fault::DnsSilent { host: None } => {
                self.names.silence(None, broken);
                Ok(())
            }
            Fault::DnsSilent { host: Some(host) } => {
                self.names
                    .silence(Some(self.host(host)?.spec.address), broken);
                Ok(())
            }
            Fault::DnsWrong { name, address } => {
                self.names.lie(name, broken.then_some(*address));
                Ok(())
            }
            Fault::Registry { cached } => {
                self.registry.set_reach(broken, *cached);
                Ok(())
            }
            Fault::Clock {
                host,
                offset_seconds,
            } => self.set_clock(host, broken.then_some(*offset_seconds)),
            Fault::DiskFull { host } => self.fill_disk(host, broken),
        }
    }

    fn set_rules(&self, faults: &[Fault]) -> Result<(), LabError> {
        let hosts: Vec<_> = locked(&self.hosts)
            .values()
            .map(|host| host.spec.clone())
            .collect();
        let rules = ruleset(faults, &hosts);
        self.children
            .run(command("nft").args(["-f", "-"]), &rules)
            .map(drop)
    }

    fn set_queue(&self, host: &HostName, faults: &[Fault]) -> Result<(), LabError> {
        let shim = locked(&self.delayed).remove(host);
        if shim.is_some() {
            drop(shim);
            // What the host may do matters only while it is delayed.
            let _ = self.set_segments(host, ANY_SEGMENTS);
        }
        let link = host.link();
        let queue = Queue::of(host, faults);
        let set = |queue: &Queue| {
            self.children
                .run(command("tc").args(queue.arguments(&link)), "")
        };
        match (set(&queue), &queue) {
            (
                Err(LabError::Command { output, .. }),
                Queue::Delayed {
                    milliseconds,
                    jitter_milliseconds,
                    ..
                },
            ) if output.contains("qdisc kind is unknown") => {
                set(&queue.undelayed())?;
                self.delay(host, *milliseconds, *jitter_milliseconds)
            }
            (result, _) => unless_without_link(result),
        }
    }

    /// Delays a host's link without netem.
    fn delay(&self, host: &HostName, delay: u32, jitter: u32) -> Result<(), LabError> {
        self.set_segments(host, 1)?;
        let milliseconds = |time: u32| Duration::from_millis(u64::from(time));
        let shim = Shim::start(
            &self.children,
            host,
            milliseconds(delay),
            milliseconds(jitter),
        )?;
        locked(&self.delayed).insert(host.clone(), shim);
        Ok(())
    }

    /// How many segments the host may put into one frame of its link.
    fn set_segments(&self, name: &HostName, most: u32) -> Result<(), LabError> {
        let host = self.host(name)?;
        let leader = first_process(&host.cgroup)
            .ok_or_else(|| LabError::HostNotRunning(name.to_string()))?;
        let mut set = command("nsenter");
        set.args([
            "--target",
            &leader.to_string(),
            "--net",
            "ip",
            "link",
            "set",
            "host0",
        ]);
        set.args(["gso_max_segs", &most.to_string()]);
        self.children.run(&mut set, "").map(drop)
    }

    fn set_cable(&self, host: &HostName, pulled: bool) -> Result<(), LabError> {
        let state = if pulled { "down" } else { "up" };
        let mut set = command("ip");
        set.args(["link", "set", &host.link(), state]);
        unless_without_link(self.children.run(&mut set, ""))
    }

    /// A booting host has a new link: breaks that as the old one was.
    pub(super) fn restore_link_faults(self: &Arc<Self>, name: &HostName) {
        let holder = Arc::clone(self);
        let name = name.clone();
        std::thread::spawn(move || {
            let concerns_link = |fault: &&Fault| {
                fault.host() == Some(&name)
                    && matches!(
                        fault,
                        Fault::Cut { .. } | Fault::Rate { .. } | Fault::Delay { .. }
                    )
            };
            let link = format!("{}:", name.link());
            for _ in 0..200 {
                if !locked(&holder.faults)
                    .iter()
                    .any(|fault| concerns_link(&fault))
                {
                    return;
                }
                let links = fs::read_to_string("/proc/net/dev").unwrap_or_default();
                if links
                    .lines()
                    .any(|line| line.trim_start().starts_with(&link))
                {
                    let faults = locked(&holder.faults);
                    for fault in faults.iter().filter(concerns_link) {
                        if let Err(error) = holder.set(fault, true, &faults) {
                            holder.log(&format!("{name} lost {fault:?}: {error}"));
                        }
                    }
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    }

    fn set_clock(&self, name: &HostName, offset_seconds: Option<i64>) -> Result<(), LabError> {
        let host = self.host(name)?;
        let not_running = || LabError::HostNotRunning(name.to_string());
        if !self.wait_for_ssh(name, Duration::from_secs(20))? {
            return Err(not_running());
        }
        let leader = cgroup::leader(&host.cgroup).ok_or_else(not_running)?;
        let offset = offset_seconds.map_or_else(|| "off".into(), |seconds| format!("{seconds:+}s"));
        let mut enter = command("nsenter");
        enter.args([
            "--target",
            &leader.to_string(),
            "--all",
            "sh",
            "-e",
            "-s",
            "--",
            &offset,
        ]);
        self.children.run(&mut enter, CLOCK_SCRIPT).map(drop)
    }

    fn fill_disk(&self, name: &HostName, full: bool) -> Result<(), LabError> {
        let host = self.host(name)?;
        if host.spec.disk_mebibytes.is_none() {
            return Err(LabError::FaultUnavailable {
                problem: format!(
                    "`{name}` shares the disk of this machine, which must not fill up"
                ),
                remedy: "make the lab with `jitctl lab up --disk 2000`: each host then has a disk \
                         of its own"
                    .into(),
            });
        }
        let ballast = host.directory.join("root").join(BALLAST);
        if !full {
            return match fs::remove_file(&ballast) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(LabError::file("remove", ballast)(error))
                }
                _ => Ok(()),
            };
        }
        files::make_directory(&host.directory.join("root/var/tmp"))?;
        let take_all = || -> std::io::Result<()> {
            let mut file = fs::File::create(&ballast)?;
            let room = nix::sys::statvfs::fstatvfs(&file)?;
            let free = room.blocks_available() * room.fragment_size();
            let length = i64::try_from(free.saturating_sub(1 << 20))
                .unwrap_or(0)
                .max(1);
            let _ = nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), 0, length);
            std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0))?;
            let block = [0_u8; 4096];
            // The rest by writing, until the disk itself refuses.
            while file.write_all(&block).is_ok() {}
            Ok(())
        };
        take_all().map_err(LabError::file("fill the disk with", ballast))
    }
}

/// A host without power has no link: its faults are put on the next one when it boots.
fn unless_without_link(result: Result<String, LabError>) -> Result<(), LabError> {
    match result {
        Err(LabError::Command { output, .. }) if output.contains("Cannot find device") => Ok(()),
        result => result.map(drop),
    }
}

/// The first process of a host, which follows its link by a moment when it boots.
fn first_process(group: &std::path::Path) -> Option<i32> {
    (0..100).find_map(|_| {
        let found = cgroup::leader(group);
        if found.is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        found
    })
}
