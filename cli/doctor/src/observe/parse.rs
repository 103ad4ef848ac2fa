//! Reads the script's answer. Whatever is missing or odd counts as not seen.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::host::{Disk, FileMode, HostFacts, Leak, Listener, NameAnswer, Process, Unit};

/// The script.
pub(crate) const LOOK: &str = include_str!("look.sh");

/// Reads an answer that came after `round_trip`, at `received` on our clock.
pub(crate) fn parse(text: &str, received: SystemTime, round_trip: Duration) -> HostFacts {
    let sections = sections(text);
    let lines = |name: &str| sections.get(name).map(Vec::as_slice).unwrap_or_default();
    let mut facts = HostFacts {
        clock_offset_seconds: clock_offset(lines("clock"), received, round_trip),
        round_trip,
        names: names(lines("names")),
        units: units(lines("units")),
        words: words(lines("words")),
        packages: packages(lines("packages")),
        processes: each(lines("processes"), process),
        addresses: each(lines("addresses"), |line| line.trim().parse().ok()),
        buffers: each(lines("buffers"), |line| {
            let (port, bytes) = line.split_once('\t')?;
            Some((port.parse().ok()?, bytes.trim().parse().ok()?))
        }),
        listeners: each(lines("listeners"), listener),
        filter: joined(lines("filter")),
        kernel: each(lines("kernel"), pair),
        server: each(lines("server"), pair),
        edited: edited(lines("manifest")),
        applied: each(lines("applied"), applied),
        modes: each(lines("modes"), mode),
        leaks: each(lines("leaks"), leak),
        prosody: decoded(lines("prosody")),
        bridge: decoded(lines("bridge")),
        focus: decoded(lines("focus")),
        authority: decoded(lines("authority")),
        came_to_its_end: text.lines().any(|line| line == "@@section end"),
        ..HostFacts::default()
    };
    facts
        .disks
        .extend(lines("disk").iter().filter_map(|line| disk(line, false)));
    facts
        .disks
        .extend(lines("inodes").iter().filter_map(|line| disk(line, true)));
    facts
        .disks
        .sort_by(|a, b| (&a.mount, a.inodes).cmp(&(&b.mount, b.inodes)));
    facts.disks.dedup();
    for line in lines("credentials") {
        if let Some((path, encoded)) = line.split_once('\t')
            && let Some(value) = decode(encoded)
        {
            facts
                .credentials
                .insert(path.to_owned(), SecretString::from(value.trim().to_owned()));
        }
    }
    facts
}

/// Reads each line; odd ones are left out.
pub(crate) fn each<T, C: FromIterator<T>>(lines: &[&str], read: impl Fn(&str) -> Option<T>) -> C {
    lines.iter().filter_map(|line| read(line)).collect()
}

fn joined(lines: &[&str]) -> Option<String> {
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn pair(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('\t')?;
    Some((name.to_owned(), value.trim().to_owned()))
}

fn process(line: &str) -> Option<(u32, Process)> {
    let mut fields = line.split('\t');
    let number = fields.next()?.parse().ok()?;
    let process = Process {
        state: fields.next()?.to_owned(),
        file_limit: fields.next().and_then(|limit| limit.parse().ok()),
        open_files: fields.next().and_then(|open| open.trim().parse().ok()),
        threads: fields
            .next()
            .and_then(|threads| threads.trim().parse().ok()),
    };
    Some((number, process))
}

/// A line of `ss -H -ltnup`: protocol, state, two queues, local address, peer, users.
pub(crate) fn listener(line: &str) -> Option<Listener> {
    let mut fields = line.split_whitespace();
    let protocol = fields.next()?.to_owned();
    let (address, port) = fields.nth(3)?.rsplit_once(':')?;
    let users = fields.nth(1).unwrap_or_default();
    Some(Listener {
        protocol,
        // A socket of one interface is shown as `address%interface`.
        address: address.split('%').next().unwrap_or(address).to_owned(),
        port: port.parse().ok()?,
        process: users.split('"').nth(1).map(str::to_owned),
    })
}

/// As for `sha256sum -c`: hash, two spaces, path.
fn applied(line: &str) -> Option<(String, String)> {
    let (hash, path) = line.split_once("  ")?;
    Some((path.to_owned(), hash.to_owned()))
}

fn mode(line: &str) -> Option<(String, FileMode)> {
    let mut fields = line.split('\t');
    let mode = FileMode {
        mode: u32::from_str_radix(fields.next()?, 8).ok()?,
        owner: fields.next()?.to_owned(),
        group: fields.next()?.to_owned(),
    };
    Some((fields.next()?.to_owned(), mode))
}

fn leak(line: &str) -> Option<Leak> {
    let mut fields = line.split('\t');
    Some(Leak {
        credential: fields.next()?.to_owned(),
        process: fields.next()?.parse().ok()?,
        program: fields.next()?.to_owned(),
    })
}

pub(crate) fn sections(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut sections: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("@@section ") {
            current = name;
        } else {
            sections.entry(current).or_default().push(line);
        }
    }
    sections
}

