//! The lab on this machine: it comes up, it breaks as asked, and nothing of it is ever left.
//!
//! Needs root and the programs that `up` names when they are missing. Every test has a lab of
//! its own under a temporary directory; the base image comes from the user's cache.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a step that fails fails its test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jitctl_lab::{
    BlockSource, Event, ExecTarget, Fault, HostName, HostState, Lab, LabError, LabName, LabPaths,
    Protocol, UpOptions,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_jitctl-lab");
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A lab that is taken down however its test ends.
struct Bench {
    lab: Lab,
    name: LabName,
    directory: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Bench {
    fn new(name: &str) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "the lab's tests need root: run them with sudo"
        );
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().unwrap();
        let name: LabName = name.parse().unwrap();
        let lab = lab_in(directory.path(), &name);
        Self {
            lab,
            name,
            directory,
            _turn: turn,
        }
    }

    fn up(&self, hosts: u8) -> jitctl_lab::RunningLab {
        self.lab
            .up(&UpOptions::numbered(hosts), &mut |_| {})
            .unwrap()
    }

    /// `up` as a process of its own, for killing it.
    fn up_program(&self, hosts: u8) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args([self.name.as_str(), "up", &hosts.to_string()]);
        command.env("XDG_STATE_HOME", self.directory.path().join("state"));
        command.env("XDG_CACHE_HOME", cache_home());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn down(&self) {
        self.lab.down(&mut |_| {}).unwrap();
        self.assert_nothing_is_left();
    }

    fn ssh(&self, host: &str, command: &str) -> Output {
        let options = ["-o", "ConnectTimeout=5"];
        let mut ssh = Command::new("ssh");
        ssh.arg("-F")
            .arg(self.lab.paths().ssh_config())
            .args(options)
            .args([host, command]);
        ssh.stdin(Stdio::null()).output().unwrap()
    }

    fn says(&self, host: &str, command: &str) -> String {
        let output = self.ssh(host, command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{host}: {command}: {errors}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn holder(&self) -> nix::unistd::Pid {
        let text = fs::read_to_string(self.lab.paths().state().join("holder.pid")).unwrap();
        nix::unistd::Pid::from_raw(text.split(' ').next().unwrap().parse().unwrap())
    }

    fn state_of(&self, host: &str) -> HostState {
        let status = self.lab.status().unwrap();
        status
            .hosts
            .iter()
            .find(|status| status.spec.name.as_str() == host)
            .unwrap()
            .state
    }

    fn assert_nothing_is_left(&self) {
        assert!(
            !self.lab.paths().state().exists(),
            "the state directory is there"
        );
        self.assert_nothing_runs();
        let groups = [
            Path::new("/sys/fs/cgroup"),
            Path::new("/sys/fs/cgroup/unified"),
        ];
        for root in groups
            .into_iter()
            .chain([Path::new("/sys/fs/cgroup/systemd")])
        {
            for entry in fs::read_dir(root).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let prefix = format!("jitctl-lab-{}-", self.name);
                assert!(
                    !name.starts_with(&prefix),
                    "cgroup {}",
                    entry.path().display()
                );
            }
        }
        let rules = Command::new("nft")
            .args(["list", "ruleset"])
            .output()
            .unwrap();
        let rules = String::from_utf8_lossy(&rules.stdout).into_owned();
        assert!(!rules.contains("jitctl_faults"), "{rules}");
        let links = fs::read_to_string("/proc/net/dev").unwrap();
        assert!(!links.contains("vb-h"), "{links}");
    }

    /// No process, mount or loop device names anything of this test's directory.
    fn assert_nothing_runs(&self) {
        let place = self.directory.path().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(&place), "{mounts}");
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            if entry.file_name().to_string_lossy().parse::<u32>().is_err() {
                continue;
            }
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            assert!(
                !words.contains(&place),
                "process {}: {words}",
                entry.path().display()
            );
        }
        for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
            let file = entry.path().join("loop/backing_file");
            let file = fs::read_to_string(file).unwrap_or_default();
            assert!(!file.contains(&place), "{}: {file}", entry.path().display());
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.lab.down(&mut |_| {});
    }
}

