//! One host, phase by phase, in two halves: [`prepare`] and [`Run::switch_over`].
//!
//! Up to `Check` nothing of ours is in place: a failure there throws the staged bytes away. From
//! `Activate` on, a failure puts the kept state back. A broken link leaves the rest to the next
//! apply, which finds what is in place but not recorded.

use std::time::{Duration, Instant};

use jitctl_inventory::names::HostName;
use jitctl_transport::{Output, Remote, RemoteError, Script};
use tokio::sync::mpsc::UnboundedSender;

use super::{ApplyOptions, Event, HostError, HostOutcome, Site, gather_one, unknown};
use crate::facts::Facts;
use crate::gates::{self, RedGate};
use crate::plan::{HostPlan, SitePlan};
use crate::resolved::ResolvedHost;
use crate::steps::{self, Context, Phase};
use crate::{firewall, lease};

/// What one host's phases share.
pub(super) struct Run<'a> {
    pub(super) remote: &'a dyn Remote,
    pub(super) context: Context<'a>,
    facts: &'a Facts,
    pub(super) site: Site<'a>,
    pub(super) options: &'a ApplyOptions,
    events: &'a UnboundedSender<Event>,
    pub(super) total: usize,
    pub(super) done: usize,
    /// Time spent on this host; waiting for others does not count.
    spent: Duration,
}

/// How a phase ended when not well.
pub(super) enum Stop {
    /// Nothing to undo, or no way to.
    Error(HostError),
    /// Something is red.
    Red(RedGate),
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        Self::Error(error)
    }
}

impl From<RemoteError> for Stop {
    fn from(error: RemoteError) -> Self {
        Self::Error(HostError::Remote(error))
    }
}

/// Brings everything to one host that its plan needs and has it checked. Nothing is switched yet.
/// The lease is ours already.
pub(super) async fn prepare<'a>(
    name: &HostName,
    plan: &'a SitePlan,
    site: Site<'a>,
    options: &'a ApplyOptions,
    events: &'a UnboundedSender<Event>,
) -> Result<Run<'a>, HostError> {
    let parts = (
        plan.host(name),
        site.hosts.iter().find(|host| host.desired.host == *name),
        site.facts.get(name),
        site.remotes.get(name),
    );
    let (Some(plan), Some(host), Some(facts), Some(remote)) = parts else {
        return Err(HostError::Remote(unknown(name)));
    };
    let context = Context {
        plan,
        host,
        current_release: facts.manifest.release,
        lease: &options.holder.id,
        root: &options.root,
    };
    let mut run = Run {
        remote: remote.as_ref(),
        context,
        facts,
        site,
        options,
        events,
        total: count_phases(plan, host),
        done: 0,
        spent: Duration::ZERO,
    };
    let started = Instant::now();
    match run.bring_and_check().await {
        Ok(()) => {
            run.spent = started.elapsed();
            Ok(run)
        }
        Err(stop) => Err(run.give_up(stop).await),
    }
}

/// How many phases a plan has, for progress bars.
fn count_phases(plan: &HostPlan, host: &ResolvedHost) -> usize {
    let bytes = !plan.files.is_empty() || plan.programs.iter().any(|program| program.upload);
    [
        bytes,
        !plan.packages.is_empty() || !plan.users.is_empty(),
        !plan.files.is_empty(),
        true,
        plan.firewall.is_some(),
        !plan.services.is_empty() || !plan.actions.is_empty(),
        !host.desired.gates.is_empty(),
        true,
    ]
    .into_iter()
    .filter(|phase| *phase)
    .count()
}

