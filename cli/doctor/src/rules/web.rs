//! The public site: page, BOSH, WebSocket, certificate.

use crate::catalogue;
use crate::finding::{Finding, Fix, Severity};
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
        let page_broken = web
            .page
            .as_ref()
            .filter(|page| !is_fine(page, &[200, 301, 302, 304]));
        if let Some(words) = &web.tls_error {
            findings.push(
                Finding::of(&catalogue::PAGE_DOWN, Some(name))
                    .seen(words.clone())
                    .fixed_by(Fix::Apply),
            );
        } else if let Some(page) = page_broken {
            findings.push(
                Finding::of(&catalogue::PAGE_DOWN, Some(name))
                    .seen(page.evidence())
                    .fixed_by(Fix::Apply),
            );
        }
        if let Some(bosh) = web.bosh.as_ref().filter(|bosh| !is_fine(bosh, &[200])) {
            findings.push(
                Finding::of(&catalogue::BOSH_DOWN, Some(name))
                    .seen(bosh.evidence())
                    .fixed_by(Fix::Apply),
            );
        }
        if let Some(websocket) = web
            .websocket
            .as_ref()
            .filter(|answer| !is_fine(answer, &[101]))
        {
            findings.push(
                Finding::of(&catalogue::WEBSOCKET_DOWN, Some(name))
                    .seen(format!("{} instead of 101", websocket.evidence()))
                    .fixed_by(Fix::Apply),
            );
        }
    }
    findings
}

fn is_fine(answer: &Http, good: &[u16]) -> bool {
    answer.status.as_ref().is_ok_and(|code| good.contains(code))
}

pub(super) fn certificates(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        let Some(leaf) = sight.web.as_ref().and_then(|web| web.chain.first()) else {
            continue;
        };
        let domain = observation.domain.as_str();
        let days = leaf.days_left(observation.now);
        if !leaf.is_for(domain) {
            findings.push(
                Finding::of(&catalogue::CERTIFICATE_NAME, Some(name))
                    .what(format!("the certificate on port 443 is not for `{domain}`"))
                    .seen(format!("it is for {}", leaf.names.join(", ")))
                    .fixed_by(Fix::Apply),
            );
        }
        if days < EXPIRY_WARNING_DAYS {
            let mut finding = Finding::of(&catalogue::CERTIFICATE_EXPIRY, Some(name))
                .what(match days {
                    ..0 => format!("the certificate of `{domain}` expired {} days ago", -days),
                    _ => format!("the certificate of `{domain}` expires in {days} days"),
                })
                .seen(format!("{} by {}", leaf.subject, leaf.issuer))
                .fixed_by(Fix::Apply);
            if days >= EXPIRY_ERROR_DAYS {
                finding.severity = Severity::Warning;
            }
            findings.push(finding);
        }
    }
    findings
}