fn cache_home() -> PathBuf {
    std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"),
        PathBuf::from,
    )
}

fn lab_in(directory: &Path, name: &LabName) -> Lab {
    let state = directory.join("state/jitctl/lab");
    let cache = cache_home().join("jitctl/lab");
    Lab::at(LabPaths::new(&state, &cache, name), PROGRAM.into())
}

fn host(name: &str) -> HostName {
    name.parse().unwrap()
}

/// Waits for something that another process does.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn three_hosts_answer_ssh_and_nothing_is_left_after_down() {
    let bench = Bench::new("t-ssh");
    let running = bench.up(3);
    assert_eq!(running.status.hosts.len(), 3);
    for name in ["h1", "h2", "h3"] {
        assert_eq!(bench.says(name, "hostname"), name);
        assert_eq!(bench.says(&format!("ops@{name}.test"), "sudo id -u"), "0");
    }
    eventually("systemd has nothing failed", || {
        bench.says("h1", "systemctl is-system-running || true") == "running"
    });
    assert!(
        bench
            .says("h1", "getent hosts h3.test")
            .starts_with("10.77.0.13")
    );
    // A host sees no network but the lab's.
    assert!(
        !bench
            .ssh("h1", "timeout 3 nc -z -w 2 1.1.1.1 80")
            .status
            .success()
    );
    let stranger = Command::new("ssh")
        .args([
            "-F",
            "/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=2",
            "10.77.0.11",
        ])
        .arg("true")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        !stranger.status.success(),
        "the outer machine reaches the lab's network"
    );
    bench.down();
    bench.down();
}

#[test]
fn up_again_changes_nothing_and_may_add_hosts() {
    let bench = Bench::new("t-again");
    let first = bench.up(1).status;
    let boot = bench.says(
        "h1",
        "cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestampMonotonic",
    );
    let mut events = Vec::new();
    let again = bench
        .lab
        .up(&UpOptions::numbered(1), &mut |event| events.push(event))
        .unwrap();
    assert_eq!(again.status, first);
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::HostBooting { .. })),
        "{events:?}"
    );
    bench
        .lab
        .add_host(&host("extra"), None, &mut |_| {})
        .unwrap();
    assert_eq!(bench.says("extra", "hostname"), "extra");
    assert_eq!(
        boot,
        bench.says(
            "h1",
            "cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestampMonotonic"
        )
    );
    bench.down();
}

#[test]
fn a_killed_holder_takes_all_along_and_up_brings_the_disks_back() {
    let bench = Bench::new("t-holder");
    bench.up(2);
    bench.says("h2", "echo precious > /root/file; sync");
    nix::sys::signal::kill(bench.holder(), nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("all of the lab is dead", || !bench.lab.status().unwrap().up);
    eventually("no process is left", || {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.assert_nothing_runs()))
            .is_ok()
    });
    let mut events = Vec::new();
    bench
        .lab
        .up(&UpOptions::numbered(2), &mut |event| events.push(event))
        .unwrap();
    assert!(events.contains(&Event::Sweeping), "{events:?}");
    assert_eq!(bench.says("h2", "cat /root/file"), "precious");
    nix::sys::signal::kill(bench.holder(), nix::sys::signal::Signal::SIGKILL).unwrap();
    bench.down();
}

#[test]
fn up_killed_at_any_moment_is_cleaned_by_down() {
    let bench = Bench::new("t-kill");
    bench.up(1);
    bench.down();
    for milliseconds in [0, 5, 10, 20, 40, 60, 80, 120, 200, 400, 800] {
        let mut up = bench.up_program(2).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        up.kill().unwrap();
        up.wait().unwrap();
        bench.down();
    }
}

