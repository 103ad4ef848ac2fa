//! The bridge channel over WebSocket: through MAIN's web server to each bridge. The bridge itself
//! refuses a conference that it does not have (403), and no answer but that is right.

use std::collections::BTreeMap;

use jitctl_inventory::names::HostName;
use serde::Deserialize;

use crate::catalogue::{self, Check};
use crate::finding::Finding;
use crate::observe::{HostFacts, Http, Observation};

#[derive(Default, Deserialize)]
struct BridgeFile {
    #[serde(default)]
    websocket: Option<Settings>,
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    domains: Vec<String>,
}

/// On the bridges: settings that are half there, and a listener that is not.
pub(super) fn listeners(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sight, facts) in observation.seen() {
        let Some(port) = sight.expected.channel_port else {
            continue;
        };
        if let Some(words) = half_configured(facts, observation.domain.as_str()) {
            findings.push(
                Finding::of(&catalogue::CHANNEL_HALF_CONFIGURED, Some(name))
                    .what(format!(
                        "the bridge on `{name}` tells nobody where its channel is"
                    ))
                    .seen(format!("/etc/jitctl/bridge.toml: {words}"))
                    .fixed_by_apply(),
            );
        }
        if !listens(facts, port) {
            findings.push(
                Finding::of(&catalogue::CHANNEL_OFF, Some(name))
                    .what(format!(
                        "the bridge on `{name}` takes no channels over WebSocket"
                    ))
                    .seen(format!("ss on `{name}` shows no bridge on {port}/tcp"))
                    .fixed_by_apply(),
            );
        }
    }
    findings
}

fn half_configured(facts: &HostFacts, domain: &str) -> Option<&'static str> {
    let file: BridgeFile = toml::from_str(facts.bridge.as_ref()?).ok()?;
    match file.websocket {
        None => Some("there is no `[websocket]`"),
        Some(settings) if !settings.domains.iter().any(|one| one == domain) => {
            Some("`domains` does not name the site")
        }
        Some(_) => None,
    }
}

fn listens(facts: &HostFacts, port: u16) -> bool {
    let mut sockets = facts.listeners.iter();
    sockets.any(|one| one.protocol == "tcp" && one.port == port && !one.is_local())
}

/// Bridges with what came back on the way to them.
type Ways<'o> = Vec<(&'o HostName, &'o Http)>;

/// On MAIN: where the web server's way to a bridge ends; one finding for all that end alike.
pub(super) fn ways(observation: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (main, sight) in &observation.hosts {
        let mut alike: BTreeMap<&str, (&'static Check, Ways<'_>)> = BTreeMap::new();
        let page = sight.web.as_ref().and_then(|web| web.page.as_ref());
        let usual = page.map(|page| page.elapsed).unwrap_or_default();
        let ready = sight
            .channels
            .iter()
            .filter(|(bridge, _)| is_ready(observation, bridge))
            // Where the page is slow, too, silence says nothing of the way to a bridge.
            .filter(|(_, answer)| answer.status.is_ok() || usual * 3 < answer.elapsed);
        for (bridge, answer) in ready {
            if let Some((check, what)) = judge(answer) {
                let (_, ways) = alike.entry(what).or_insert((check, Vec::new()));
                ways.push((bridge, answer));
            }
        }
        for (what, (check, ways)) in alike {
            let bridges: Vec<String> = ways.iter().map(|(name, _)| format!("`{name}`")).collect();
            let finding = Finding::of(check, Some(main))
                .what(format!(
                    "the channel to the bridge on {} {what}",
                    bridges.join(", ")
                ))
                .fixed_by_apply();
            findings.push(ways.iter().fold(finding, |finding, (_, answer)| {
                finding.seen(answer.evidence())
            }));
        }
    }
    findings
}

/// Whether the bridge was seen to wait for channels: else its own findings say why none opens.
fn is_ready(observation: &Observation, bridge: &HostName) -> bool {
    let sight = observation.hosts.get(bridge);
    let port = sight.and_then(|sight| sight.expected.channel_port);
    let facts = sight.and_then(|sight| sight.facts.as_ref().ok());
    let healthy = sight
        .and_then(|sight| sight.bridge_health.as_ref())
        .is_some_and(|health| health.status.is_ok());
    matches!((facts, port), (Some(facts), Some(port)) if healthy && listens(facts, port))
}

fn judge(answer: &Http) -> Option<(&'static Check, &'static str)> {
    // The bridge's own answers have no body, and so no content type.
    let by_the_bridge = answer.content_type.is_none();
    match answer.status {
        Ok(403) if by_the_bridge => None,
        Ok(200) => Some((&catalogue::CHANNEL_IS_PAGE, "falls to the app page")),
        Ok(404) if by_the_bridge => Some((&catalogue::CHANNEL_ASTRAY, "leads to another bridge")),
        Ok(404) => Some((&catalogue::CHANNEL_UNKNOWN, "is unknown to the web server")),
        Ok(400 | 405 | 426) => Some((&catalogue::CHANNEL_NOT_UPGRADED, "loses its upgrade")),
        Ok(_) | Err(_) => Some((&catalogue::CHANNEL_ASTRAY, "leads nowhere")),
    }
}
