//! Starting and reaping processes as the first process of a namespace.
//!
//! The first process inherits every orphan, so one thread reaps all children, ours and theirs,
//! and hands the exit of ours to whoever waits. A child is started and noted under one lock, and
//! the reaper takes that lock before it reaps: no exit is ever lost or stolen.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::locked;
use crate::error::LabError;
use crate::process::{describe, last_lines};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Code(i32),
    Signal(i32),
}

/// All children of the holder.
#[derive(Debug, Default)]
pub(super) struct Children {
    awaited: Mutex<HashMap<Pid, mpsc::Sender<Exit>>>,
    started: Condvar,
}

impl Children {
    /// Starts a process; its exit comes through the channel.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<mpsc::Receiver<Exit>> {
        let (sender, receiver) = mpsc::channel();
        let mut awaited = locked(&self.awaited);
        let child = command.spawn()?;
        let id = i32::try_from(child.id()).map_err(io::Error::other)?;
        awaited.insert(Pid::from_raw(id), sender);
        self.started.notify_all();
        Ok(receiver)
    }

    /// Runs a program to its end and gives what it said.
    pub(super) fn run(&self, command: &mut Command, input: &str) -> Result<String, LabError> {
        let description = describe(command);
        let broken = || LabError::system::<io::Error>(format!("run `{description}`"));
        let (mut said, says) = io::pipe().map_err(broken())?;
        let (hears, mut tell) = io::pipe().map_err(broken())?;
        command
            .stdout(says.try_clone().map_err(broken())?)
            .stderr(says)
            .stdin(hears);
        let exit = self.spawn(command).map_err(broken())?;
        // The command keeps our copies of the child's ends open: drop them.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let _ = tell.write_all(input.as_bytes());
        drop(tell);
        let mut output = Vec::new();
        said.read_to_end(&mut output).map_err(broken())?;
        let output = String::from_utf8_lossy(&output).into_owned();
        let status = match exit.recv() {
            Ok(Exit::Code(0)) => return Ok(output),
            Ok(Exit::Code(code)) => format!("exit status: {code}"),
            Ok(Exit::Signal(signal)) => format!("signal: {signal}"),
            Err(_) => "its exit was lost".into(),
        };
        Err(LabError::Command {
            command: description,
            status,
            output: last_lines(&output, 8),
        })
    }

    /// Starts the thread that reaps every child for as long as the holder lives.
    pub(super) fn start_reaper(self: &Arc<Self>) {
        let children = Arc::clone(self);
        std::thread::spawn(move || {
            loop {
                children.reap_one();
            }
        });
    }

    fn reap_one(&self) {
        // Look without reaping: `spawn` itself reaps a child whose program could not be started.
        match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Ok(_) => {}
            Err(Errno::ECHILD) => {
                let awaited = locked(&self.awaited);
                drop(
                    self.started
                        .wait_timeout(awaited, Duration::from_millis(200)),
                );
                return;
            }
            Err(_) => return,
        }
        let mut awaited = locked(&self.awaited);
        let (child, exit) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(child, code)) => (child, Exit::Code(code)),
            Ok(WaitStatus::Signaled(child, signal, _)) => (child, Exit::Signal(signal as i32)),
            _ => return,
        };
        if let Some(sender) = awaited.remove(&child) {
            let _ = sender.send(exit);
        }
    }
}