#[test]
fn up_killed_in_mid_boot_is_completed_by_the_next_up() {
    let bench = Bench::new("t-midboot");
    let mut up = bench.up_program(2).spawn().unwrap();
    let told = BufReader::new(up.stderr.take().unwrap()).lines();
    let booting = told
        .map_while(Result::ok)
        .find(|line| line.contains("host_booting"));
    up.kill().unwrap();
    up.wait().unwrap();
    assert!(booting.is_some(), "up ended before a host booted");
    bench.up(3);
    assert_eq!(bench.says("h3", "hostname"), "h3");
    bench.down();
}

#[test]
fn a_killed_build_of_the_base_leaves_no_process_and_no_mount() {
    let bench = Bench::new("t-build");
    let mut up = bench.up_program(1);
    let cache = bench.directory.path().join("cache");
    let mut up = up.env("XDG_CACHE_HOME", &cache).spawn().unwrap();
    let told = BufReader::new(up.stderr.take().unwrap()).lines();
    let building = told
        .map_while(Result::ok)
        .any(|line| line.contains("building_base"));
    assert!(building, "no build was started");
    std::thread::sleep(Duration::from_secs(2));
    up.kill().unwrap();
    up.wait().unwrap();
    eventually("the builder is dead", || {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.assert_nothing_runs()))
            .is_ok()
    });
    let finished = fs::read_dir(cache.join("jitctl/lab"))
        .unwrap()
        .flatten()
        .any(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.ends_with(".tar.zst") || entry.path().join(".ok").exists()
        });
    assert!(!finished, "a killed build looks finished");
    bench.down();
}

#[test]
fn a_host_whose_container_is_killed_is_off_and_can_be_powered_on() {
    let bench = Bench::new("t-nspawn");
    bench.up(2);
    let root = bench
        .lab
        .paths()
        .state()
        .join("hosts/h2/root")
        .display()
        .to_string();
    let container = fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let words = fs::read(entry.path().join("cmdline")).ok()?;
        let words = String::from_utf8_lossy(&words).into_owned();
        let id = entry.file_name().to_string_lossy().parse::<i32>().ok()?;
        (words.starts_with("systemd-nspawn") && words.contains(&root)).then_some(id)
    });
    let container = nix::unistd::Pid::from_raw(container.expect("no container of h2"));
    nix::sys::signal::kill(container, nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("h2 is off", || bench.state_of("h2") == HostState::Off);
    assert_eq!(bench.says("h1", "hostname"), "h1");
    bench.up(2);
    assert_eq!(bench.says("h2", "hostname"), "h2");
    bench.down();
}

#[test]
fn two_labs_of_the_same_addresses_live_side_by_side() {
    let bench = Bench::new("t-first");
    let name: LabName = "t-second".parse().unwrap();
    let other = lab_in(bench.directory.path(), &name);
    bench.up(1);
    other.up(&UpOptions::numbered(1), &mut |_| {}).unwrap();
    bench.says("h1", "echo first > /root/which");
    let mut ssh = other
        .ssh_command(&host("h1"), ["test ! -e /root/which"])
        .unwrap();
    assert!(ssh.stdin(Stdio::null()).status().unwrap().success());
    other.down(&mut |_| {}).unwrap();
    assert_eq!(bench.says("h1", "cat /root/which"), "first");
    bench.down();
}

#[test]
fn an_ephemeral_lab_ends_with_its_owner() {
    let bench = Bench::new("t-owner");
    let options = UpOptions {
        ephemeral: true,
        ..UpOptions::numbered(1)
    };
    let running = bench.lab.up(&options, &mut |_| {}).unwrap();
    assert_eq!(bench.says("h1", "hostname"), "h1");
    drop(running);
    eventually("the lab ended", || !bench.lab.status().unwrap().up);
    bench.down();
}

