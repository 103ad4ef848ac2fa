//! `jitctl logs`: the journals of many hosts as one, in the order of time.
//!
//! One script per host and look; following asks again each second for what came after the last
//! cursor, over the same ssh connection.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use jitctl_transport::{Output, Remote as _, RemoteError, Script, SshRemote, quote};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::journal::{self, Entry};

/// Read the journals of the site's services, merged over hosts by time.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl logs --since '10 min ago'", "what happened lately, everywhere"),
        ("jitctl logs -F --on @bridge --grep brewery", "watch the bridges join"),
        ("jitctl logs --unit jitctl-focus -n 200 --json", "for a program"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Interrupted],
))]
pub(crate) struct Logs {
    /// Which hosts: names, `@role`, `region=…`, `label=…`, `*`, `!` for not; commas between.
    #[arg(long, value_name = "HOSTS")]
    on: Option<String>,

    /// Only this unit; may be given more than once. Without it: all units of the site.
    #[arg(short, long, value_name = "UNIT")]
    unit: Vec<String>,

    /// From when, as `journalctl` understands it.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,

    /// Until when.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,

    /// Only messages that match this regular expression (PCRE2).
    #[arg(short, long, value_name = "PATTERN")]
    grep: Option<String>,

    /// At most so many lines of each host.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 100)]
    lines: u32,

    /// Keep showing what comes.
    #[arg(short = 'F', long)]
    follow: bool,
}

/// The units of a site; those that a host does not have are empty there.
const UNITS: [&str; 6] = [
    "jitctl-bridge",
    "jitctl-focus",
    "prosody",
    "nginx",
    "coturn",
    "jitctl-firewall",
];

const PAUSE: Duration = Duration::from_secs(1);

impl Logs {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let remotes = site.remotes(&site.select(self.on.as_deref())?);
        let mut cursors = BTreeMap::new();
        loop {
            let exit = self.look(context, &remotes, &mut cursors).await;
            if exit == Exit::Failure || !self.follow {
                return Ok(exit);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One look at all hosts; remembers how far each was read.
    async fn look(
        &self,
        context: &Context,
        remotes: &[SshRemote],
        cursors: &mut BTreeMap<String, String>,
    ) -> Exit {
        let scripts = remotes
            .iter()
            .map(|remote| self.script(cursors.get(remote.host().as_str())));
        let looks = remotes.iter().zip(scripts).map(|(remote, script)| async {
            (remote.host().as_str().to_owned(), remote.run(script).await)
        });
        let mut exit = Exit::Success;
        let mut entries = Vec::new();
        for (host, result) in join_all(looks).await {
            match result {
                Ok(output) => {
                    if let Some(complaint) = complaint(&output) {
                        context.printer.warn(&format!("`{host}`: {complaint}"));
                        exit = Exit::Failure;
                    }
                    let (found, cursor) = journal::parse(&host, &output.text());
                    entries.extend(found);
                    if let Some(cursor) = cursor {
                        cursors.insert(host, cursor);
                    }
                }
                Err(error) => {
                    context.printer.warn(&error.to_string());
                    exit = match error {
                        RemoteError::Connect { .. } => Exit::Connect,
                        _ => Exit::Failure,
                    };
                }
            }
        }
        journal::sort(&mut entries);
        if entries.is_empty() && exit == Exit::Success && !self.follow {
            context.printer.note("no message matches");
        }
        for entry in &entries {
            show(context, entry);
        }
        exit
    }

    fn script(&self, cursor: Option<&String>) -> Script {
        let mut line = String::from("journalctl --output=json --show-cursor --no-pager --quiet");
        let mut option = |name: &str, value: &str| {
            let _ = write!(line, " {name}={}", quote(value));
        };
        if self.unit.is_empty() {
            for unit in UNITS {
                option("--unit", unit);
            }
        }
        for unit in &self.unit {
            option("--unit", unit);
        }
        if let Some(pattern) = &self.grep {
            option("--grep", pattern);
        }
        if let Some(until) = &self.until {
            option("--until", until);
        }
        if let Some(cursor) = cursor {
            option("--after-cursor", cursor);
        } else {
            option("--lines", &self.lines.to_string());
            if let Some(since) = &self.since {
                option("--since", since);
            }
        }
        Script::new("read the journal", line, Duration::from_secs(30))
    }
}

/// Why `journalctl` refused. That `--grep` matches nothing is no failure, though its status is 1.
fn complaint(output: &Output) -> Option<String> {
    let said = output.stderr.trim();
    (!output.success() && !said.is_empty()).then(|| said.to_owned())
}

fn show(context: &Context, entry: &Entry) {
    if context.printer.json() {
        context.printer.line(&entry.json());
    } else {
        context.printer.line(&entry.human(context.printer.style()));
    }
}
