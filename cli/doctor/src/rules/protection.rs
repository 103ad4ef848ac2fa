//! What must be closed: files with secrets, process lists, ports.

use jitctl_templates::ports;

use crate::catalogue;
use crate::finding::Finding;
use crate::observe::{Expected, HostFacts, Observation};

pub(super) fn files(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight, facts) in observation.seen() {
        let wider: Vec<String> = sight
            .expected
            .private
            .iter()
            .filter_map(|(path, wanted)| {
                let found = facts.modes.get(path)?;
                let bits = found.mode & !wanted & 0o077;
                (bits != 0).then(|| {
                    format!(
                        "{path}: mode {:o}, {}:{}; {wanted:o} is right",
                        found.mode, found.owner, found.group
                    )
                })
            })
            .collect();
        if wider.is_empty() {
            continue;
        }
        let finding = Finding::of(&catalogue::SECRET_FILE_READABLE, Some(name)).what(format!(
            "{} file(s) with secrets on `{name}` can be read by others",
            wider.len()
        ));
        findings.push(
            wider
                .into_iter()
                .fold(finding.fixed_by_apply(), Finding::seen),
        );
    }
    findings
}

pub(super) fn processes(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _, facts) in observation.seen() {
        for leak in &facts.leaks {
            let mut finding = Finding::of(&catalogue::SECRET_IN_PROCESS_LIST, Some(name))
                .what(format!(
                    "`{}` on `{name}` has a secret among its arguments",
                    leak.program
                ))
                .seen(format!(
                    "process {} carries the contents of {}",
                    leak.process, leak.credential
                ));
            finding.cure = finding.cure.replace("PID", &leak.process.to_string());
            findings.push(finding);
        }
    }
    findings
}

pub(super) fn ports(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight, facts) in observation.seen() {
        if !sight.expected.manages_filter() {
            continue;
        }
        for port in &sight.expected.closed {
            let Some(listener) = exposed(facts, *port) else {
                continue;
            };
            let check = if *port == ports::XMPP.number {
                &catalogue::XMPP_OPEN
            } else {
                &catalogue::PRIVATE_HTTP_OPEN
            };
            let rules = match &facts.filter {
                None => "the table `inet jitctl` is not loaded".to_owned(),
                Some(_) => format!("no loaded rule drops tcp dport {port}"),
            };
            findings.push(
                Finding::of(check, Some(name))
                    .what(format!("port {port} of `{name}` is open to the world"))
                    .seen(listener)
                    .seen(rules)
                    .fixed_by_apply(),
            );
        }
    }
    findings
}

/// Who listens on the port for everybody while no rule of ours closes it.
fn exposed(facts: &HostFacts, port: u16) -> Option<String> {
    let closed = facts.filter.as_ref().is_some_and(|rules| {
        let wanted = format!("tcp dport {port} ");
        rules
            .lines()
            .any(|rule| rule.contains(&wanted) && rule.contains(" drop"))
    });
    if closed {
        return None;
    }
    let listener = facts
        .listeners
        .iter()
        .find(|one| one.protocol == "tcp" && one.port == port && !one.is_local())?;
    let program = listener.process.as_deref().unwrap_or("a program");
    Some(format!("{program} listens on {}:{port}", listener.address))
}

impl Expected {
    /// Whether our own table should be loaded.
    fn manages_filter(&self) -> bool {
        self.hashes
            .contains_key(jitctl_templates::firewall::nftables::RULESET)
    }
}