#[test]
fn links_break_and_mend() {
    let bench = Bench::new("t-links");
    bench.up(3);
    let connects = |from: &str| bench.ssh(from, "timeout 2 nc -z h1 22").status.success();
    let client_connects = || {
        let words = ["timeout", "2", "bash", "-c", "exec 3<>/dev/tcp/h1/22"];
        let mut command = bench.lab.exec_command(&ExecTarget::Client, words).unwrap();
        command.stderr(Stdio::null()).status().unwrap().success()
    };
    assert!(connects("h2") && connects("h3") && client_connects());

    let block = |from| Fault::Block {
        host: host("h1"),
        protocol: Protocol::Tcp,
        port: 22,
        from,
    };
    bench
        .lab
        .fault(block(BlockSource::Host(host("h2"))))
        .unwrap();
    assert!(!connects("h2") && connects("h3") && client_connects());
    bench.lab.fault(block(BlockSource::Client)).unwrap();
    assert!(!connects("h2") && connects("h3") && !client_connects());
    bench.lab.clear_fault(block(BlockSource::Client)).unwrap();
    assert!(!connects("h2") && client_connects());
    bench.lab.clear_faults(None).unwrap();
    assert!(connects("h2"));

    bench.lab.fault(Fault::Cut { host: host("h1") }).unwrap();
    assert!(!connects("h3"));
    // A reboot does not mend a cut cable.
    let target = ExecTarget::Host(host("h1"));
    assert!(
        bench
            .lab
            .exec_command(&target, ["true"])
            .unwrap()
            .status()
            .unwrap()
            .success()
    );
    bench.lab.clear_faults(Some(&host("h1"))).unwrap();
    eventually("the cable is back", || connects("h3"));

    bench
        .lab
        .fault(Fault::Delay {
            host: host("h1"),
            milliseconds: 100,
            jitter_milliseconds: 10,
        })
        .unwrap();
    let fastest = bench.says(
        "h2",
        "ping -q -c 5 -i 0.2 h1 | sed -n 's,.* = \\([0-9]*\\)\\..*,\\1,p'",
    );
    assert!(
        fastest.parse::<u32>().unwrap() >= 180,
        "100 ms each way: {fastest}"
    );
    // What goes through is whole: many segments at once, both ways.
    let digest = "head -c 3000000 /dev/zero | tr '\\0' x";
    let sent = bench.says("h1", &format!("{digest} | sha256sum"));
    let mut copy = bench.lab.ssh_command(&host("h1"), [digest]).unwrap();
    let copy = copy.stdin(Stdio::null()).output().unwrap();
    fs::write(bench.directory.path().join("copy"), &copy.stdout).unwrap();
    let got = Command::new("sha256sum")
        .arg(bench.directory.path().join("copy"))
        .output()
        .unwrap();
    assert_eq!(
        sent.split(' ').next(),
        String::from_utf8_lossy(&got.stdout).split(' ').next()
    );
    bench.lab.fault(block(BlockSource::All)).unwrap();
    assert!(!connects("h2"), "a delayed link is blocked like any other");
    bench.lab.clear_faults(None).unwrap();
    assert!(connects("h2"));

    bench
        .lab
        .fault(Fault::Loss {
            host: host("h1"),
            percent: 100,
        })
        .unwrap();
    assert!(!connects("h2"));
    bench.lab.clear_faults(None).unwrap();
    eventually("nothing is lost", || connects("h2"));
    assert!(bench.lab.status().unwrap().faults.is_empty());
    bench.down();
}

#[test]
fn hosts_hang_lose_power_and_reboot() {
    let bench = Bench::new("t-power");
    bench.up(2);
    let h1 = host("h1");
    bench.lab.fault(Fault::Hang { host: h1.clone() }).unwrap();
    assert_eq!(bench.state_of("h1"), HostState::Hung);
    assert!(
        bench.ssh("h2", "ping -c 1 -W 2 h1").status.success(),
        "its kernel answers"
    );
    assert!(!bench.ssh("h1", "true").status.success());
    bench.lab.clear_faults(Some(&h1)).unwrap();
    assert_eq!(bench.says("h1", "hostname"), "h1");

    bench.says("h1", "echo kept > /root/file; sync");
    bench
        .lab
        .fault(Fault::PowerOff { host: h1.clone() })
        .unwrap();
    assert_eq!(bench.state_of("h1"), HostState::Off);
    bench.up(2);
    assert_eq!(
        bench.state_of("h1"),
        HostState::Off,
        "up does not mend faults"
    );
    bench.lab.clear_faults(Some(&h1)).unwrap();
    assert_eq!(bench.says("h1", "cat /root/file"), "kept");

    let before = bench.says("h1", "journalctl --list-boots | wc -l");
    bench.lab.reboot(&h1).unwrap();
    assert_ne!(bench.says("h1", "journalctl --list-boots | wc -l"), before);
    bench.down();
}

