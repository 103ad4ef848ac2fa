//! `jitctl exec`: one command on many hosts at once, as root.

use std::time::Duration;

use futures_util::future::join_all;
use jitctl_transport::{Remote as _, RemoteError, Script, quote};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::printer::{Style, View};

/// Run a command on hosts, as root, and show what each of them answered.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl exec -- uptime", "on every host"),
        ("jitctl exec --on @bridge -- systemctl restart jitctl-bridge", "on the bridges"),
        ("jitctl exec --on m1 -- 'journalctl -u prosody | tail -3'", "one argument is a shell line"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Interrupted],
))]
pub(crate) struct Exec {
    /// Which hosts: names, `@role`, `region=…`, `label=…`, `*`, `!` for not; commas between.
    #[arg(long, value_name = "HOSTS")]
    on: Option<String>,

    /// How long the command may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,

    /// The command and its arguments; one argument alone is a line for the shell.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "COMMAND"
    )]
    command: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Answers {
    hosts: Vec<Answer>,
}

#[derive(Debug, Serialize)]
struct Answer {
    host: String,
    /// Exit status; none when it could not be run or a signal ended it.
    status: Option<i32>,
    stdout: String,
    stderr: String,
    error: Option<String>,
}

impl Exec {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let line = match self.command.as_slice() {
            [line] => line.clone(),
            words => words
                .iter()
                .map(|word| quote(word))
                .collect::<Vec<_>>()
                .join(" "),
        };
        let title = format!("run `{line}`");
        let script = Script::new(title, line, Duration::from_secs(self.timeout));
        let remotes = site.remotes(&site.select(self.on.as_deref())?);
        let results = join_all(remotes.iter().map(|remote| remote.run(script.clone()))).await;
        let mut unreachable = false;
        let hosts = remotes
            .iter()
            .zip(results)
            .map(|(remote, result)| {
                unreachable |= matches!(result, Err(RemoteError::Connect { .. }));
                answer(remote.host().as_str(), result)
            })
            .collect();
        let answers = Answers { hosts };
        context.printer.view(&answers);
        Ok(answers.exit(unreachable))
    }
}

fn answer(host: &str, result: Result<jitctl_transport::Output, RemoteError>) -> Answer {
    match result {
        Ok(output) => Answer {
            host: host.to_owned(),
            status: output.status,
            stdout: output.text(),
            stderr: output.stderr,
            error: None,
        },
        Err(error) => Answer {
            host: host.to_owned(),
            status: None,
            stdout: String::new(),
            stderr: String::new(),
            error: Some(error.to_string()),
        },
    }
}

impl Answers {
    fn exit(&self, unreachable: bool) -> Exit {
        if unreachable {
            Exit::Connect
        } else if self.hosts.iter().all(|answer| answer.status == Some(0)) {
            Exit::Success
        } else {
            Exit::Failure
        }
    }
}

impl View for Answers {
    fn human(&self, style: Style) -> String {
        let mut lines = Vec::new();
        for answer in &self.hosts {
            let host = style.bold(&format!("{}:", answer.host));
            let text = answer.stdout.lines().chain(answer.stderr.lines());
            lines.extend(text.map(|line| format!("{host} {line}")));
            match (&answer.error, answer.status) {
                (Some(error), _) => lines.push(format!("{host} {}", style.bad(error))),
                (None, Some(0)) if answer.stdout.is_empty() && answer.stderr.is_empty() => {
                    lines.push(format!("{host} {}", style.dim("done, no output")));
                }
                (None, Some(0)) => {}
                (None, Some(status)) => {
                    lines.push(format!(
                        "{host} {}",
                        style.bad(&format!("exit status {status}"))
                    ));
                }
                (None, None) => lines.push(format!("{host} {}", style.bad("ended by a signal"))),
            }
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Answers};
    use crate::exit::Exit;
    use crate::printer::{Style, View as _};

    fn answer(host: &str, status: Option<i32>, stdout: &str) -> Answer {
        Answer {
            host: host.to_owned(),
            status,
            stdout: stdout.to_owned(),
            stderr: String::new(),
            error: None,
        }
    }

    #[test]
    fn every_line_names_its_host_and_failures_are_said() {
        let answers = Answers {
            hosts: vec![
                answer("b1", Some(0), "one\ntwo\n"),
                answer("b2", Some(3), ""),
                answer("m1", Some(0), ""),
            ],
        };
        assert_eq!(
            answers.human(Style::PLAIN),
            "b1: one\nb1: two\nb2: exit status 3\nm1: done, no output"
        );
        assert_eq!(answers.exit(false), Exit::Failure);
        assert_eq!(answers.exit(true), Exit::Connect);
    }
}
