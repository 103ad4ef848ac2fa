//! What runs short: memory, tasks, tracked connections, a bridge's power; and ports that others hold.

use jitctl_inventory::model::Role;
use jitctl_templates::ports;

use crate::catalogue::{self, Check};
use crate::finding::Finding;
use crate::observe::{HostFacts, Observation};

/// Fewer tasks than this are few for a service with people on it.
const TASKS: u64 = 64;
/// From this stress on a bridge drops frames.
const STRESS: f64 = 0.8;

pub(super) fn memory(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _, facts) in observation.seen() {
        let killed = facts
            .units
            .iter()
            .find(|(_, unit)| unit.result == "oom-kill");
        let total = number(facts, "MemTotal:");
        let available = number(facts, "MemAvailable:");
        let finding = Finding::of(&catalogue::MEMORY_SHORT, Some(name));
        if let Some((unit, _)) = killed {
            findings.push(
                finding
                    .what(format!(
                        "`{unit}` on `{name}` was killed for want of memory"
                    ))
                    .seen(format!(
                        "systemd: the last run of {unit} ended with oom-kill"
                    )),
            );
        } else if let Some((total, available)) = total.zip(available)
            && available.saturating_mul(20) < total
        {
            findings.push(
                finding
                    .what(format!("the memory of `{name}` is used up"))
                    .seen(format!("{available} of {total} KiB are available")),
            );
        }
    }
    findings
}

pub(super) fn tasks(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _, facts) in observation.seen() {
        let ours = facts
            .units
            .iter()
            .filter(|(unit, _)| unit.starts_with("jitctl-"));
        for (unit, state) in ours {
            let process = facts.processes.get(&state.main_process);
            let threads = process.and_then(|process| process.threads);
            let Some((threads, most)) = threads.zip(state.tasks_max) else {
                continue;
            };
            if most < TASKS || threads.saturating_mul(10) > most.saturating_mul(8) {
                findings.push(
                    Finding::of(&catalogue::TASKS_FEW, Some(name))
                        .what(format!("`{unit}` on `{name}` may have only {most} tasks"))
                        .seen(format!("it has {threads}; less than {TASKS} are few"))
                        .fixed_by_apply(),
                );
            }
        }
    }
    findings
}

pub(super) fn connections(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _, facts) in observation.seen() {
        let count = number(facts, "nf_conntrack_count");
        let Some((count, most)) = count.zip(number(facts, "nf_conntrack_max")) else {
            continue;
        };
        if most > 0 && count.saturating_mul(10) >= most.saturating_mul(9) {
            findings.push(
                Finding::of(&catalogue::CONNECTIONS_TRACKED, Some(name))
                    .what(format!(
                        "the table of connections on `{name}` is almost full"
                    ))
                    .seen(format!("nf_conntrack_count is {count} of {most}")),
            );
        }
    }
    findings
}

pub(super) fn stress(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    let views = observation
        .hosts
        .values()
        .filter_map(|sight| sight.focus.as_ref()?.as_ref().ok());
    for bridge in views.flat_map(|view| &view.bridges) {
        let Some(stress) = bridge.stress.filter(|stress| *stress >= STRESS) else {
            continue;
        };
        let mut hosts = observation.hosts.iter();
        let own = hosts.find(|(_, sight)| sight.nickname.as_ref() == Some(&bridge.nickname));
        let Some((name, _)) = own else { continue };
        findings.push(
            Finding::of(&catalogue::BRIDGE_OVERLOADED, Some(name))
                .what(format!("the bridge on `{name}` is overloaded"))
                .seen(format!(
                    "`{}` publishes stress {stress:.2}",
                    bridge.nickname
                )),
        );
    }
    findings
}

/// A port of ours on a host of a role, and the program that is to hold it.
struct Held {
    role: Role,
    port: u16,
    program: &'static str,
    check: &'static Check,
}

static HELD: [Held; 3] = [
    Held {
        role: Role::Bridge,
        port: ports::BRIDGE_HTTP.number,
        program: "jitctl-bridge",
        check: &catalogue::PRIVATE_PORT_TAKEN,
    },
    Held {
        role: Role::Main,
        port: ports::FOCUS_HTTP.number,
        program: "jitctl-focus",
        check: &catalogue::PRIVATE_PORT_TAKEN,
    },
    Held {
        role: Role::Main,
        port: ports::HTTPS.number,
        program: "nginx",
        check: &catalogue::WEB_PORT_TAKEN,
    },
];

/// Ports of ours that other programs hold.
pub(super) fn taken_ports(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight, facts) in observation.seen() {
        let held = HELD.iter().filter(|held| sight.roles.contains(&held.role));
        for held in held.filter(|_| !sight.expected.foreign) {
            let stranger = facts.listeners.iter().find_map(|one| {
                let program = one.process.as_deref()?;
                let ours = program.starts_with(held.program);
                (one.protocol == "tcp" && one.port == held.port && !ours).then_some((one, program))
            });
            let Some((socket, program)) = stranger else {
                continue;
            };
            findings.push(
                Finding::of(held.check, Some(name))
                    .what(format!("`{program}` on `{name}` holds {}/tcp", held.port))
                    .seen(format!("ss: {program} on {}:{}", socket.address, held.port)),
            );
        }
    }
    findings
}

fn number(facts: &HostFacts, key: &str) -> Option<u64> {
    facts.kernel.get(key)?.parse().ok()
}
