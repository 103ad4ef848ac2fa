//! `jitctl lab status`.

use std::fmt::Write as _;

use jitctl_lab::{Fault, HostState, Lab, LabStatus};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::printer::{Cell, Style, Tone, View, table};

/// Show the lab's hosts, what they do, and what is broken on purpose.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl lab status", "a table"),
        ("ssh -F $(jitctl lab status --json | jq -r .ssh_config) h1", "plain ssh to a host"),
    ],
    &[Exit::Success, Exit::Failure],
))]
pub(super) struct Status {}

impl Status {
    #[expect(clippy::unused_self, reason = "every command runs from its arguments")]
    pub(super) fn run(&self, context: &Context, lab: &Lab) -> Result<Exit, Failure> {
        context.printer.view(&lab.status()?);
        Ok(Exit::Success)
    }
}

impl View for LabStatus {
    fn human(&self, style: Style) -> String {
        if !self.up {
            return format!(
                "lab `{}` is not up; start it with `jitctl lab up`",
                self.name
            );
        }
        let rows = self
            .hosts
            .iter()
            .map(|host| {
                let state = match host.state {
                    HostState::Running => Cell::toned("running", Tone::Good),
                    HostState::Off => Cell::toned("off", Tone::Bad),
                    HostState::Hung => Cell::toned("hung", Tone::Warn),
                };
                let disk = host
                    .spec
                    .disk_mebibytes
                    .map_or_else(|| "shared".to_owned(), |size| format!("{size} MiB"));
                let broken: Vec<String> = self
                    .faults
                    .iter()
                    .filter(|fault| fault.host() == Some(&host.spec.name))
                    .map(words)
                    .collect();
                vec![
                    host.spec.name.as_str().into(),
                    host.spec.address.to_string().into(),
                    state,
                    disk.into(),
                    Cell::toned(broken.join(", "), Tone::Warn),
                ]
            })
            .collect();
        let mut text = table(style, &["host", "address", "state", "disk", "broken"], rows);
        for fault in self.faults.iter().filter(|fault| fault.host().is_none()) {
            let _ = write!(text, "\n{} {}", style.warn("broken:"), words(fault));
        }
        text
    }
}

/// A fault in words.
pub(super) fn words(fault: &Fault) -> String {
    match fault {
        Fault::Loss { percent, .. } => format!("{percent} % of packets lost"),
        Fault::Delay {
            milliseconds,
            jitter_milliseconds,
            ..
        } => format!("packets {milliseconds}±{jitter_milliseconds} ms late"),
        Fault::Rate { kilobits, .. } => format!("link limited to {kilobits} kbit/s"),
        Fault::Block { port, .. } => format!("port {port} blocked"),
        Fault::Cut { .. } => "cable pulled".into(),
        Fault::Hang { .. } => "hung".into(),
        Fault::PowerOff { .. } => "powered off".into(),
        Fault::DnsSilent { .. } => "DNS silent".into(),
        Fault::DnsWrong { name, address } => format!("DNS says {name} is {address}"),
        Fault::Registry { cached: true } => "package servers gone, cache answers".into(),
        Fault::Registry { cached: false } => "package servers gone".into(),
        Fault::Clock { offset_seconds, .. } => format!("clock off by {offset_seconds} s"),
        Fault::DiskFull { .. } => "disk full".into(),
        other => format!("{other:?}"),
    }
}
