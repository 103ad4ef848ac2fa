//! What a guest meets: login, conference request.

use jitctl_inventory::names::HostName;

use crate::catalogue;
use crate::finding::Finding;
use crate::observe::probe::{Asked, GuestVisit};
use crate::observe::{HostSight, Observation};

pub(super) fn visit(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        let Some(guest) = &sight.guest else {
            continue;
        };
        findings.extend(login(name, sight, guest));
        // A focus that does not answer its own host has been named already.
        if !matches!(sight.focus, Some(Err(_))) {
            findings.extend(conference(name, guest));
        }
        findings.extend(over_http(name, sight, guest));
    }
    findings
}

/// Only with a WebSocket that opens: that it does not is said elsewhere.
fn login(name: &HostName, sight: &HostSight, guest: &GuestVisit) -> Option<Finding> {
    let opens = sight.web.as_ref()?.websocket.as_ref()?.status == Ok(101);
    if guest.logged_in || !opens {
        return None;
    }
    let words = guest.trouble.as_deref().unwrap_or("no answer");
    Some(
        Finding::of(&catalogue::GUESTS_REFUSED, Some(name))
            .what(format!("people cannot log in on `{name}`"))
            .seen(format!("an anonymous login over the WebSocket: {words}"))
            .fixed_by_apply(),
    )
}

fn conference(name: &HostName, guest: &GuestVisit) -> Option<Finding> {
    if !guest.logged_in {
        return None;
    }
    let words = match &guest.conference {
        Some(Ok(Asked::Granted { ready: true } | Asked::LoginWanted)) => return None,
        Some(Ok(Asked::Granted { ready: false })) => "the focus is not there".to_owned(),
        Some(Ok(Asked::Refused(words)) | Err(words)) => words.clone(),
        None => guest
            .trouble
            .clone()
            .unwrap_or_else(|| "no answer".to_owned()),
    };
    Some(
        Finding::of(&catalogue::FOCUS_SILENT, Some(name))
            .what(format!("people cannot open conferences on `{name}`"))
            .seen(format!("a guest's conference request: {words}"))
            .fixed_by_apply(),
    )
}

fn over_http(name: &HostName, sight: &HostSight, guest: &GuestVisit) -> Option<Finding> {
    // Without a page there is no web server to speak of.
    sight.web.as_ref()?.page.as_ref()?.status.as_ref().ok()?;
    let words = match guest.over_http.as_ref()? {
        // 403 is "log in first".
        Ok(200 | 403) => return None,
        Ok(status) => format!("it answered {status}"),
        Err(words) => words.clone(),
    };
    Some(
        Finding::of(&catalogue::REQUESTS_OVER_HTTP, Some(name))
            .what(format!("conference requests over HTTP fail on `{name}`"))
            .seen(format!("POST /conference-request/v1: {words}"))
            .fixed_by_apply(),
    )
}
