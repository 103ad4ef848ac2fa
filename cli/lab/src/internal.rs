//! The hidden subcommands: the lab's own processes are the embedding program, started again.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::error::LabError;
use crate::{base, cgroup, client, dial, holder};

/// Runs a hidden subcommand when `arguments` (with the program's own name) ask for one.
///
/// To be called first in `main`, before any thread starts: these processes change namespaces,
/// which the kernel allows to single-threaded processes only.
pub fn run_internal(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let arguments: Vec<_> = arguments.into_iter().skip(1).collect();
    let (hidden, rest) = arguments.split_first()?;
    let result = match hidden.to_str()? {
        "__lab-dial" => dial::run(rest),
        "__lab-holder" => run_holder(rest),
        _ => return None,
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // No printer here: the reader is ssh's user, or the holder's log.
            let _ = writeln!(std::io::stderr(), "jitctl lab: {error}");
            ExitCode::FAILURE
        }
    })
}

fn run_holder(arguments: &[OsString]) -> Result<(), LabError> {
    let Some((part, rest)) = arguments.split_first() else {
        return Err(LabError::Refused(
            "this command is for jitctl itself".into(),
        ));
    };
    match part.to_str() {
        Some("start") => holder::start(rest),
        Some("hold") => holder::hold(rest),
        Some("boot") => boot(rest),
        Some("client") => client::run(rest),
        Some("base") => base::run_builder(false, rest),
        Some("base-inside") => base::run_builder(true, rest),
        _ => Err(LabError::Refused(
            "this command is for jitctl itself".into(),
        )),
    }
}

/// `boot CGROUP PROGRAM…`: joins the group and becomes the program, in a session of its own.
fn boot(arguments: &[OsString]) -> Result<(), LabError> {
    let [group, program, rest @ ..] = arguments else {
        return Err(LabError::Refused("usage: boot CGROUP PROGRAM...".into()));
    };
    cgroup::join(Path::new(group))?;
    let _ = nix::unistd::setsid();
    let error = Command::new(program).args(rest).exec();
    Err(LabError::system(format!(
        "run `{}`",
        OsStr::new(program).display()
    ))(error))
}
