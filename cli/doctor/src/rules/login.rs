//! Why a service cannot log in to XMPP.

use std::net::IpAddr;

use jitctl_inventory::names::HostName;
use jitctl_xmpp::{Failure, LoginOutcome, Stage, TlsFailure};

use crate::catalogue::{self, Check};
use crate::examine_certificate;
use crate::finding::{Finding, Severity};
use crate::observe::{HostSight, Login, Observation};

/// Fewer days than this are worth a warning.
const EXPIRY_WARNING_DAYS: i64 = 21;

pub(super) fn bridges(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        for login in &sight.bridge_logins {
            findings.extend(finding(observation, name, login, "jitctl-bridge.service"));
        }
    }
    match observation.foreign_main() {
        Some(main) => findings
            .into_iter()
            .map(|finding| cured_at(main, finding))
            .collect(),
        None => findings,
    }
}

/// Where others keep MAIN an apply opens the port at most: what they changed is read anew.
fn cured_at(main: &HostName, finding: Finding) -> Finding {
    let cure = match finding.code {
        "B20" => return finding,
        "X06" | "X07" | "X08" => format!(
            "jitctl apply   # opens the port where ufw or firewalld keeps the rules; else see to 5222/tcp on `{main}`"
        ),
        _ => format!(
            "jitctl import {main} && jitctl apply   # reads the password and the certificate anew"
        ),
    };
    Finding {
        fix: None,
        ..finding.cured_by(cure)
    }
}

pub(super) fn focuses(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        if let Some(login) = &sight.focus_login {
            findings.extend(finding(observation, name, login, "jitctl-focus.service"));
        }
    }
    findings
}

fn finding(
    observation: &Observation,
    name: &HostName,
    login: &Login,
    unit: &str,
) -> Option<Finding> {
    if let Some(words) = &login.unusable {
        let finding = Finding::of(&catalogue::CONFIGURATION_REFUSED, Some(name))
            .what(format!("`{unit}` on `{name}` cannot use its configuration"))
            .seen(words.clone())
            .fixed_by_apply();
        return Some(finding.about_unit(unit));
    }
    if login.ended_at_once {
        return Some(refused(observation, name, login));
    }
    let outcome = login.outcome.as_ref()?;
    let failure = outcome.result.as_ref().err()?;
    let check = match classify(failure, outcome) {
        check if check.code == "X07" && login.accepts == Some(true) => &catalogue::XMPP_STALLED,
        check => check,
    };
    let mut finding = Finding::of(check, Some(name))
        .what(words(observation, check, name, login))
        .seen(format!("{} at {}: {failure}", login.account, login.address));
    let stages: Vec<String> = outcome
        .stages
        .iter()
        .map(|(stage, at)| format!("{stage} after {} ms", at.as_millis()))
        .collect();
    finding.evidence.push(stages.join(", "));
    if is_about_trust(check)
        && let Some(line) = certificate_line(observation, outcome)
    {
        finding.evidence.push(line);
    }
    if check.fixable {
        let on = match check.code {
            "X02" | "X07" | "X10" => "@main".to_owned(),
            "X05" => name.to_string(),
            _ => format!("{name},@main"),
        };
        finding = finding.fixed_by_apply_on(on);
    }
    Some(finding)
}

/// A connection that ended at once: MAIN's own sockets say why.
fn refused(observation: &Observation, name: &HostName, login: &Login) -> Finding {
    let address = &login.address;
    let finding = Finding::of(&catalogue::XMPP_REFUSED, Some(name))
        .what(format!("connections to {address} are refused"))
        .seen(format!(
            "a connection from `{name}` to {address} ended at once"
        ))
        .fixed_by_apply_on("@main");
    let Some((host, port)) = address.rsplit_once(':') else {
        return finding;
    };
    let host: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let port: u16 = port.parse().unwrap_or_default();
    let main = observation.seen().find(|(main, sight, _)| {
        host.is_some_and(|ip| sight.addresses.contains(&ip) || (ip.is_loopback() && *main == name))
    });
    let Some((main, _, facts)) = main else {
        return finding;
    };
    let sockets: Vec<_> = facts
        .listeners
        .iter()
        .filter(|one| one.protocol == "tcp" && one.port == port)
        .collect();
    if sockets.is_empty() {
        return finding
            .because("no program listens there")
            .seen(format!("`{main}` has no socket on port {port}"));
    }
    let shown: Vec<String> = sockets
        .iter()
        .map(|one| format!("{}:{port}", one.address))
        .collect();
    let finding = finding.seen(format!("`{main}` listens on {}", shown.join(", ")));
    if sockets.iter().all(|one| one.is_local()) {
        finding.because("Prosody listens on loopback only")
    } else {
        finding.because("MAIN listens, and a packet filter rejects this host")
    }
}

fn is_about_trust(check: &Check) -> bool {
    matches!(check.code, "X09" | "X10")
}

fn certificate_line(observation: &Observation, outcome: &LoginOutcome) -> Option<String> {
    let certificate = outcome
        .certificate_chain
        .first()
        .and_then(|der| examine_certificate(der))?;
    Some(format!(
        "its certificate is for {}, by {}, {} days left",
        certificate.names.join(", "),
        certificate.issuer,
        certificate.days_left(observation.now)
    ))
}

