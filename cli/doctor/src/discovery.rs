//! The STUN servers that a bridge behind NAT asks for its public address: whether one answers.

use jitctl_inventory::names::HostName;
use jitctl_transport::Remote;

use crate::catalogue;
use crate::examine::ask_from;
use crate::finding::Finding;
use crate::observe::probe::UdpAnswer;

/// The port of a server that is named without one (RFC 8489 section 8.1).
const PORT: u16 = 3478;

/// Asks each server from the bridge's host.
pub(crate) async fn ask(remote: &dyn Remote, servers: &[String]) -> Vec<(String, UdpAnswer)> {
    let targets: Vec<(String, u16)> = servers.iter().map(|one| target(one)).collect();
    let answers = ask_from(remote, &targets).await;
    answers
        .into_iter()
        .filter_map(|(number, answer)| Some((servers.get(number)?.clone(), answer)))
        .collect()
}

fn target(server: &str) -> (String, u16) {
    let split = server.rsplit_once(':');
    let split = split.and_then(|(name, port)| Some((name.to_owned(), port.parse().ok()?)));
    split.unwrap_or_else(|| (server.to_owned(), PORT))
}

/// Servers were asked, and none answers.
pub(crate) fn finding(name: &HostName, asked: &[(String, UdpAnswer)]) -> Option<Finding> {
    let answered = |(_, answer): &(String, UdpAnswer)| matches!(answer, UdpAnswer::Answered(_));
    if asked.is_empty() || asked.iter().any(answered) {
        return None;
    }
    let finding = Finding::of(&catalogue::DISCOVERY_FAILED, Some(name)).what(format!(
        "no STUN server tells the bridge on `{name}` its address"
    ));
    Some(asked.iter().fold(finding, |finding, (server, answer)| {
        let words = match answer {
            UdpAnswer::Refused => "refused (port unreachable)",
            UdpAnswer::NoWay => "its name does not resolve, or there is no way there",
            UdpAnswer::Answered(_) | UdpAnswer::Silent => "no answer to 3 Binding requests",
        };
        finding.seen(format!("`{name}` to {server}: {words}"))
    }))
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_server_without_a_port_has_the_usual_one() {
        assert_eq!(target("stun.x.test:443"), ("stun.x.test".to_owned(), 443));
        assert_eq!(target("stun.x.test"), ("stun.x.test".to_owned(), 3478));
    }
}
