//! Running programs of the outer machine outside the holder, and telling processes apart.

use std::fs;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::error::LabError;

/// The search path for every program that the lab starts, whatever the caller's is.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command that sees the system's programs and no input.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end; its output when it succeeded, an error with its words when not.
pub(crate) fn run(command: &mut Command) -> Result<String, LabError> {
    command.stdin(Stdio::null());
    run_with_input(command)
}

/// Runs one of the lab's own processes that calls [`die_with_parent`]: it ends with us.
pub(crate) fn run_tied(command: &mut Command) -> Result<String, LabError> {
    command.stdin(Stdio::piped());
    run_with_input(command)
}

fn run_with_input(command: &mut Command) -> Result<String, LabError> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let spawned = command.spawn();
    let failed = |source| LabError::System {
        action: format!("run `{}`", describe(command)),
        source,
    };
    let mut child = spawned.map_err(failed)?;
    // Open until the end, whoever ends first.
    let _input = child.stdin.take();
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Command {
        command: describe(command),
        status: output.status.to_string(),
        output: last_lines(&String::from_utf8_lossy(&output.stderr), 15),
    })
}

/// Ends this process when its parent dies, also when that happened just now.
///
/// Standard input must be a pipe that the parent holds open, as [`run_tied`] arranges.
pub(crate) fn die_with_parent() -> Result<(), LabError> {
    set_pdeathsig(Signal::SIGKILL).map_err(LabError::system("tie a process to its parent"))?;
    let input = std::io::stdin();
    let mut watched = [PollFd::new(input.as_fd(), PollFlags::POLLHUP)];
    poll(&mut watched, PollTimeout::ZERO).map_err(LabError::system("look at the parent"))?;
    let events = watched[0].revents().unwrap_or(PollFlags::empty());
    if events.contains(PollFlags::POLLHUP) {
        return Err(LabError::Refused(
            "the command that wanted this has ended".into(),
        ));
    }
    Ok(())
}

/// The program and its first arguments, for messages.
pub(crate) fn describe(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args().take(8) {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// The end of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// When the process started, in clock ticks since boot: with its id, an identity that a
/// recycled id does not share. `None` when it is gone or a zombie.
pub(crate) fn start_time(process: i32) -> Option<u64> {
    parse_start_time(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

fn parse_start_time(stat: &str) -> Option<u64> {
    // The command's name is in parentheses and may itself hold spaces and parentheses.
    let mut fields = stat.rsplit_once(") ")?.1.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_a_nasty_command_name() {
        let stat = "7 (a) R (b) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9";
        assert_eq!(parse_start_time(stat), Some(4711));
        assert_eq!(parse_start_time(&stat.replace(") S", ") Z")), None);
        assert_eq!(parse_start_time(""), None);
    }

    #[test]
    fn a_failed_command_tells_its_last_words() {
        let error = run(command("sh").args(["-c", "echo reason >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("reason") && text.contains("exit status: 3"),
            "{text}"
        );
    }
}
