//! Units of ours: masked, refused configuration, not running, limits.

use jitctl_inventory::names::HostName;

use crate::catalogue;
use crate::finding::{Finding, Fix};
use crate::observe::host::{ISSUANCE_JOBS, Unit};
use crate::observe::{HostFacts, Observation};

/// systemd's word for a configuration that no restart cures (sysexits `EX_CONFIG`).
const EXIT_CONFIG: i32 = 78;
/// A service with people on it needs more files than this.
const FILE_LIMIT: u64 = 4096;

pub(super) fn services(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _, facts) in observation.seen() {
        let services = facts.units.iter();
        let services = services.filter(|(unit, _)| !ISSUANCE_JOBS.contains(&unit.as_str()));
        for (unit, state) in services {
            findings.extend(unit_finding(name, unit, state, facts));
        }
    }
    findings
}

fn unit_finding(name: &HostName, unit: &str, state: &Unit, facts: &HostFacts) -> Option<Finding> {
    let enable = Fix::EnableUnit {
        host: name.clone(),
        unit: unit.to_owned(),
    };
    let finding = if state.load == "masked" {
        Finding::of(&catalogue::UNIT_MASKED, Some(name))
            .what(format!("`{unit}` on `{name}` is masked"))
            .fixed_by(enable)
    } else if state.active == "active" || state.active == "reloading" {
        return None;
    } else if state.exit_status == EXIT_CONFIG {
        Finding::of(&catalogue::CONFIGURATION_REFUSED, Some(name))
            .what(format!(
                "`{unit}` on `{name}` refuses its configuration (exit status {EXIT_CONFIG})"
            ))
            .fixed_by_apply()
    } else {
        Finding::of(&catalogue::SERVICE_DOWN, Some(name))
            .what(format!("`{unit}` on `{name}` is {}", state.active))
            .fixed_by(enable)
    };
    let shown = format!(
        "{unit}: {} ({}), {}, exit status {}",
        state.active, state.sub, state.load, state.exit_status
    );
    let words = facts.words.get(unit).into_iter().flatten();
    Some(
        words.fold(finding.about_unit(unit).seen(shown), |finding, line| {
            finding.seen(format!("{unit}: {line}"))
        }),
    )
}

pub(super) fn limits(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _, facts) in observation.seen() {
        let ours = facts
            .units
            .iter()
            .filter(|(unit, _)| unit.starts_with("jitctl-") || unit.starts_with("prosody"));
        for (unit, state) in ours {
            let Some(process) = facts.processes.get(&state.main_process) else {
                continue;
            };
            let (Some(limit), Some(open)) = (process.file_limit, process.open_files) else {
                continue;
            };
            if limit < FILE_LIMIT || open.saturating_mul(10) > limit.saturating_mul(8) {
                findings.push(
                    Finding::of(&catalogue::FILE_LIMIT_LOW, Some(name))
                        .what(format!("`{unit}` on `{name}` may open only {limit} files"))
                        .seen(format!("it has {open} open; less than {FILE_LIMIT} is few"))
                        .fixed_by_apply(),
                );
            }
        }
    }
    findings
}