#[test]
fn names_clocks_disks_and_packages_fail_and_recover() {
    let bench = Bench::new("t-inside");
    let options = UpOptions {
        disk_mebibytes: Some(600),
        ..UpOptions::numbered(1)
    };
    bench.lab.up(&options, &mut |_| {}).unwrap();
    let h1 = host("h1");
    let resolves = |name: &str| bench.ssh("h1", &format!("timeout 3 getent hosts {name}"));

    bench
        .lab
        .set_name("meet.test", Some([10, 77, 0, 99].into()))
        .unwrap();
    assert!(resolves("meet.test").stdout.starts_with(b"10.77.0.99"));
    let wrong = Fault::DnsWrong {
        name: "meet.test".into(),
        address: [203, 0, 113, 9].into(),
    };
    bench.lab.fault(wrong).unwrap();
    assert!(resolves("meet.test").stdout.starts_with(b"203.0.113.9"));
    bench.lab.fault(Fault::DnsSilent { host: None }).unwrap();
    assert_eq!(resolves("meet.test").status.code(), Some(124));
    bench.lab.clear_faults(None).unwrap();
    assert!(resolves("meet.test").stdout.starts_with(b"10.77.0.99"));

    bench
        .lab
        .fault(Fault::Clock {
            host: h1.clone(),
            offset_seconds: 172_800,
        })
        .unwrap();
    let ahead = |bench: &Bench| -> i64 {
        let there: i64 = bench.says("h1", "date +%s").parse().unwrap();
        let here = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        there - i64::try_from(here).unwrap()
    };
    assert!((172_700..172_900).contains(&ahead(&bench)));
    bench.lab.clear_faults(Some(&h1)).unwrap();
    assert!((-60..60).contains(&ahead(&bench)));

    bench
        .lab
        .fault(Fault::DiskFull { host: h1.clone() })
        .unwrap();
    assert!(
        !bench
            .ssh("h1", "head -c 1000000 /dev/zero > /root/big")
            .status
            .success()
    );
    bench.lab.clear_faults(Some(&h1)).unwrap();
    assert!(
        bench
            .ssh("h1", "head -c 1000000 /dev/zero > /root/big")
            .status
            .success()
    );

    bench.lab.fault(Fault::Registry { cached: false }).unwrap();
    let fetch = "curl -sS -o /dev/null -w '%{http_code}' --proxy http://10.77.0.1:3142 ";
    let release = format!("{fetch} http://deb.debian.org/debian/dists/bookworm/InRelease");
    assert_eq!(bench.says("h1", &release), "503");
    let stranger = format!("{fetch} http://example.org/");
    assert_eq!(bench.says("h1", &stranger), "403");
    bench.down();
}

#[test]
fn a_shared_disk_cannot_be_filled_and_a_stranger_cannot_be_broken() {
    let bench = Bench::new("t-refuse");
    assert!(matches!(
        bench.lab.fault(Fault::Cut { host: host("h1") }),
        Err(LabError::NotUp(name)) if name == "t-refuse"
    ));
    bench.up(1);
    assert!(matches!(
        bench.lab.fault(Fault::DiskFull { host: host("h1") }),
        Err(LabError::FaultUnavailable { .. })
    ));
    let error = bench
        .lab
        .fault(Fault::Cut { host: host("h9") })
        .unwrap_err();
    assert!(error.to_string().contains("it has h1"), "{error}");
    assert!(bench.lab.status().unwrap().faults.is_empty());
    bench.down();
}
