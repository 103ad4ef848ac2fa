//! Carrying out a plan with everything the operator sees: progress, outcome, evidence.

use std::collections::BTreeMap;
use std::time::Duration;

use jitctl_deploy::executor::{Site, apply};
use jitctl_deploy::lease::Holder;
use jitctl_deploy::proof::Proof;
use jitctl_deploy::{ApplyOptions, ApplyReport, Event, HostOutcome, SitePlan};
use jitctl_inventory::names::HostName;
use miette::Report;
use nix::unistd::{Uid, User};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::call_gate::CallGate;
use crate::context::Context;
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::failure::{Failure, Problem};
use crate::printer::{Cell, Progress, Style, Tone, View, table};

/// How to carry out a plan.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// How many hosts at a time.
    pub(crate) parallel: usize,
    /// Whether one unreachable host keeps all others from being changed.
    pub(crate) require_all: bool,
    /// Whether hosts are asked again whether they are still what the plan was made from.
    pub(crate) check_basis: bool,
    /// How long gates may stay red.
    pub(crate) gate_seconds: u64,
    /// Whether calls are the last gate.
    pub(crate) calls: bool,
}

/// What became of all hosts. As JSON, an object by host.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    changes: usize,
    hosts: &'a BTreeMap<HostName, HostOutcome>,
}

/// Carries out a plan and shows what became of each host.
pub(crate) async fn run(
    context: &Context,
    deployment: &mut Deployment,
    plan: &SitePlan,
    why: &str,
    limits: &Limits,
) -> Result<Exit, Failure> {
    let report = carry_out(context, deployment, plan, why, limits).await;
    let changes = report
        .hosts
        .values()
        .map(|outcome| match outcome {
            HostOutcome::Applied { changes, .. } => *changes,
            _ => 0,
        })
        .sum();
    context.printer.view(&Outcome {
        changes,
        hosts: &report.hosts,
    });
    match Exit::of(report.exit_code()) {
        Exit::Success => Ok(Exit::Success),
        exit => Err(Failure {
            exit,
            reports: reports(&report),
        }),
    }
}

/// Carries out a plan; hosts that gave no facts are in the report as failed.
pub(crate) async fn carry_out(
    context: &Context,
    deployment: &mut Deployment,
    plan: &SitePlan,
    why: &str,
    limits: &Limits,
) -> ApplyReport {
    let mut options = ApplyOptions::new(holder(why));
    options.parallel = limits.parallel;
    options.require_all = limits.require_all;
    options.check_basis = limits.check_basis;
    options.gate_limit = Duration::from_secs(limits.gate_seconds);
    let (sender, receiver) = mpsc::unbounded_channel();
    let shown = tokio::spawn(show(context.printer.progress().clone(), receiver));
    let calls = calls(context, deployment, plan, limits);
    let site = Site {
        hosts: &deployment.hosts,
        facts: &deployment.facts,
        remotes: &deployment.remotes,
        artifacts: &deployment.artifacts,
        secrets: &deployment.vault,
        proof: calls.as_ref().map(|calls| calls as &dyn Proof),
    };
    let mut report = Box::pin(apply(plan, site, &options, &sender)).await;
    drop(sender);
    // The task ends with the channel; only a panic of its own could fail it.
    let warnings = shown.await.unwrap_or_default();
    context.printer.progress().clear();
    for warning in warnings {
        context.printer.warn(&warning);
    }
    if let Some(calls) = &calls {
        calls.tell(context);
    }
    for (host, error) in std::mem::take(&mut deployment.silent) {
        report.add_failure(host, error);
    }
    report
}

/// The last gate of each host, if it is wanted and can be tried.
fn calls<'a>(
    context: &Context,
    deployment: &'a Deployment,
    plan: &SitePlan,
    limits: &Limits,
) -> Option<CallGate<'a>> {
    let gate = limits
        .calls
        .then(|| CallGate::new(context, &deployment.site, plan))?;
    gate.inspect_err(|failure| {
        context
            .printer
            .warn(&format!("no call is tried: {failure}"));
    })
    .ok()
}

/// The outcome of an empty plan.
pub(crate) fn unchanged(plan: &SitePlan) -> impl View {
    Unchanged {
        changes: 0,
        hosts: plan
            .hosts
            .iter()
            .map(|host| (host.host.clone(), HostOutcome::Unchanged))
            .collect(),
    }
}

#[derive(Debug, Serialize)]
struct Unchanged {
    changes: usize,
    hosts: BTreeMap<HostName, HostOutcome>,
}

impl View for Unchanged {
    fn human(&self, _: Style) -> String {
        format!("0 changes: {} as the inventory says", are(self.hosts.len()))
    }
}

fn are(hosts: usize) -> String {
    if hosts == 1 {
        "1 host is".to_owned()
    } else {
        format!("{hosts} hosts are")
    }
}

/// Shows events until the channel closes; gives back the warnings, for after the bars.
async fn show(progress: Progress, mut events: mpsc::UnboundedReceiver<Event>) -> Vec<String> {
    let mut warnings = Vec::new();
    while let Some(event) = events.recv().await {
        match event {
            Event::Started {
                host,
                title,
                done,
                total,
                ..
            } => progress.step(host.as_str(), done as u64, total as u64, title),
            Event::Finished {
                host,
                phase,
                duration,
            } => tracing::info!(%host, ?phase, seconds = duration.as_secs_f64(), "phase done"),
            Event::Warning { host, text } => warnings.push(format!("{host}: {text}")),
            Event::HostDone { host, ok } => {
                progress.finish(host.as_str(), if ok { "done" } else { "failed" });
            }
        }
    }
    warnings
}

/// Who we are, for the leases.
pub(crate) fn holder(why: &str) -> Holder {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("SUDO_USER")
        .or_else(|| variable("USER"))
        .or_else(|| Some(User::from_uid(Uid::current()).ok()??.name))
        .unwrap_or_else(|| "somebody".into());
    let machine = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let started = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Holder {
        id: format!("{}-{}", std::process::id(), started.as_nanos()),
        who: format!("{user}@{}", machine.trim()),
        why: format!("jitctl {why}"),
    }
}

/// One report per failed host: what, the lines that explain it, the cure.
pub(crate) fn reports(report: &ApplyReport) -> Vec<Report> {
    report
        .hosts
        .values()
        .filter_map(|outcome| match outcome {
            HostOutcome::Failed { error } => {
                let mut message = error.to_string();
                for line in error.evidence() {
                    message.push_str("\n  | ");
                    message.push_str(line);
                }
                Some(Report::new(Problem::new(message).help(error.remedy())))
            }
            _ => None,
        })
        .collect()
}

impl View for Outcome<'_> {
    fn human(&self, style: Style) -> String {
        let rows = self
            .hosts
            .iter()
            .map(|(host, outcome)| {
                let (state, note) = match outcome {
                    HostOutcome::Unchanged => (Cell::from("unchanged"), String::new()),
                    HostOutcome::Applied {
                        release,
                        changes,
                        duration,
                    } => (
                        Cell::toned("applied", Tone::Good),
                        format!(
                            "{changes} changes, release {release}, {:.1} s",
                            duration.as_secs_f64()
                        ),
                    ),
                    HostOutcome::Skipped { because } => {
                        (Cell::toned("skipped", Tone::Warn), because.clone())
                    }
                    HostOutcome::Failed { error } => {
                        (Cell::toned("failed", Tone::Bad), error.to_string())
                    }
                };
                vec![host.as_str().into(), state, note.into()]
            })
            .collect();
        table(style, &["host", "result", ""], rows)
    }
}
