//! The TURN server: its TLS, its secret, whom it relays to.

use jitctl_inventory::names::HostName;
use jitctl_templates::ports;

use crate::catalogue;
use crate::finding::{Finding, Fix};
use crate::observe::probe::TurnView;
use crate::observe::{Certificate, Observation};

const UNIT: &str = "coturn.service";

pub(super) fn server(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight) in &observation.hosts {
        let Some(turn) = &sight.turn else {
            continue;
        };
        let served = sight.web.as_ref().and_then(|web| web.chain.first());
        findings.extend(encryption(name, turn));
        findings.extend(served.and_then(|served| certificate(name, turn, served)));
        findings.extend(secret(name, turn));
        if turn.relays_to_itself {
            findings.push(
                Finding::of(&catalogue::TURN_RELAYS_INSIDE, Some(name))
                    .what(format!("coturn on `{name}` would relay to 127.0.0.1"))
                    .seen("CreatePermission for 127.0.0.1 was granted; 403 is right")
                    .fixed_by_apply(),
            );
        }
        if let Some(first) = turn.refused_bridges.first() {
            let finding = Finding::of(&catalogue::TURN_REFUSES_BRIDGE, Some(name))
                .what(format!(
                    "coturn on `{name}` refuses to relay to the bridge at {first}"
                ))
                .fixed_by_apply();
            let shown = turn.refused_bridges.iter();
            findings.push(shown.fold(finding, |finding, ip| {
                finding.seen(format!("CreatePermission for {ip} was refused"))
            }));
        }
    }
    findings
}

/// Ports below this are forbidden to browsers, but for a few.
const RESTRICTED: u16 = 1024;
const ALLOWED: [u16; 3] = [53, 80, 443];

/// What Prosody hands to people: ports that browsers dial, and that somebody listens on.
pub(super) fn offers(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight, facts) in observation.seen() {
        let runs = facts
            .units
            .get(UNIT)
            .is_some_and(|unit| unit.active == "active");
        let offers = sight.guest.iter().flat_map(|guest| &guest.turn);
        for offer in offers.filter(|_| sight.turn.is_some() && runs) {
            let (kind, port, transport) = (&offer.kind, offer.port, &offer.transport);
            let shown = format!("Prosody offers {kind} on {port}/{transport}");
            if port < RESTRICTED && !ALLOWED.contains(&port) {
                findings.push(
                    Finding::of(&catalogue::TURN_PORT_RESTRICTED, Some(name))
                        .what(format!("browsers do not dial TURN on port {port}"))
                        .seen(shown.clone()),
                );
            }
            let mut sockets = facts.listeners.iter();
            // The handshake on the port for TLS knows more: coturn without its key opens none.
            let is_asked_otherwise = port == ports::TURN_TLS.number;
            let is_open = sockets.any(|one| one.port == port && one.protocol == *transport);
            if !is_open && !is_asked_otherwise {
                findings.push(
                    Finding::of(&catalogue::TURN_PORT_UNUSED, Some(name))
                        .what(format!(
                            "nobody on `{name}` listens where people are told that TURN is"
                        ))
                        .seen(shown)
                        .seen(format!("ss on `{name}` shows nobody on {port}/{transport}"))
                        .fixed_by_apply(),
                );
            }
        }
    }
    findings.dedup_by(|one, other| one.code == other.code);
    findings
}

fn encryption(name: &HostName, turn: &TurnView) -> Option<Finding> {
    let words = turn.tls_error.as_ref()?;
    Some(
        Finding::of(&catalogue::TURN_UNENCRYPTED, Some(name))
            .what(format!("TURN over TLS does not answer on `{name}`"))
            .seen(words.clone())
            .fixed_by(restart(name)),
    )
}

fn secret(name: &HostName, turn: &TurnView) -> Option<Finding> {
    let (words, cause) = match (&turn.allocated, &turn.trouble) {
        (Some(Err(words)), _) => (words, None),
        (None, Some(words)) => (words, Some("coturn or Prosody does not play its part")),
        _ => return None,
    };
    let finding = Finding::of(&catalogue::TURN_SECRET_DIFFERS, Some(name))
        .what(format!(
            "TURN on `{name}` does not work with the credentials that people get"
        ))
        .seen(words.clone())
        .fixed_by_apply();
    Some(match cause {
        Some(cause) => finding.because(cause),
        None => finding,
    })
}

/// The older of two certificates is the stale one.
fn certificate(name: &HostName, turn: &TurnView, served: &Certificate) -> Option<Finding> {
    let stale = turn.certificate.as_ref()?;
    if stale == served || stale.not_after >= served.not_after {
        return None;
    }
    Some(
        Finding::of(&catalogue::TURN_CERTIFICATE_STALE, Some(name))
            .what(format!("coturn on `{name}` serves an old certificate"))
            .seen(format!("serial {} on port 5349", stale.serial))
            .seen(format!("serial {} on port 443", served.serial))
            .fixed_by(restart(name)),
    )
}

fn restart(name: &HostName) -> Fix {
    Fix::RestartUnit {
        host: name.clone(),
        unit: UNIT.to_owned(),
    }
}