impl Run<'_> {
    /// Switches a prepared host to its plan and waits until it works.
    pub(super) async fn switch_over(mut self) -> HostOutcome {
        let started = Instant::now();
        let counted = self.disturbed_bridges().await;
        let switched = match self.switch(&counted).await {
            Ok(()) => Ok(()),
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::Red(gate)) => Err(self.roll_back(gate).await),
        };
        if let Err(error) = switched {
            return HostOutcome::failed(error);
        }
        HostOutcome::Applied {
            release: self.context.plan.release,
            changes: self.context.plan.count(),
            duration: self.spent + started.elapsed(),
        }
    }

    /// Throws away what was prepared and gives the lease back, if the host can still be reached:
    /// else the next apply does the one and time the other.
    pub(super) async fn discard(self) {
        let discard = steps::discard(self.context.lease, self.context.root);
        let _ = self.remote.run(discard).await;
    }

    /// Everything before the switch.
    async fn bring_and_check(&mut self) -> Result<(), Stop> {
        if self.options.check_basis {
            let facts = gather_one(self.context.host, self.remote, self.context.root).await?;
            if facts.basis() != self.context.plan.basis {
                return Err(Stop::Error(HostError::Moved { host: self.name() }));
            }
        }
        let stage = steps::stage(&self.context, self.site.artifacts, &self.facts.arch).map_err(
            |cause| HostError::Stage {
                host: self.name(),
                cause,
            },
        )?;
        self.phase(Phase::Stage, stage).await?;
        self.phase(Phase::Packages, steps::packages(&self.context))
            .await?;
        self.phase(Phase::Check, steps::check(&self.context)).await
    }

    /// The switch and what follows it, until the bridges that it disturbs are back.
    async fn switch(&mut self, disturbed: &[String]) -> Result<(), Stop> {
        let activate = steps::activate(&self.context, self.site.secrets).map_err(|cause| {
            HostError::Random {
                host: self.name(),
                cause,
            }
        })?;
        self.phase(Phase::Activate, activate).await?;
        self.change_firewall().await?;
        self.phase(Phase::Services, steps::services(&self.context))
            .await?;
        self.wait_for_gates().await?;
        self.wait_for_bridges(disturbed).await;
        self.prove().await?;
        if let Some(leaving) = &self.context.plan.leaving {
            let leave = steps::leave(&self.context, leaving);
            return self.phase(Phase::Leave, Some(leave)).await;
        }
        self.phase(Phase::Commit, Some(steps::commit(&self.context)))
            .await
    }

    async fn change_firewall(&mut self) -> Result<(), Stop> {
        let Some(change) = &self.context.plan.firewall else {
            return Ok(());
        };
        let deadline = Duration::from_secs(30);
        let prologue = self.context.prologue(Phase::Firewall, deadline);
        let load = firewall::load_script(change, &prologue, self.options.revert_after, deadline);
        self.phase(Phase::Firewall, Some(load)).await?;
        let confirm = firewall::confirm_script(&prologue, deadline);
        match self.remote.run_on_new_connection(confirm).await {
            Ok(output) => self.judge(Phase::Firewall, &output),
            // The revert on the host does the rest; the files go back once it lets us in again.
            Err(error) => {
                tokio::time::sleep(self.options.revert_after).await;
                Err(Stop::Red(RedGate {
                    gate: "a new ssh connection after the firewall change".to_owned(),
                    evidence: vec![error.to_string()],
                }))
            }
        }
    }

    /// Runs the script of a phase, if there is one.
    pub(super) async fn phase(&mut self, phase: Phase, script: Option<Script>) -> Result<(), Stop> {
        let Some(script) = script else {
            return Ok(());
        };
        let started = Instant::now();
        self.send(Event::Started {
            host: self.name(),
            phase,
            title: phase.title(),
            done: self.done,
            total: self.total.max(self.done + 1),
        });
        let output = self.remote.run(script).await?;
        for warning in output
            .text()
            .lines()
            .filter_map(|line| line.strip_prefix("warning\t"))
        {
            self.send(Event::Warning {
                host: self.name(),
                text: warning.to_owned(),
            });
        }
        self.judge(phase, &output)?;
        self.done += 1;
        self.send(Event::Finished {
            host: self.name(),
            phase,
            duration: started.elapsed(),
        });
        Ok(())
    }

    /// What the end of a script means: before the switch a refusal, after it a red gate.
    fn judge(&self, phase: Phase, output: &Output) -> Result<(), Stop> {
        match output.status {
            Some(0) => Ok(()),
            Some(lease::LOST) => Err(Stop::Error(HostError::LeaseLost { host: self.name() })),
            Some(gates::RED) => Err(Stop::Red(gates::read(&output.text()).unwrap_or_else(
                || RedGate {
                    gate: phase.title().to_owned(),
                    evidence: last_lines(&output.stderr),
                },
            ))),
            _ if phase < Phase::Activate => Err(Stop::Error(HostError::Refused {
                host: self.name(),
                phase,
                said: last_lines(&output.stderr),
            })),
            _ => {
                let mut evidence = last_lines(&output.stderr);
                let first = if evidence.is_empty() {
                    phase.title().to_owned()
                } else {
                    evidence.remove(0)
                };
                Err(Stop::Red(RedGate {
                    gate: first,
                    evidence,
                }))
            }
        }
    }

    /// The error of a preparation that failed, with its traces removed.
    async fn give_up(self, stop: Stop) -> HostError {
        let error = match stop {
            Stop::Error(error) => error,
            Stop::Red(gate) => HostError::Refused {
                host: self.name(),
                phase: Phase::Check,
                said: gate.evidence,
            },
        };
        if !matches!(error, HostError::Remote(_) | HostError::LeaseLost { .. }) {
            self.discard().await;
        }
        error
    }

    async fn roll_back(&self, gate: RedGate) -> HostError {
        self.send(Event::Started {
            host: self.name(),
            phase: Phase::RollBack,
            title: Phase::RollBack.title(),
            done: self.done,
            total: self.total,
        });
        let host = self.name();
        match self.remote.run(steps::roll_back(&self.context)).await {
            Ok(output) if output.success() => HostError::RolledBack { host, gate },
            Ok(output) => HostError::NotRolledBack {
                host,
                gate,
                cause: output.stderr.trim().to_owned(),
            },
            Err(error) => HostError::NotRolledBack {
                host,
                gate,
                cause: error.to_string(),
            },
        }
    }

    pub(super) fn name(&self) -> HostName {
        self.remote.host().clone()
    }

    pub(super) fn send(&self, event: Event) {
        // Nobody may listen: a closed channel is no error.
        let _ = self.events.send(event);
    }
}

fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let start = lines.len().saturating_sub(24);
    lines
        .iter()
        .skip(start)
        .map(|line| (*line).to_owned())
        .collect()
}
