//! Rolling a secret over: one plan and apply per round, driven by the engine.

use jitctl_deploy::rotate::{RotateError, Round, rotate};
use jitctl_inventory::secrets::{self, SecretsError, Store, os_random};
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
        .map_err(|error| failure(&error))
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

fn failure(error: &RotateError<Stopped>) -> Failure {
    let exit = match error {
        RotateError::Store(_) => Exit::Usage,
        RotateError::Save(stopped) => stopped.exit,
        _ => Exit::RolledBack,
    };
    Failure::new(exit, Problem::new(error.to_string()))
}
