//! A bridge on its own host: media port, health, buffers.

use jitctl_inventory::model::Role;

use crate::catalogue;
use crate::finding::{Finding, Fix};
use crate::observe::{Health, HostFacts, Observation};

const UNIT: &str = "jitctl-bridge.service";
/// Below this the kernel drops media in bursts; its usual default is 212 992.
const BUFFER_BYTES: u64 = 1 << 20;

pub(super) fn media_port(observation: &Observation) -> Vec<Finding> {
    observation
        .seen()
        .filter_map(|(name, sight, facts)| {
            let port = sight.expected.media_port?;
            let stranger = facts.listeners.iter().find(|one| {
                let other = one.process.as_deref();
                one.protocol == "udp"
                    && one.port == port
                    && other.is_some_and(|program| !program.starts_with("jitctl-bridge"))
            })?;
            let program = stranger.process.as_deref().unwrap_or_default();
            Some(
                Finding::of(&catalogue::MEDIA_PORT_TAKEN, Some(name))
                    .what(format!("`{program}` on `{name}` holds {port}/udp"))
                    .seen(format!("ss: {program} on {}:{port}", stranger.address)),
            )
        })
        .collect()
}

pub(super) fn health(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight, facts) in observation.seen() {
        let running = facts
            .units
            .get(UNIT)
            .is_some_and(|unit| unit.active == "active");
        let Some(health) = sight.bridge_health.as_ref().filter(|_| running) else {
            continue;
        };
        let finding = match &health.status {
            Ok(200) => continue,
            Ok(code) => Finding::of(&catalogue::BRIDGE_ILL, Some(name))
                .what(format!("the bridge on `{name}` says that it is ill"))
                .seen(words(health, *code)),
            Err(error) => hangs(facts, Finding::of(&catalogue::BRIDGE_HANGS, Some(name)))
                .what(format!("the bridge on `{name}` runs and does not answer"))
                .seen(format!("GET /about/health: {error}"))
                .fixed_by(Fix::RestartUnit {
                    host: name.clone(),
                    unit: UNIT.to_owned(),
                }),
        };
        findings.push(finding);
    }
    findings
}

fn words(health: &Health, code: u16) -> String {
    format!("GET /about/health answered {code}: {}", health.words)
}

/// Adds what the process's state says.
fn hangs(facts: &HostFacts, finding: Finding) -> Finding {
    let process = facts
        .units
        .get(UNIT)
        .and_then(|unit| facts.processes.get(&unit.main_process));
    match process.map(|process| process.state.as_str()) {
        Some("T" | "t") => finding
            .because("the process is stopped (SIGSTOP); somebody or a debugger holds it")
            .seen("its main process is in state T"),
        Some("D") => finding
            .because("the process waits for a disk")
            .seen("its main process is in state D"),
        _ => finding,
    }
}

pub(super) fn buffers(observation: &Observation) -> Vec<Finding> {
    observation
        .seen()
        .filter_map(|(name, sight, facts)| {
            if !sight.roles.contains(&Role::Bridge) {
                return None;
            }
            let number = |key: &str| facts.kernel.get(key)?.parse::<u64>().ok();
            let limit = number("rmem_max").unwrap_or(BUFFER_BYTES);
            // Inside a container the limit is the outer machine's business.
            let container = facts
                .kernel
                .get("container")
                .is_some_and(|kind| kind != "none");
            let wanted = if container {
                limit.min(BUFFER_BYTES)
            } else {
                BUFFER_BYTES
            };
            // The kernel shows twice what a program asked for (socket(7)).
            let socket = facts
                .buffers
                .iter()
                .filter(|(port, _)| Some(*port) == sight.expected.media_port)
                .map(|(_, bytes)| bytes / 2)
                .min();
            let (size, seen) = match socket {
                Some(size) if size < wanted => (
                    size,
                    format!("ss: the media socket's buffer is {size} bytes"),
                ),
                _ if limit < wanted => (
                    limit,
                    format!("net.core.rmem_max = {limit}; 10485760 is right"),
                ),
                _ => return None,
            };
            let lost = number("rcvbuf_errors").unwrap_or_default();
            Some(
                Finding::of(&catalogue::UDP_BUFFER_SMALL, Some(name))
                    .what(format!(
                        "the receive buffer for media on `{name}` is {size} bytes"
                    ))
                    .seen(seen)
                    .seen(format!(
                        "{lost} datagrams lost for want of buffer since boot"
                    ))
                    .fixed_by_apply(),
            )
        })
        .collect()
}
