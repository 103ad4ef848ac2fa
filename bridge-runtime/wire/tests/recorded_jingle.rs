//! Recorded Jingle, conference requests and mutes are read, and what is built of them says the
//! same again.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use jitctl_wire::conference_request::{ConferenceReply, ConferenceRequest};
use jitctl_wire::jingle::{Action, Application, Jingle, SourceMap};
use jitctl_wire::moderation::{AvModeration, Mute, MuteKind};
use jitctl_wire::rtp::MediaKind;
use jitctl_wire::{Element, Iq};
use proptest::prelude::*;

fn fixture(name: &str) -> Element {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find("-->").map_or(0, |end| end + 3);
    Element::parse(text[start..].trim()).unwrap()
}

fn payload(name: &str) -> Element {
    Iq::parse(&fixture(name)).unwrap().payload.unwrap()
}

fn jingle(name: &str) -> Jingle {
    Jingle::parse(&payload(name)).unwrap()
}

#[test]
fn every_recorded_jingle_survives_a_round_trip() {
    for name in [
        "53-jingle-session-initiate-first.xml",
        "54-jingle-session-initiate-third.xml",
        "55-jingle-session-accept.xml",
        "56-jingle-source-add-from-focus.xml",
        "57-jingle-source-add-from-client-desktop.xml",
        "58-jingle-source-add-desktop-to-others.xml",
        "70-ssrc-rewriting-session-initiate.xml",
        "71-ssrc-rewriting-session-initiate-third.xml",
        "75-sctp-session-initiate.xml",
        "76-sctp-session-accept.xml",
        "88-failover-session-terminate.xml",
        "89-failover-session-initiate.xml",
        "90-ice-restart-request.xml",
        "93-ice-restart-transport-info-from-focus.xml",
        "94-ice-restart-transport-info-from-client.xml",
        "95-session-restart-terminate.xml",
        "96-session-restart-source-remove-to-other.xml",
    ] {
        let read = jingle(name);
        let again = Jingle::parse(&Element::parse(&read.to_element().to_xml()).unwrap()).unwrap();
        assert_eq!(again, read, "{name}");
    }
}

#[test]
fn an_offer_with_a_data_channel_carries_its_sctp_port_and_bundle() {
    let offer = jingle("75-sctp-session-initiate.xml");
    assert_eq!(offer.action, Action::SessionInitiate);
    assert_eq!(offer.bundle.as_deref().unwrap(), ["audio", "video", "data"]);
    let data = offer
        .contents
        .iter()
        .find(|content| content.name == "data")
        .unwrap();
    assert_eq!(data.sctp.as_ref().unwrap().number, 5000);
    assert_eq!(
        data.description.as_ref().unwrap().application,
        Application::Data
    );
    let audio = offer.contents[0].description.as_ref().unwrap();
    assert!(audio.rtcp_mux);
    assert_eq!(audio.kind(), Some(MediaKind::Audio));
}

#[test]
fn an_accept_carries_named_sources_groups_and_transport() {
    let accept = jingle("55-jingle-session-accept.xml");
    let video = accept
        .contents
        .iter()
        .find(|content| content.name == "video")
        .unwrap();
    let description = video.description.as_ref().unwrap();
    assert_eq!(description.sources.len(), 6);
    assert_eq!(description.groups.len(), 4);
    assert_eq!(description.sources[0].name.as_deref(), Some("a450a1d2-v0"));
    assert!(
        description.sources[0]
            .msid()
            .unwrap()
            .starts_with("a450a1d2-video")
    );
    let transport = video.transport.as_ref().unwrap();
    assert_eq!(transport.ufrag.as_deref(), Some("BFtR"));
    assert!(transport.candidates.is_empty());
}

#[test]
fn compact_sources_name_owner_desktop_and_groups() {
    let added = jingle("58-jingle-source-add-desktop-to-others.xml");
    let sources = added.sources.unwrap();
    let owned = sources.0.get("5e3224f5").unwrap();
    assert_eq!(owned.video[0].video_type.as_deref(), Some("desktop"));
    assert_eq!(owned.video_groups[0].semantics, "FID");
    assert!(owned.audio.is_empty());
    assert!(
        !sources.to_json().contains("[]]"),
        "empty lists at the end are left out"
    );
}

#[test]
fn restart_requests_name_the_bridge_session() {
    let ice = jingle("90-ice-restart-request.xml").bridge_session.unwrap();
    assert!(ice.ice_restart && !ice.restart);
    let full = jingle("95-session-restart-terminate.xml")
        .bridge_session
        .unwrap();
    assert!(full.restart && !full.ice_restart);
    assert_eq!(ice.id, full.id);
}

#[test]
fn conference_requests_and_replies_survive_a_round_trip() {
    let request = ConferenceRequest::parse(&payload("31-conference-request.xml")).unwrap();
    assert_eq!(request.room.as_str(), "capa@conference.meet.test");
    assert_eq!(
        ConferenceRequest::parse(&request.to_element()).unwrap(),
        request
    );
    let reply =
        ConferenceReply::parse(&payload("33-conference-request-reply-from-focus.xml")).unwrap();
    assert!(reply.ready);
    assert_eq!(reply.focus_jid, "focus@auth.meet.test");
    assert_eq!(ConferenceReply::parse(&reply.to_element()).unwrap(), reply);
}

#[test]
fn mutes_name_kind_target_and_actor() {
    let request = Mute::parse(&payload("60-mute-request.xml")).unwrap();
    assert_eq!(request.kind, MuteKind::Audio);
    assert!(request.muted);
    assert_eq!(
        request.target.as_ref().unwrap().resource(),
        Some("e827954a")
    );
    let order = Mute::parse(&payload("61-mute-request-from-focus.xml")).unwrap();
    assert_eq!(order.actor.as_ref().unwrap().resource(), Some("a450a1d2"));
    assert_eq!(Mute::parse(&order.to_element()).unwrap(), order);
}

#[test]
fn an_av_moderation_message_says_who_switched_what() {
    let text = r#"{"type":"av_moderation","room":"r@conference.meet.test","enabled":true,
        "mediaType":"audio","actor":"r@conference.meet.test/aa","whitelists":{"audio":["x"]}}"#;
    let json = Element::new("json-message", "http://jitsi.org/jitmeet").with_text(text);
    let message = Element::new("message", "jabber:client").with_child(json);
    let moderation = AvModeration::of(&message).unwrap();
    assert_eq!(moderation.enabled, Some(true));
    assert_eq!(moderation.media_type, Some(MuteKind::Audio));
    assert_eq!(moderation.whitelists.get(&MuteKind::Audio).unwrap(), &["x"]);
}

proptest! {
    #[test]
    fn no_text_makes_the_source_map_parser_panic(text in "\\PC{0,120}") {
        let _ = SourceMap::parse(&text);
    }

    #[test]
    fn no_attribute_makes_the_jingle_parser_panic(
        action in "[a-z-]{0,16}", sid in "\\PC{0,8}", ssrc in "\\PC{0,12}",
    ) {
        let element = Element::new("jingle", "urn:xmpp:jingle:1")
            .with("action", action)
            .with("sid", sid)
            .with_child(Element::new("content", "urn:xmpp:jingle:1").with("name", "audio").with_child(
                Element::new("description", "urn:xmpp:jingle:apps:rtp:1").with("media", "audio").with_child(
                    Element::new("source", "urn:xmpp:jingle:apps:rtp:ssma:0").with("ssrc", ssrc),
                ),
            ));
        let _ = Jingle::parse(&element);
    }
}
