//! How commands talk to the holder: one JSON line each way on a socket in the state directory.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::LabError;
use crate::fault::Fault;
use crate::host::{HostName, HostSpec, HostStatus};
use crate::paths::LabPaths;
use crate::{files, process};

/// What a command asks of the holder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(crate) enum Request {
    /// What runs, and which faults are there.
    Status,
    /// Make the host's tree if needed and boot it, unless it runs.
    StartHost { host: HostSpec },
    /// Wait until the host's sshd speaks.
    WaitForSsh { host: HostName, milliseconds: u64 },
    /// Make a name known to the lab's name server; without an address, forget it.
    SetName {
        name: String,
        address: Option<Ipv4Addr>,
    },
    /// Break something.
    Fault { fault: Fault },
    /// Mend what matches: all, or everything of one host, or all that is not of a host.
    Clear { what: ClearWhat },
}

/// Which faults to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClearWhat {
    All,
    Host(HostName),
    Exactly(Fault),
}

/// What the holder answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(crate) enum Reply {
    Done,
    Silent,
    Status {
        hosts: Vec<HostStatus>,
        faults: Vec<Fault>,
    },
    Refused {
        reason: String,
        remedy: Option<String>,
    },
}

/// Binds the holder's socket.
///
/// Through the directory's descriptor, because a socket's path has room for 108 bytes only.
pub(crate) fn listen(paths: &LabPaths) -> Result<UnixListener, LabError> {
    let socket = paths.control_socket();
    let _ = std::fs::remove_file(&socket);
    through_directory(&socket, |short| UnixListener::bind(short))
        .map_err(LabError::file("use the socket", socket))
}

fn through_directory<T>(
    socket: &Path,
    open: impl FnOnce(&Path) -> std::io::Result<T>,
) -> std::io::Result<T> {
    let directory = File::open(socket.parent().unwrap_or(Path::new("/")))?;
    let name = socket.file_name().unwrap_or_default();
    open(
        &Path::new("/proc/self/fd")
            .join(directory.as_raw_fd().to_string())
            .join(name),
    )
}

/// Asks the holder and waits for its answer.
pub(crate) fn ask(paths: &LabPaths, request: &Request) -> Result<Reply, LabError> {
    if !is_up(paths) {
        return Err(LabError::NotUp(paths.name()));
    }
    match exchange(paths, request) {
        Ok(Reply::Refused {
            reason,
            remedy: Some(remedy),
        }) => Err(LabError::FaultUnavailable {
            problem: reason,
            remedy,
        }),
        Ok(Reply::Refused {
            reason,
            remedy: None,
        }) => Err(LabError::Refused(reason)),
        Ok(reply) => Ok(reply),
        Err(_) if dies_now(paths) => Err(LabError::NotUp(paths.name())),
        Err(error) => Err(LabError::system("talk to the lab's first process")(error)),
    }
}

fn exchange(paths: &LabPaths, request: &Request) -> std::io::Result<Reply> {
    let socket = paths.control_socket();
    let stream = through_directory(&socket, |short| UnixStream::connect(short))?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    (&stream).write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// Whether the holder that did not answer is on its way out: a dying one keeps its lock until
/// the kernel has ended all of the lab.
fn dies_now(paths: &LabPaths) -> bool {
    let start = Instant::now();
    while is_up(paths) {
        if start.elapsed() > Duration::from_secs(2) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Whether a holder of this lab lives.
pub(crate) fn is_up(paths: &LabPaths) -> bool {
    files::is_locked(&paths.holder_lock())
}

/// The holder's process id as the outer machine sees it.
pub(crate) fn holder_process(paths: &LabPaths) -> Result<i32, LabError> {
    let not_up = || LabError::NotUp(paths.name());
    if !is_up(paths) {
        return Err(not_up());
    }
    let text = files::read(&paths.holder_pid())?;
    let mut words = text.split_ascii_whitespace();
    let process: i32 = words
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(not_up)?;
    let started: u64 = words
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(not_up)?;
    if process::start_time(process) == Some(started) {
        Ok(process)
    } else {
        Err(not_up())
    }
}

/// Waits until a fresh holder answers; gives up when `is_doomed` says that it ended.
pub(crate) fn wait_until_ready(
    paths: &LabPaths,
    patience: Duration,
    is_doomed: impl Fn() -> bool,
) -> Result<(), LabError> {
    let start = Instant::now();
    loop {
        if is_up(paths) && exchange(paths, &Request::Status).is_ok() {
            return Ok(());
        }
        if is_doomed() || start.elapsed() > patience {
            return Err(LabError::HolderFailed(files::tail(&paths.holder_log(), 5)));
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}