/// The script read its clock early; the answer came back half a round trip later at least, and a
/// difference below that cannot be told from the way.
fn clock_offset(lines: &[&str], received: SystemTime, round_trip: Duration) -> Option<i64> {
    let host: i128 = lines.first()?.trim().parse().ok()?;
    let ours = received.duration_since(UNIX_EPOCH).ok()?;
    let ours = i128::try_from(ours.as_nanos()).ok()?;
    let trip = i128::try_from(round_trip.as_nanos()).ok()?;
    let (earliest, latest) = (ours - trip, ours);
    let offset = if host < earliest {
        host - earliest
    } else if host > latest {
        host - latest
    } else {
        0
    };
    i64::try_from(offset / 1_000_000_000).ok()
}

fn disk(line: &str, inodes: bool) -> Option<Disk> {
    let mut fields = line.split_whitespace();
    let _device = fields.next()?;
    let _total = fields.next()?;
    let _used = fields.next()?;
    Some(Disk {
        free: fields.next()?.parse().ok()?,
        used_percent: fields.next()?.trim_end_matches('%').parse().ok()?,
        mount: fields.next()?.to_owned(),
        inodes,
    })
}

fn names(lines: &[&str]) -> BTreeMap<String, NameAnswer> {
    let answer = |line: &&str| {
        let mut fields = line.split('\t');
        let name = fields.next()?.to_owned();
        let answer = match fields.next()? {
            "found" => NameAnswer::Found(
                fields
                    .next()?
                    .split_whitespace()
                    .filter_map(|ip| ip.parse().ok())
                    .collect(),
            ),
            "silent" => NameAnswer::Silent,
            _ => NameAnswer::Unknown,
        };
        Some((name, answer))
    };
    lines.iter().filter_map(answer).collect()
}