fn classify(failure: &Failure, outcome: &LoginOutcome) -> &'static Check {
    match failure {
        Failure::WrongPassword { .. } | Failure::ServerNotAuthentic => &catalogue::WRONG_PASSWORD,
        Failure::NoAccount { .. }
        | Failure::NotAuthorized { .. }
        | Failure::AccountDisabled { .. } => &catalogue::ACCOUNT_MISSING,
        Failure::HostUnknown { .. } | Failure::TlsNotOffered { .. } => &catalogue::WRONG_DOMAIN,
        Failure::OnlyAnonymous { .. } => &catalogue::ANONYMOUS_DOMAIN,
        Failure::Refused { .. } => &catalogue::XMPP_REFUSED,
        Failure::Tls(TlsFailure::Expired) => &catalogue::XMPP_CERTIFICATE_EXPIRED,
        Failure::Tls(_) => &catalogue::XMPP_CERTIFICATE_UNTRUSTED,
        // Through a tunnel a swallowed connection is silent from the very first step.
        Failure::Timeout { .. }
            if outcome
                .stages
                .iter()
                .all(|(stage, _)| *stage <= Stage::Open) =>
        {
            &catalogue::XMPP_BLOCKED
        }
        _ => &catalogue::XMPP_STALLED,
    }
}

/// Whether every login with this account fails in the same way: then MAIN is at fault.
fn all_fail(observation: &Observation, login: &Login) -> bool {
    let same: Vec<bool> = observation
        .hosts
        .values()
        .flat_map(|sight| sight.bridge_logins.iter().chain(&sight.focus_login))
        .filter(|other| other.account == login.account && other.address == login.address)
        .map(|other| {
            let outcome = other.outcome.as_ref();
            outcome
                .is_some_and(|outcome| matches!(outcome.result, Err(Failure::WrongPassword { .. })))
        })
        .collect();
    same.len() > 1 && same.iter().all(|fails| *fails)
}

fn words(observation: &Observation, check: &Check, name: &HostName, login: &Login) -> String {
    let (account, address) = (&login.account, &login.address);
    match check.code {
        "X01" if all_fail(observation, login) => {
            format!("MAIN has another password for `{account}` than all hosts that use it")
        }
        "X01" => format!("`{name}` logs in as `{account}` with a wrong password"),
        "X02" => format!("the account `{account}` does not exist at {address}"),
        "X04" => format!("{address} does not serve `{}`", login.domain),
        "X05" => format!("`{}` only takes anonymous people", login.domain),
        "X06" => format!("connections to {address} are refused"),
        "X07" => format!("packets from `{name}` to {address} are swallowed"),
        "X09" => format!("the XMPP certificate for `{}` is not trusted", login.domain),
        "X10" => format!("the XMPP certificate for `{}` has expired", login.domain),
        _ => format!("{address}: {}", check.title),
    }
}

/// Certificates that still work and soon will not.
pub(super) fn certificates(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        for login in sight.bridge_logins.iter().chain(&sight.focus_login) {
            let Some(outcome) = login.outcome.as_ref().filter(|one| one.result.is_ok()) else {
                continue;
            };
            let leaf = outcome.certificate_chain.first();
            let Some(leaf) = leaf.and_then(|der| examine_certificate(der)) else {
                continue;
            };
            let days = leaf.days_left(observation.now);
            if days >= EXPIRY_WARNING_DAYS {
                continue;
            }
            let mut finding = Finding::of(&catalogue::XMPP_CERTIFICATE_EXPIRED, Some(name))
                .what(format!(
                    "the certificate of the XMPP server expires in {days} days"
                ))
                .seen(format!("{} by {}", leaf.subject, leaf.issuer))
                .fixed_by_apply_on("@main");
            finding.severity = Severity::Warning;
            findings.push(finding);
        }
    }
    findings
}

/// A focus whose account is not among Prosody's `admins` owns no room and opens none.
pub(super) fn admin(observation: &Observation) -> Vec<Finding> {
    observation
        .seen()
        .filter_map(|(name, sight, facts)| {
            let account = &sight.focus_login.as_ref()?.account;
            facts.prosody.as_ref()?;
            is_no_admin(sight).then(|| {
                Finding::of(&catalogue::FOCUS_NOT_ADMIN, Some(name))
                    .what(format!(
                        "the focus (`{account}`) is no admin in Prosody on `{name}`"
                    ))
                    .seen("/etc/prosody/conf.d/jitctl.cfg.lua: `admins` does not name it")
                    .because("the line was removed, or the accounts were renamed")
                    .fixed_by_apply()
            })
        })
        .collect()
}

pub(super) fn is_no_admin(sight: &HostSight) -> bool {
    let account = sight
        .focus_login
        .as_ref()
        .map(|login| login.account.as_str());
    let text = sight
        .facts
        .as_ref()
        .ok()
        .and_then(|facts| facts.prosody.as_ref());
    match (account, text.and_then(|text| admins(text))) {
        (Some(account), Some(admins)) => !account.is_empty() && !admins.contains(&account),
        _ => false,
    }
}

/// The accounts in the first `admins = { … }`; nothing when there is none.
fn admins(text: &str) -> Option<Vec<&str>> {
    let (_, list) = text.split_once("\nadmins = {")?;
    let (list, _) = list.split_once('}')?;
    let quoted = list
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    Some(quoted.filter_map(|line| line.split('"').nth(1)).collect())
}

/// Limits that hold for focus and bridges, too.
pub(super) fn throttle(observation: &Observation) -> Vec<Finding> {
    observation
        .seen()
        .filter_map(|(name, _, facts)| {
            let text = facts.prosody.as_ref()?;
            let setting = |name: &str| {
                text.lines()
                    .filter_map(|line| line.trim_start().strip_prefix(name))
                    .any(|rest| rest.trim_start().starts_with('='))
            };
            (setting("limits") && !setting("unlimited_jids")).then(|| {
                Finding::of(&catalogue::SERVICES_THROTTLED, Some(name))
                    .what(format!("Prosody on `{name}` throttles focus and bridges"))
                    .seen("/etc/prosody/conf.d/jitctl.cfg.lua: `limits` without `unlimited_jids`")
                    .fixed_by_apply()
            })
        })
        .collect()
}
