//! Ctrl-C: stop, say what is half done and how to go on, exit 130.

use std::future::Future;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Problem};

/// Runs a command to its end or to Ctrl-C, whichever comes first.
pub(crate) async fn guard<F>(context: &Context, command: F) -> Result<Exit, Failure>
where
    F: Future<Output = Result<Exit, Failure>>,
{
    tokio::select! {
        result = command => result,
        _ = tokio::signal::ctrl_c() => Err(interrupted(context)),
    }
}

fn interrupted(context: &Context) -> Failure {
    let unfinished = context.printer.unfinished();
    if unfinished.is_empty() {
        return Failure::new(Exit::Interrupted, Problem::new("interrupted"));
    }
    let hosts = unfinished
        .iter()
        .map(|(host, step)| format!("  {host}: {step}"))
        .collect::<Vec<_>>()
        .join("\n");
    Failure::new(
        Exit::Interrupted,
        Problem::new(format!("interrupted; half done:\n{hosts}")).help(
            "run the same command again: it starts from what the hosts are now and finishes the \
             rest. Nothing is left half written",
        ),
    )
}