fn units(lines: &[&str]) -> BTreeMap<String, Unit> {
    let mut units = BTreeMap::new();
    let mut name = String::new();
    let mut unit = Unit::default();
    for line in lines.iter().copied().chain([""]) {
        let Some((key, value)) = line.split_once('=') else {
            if !name.is_empty() {
                units.insert(std::mem::take(&mut name), std::mem::take(&mut unit));
            }
            continue;
        };
        match key {
            "Id" => value.clone_into(&mut name),
            "LoadState" => value.clone_into(&mut unit.load),
            "ActiveState" => value.clone_into(&mut unit.active),
            "SubState" => value.clone_into(&mut unit.sub),
            "UnitFileState" => value.clone_into(&mut unit.file),
            "ExecMainStatus" => unit.exit_status = value.parse().unwrap_or_default(),
            "MainPID" => unit.main_process = value.parse().unwrap_or_default(),
            "TasksMax" => unit.tasks_max = value.parse().ok(),
            "Result" => value.clone_into(&mut unit.result),
            "NRestarts" => unit.restarts = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
    units
}

fn words(lines: &[&str]) -> BTreeMap<String, Vec<String>> {
    let mut words: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        if let Some((unit, said)) = line.split_once('\t') {
            words
                .entry(unit.to_owned())
                .or_default()
                .push(said.to_owned());
        }
    }
    words
}

fn packages(lines: &[&str]) -> Vec<(String, String)> {
    let package = |line: &&str| {
        let mut fields = line.split('\t');
        let state = fields.next()?.trim().to_owned();
        Some((state, fields.next()?.to_owned()))
    };
    lines.iter().filter_map(package).collect()
}

/// `PATH: FAILED` and `PATH: FAILED open or read`, as `sha256sum -c` prints them.
fn edited(lines: &[&str]) -> Vec<String> {
    lines
        .iter()
        .filter_map(|line| line.split_once(": FAILED").map(|(path, _)| path.to_owned()))
        .collect()
}

fn decoded(lines: &[&str]) -> Option<String> {
    decode(lines.first()?)
}

fn decode(encoded: &str) -> Option<String> {
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "@@section clock\n1700000000000000000\n@@section disk\n\
        /dev/sda1 1000 990 10 99% /\n@@section names\nmeet.test\tfound\t10.0.0.1 ::1 \n\
        slow.test\tsilent\t\n@@section units\nId=nginx.service\nLoadState=loaded\n\
        ActiveState=failed\nSubState=failed\nUnitFileState=enabled\nExecMainStatus=1\n\
        NRestarts=0\nTasksMax=4096\nResult=oom-kill\n\nId=prosody.service\nLoadState=masked\nActiveState=inactive\n\
        @@section words\nnginx.service\tbind() failed\n@@section manifest\n\
        /etc/jitctl/focus.toml: FAILED\n@@section bridge\nW2lkZW50aXR5XQo=\n";

    #[test]
    fn every_section_is_read() {
        let received = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let facts = parse(ANSWER, received, Duration::from_secs(1));
        assert_eq!(facts.clock_offset_seconds, Some(0));
        assert_eq!(facts.disks[0].used_percent, 99);
        assert_eq!(facts.names["slow.test"], NameAnswer::Silent);
        assert_eq!(facts.units["nginx.service"].active, "failed");
        assert_eq!(facts.units["nginx.service"].tasks_max, Some(4096));
        assert_eq!(facts.units["nginx.service"].result, "oom-kill");
        assert_eq!(facts.units["prosody.service"].load, "masked");
        assert_eq!(facts.words["nginx.service"], ["bind() failed"]);
        assert_eq!(facts.edited, ["/etc/jitctl/focus.toml"]);
        assert_eq!(facts.bridge.as_deref(), Some("[identity]\n"));
        assert!(facts.focus.is_none());
    }

    #[test]
    fn sockets_modes_processes_and_leaks_are_read() {
        let answer = "@@section listeners\n\
            tcp   LISTEN 0      511          0.0.0.0:5222      0.0.0.0:*    users:((\"lua5.4\",pid=9,fd=6))\n\
            udp   UNCONN 0      0      [::1]%lo:10000         [::]:*\n\
            @@section processes\n9\tT\t1024\t12\t7\n@@section modes\n640\troot\tprosody\t/etc/x\n\
            @@section buffers\n10000\t8388608\n*\tx\n\
            @@section addresses\n10.0.0.2\nfd00::2\n@@section applied\nab12  /etc/y\n@@section leaks\n/c\t77\tsleep\nodd\n";
        let facts = parse(answer, UNIX_EPOCH, Duration::ZERO);
        assert_eq!(facts.listeners[0].port, 5222);
        assert_eq!(facts.listeners[0].process.as_deref(), Some("lua5.4"));
        assert!(!facts.listeners[0].is_local() && facts.listeners[1].is_local());
        assert_eq!(facts.processes[&9].state, "T");
        assert_eq!(facts.processes[&9].file_limit, Some(1024));
        assert_eq!(facts.processes[&9].threads, Some(7));
        assert_eq!(facts.modes["/etc/x"].mode, 0o640);
        assert_eq!(facts.applied["/etc/y"], "ab12");
        assert_eq!(facts.leaks.len(), 1);
        assert!(facts.filter.is_none());
        assert_eq!(facts.buffers, [(10_000, 8_388_608)]);
        assert_eq!(facts.addresses.len(), 2);
    }

    #[test]
    fn an_offset_within_the_round_trip_is_none() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let offset =
            |received| parse(ANSWER, received, Duration::from_secs(2)).clock_offset_seconds;
        assert_eq!(offset(at(1_700_000_001)), Some(0));
        assert_eq!(offset(at(1_700_000_602)), Some(-600));
        assert_eq!(offset(at(1_699_999_400)), Some(600));
    }
}
