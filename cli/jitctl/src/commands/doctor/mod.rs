//! `jitctl doctor`: looks at every host once and names the cause and the cure.

mod bundle;
mod fix;
mod foreign;
mod junit;
mod prometheus;
mod view;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use jitctl_doctor::{Examination, Finding, Observation, Patient, Report, Stage, diagnose, examine};
use jitctl_inventory::names::HostName;
use jitctl_templates::Renderer;
use jitctl_transport::{Remote, SshOptions, SshRemote};

use crate::calls;
use crate::context::Context;
use crate::deployment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::meeting;
use crate::site::Site;
use crate::vault;
pub(super) use foreign::look_at_foreign;
use view::ReportView;

/// How long TCP and the banner of ssh may take; the whole login has twice that, so that a host that
/// is away is named within five seconds.
const CONNECT: Duration = Duration::from_millis(2400);

/// How long a call may take to come about.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// [`CONNECT`], or three times as long while this machine has twice the work that it can do: then a
/// slow login says nothing about the host.
fn connect_deadline() -> Duration {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load
        .split(' ')
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let bearable = 2 * u32::try_from(processors).unwrap_or(u32::MAX / 2);
    if load > f64::from(bearable) {
        CONNECT * 3
    } else {
        CONNECT
    }
}

/// How long the end of the connections may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// Look at every host and name what is wrong, why, and the command that cures it.
///
/// Nothing is changed without `--fix`. One script a host, and probes that speak the real protocols
/// from where it matters: XMPP logins with each host's own credentials, TLS, HTTP, WebSocket.
/// What only follows from another finding is folded under it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl doctor", "everything"),
        ("jitctl doctor --on b2 --fix", "one host, and cure what can be cured safely"),
        ("jitctl doctor --watch", "again and again, until Ctrl-C"),
        ("jitctl doctor --prometheus /var/lib/prometheus/node-exporter/jitctl.prom", "from a timer, for alerts"),
        ("jitctl doctor --json | jq -r '.findings[0].code'", "for a monitor"),
        ("jitctl doctor --foreign root@meet.example.org", "a Jitsi that others set up"),
        ("jitctl explain X01", "what a code means"),
    ],
    &[
        Exit::Success, Exit::Failure, Exit::Usage, Exit::Findings, Exit::Connect, Exit::Interrupted,
    ],
))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct Doctor {
    /// Which hosts: names, `@role`, `region=…`, `label=…`, `*`, `!` for not; commas between.
    #[arg(long, value_name = "HOSTS")]
    on: Option<String>,

    /// Cure what can be cured safely, then look again.
    #[arg(long)]
    fix: bool,

    /// Also make a call of two through each bridge, from this machine.
    #[arg(long, conflicts_with = "watch")]
    call: bool,

    /// Look again and again; print the report when findings come or go, as JSON one line each time.
    #[arg(long, conflicts_with = "fix")]
    watch: bool,

    /// Seconds between two looks with `--watch`.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "watch")]
    interval: u64,

    /// Also write the findings as JUnit XML, for CI.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Also write the findings as a Prometheus textfile; with `--watch` after every look.
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,

    /// Also write a report with every secret masked, safe to post in public.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,

    #[command(flatten)]
    foreign: foreign::Foreign,

    /// Print the JSON Schema of the report and look at nothing.
    #[arg(long, exclusive = true)]
    schema: bool,
}

