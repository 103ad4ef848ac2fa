//! Prosody itself: what it reads, where it binds, how much it takes, whether it hangs.

use std::net::IpAddr;

use crate::catalogue;
use crate::finding::{Finding, Fix};
use crate::observe::Observation;

const CONFIGURATION: &str = "/etc/prosody/conf.d/jitctl.cfg.lua";
const UNIT: &str = "prosody.service";
/// Our modules are tried with these.
const TRIED: &str = "0.12.";
/// Clients with many sources send stanzas of hundreds of KiB.
const STANZA_BYTES: u64 = 512 * 1024;

/// The package's own file must include ours, and be of a version that runs our modules.
pub(super) fn package(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _, facts) in observation.seen() {
        if facts
            .server
            .get("includes")
            .is_some_and(|lines| lines == "0")
        {
            findings.push(
                Finding::of(&catalogue::PROSODY_READS_NOTHING, Some(name))
                    .what(format!(
                        "Prosody on `{name}` does not read the site's configuration"
                    ))
                    .seen(
                        "/etc/prosody/prosody.cfg.lua has no line `Include \"conf.d/*.cfg.lua\"`",
                    ),
            );
        }
        let version = facts.server.get("version").map(String::as_str);
        if let Some(version) = version.filter(|one| !one.is_empty() && !one.starts_with(TRIED)) {
            findings.push(
                Finding::of(&catalogue::PROSODY_UNTRIED, Some(name))
                    .what(format!(
                        "Prosody {version} on `{name}` is not of the versions that our modules are tried with"
                    ))
                    .seen(format!("dpkg: prosody {version}; {TRIED}x is tried")),
            );
        }
    }
    findings
}

/// What our own file says: addresses that the host has, and room for large stanzas.
pub(super) fn settings(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _, facts) in observation.seen() {
        let Some(text) = &facts.prosody else {
            continue;
        };
        let gone = interfaces(text).find(|one| {
            !one.is_unspecified() && !one.is_loopback() && !facts.addresses.contains(one)
        });
        if let Some(address) = gone {
            findings.push(
                Finding::of(&catalogue::PROSODY_ADDRESS_GONE, Some(name))
                    .what(format!("Prosody on `{name}` is to listen on {address}, which the host does not have"))
                    .seen(format!("{CONFIGURATION}: `c2s_interfaces` names {address}"))
                    .fixed_by_apply(),
            );
        }
        if let Some(bytes) = setting(text, "c2s_stanza_size_limit").and_then(product)
            && bytes < STANZA_BYTES
        {
            findings.push(
                Finding::of(&catalogue::STANZAS_SMALL, Some(name))
                    .what(format!("Prosody on `{name}` takes no stanza above {bytes} bytes"))
                    .seen(format!(
                        "{CONFIGURATION}: `c2s_stanza_size_limit`; {STANZA_BYTES} is little for a big room"
                    ))
                    .fixed_by_apply(),
            );
        }
    }
    findings
}

/// Runs, and answers nobody.
pub(super) fn hang(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight, facts) in observation.seen() {
        let bosh = sight.web.as_ref().and_then(|web| web.bosh.as_ref());
        let Some((bosh, unit)) = bosh.zip(facts.units.get(UNIT)) else {
            continue;
        };
        let silent = bosh.status == Ok(504)
            || bosh
                .status
                .as_ref()
                .is_err_and(|words| words.starts_with("no answer"));
        let page = sight.web.as_ref().and_then(|web| web.page.as_ref());
        let web_answers = page.is_some_and(|page| page.status.is_ok());
        if !silent || !web_answers || unit.active != "active" {
            continue;
        }
        let finding = Finding::of(&catalogue::PROSODY_HANGS, Some(name))
            .what(format!("Prosody on `{name}` runs and answers nobody"))
            .seen(bosh.evidence())
            .fixed_by(Fix::RestartUnit {
                host: name.clone(),
                unit: UNIT.to_owned(),
            });
        let process = facts.processes.get(&unit.main_process);
        findings.push(match process.map(|process| process.state.as_str()) {
            Some("T" | "t") => finding
                .because("the process is stopped (SIGSTOP); somebody or a debugger holds it")
                .seen("its main process is in state T"),
            _ => finding,
        });
    }
    findings
}

/// The right side of the last such line.
fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let lines = text.lines().rev();
    lines
        .filter_map(|line| line.trim_start().strip_prefix(name))
        .find_map(|rest| rest.trim_start().strip_prefix('='))
        .map(str::trim)
}

/// `10 * 1024 * 1024`.
fn product(text: &str) -> Option<u64> {
    let factors = text.trim_end_matches(';').split('*');
    factors
        .map(|factor| factor.trim().parse::<u64>().ok())
        .try_fold(1_u64, |all, factor| all.checked_mul(factor?))
}

/// The addresses that `c2s_interfaces` names.
fn interfaces(text: &str) -> impl Iterator<Item = IpAddr> {
    let list = setting(text, "c2s_interfaces").unwrap_or_default();
    list.split('"').filter_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_lua_writes_them() {
        let text = "a = 1\nc2s_interfaces = { \"*\", \"10.0.0.9\" }\n\tc2s_stanza_size_limit = 10 * 1024;\n";
        let found: Vec<IpAddr> = interfaces(text).collect();
        assert_eq!(found, ["10.0.0.9".parse::<IpAddr>().unwrap()]);
        let limit = setting(text, "c2s_stanza_size_limit").and_then(product);
        assert_eq!(limit, Some(10_240));
        assert_eq!(product("many"), None);
    }
}
