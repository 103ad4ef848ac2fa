//! How a participant shows itself: capabilities and room presence, as the browser client does.

use jitctl_wire::disco::DiscoInfo;
use jitctl_wire::{Element, Jid, Presence, muc, namespace};
use serde_json::json;

use super::sources::LocalSources;

/// Node of the capabilities (XEP-0115).
const NODE: &str = "https://jitsi.org/jitsi-meet";

/// What we can do; the focus decides from it what it offers. SSRC rewriting is not among it, so
/// that every source is signalled.
const FEATURES: [&str; 15] = [
    "http://jabber.org/protocol/caps",
    "http://jitsi.org/json-encoded-sources",
    "http://jitsi.org/receive-multiple-video-streams",
    "http://jitsi.org/source-name",
    "http://jitsi.org/start-muted-room-metadata",
    "http://jitsi.org/tcc",
    "http://jitsi.org/visitors-1",
    "urn:ietf:rfc:4588",
    "urn:xmpp:jingle:1",
    "urn:xmpp:jingle:apps:dtls:0",
    "urn:xmpp:jingle:apps:rtp:1",
    "urn:xmpp:jingle:apps:rtp:audio",
    "urn:xmpp:jingle:apps:rtp:video",
    "urn:xmpp:jingle:transports:dtls-sctp:1",
    "urn:xmpp:jingle:transports:ice-udp:1",
];

/// Our answer to a disco#info request about `node`.
pub(crate) fn capabilities(node: Option<&str>) -> DiscoInfo {
    DiscoInfo {
        node: node.map(str::to_owned),
        features: FEATURES.map(str::to_owned).to_vec(),
        ..DiscoInfo::default()
    }
}

/// The presence that joins a room.
pub(crate) fn join(occupant: Jid, name: &str) -> Element {
    described(occupant, name, "{}")
        .with_payload(muc::join_request(None))
        .to_element()
}

/// The presence once media flows: what is muted is said here and nowhere else.
pub(crate) fn sending(occupant: Jid, name: &str, local: &LocalSources) -> Element {
    let mut sources = serde_json::Map::new();
    sources.insert(
        local.audio_name(),
        json!({ "muted": local.audio.is_none() }),
    );
    sources.insert(
        local.video_name(),
        json!({ "muted": local.layers.is_empty() }),
    );
    let sources = serde_json::Value::Object(sources).to_string();
    described(occupant, name, &sources).to_element()
}

/// The presence that leaves.
pub(crate) fn leave(occupant: Jid) -> Element {
    Presence::unavailable(Some(occupant)).to_element()
}

fn described(occupant: Jid, name: &str, sources: &str) -> Presence {
    let plain = |element: &'static str, text: &str| {
        Element::new(element, namespace::CLIENT).with_text(text.to_owned())
    };
    Presence::available(Some(occupant))
        .with_payload(plain("stats-id", "jitctl"))
        .with_payload(capabilities(None).capabilities(NODE))
        .with_payload(plain("SourceInfo", sources))
        .with_payload(plain("jitsi_participant_codecList", "vp8"))
        .with_payload(
            Element::new("nick", "http://jabber.org/protocol/nick").with_text(name.to_owned()),
        )
}

/// The endpoint identifier that the browser client would take: the first eight digits of an
/// anonymous account, when they are digits.
pub(crate) fn endpoint_of(account: &Jid) -> Option<String> {
    let start = account.local()?.get(..8)?;
    let is_hexadecimal = start
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_hexadecimal.then(|| start.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_named_after_an_account_of_hexadecimal_digits_only() {
        let name = |jid: &str| endpoint_of(&jid.parse().unwrap());
        assert_eq!(
            name("a1b95c48-206d-4d07-a979-f61d7ebb347b@meet.test/x").as_deref(),
            Some("a1b95c48")
        );
        assert_eq!(name("anonymous@meet.test/x"), None);
        assert_eq!(name("short@meet.test"), None);
    }
}
