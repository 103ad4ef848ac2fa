//! What the inventory makes of a host, as far as the rules compare it.

use std::fmt::Write as _;

use jitctl_templates::desired::{DesiredHost, PortRule, Protocol, RenderedFile, Source};
use jitctl_templates::ports;
use sha2::{Digest as _, Sha256};

use crate::observe::Expected;

/// Begins every place where a secret belongs.
const MARKER: &str = "@@secret:";

pub(super) fn of(desired: &DesiredHost) -> Expected {
    let (secret, plain): (Vec<&RenderedFile>, Vec<&RenderedFile>) = desired
        .files
        .iter()
        .partition(|file| file.content.contains(MARKER));
    let closed = desired
        .firewall
        .rules
        .iter()
        .filter(|rule| rule.protocol == Protocol::Tcp && rule.from != Source::World)
        // What is closed on a host that others keep is their business.
        .filter(|_| !desired.foreign);
    let own = |rule: &&PortRule| rule.why == ports::BRIDGE_WEBSOCKET.why;
    Expected {
        channel_port: desired
            .firewall
            .rules
            .iter()
            .find(own)
            .map(|rule| rule.port),
        hashes: plain
            .iter()
            .map(|file| (file.path.clone(), hash(&file.content)))
            .collect(),
        private: secret
            .iter()
            .map(|file| (file.path.clone(), file.mode))
            .collect(),
        closed: closed.map(|rule| rule.port).collect(),
        media_port: desired
            .firewall
            .rules
            .iter()
            .find(|rule| rule.protocol == Protocol::Udp && rule.why == ports::MEDIA.why)
            .map(|rule| rule.port),
        foreign: desired.foreign,
    }
}

fn hash(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn hashes_are_those_of_sha256sum() {
        assert_eq!(
            hash(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
