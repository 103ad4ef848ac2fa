//! Running programs of the outer machine outside the holder, and telling processes apart.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

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
pub(crate) fn run(command: &mut Command, input: Option<&str>) -> Result<String, LabError> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut start = || -> std::io::Result<Output> {
        let mut child = command.spawn()?;
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            // A program that ends early says why itself; the broken pipe adds nothing.
            let _ = pipe.write_all(input.as_bytes());
        }
        child.wait_with_output()
    };
    let output = start();
    let output = output.map_err(|source| LabError::System {
        action: format!("run `{}`", describe(command)),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Command {
        command: describe(command),
        status: output.status.to_string(),
        output: last_lines(&String::from_utf8_lossy(&output.stderr), 15),
    })
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
        let error = run(command("sh").args(["-c", "echo reason >&2; exit 3"]), None).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("reason") && text.contains("exit status: 3"),
            "{text}"
        );
    }

    #[test]
    fn input_reaches_the_command() {
        assert_eq!(run(&mut command("cat"), Some("words")).unwrap(), "words");
    }
}
