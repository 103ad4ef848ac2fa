//! The lab without the rest of jitctl, for its own tests and for work on it.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use jitctl_lab::{ExecTarget, Fault, HostName, Lab, LabError, UpOptions, run_internal};

const USAGE: &str = "\
usage: jitctl-lab NAME COMMAND
  up [N|HOST,HOST...] [--disk MEBIBYTES] [--offline] [--ephemeral]
  down | status | reboot HOST | add HOST
  ssh HOST [COMMAND...] | exec HOST|client COMMAND...
  name NAME [ADDRESS]            (without an address: forget)
  fault JSON                     (such as '{\"fault\":\"cut\",\"host\":\"h2\"}')
  clear [HOST]
";

fn main() -> ExitCode {
    if let Some(code) = run_internal(std::env::args_os()) {
        return code;
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<_> = arguments
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "--")
        .collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error}"));
            if let Some(remedy) = error.remedy() {
                say(&format!("  help: {remedy}"));
            }
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<ExitCode, LabError> {
    let [name, command, rest @ ..] = words else {
        say(USAGE);
        return Ok(ExitCode::from(3));
    };
    let lab = Lab::open(&name.parse()?)?;
    match (*command, rest) {
        ("up", options) => up(&lab, options)?,
        ("down", []) => lab.down(&mut tell)?,
        ("status", []) => show(&lab)?,
        ("add", [host]) => lab.add_host(&host.parse()?, None, &mut tell)?,
        ("reboot", [host]) => lab.reboot(&host.parse()?)?,
        ("name", [name]) => lab.set_name(name, None)?,
        ("name", [name, address]) => match address.parse() {
            Ok(address) => lab.set_name(name, Some(address))?,
            Err(_) => return Ok(usage()),
        },
        ("fault", [json]) => match serde_json::from_str::<Fault>(json) {
            Ok(fault) => lab.fault(fault)?,
            Err(error) => {
                say(&error.to_string());
                return Ok(usage());
            }
        },
        ("clear", []) => lab.clear_faults(None)?,
        ("clear", [host]) => lab.clear_faults(Some(&host.parse()?))?,
        ("ssh", [host, command @ ..]) => {
            return run_command(lab.ssh_command(&host.parse()?, command)?);
        }
        ("exec", ["client", command @ ..]) if !command.is_empty() => {
            return run_command(lab.exec_command(&ExecTarget::Client, command)?);
        }
        ("exec", [host, command @ ..]) if !command.is_empty() => {
            let target = ExecTarget::Host(host.parse()?);
            return run_command(lab.exec_command(&target, command)?);
        }
        _ => return Ok(usage()),
    }
    Ok(ExitCode::SUCCESS)
}

fn up(lab: &Lab, words: &[&str]) -> Result<(), LabError> {
    let mut options = UpOptions::numbered(3);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--disk" => options.disk_mebibytes = words.next().and_then(|size| size.parse().ok()),
            "--offline" => options.offline = true,
            "--ephemeral" => options.ephemeral = true,
            word => match word.parse() {
                Ok(number) => options.hosts = UpOptions::numbered(number).hosts,
                Err(_) => {
                    options.hosts = word
                        .split(',')
                        .map(str::parse)
                        .collect::<Result<Vec<HostName>, _>>()?;
                }
            },
        }
    }
    let running = lab.up(&options, &mut tell)?;
    if options.ephemeral {
        say("ephemeral: ends with this program; close its input to end it");
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    }
    drop(running);
    Ok(())
}

fn show(lab: &Lab) -> Result<(), LabError> {
    let status = lab.status()?;
    let text = serde_json::to_string_pretty(&status).unwrap_or_default();
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

fn run_command(mut command: std::process::Command) -> Result<ExitCode, LabError> {
    let status = command.status().map_err(|source| LabError::System {
        action: "run the command".into(),
        source,
    })?;
    Ok(ExitCode::from(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1),
    ))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "an observer is given its events"
)]
fn tell(event: jitctl_lab::Event) {
    say(&serde_json::to_string(&event).unwrap_or_default());
}

fn usage() -> ExitCode {
    say(USAGE);
    ExitCode::from(3)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