impl Doctor {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        if self.schema {
            let text = serde_json::to_string_pretty(&jitctl_doctor::report_schema());
            context.printer.line(&text.unwrap_or_default());
            return Ok(Exit::Success);
        }
        if !self.foreign.hosts.is_empty() {
            let report = self.foreign.look().await;
            self.write_metrics(&report)?;
            self.write_files(context, &report)?;
            context.printer.view(&ReportView(&report));
            return Ok(exit(&report));
        }
        let practice = Practice::open(context, self.on.as_deref())?;
        if self.watch {
            return self.watch(context, &practice).await;
        }
        let mut report = practice.look(context).await;
        if self.fix && !report.findings.is_empty() {
            fix::carry_out(context, &practice, &report.findings).await?;
            report = practice.look(context).await;
        }
        self.write_metrics(&report)?;
        self.write_files(context, &report)?;
        if !self.call {
            context.printer.view(&ReportView(&report));
            return Ok(exit(&report));
        }
        let meeting = meeting::public_site(context, &practice.site, None)?;
        let calls = calls::through_each(
            context,
            &practice.site,
            &practice.names,
            &meeting,
            CALL_LIMIT,
        )
        .await?;
        context.printer.view(&view::WithCalls::new(&report, &calls));
        Ok(match exit(&report) {
            Exit::Success => calls.exit(),
            found => found,
        })
    }

    async fn watch(&self, context: &Context, practice: &Practice) -> Result<Exit, Failure> {
        let mut last = None;
        loop {
            let report = practice.look(context).await;
            self.write_metrics(&report)?;
            let found: Vec<_> = report.findings.iter().map(identity).collect();
            if last.as_ref() != Some(&found) {
                self.write_files(context, &report)?;
                context.printer.next_view(&ReportView(&report));
                last = Some(found);
            }
            tokio::time::sleep(Duration::from_secs(self.interval)).await;
        }
    }

    fn write_metrics(&self, report: &Report) -> Result<(), Failure> {
        let Some(path) = &self.prometheus else {
            return Ok(());
        };
        let text = prometheus::text(report, SystemTime::now());
        prometheus::replace(path, &text).map_err(|error| unwritable(path, &error))
    }

    fn write_files(&self, context: &Context, report: &Report) -> Result<(), Failure> {
        if let Some(path) = &self.junit {
            write(path, &junit::text(report))?;
        }
        if let Some(path) = &self.bundle {
            let text = bundle::text(report);
            write(path, &context.printer.mask().apply(&text))?;
            context.printer.note(&format!(
                "`{}` holds no secret of the site; look through it before you post it",
                path.display()
            ));
        }
        Ok(())
    }
}

fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::usage(
        format!("cannot write `{}`: {error}", path.display()),
        "give a path that you may write to",
    )
}

/// What makes a finding the same as in an earlier look, whatever numbers it shows.
fn identity(finding: &Finding) -> (&'static str, Option<HostName>) {
    (finding.code, finding.host.clone())
}

/// 0 healthy, 4 findings; 5 when no host at all could be looked into.
fn exit(report: &Report) -> Exit {
    if !report.hosts.is_empty() && report.unseen.len() == report.hosts.len() {
        Exit::Connect
    } else if report.findings.is_empty() {
        Exit::Success
    } else {
        Exit::Findings
    }
}

/// The opened site with its hosts and what they should look like.
struct Practice {
    site: Site,
    names: Vec<HostName>,
    renderer: Renderer,
}

impl Practice {
    fn open(context: &Context, on: Option<&str>) -> Result<Self, Failure> {
        let site = context.open()?;
        let names = site.select(on)?;
        // Opening the secrets teaches the printer what to mask.
        let vault = vault::open(context)?;
        let renderer = deployment::renderer(context, &vault.store)?;
        Ok(Self {
            site,
            names,
            renderer,
        })
    }

    /// Looks at all hosts once, with connections of its own.
    async fn look(&self, context: &Context) -> Report {
        let options = SshOptions {
            connect_deadline: connect_deadline(),
            ..SshOptions::default()
        };
        let mut remotes = Vec::new();
        let mut patients = Vec::new();
        for name in &self.names {
            let remote = Arc::new(SshRemote::new(
                name.clone(),
                self.site.ssh(name),
                options.clone(),
            ));
            match self.renderer.desired_host(self.site.inventory(), name) {
                Ok(desired) => patients.push(Patient {
                    remote: Arc::clone(&remote) as Arc<dyn Remote>,
                    desired,
                }),
                Err(error) => context.printer.warn(&error.to_string()),
            }
            remotes.push(remote);
        }
        let progress = context.printer.progress();
        let watcher = |host: &HostName, stage: Stage| match stage {
            Stage::Connect => progress.step(host.as_str(), 0, 3, "connect"),
            Stage::Look => progress.step(host.as_str(), 1, 3, "look"),
            Stage::Probe => progress.step(host.as_str(), 2, 3, "probe"),
            Stage::Done => progress.finish(host.as_str(), "seen"),
            Stage::Away => progress.finish(host.as_str(), "not seen"),
        };
        let examination = Examination {
            inventory: self.site.inventory(),
            patients,
            watcher: &watcher,
        };
        let observation = Box::pin(examine(&examination)).await;
        progress.clear();
        drop(examination);
        // Masters that do not end now do so by themselves after a minute.
        let farewell = join_all(remotes.iter().map(|remote| remote.close()));
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        report(&observation)
    }
}

fn report(observation: &Observation) -> Report {
    Report {
        version: 1,
        hosts: observation.hosts.keys().cloned().collect(),
        unseen: observation
            .hosts
            .iter()
            .filter(|(_, sight)| sight.facts.is_err())
            .map(|(name, _)| name.clone())
            .collect(),
        elapsed_ms: u64::try_from(observation.elapsed.as_millis()).unwrap_or(u64::MAX),
        findings: diagnose(observation),
    }
}
