//! Cost of signalling: many rooms of three people without media, the focus beside Prosody.
//!
//! `cargo build --release -p jitctl-focus`
//! `cargo run --release -p jitctl-bench --bin bench-focus -- --focus target/release/jitctl-focus`
//!
//! Prints for growing numbers of rooms the processor time of the focus and of Prosody while people
//! ask, join, accept, share a screen and leave; the same while everybody only stays; and the
//! memory of the focus. Logins are not counted: they are Prosody's alone. Nothing is asserted.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jitctl_testing::bridge::TestBridge;
use jitctl_testing::person::Person;
use jitctl_testing::{Prosody, Setup, focus_configuration, free_port};
use jitctl_wire::jingle::Action;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Rooms that open at a time.
const WAVE: usize = 10;
const PEOPLE: usize = 3;
const STAY: Duration = Duration::from_secs(20);

struct Focus {
    child: Child,
}

impl Focus {
    fn start(program: &Path, prosody: &Prosody) -> Result<Self, Failure> {
        // With a journal, as a service has one.
        let rest = format!(
            "[handover]\ndirectory = \"{}\"\n",
            prosody.path("").display()
        );
        let path = focus_configuration(prosody, free_port(), &rest);
        let child = Command::new(program)
            .arg("--config")
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(fs::File::create(prosody.path("focus.log"))?)
            .spawn()?;
        Ok(Self { child })
    }
}

impl Drop for Focus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of a process so far, user and system.
fn processor(pid: u32) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let tick = |index: usize| -> Result<u64, Failure> {
        Ok(fields.get(index).ok_or("a short /proc/PID/stat")?.parse()?)
    };
    // utime and stime, in hundredths of a second on every Linux of today.
    Ok(Duration::from_millis((tick(11)? + tick(12)?) * 10))
}

/// Resident memory in MiB.
fn memory(pid: u32) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

struct Cost {
    focus: Duration,
    prosody: Duration,
}

struct Meter {
    focus: u32,
    prosody: u32,
}

impl Meter {
    fn read(&self) -> Result<Cost, Failure> {
        Ok(Cost {
            focus: processor(self.focus)?,
            prosody: processor(self.prosody)?,
        })
    }
}

impl Cost {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            focus: self.focus.saturating_sub(earlier.focus),
            prosody: self.prosody.saturating_sub(earlier.prosody),
        }
    }

    fn share(&self) -> f64 {
        100.0 * self.focus.as_secs_f64() / self.prosody.as_secs_f64().max(0.001)
    }
}

/// Three people meet: everybody accepts, one shares a screen.
async fn meet(number: usize, people: &mut [Person]) {
    let room = format!("room{number}@conference.meet.test");
    let mut ssrc = u32::try_from(number * 10).unwrap_or_default() + 1;
    for (index, person) in people.iter_mut().enumerate() {
        if index == 0 {
            person.ask_for(&room).await;
        }
        person
            .join(&room, &format!("{number:04x}{index:04x}"))
            .await;
    }
    let mut sids = Vec::new();
    for person in people.iter_mut() {
        let offer = person.jingle(Action::SessionInitiate).await;
        person.accept(&offer, ssrc).await;
        sids.push(offer.sid);
        ssrc += 1;
    }
    if let (Some(person), Some(sid)) = (people.first_mut(), sids.first()) {
        let _ = person.add_screen(sid, ssrc).await;
    }
}

async fn measure(program: &Path, rooms: usize, out: &mut impl Write) -> Result<(), Failure> {
    let setup = Setup {
        extra: String::from("log = { error = \"/dev/null\" }\n"),
        ..Setup::default()
    };
    let prosody = Prosody::start(&setup);
    let focus = Focus::start(program, &prosody)?;
    let _bridges = [
        TestBridge::start(&prosody, "b1").await,
        TestBridge::start(&prosody, "b2").await,
    ];
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut groups = Vec::new();
    for _ in 0..rooms {
        let mut group = Vec::new();
        for _ in 0..PEOPLE {
            group.push(Person::guest(&prosody).await);
        }
        groups.push(group);
    }
    let meter = Meter {
        focus: focus.child.id(),
        prosody: prosody.process_id(),
    };
    let before = meter.read()?;
    let mut meeting = Vec::new();
    let mut waiting = groups.into_iter().enumerate();
    loop {
        let mut wave = tokio::task::JoinSet::new();
        for (number, mut group) in waiting.by_ref().take(WAVE) {
            wave.spawn(async move {
                meet(number, &mut group).await;
                group
            });
        }
        if wave.is_empty() {
            break;
        }
        meeting.extend(wave.join_all().await);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let met = meter.read()?;
    tokio::time::sleep(STAY).await;
    let stayed = meter.read()?;
    let resident = memory(meter.focus)?;
    for person in meeting.iter_mut().flatten() {
        person.leave();
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let left = meter.read()?;
    let busy = met.since(&before);
    let idle = stayed.since(&met);
    let leaving = left.since(&stayed);
    writeln!(
        out,
        "{rooms:5} {:6} {:9.2} s {:9.2} s {:5.1} % {:8.2} s {:8.2} s {:8.2} s {:8.2} s {resident:7.1} MiB",
        rooms * PEOPLE,
        busy.focus.as_secs_f64(),
        busy.prosody.as_secs_f64(),
        busy.share(),
        idle.focus.as_secs_f64(),
        idle.prosody.as_secs_f64(),
        leaving.focus.as_secs_f64(),
        leaving.prosody.as_secs_f64(),
    )?;
    out.flush()?;
    for person in meeting.into_iter().flatten() {
        drop(person);
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut program = PathBuf::from("target/release/jitctl-focus");
    let mut sizes = vec![50, 100, 200, 500];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or("each option has a value")?;
        match argument.as_str() {
            "--focus" => program = PathBuf::from(value),
            "--rooms" => {
                sizes = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "                join, accept, share          |  stay for {} s      |  leave              | focus\n\
         rooms people     focus     Prosody   share |   focus    Prosody  |   focus    Prosody  | memory",
        STAY.as_secs()
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    for rooms in sizes {
        runtime.block_on(measure(&program, rooms, &mut out))?;
    }
    Ok(())
}
