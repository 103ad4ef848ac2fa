//! Rolling a secret over: one plan and apply per round, driven by the engine.

use std::time::Duration;

use futures_util::future::join_all;
use jitctl_deploy::lease;
use jitctl_deploy::rotate::{RotateError, Round, rotate};
use jitctl_inventory::secrets::{self, Phase, SecretsError, Store, os_random};
use miette::Report;

use crate::context::Context;
use crate::deployment::{Asking, Deployment};
use crate::enactment::{self, Limits};
use crate::exit::Exit;
use crate::failure::{Failure, Problem};
use crate::vault;

/// A round that did not end well.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Stopped {
    message: String,
    exit: Exit,
    reports: Vec<Report>,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        let first = failure.reports.first().map(ToString::to_string);
        Self {
            message: first.unwrap_or_else(|| "the round failed".to_owned()),
            exit: failure.exit,
            reports: failure.reports,
        }
    }
}

impl From<SecretsError> for Stopped {
    fn from(error: SecretsError) -> Self {
        Failure::from(error).into()
    }
}

/// Rolls `name` over on the whole site; a failed round changes back to the old value.
pub(crate) async fn run(context: &Context, name: &str) -> Result<(), Failure> {
    // Where others keep MAIN they issue the password, too.
    context.open()?.own_mains()?;
    let location = vault::location(context);
    let mut store = vault::open(context)?.store;
    may_begin(context, &store, name).await?;
    let mut save = |changed: &Store| {
        secrets::edit(&location, |kept| {
            kept.clone_from(changed);
            Ok::<_, Stopped>(())
        })
    };
    let round = async |_: &Store, round: Round| -> Result<(), Stopped> {
        context.printer.note(round.title());
        Ok(apply(context).await?)
    };
    rotate(name, &mut store, &mut os_random, &mut save, round)
        .await
        .map_err(failure)
}

/// Nothing is begun that cannot come to its end: all hosts answer, nobody holds one, and no other
/// change waits that would be carried out unseen. A rotation that was cut off is itself such a
/// change.
async fn may_begin(context: &Context, store: &Store, name: &str) -> Result<(), Failure> {
    let named = || name.to_owned();
    let Some(phase) = store.phase(name) else {
        return Err(SecretsError::Unknown { name: named() }.into());
    };
    if secrets::is_material(name) {
        return Err(SecretsError::Issued { name: named() }.into());
    }
    let deployment = Deployment::prepare(context, None, Asking::Hosts(10)).await?;
    if let Some(failure) = deployment.silence() {
        context.printer.note("nothing was changed");
        return Err(failure);
    }
    if phase == Phase::Settled && !deployment.plan()?.is_empty() {
        return Err(Failure::usage(
            "other changes wait for an apply and would be carried out, too",
            "look at them with `jitctl plan`, carry them out with `jitctl apply`, then rotate",
        ));
    }
    let holder = enactment::holder("secrets rotate");
    let tries = deployment.remotes.values().map(|remote| async {
        let time = Duration::from_secs(30);
        lease::acquire_or_inherit(remote.as_ref(), &holder, time, "").await?;
        lease::release(remote.as_ref(), &holder.id, "").await
    });
    let held = join_all(tries).await.into_iter().filter_map(Result::err);
    Failure::all(held.map(Failure::from)).map_or(Ok(()), Err)
}

/// Plans and applies what the store says now, on all hosts or none.
async fn apply(context: &Context) -> Result<(), Failure> {
    let mut deployment = Deployment::prepare(context, None, Asking::Hosts(10)).await?;
    if let Some(failure) = deployment.silence() {
        return Err(failure);
    }
    let plan = deployment.plan()?;
    let limits = Limits {
        parallel: 10,
        require_all: true,
        check_basis: false,
        gate_seconds: 45,
        calls: false,
    };
    let report =
        enactment::carry_out(context, &mut deployment, &plan, "secrets rotate", &limits).await;
    match Exit::of(report.exit_code()) {
        Exit::Success => Ok(()),
        exit => Err(Failure {
            exit,
            reports: enactment::reports(&report),
        }),
    }
}

/// The rotation's own words first, then what else the round said.
fn failure(error: RotateError<Stopped>) -> Failure {
    let mut problem = Problem::new(error.to_string());
    let (exit, reports) = match error {
        RotateError::Store(error) => return error.into(),
        RotateError::Random(error) => return error.into(),
        RotateError::Save(stopped) => (stopped.exit, stopped.reports),
        // As it was before: what the failed round calls for.
        RotateError::TurnedBack { cause, .. } => (cause.exit, cause.reports),
        RotateError::Stuck { cause, .. } | RotateError::OldStillValid(cause) => {
            (Exit::Failure, cause.reports)
        }
    };
    let mut reports = reports.into_iter();
    if let Some(help) = reports.next().as_ref().and_then(|first| first.help()) {
        problem = problem.help(help.to_string());
    }
    let mut failure = Failure::new(exit, problem);
    failure.reports.extend(reports);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned_back(exit: Exit) -> RotateError<Stopped> {
        let problem = Problem::new("`h1` is held").help("wait for that run");
        RotateError::TurnedBack {
            round: Round::Switch,
            cause: Failure::new(exit, problem).into(),
        }
    }

    #[test]
    fn a_rotation_that_went_back_ends_with_the_code_and_the_remedy_of_its_cause() {
        for exit in [Exit::Locked, Exit::Connect, Exit::RolledBack] {
            let failure = failure(turned_back(exit));
            assert_eq!(failure.exit, exit);
            assert_eq!(failure.reports.len(), 1);
            let help = failure.reports[0].help().map(|help| help.to_string());
            assert_eq!(help.as_deref(), Some("wait for that run"));
        }
    }
}
