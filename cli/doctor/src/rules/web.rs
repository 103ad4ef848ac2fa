//! The public site: page, BOSH, WebSocket, certificate.

use crate::catalogue;
use crate::finding::{Finding, Severity};
use crate::observe::host::ISSUANCE_JOBS;
use crate::observe::{Http, Observation};

/// Fewer days than this are worth a warning, and fewer than that an error.
const EXPIRY_WARNING_DAYS: i64 = 21;
const EXPIRY_ERROR_DAYS: i64 = 7;

pub(super) fn site(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        let Some(web) = &sight.web else {
            continue;
        };
        let mut add = |check, what: &str, evidence: String| {
            let what = format!("{what} on `{name}`");
            let finding = Finding::of(check, Some(name)).what(what).seen(evidence);
            findings.push(finding.fixed_by_apply());
        };
        if let Some(words) = &web.tls_error {
            add(
                &catalogue::PAGE_DOWN,
                "the page does not open",
                words.clone(),
            );
        }
        if let Some(page) = odd(web.page.as_ref(), &[200, 301, 302, 304]) {
            add(
                &catalogue::PAGE_DOWN,
                "the page does not open",
                page.evidence(),
            );
        }
        if let Some(bosh) = odd(web.bosh.as_ref(), &[200]) {
            add(&catalogue::BOSH_DOWN, "BOSH does not work", bosh.evidence());
        }
        if let Some(socket) = odd(web.websocket.as_ref(), &[101]) {
            let fallen = if is_page(socket) {
                ": the location is missing, the request falls to the page"
            } else {
                ""
            };
            let evidence = format!("{} instead of 101{fallen}", socket.evidence());
            add(
                &catalogue::WEBSOCKET_DOWN,
                "the XMPP WebSocket does not open",
                evidence,
            );
        }
        // Silence is no other site.
        let plain = web.plain.as_ref().filter(|answer| answer.status.is_ok());
        if let Some(plain) = odd(plain, &[301, 302, 307, 308]) {
            add(
                &catalogue::PAGE_PLAIN,
                "port 80 does not lead to HTTPS",
                plain.evidence(),
            );
        }
        let settings = web.settings.as_ref();
        if let Some(answer) = settings.filter(|answer| !is_fine(answer, &[200]) || is_page(answer))
        {
            add(
                &catalogue::PAGE_SETTINGS,
                "`config.js` is not served",
                answer.evidence(),
            );
        }
    }
    findings
}

fn odd<'h>(answer: Option<&'h Http>, good: &[u16]) -> Option<&'h Http> {
    answer.filter(|answer| !is_fine(answer, good))
}

fn is_fine(answer: &Http, good: &[u16]) -> bool {
    answer.status.as_ref().is_ok_and(|code| good.contains(code))
}

/// Whether the answer is the page itself, in place of what was asked for.
fn is_page(answer: &Http) -> bool {
    let kind = answer.content_type.as_deref().unwrap_or_default();
    answer.status == Ok(200) && kind.starts_with("text/html")
}

/// A run that asked for the public certificate, or was to renew it, and came back without.
pub(super) fn issuance(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, _, facts) in observation.seen() {
        let failed = facts.units.iter().find(|(unit, state)| {
            ISSUANCE_JOBS.contains(&unit.as_str()) && state.active == "failed"
        });
        let Some((unit, state)) = failed else {
            continue;
        };
        let finding = Finding::of(&catalogue::ISSUANCE_FAILED, Some(name))
            .what(format!(
                "no certificate comes from the authority for `{}`",
                observation.domain
            ))
            .about_unit(unit)
            .seen(format!("{unit}: exit status {}", state.exit_status));
        let words = facts.words.get(unit).into_iter().flatten();
        findings.push(words.fold(finding, |finding, line| {
            finding.seen(format!("{unit}: {line}"))
        }));
    }
    findings
}

pub(super) fn certificates(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        let chain = sight.web.as_ref().map(|web| web.chain.as_slice());
        let chain = chain.unwrap_or_default();
        let Some(leaf) = chain.first() else {
            continue;
        };
        let domain = observation.domain.as_str();
        let days = leaf.days_left(observation.now);
        if !leaf.is_for(domain) {
            findings.push(
                Finding::of(&catalogue::CERTIFICATE_NAME, Some(name))
                    .what(format!("the certificate on port 443 is not for `{domain}`"))
                    .seen(format!("it is for {}", leaf.names.join(", ")))
                    .fixed_by_apply(),
            );
        }
        if leaf.self_signed {
            findings.push(
                Finding::of(&catalogue::CERTIFICATE_SELF_SIGNED, Some(name))
                    .what(format!("the certificate of `{domain}` signed itself"))
                    .seen(format!("subject and issuer are {}", leaf.subject))
                    .fixed_by_apply(),
            );
        } else if leaf.logged && chain.len() == 1 {
            findings.push(
                Finding::of(&catalogue::CHAIN_INCOMPLETE, Some(name))
                    .what(format!(
                        "no intermediate certificate is sent for `{domain}`"
                    ))
                    .seen(format!(
                        "one certificate, by {}, with receipts of public logs",
                        leaf.issuer
                    )),
            );
        }
        if days < EXPIRY_WARNING_DAYS {
            let mut finding = Finding::of(&catalogue::CERTIFICATE_EXPIRY, Some(name))
                .what(match days {
                    ..0 => format!("the certificate of `{domain}` expired {} days ago", -days),
                    _ => format!("the certificate of `{domain}` expires in {days} days"),
                })
                .seen(format!("{} by {}", leaf.subject, leaf.issuer))
                .fixed_by_apply();
            if days >= EXPIRY_ERROR_DAYS {
                finding.severity = Severity::Warning;
            }
            findings.push(finding);
        }
    }
    findings
}
