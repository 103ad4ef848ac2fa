//! Why a service cannot log in to XMPP.

use jitctl_inventory::names::HostName;
use jitctl_xmpp::{Failure, LoginOutcome, Stage, TlsFailure};

use crate::catalogue::{self, Check};
use crate::examine_certificate;
use crate::finding::{Finding, Fix};
use crate::observe::{Login, Observation};

pub(super) fn bridges(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        for login in &sight.bridge_logins {
            findings.extend(finding(observation, name, login, "jitctl-bridge.service"));
        }
    }
    findings
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
            .what(format!("`{unit}` cannot use its configuration"))
            .seen(words.clone())
            .fixed_by(Fix::Apply);
        return Some(finding);
    }
    if login.ended_at_once {
        let finding = Finding::of(&catalogue::XMPP_REFUSED, Some(name))
            .what(format!("`{name}` is refused at {}", login.address))
            .seen(format!(
                "a connection from `{name}` to {} ended at once",
                login.address
            ));
        return Some(finding.fixed_by(Fix::Apply));
    }
    let outcome = login.outcome.as_ref()?;
    let failure = outcome.result.as_ref().err()?;
    let check = classify(failure, outcome);
    let mut finding = Finding::of(check, Some(name))
        .what(words(check, name, login))
        .seen(format!("{} at {}: {failure}", login.account, login.address));
    for (stage, at) in &outcome.stages {
        finding
            .evidence
            .push(format!("{stage} after {} ms", at.as_millis()));
    }
    if let Some(certificate) = outcome
        .certificate_chain
        .first()
        .and_then(|der| examine_certificate(der))
    {
        let days = certificate.days_left(observation.now);
        if !matches!(
            failure,
            Failure::WrongPassword { .. } | Failure::NoAccount { .. }
        ) {
            finding.evidence.push(format!(
                "certificate of {} by {}, {days} days left",
                certificate.names.join(", "),
                certificate.issuer
            ));
        }
    }
    if check.fixable {
        finding.fix = Some(Fix::Apply);
    }
    Some(finding)
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

fn words(check: &Check, name: &HostName, login: &Login) -> String {
    let account = &login.account;
    match check.code {
        "X01" => format!("`{name}` logs in as `{account}` with a wrong password"),
        "X02" => format!("the account `{account}` that `{name}` uses does not exist"),
        "X04" => format!("the XMPP server does not serve `{}`", login.domain),
        "X05" => format!(
            "`{}` only takes anonymous people, not `{account}`",
            login.domain
        ),
        "X06" => format!("`{name}` is refused at {}", login.address),
        "X07" => format!("packets from `{name}` to {} are swallowed", login.address),
        "X09" => format!(
            "`{name}` does not trust the certificate of {}",
            login.address
        ),
        "X10" => format!("the certificate of {} has expired", login.address),
        _ => format!("{}: {}", login.address, check.title),
    }
}
