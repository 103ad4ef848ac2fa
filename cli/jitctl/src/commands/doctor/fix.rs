//! Carrying out the fixes that findings name: applies, and units started or restarted.

use std::collections::BTreeSet;
use std::time::Duration;

use jitctl_doctor::{Finding, Fix};
use jitctl_inventory::names::HostName;
use jitctl_transport::{Remote as _, Script, quote};

use super::Practice;
use crate::context::Context;
use crate::deployment::{Asking, Deployment};
use crate::enactment::{self, Limits};
use crate::exit::Exit;
use crate::failure::{Failure, Problem};

/// Units first, so that an apply finds its hosts as they should be; then one apply for all.
pub(super) async fn carry_out(
    context: &Context,
    practice: &Practice,
    findings: &[Finding],
) -> Result<(), Failure> {
    let fixes: BTreeSet<&Fix> = findings.iter().filter_map(|one| one.fix.as_ref()).collect();
    let mut selections = Vec::new();
    for fix in fixes {
        match fix {
            Fix::Apply { on } => selections.push(on.as_str()),
            Fix::RestartUnit { host, unit } => {
                let unit_name = quote(unit);
                run(
                    context,
                    practice,
                    host,
                    unit,
                    &format!("systemctl restart {unit_name}"),
                )
                .await?;
            }
            Fix::EnableUnit { host, unit } => {
                let name = quote(unit);
                let text = format!(
                    "systemctl unmask {name} && systemctl reset-failed {name}; \
                     systemctl enable --now {name}"
                );
                run(context, practice, host, unit, &text).await?;
            }
        }
    }
    if selections.is_empty() {
        return Ok(());
    }
    bring(context, &selections.join(",")).await
}

async fn run(
    context: &Context,
    practice: &Practice,
    host: &HostName,
    unit: &str,
    text: &str,
) -> Result<(), Failure> {
    context.printer.note(&format!("{host}: {text}"));
    let script = Script::new(format!("start {unit}"), text, Duration::from_secs(60));
    for remote in practice.site.remotes(std::slice::from_ref(host)) {
        let output = remote.run(script.clone()).await?;
        if !output.success() {
            return Err(Failure::new(
                Exit::Failure,
                Problem::new(format!("`{unit}` on `{host}` does not start")).help(format!(
                    "jitctl logs --on {host} --since 5m\n{}",
                    output.stderr
                )),
            ));
        }
    }
    Ok(())
}

/// The same as `jitctl apply --yes --on …`.
async fn bring(context: &Context, on: &str) -> Result<(), Failure> {
    let asking = Asking::Hosts(10);
    let mut deployment = Box::pin(Deployment::prepare(context, Some(on), asking)).await?;
    let plan = deployment.plan()?;
    if plan.is_empty() {
        context
            .printer
            .note(&format!("{on}: nothing differs from the inventory"));
        return Ok(());
    }
    let limits = Limits {
        parallel: 10,
        require_all: false,
        check_basis: false,
        gate_seconds: 45,
        calls: false,
    };
    let why = "doctor --fix";
    let report = enactment::carry_out(context, &mut deployment, &plan, why, &limits).await;
    for failure in enactment::reports(&report) {
        context.printer.diagnostic(&failure);
    }
    Ok(())
}
