//! Meetings from the first request to the last leave: joining, offers, leaving.

use std::time::Duration;

use jitctl_conference::{EndReason, Event, Settings};
use jitctl_wire::jingle::{Action, Jingle};
use jitctl_wire::{Condition, Element, Iq};

use crate::support::{MODERN, Room, bridge, fixture};

#[test]
fn the_focus_reads_the_meeting_id_and_shows_real_addresses() {
    let room = Room::ready(Settings::default());
    assert!(room.events.contains(&Event::Ready));
    assert_eq!(room.conference.view().meeting_id.len(), 36);
}

#[test]
fn a_room_where_the_focus_is_no_owner_is_given_up() {
    let mut room = Room::joining(Settings::default());
    room.presence(
        "focus",
        "focus@auth.meet.test/focus",
        "member",
        "participant",
        false,
    );
    assert_eq!(room.ended(), Some(EndReason::NotOwner));
}

#[test]
fn a_room_nobody_joins_is_left_after_the_initial_timeout() {
    let mut room = Room::ready(Settings::default());
    room.advance(Duration::from_secs(14));
    assert_eq!(room.ended(), None);
    room.conference.handle_request(room.now);
    room.advance(Duration::from_secs(14));
    assert_eq!(room.ended(), None, "a new request starts the time again");
    room.advance(Duration::from_secs(2));
    assert_eq!(room.ended(), Some(EndReason::NobodyJoined));
}

#[test]
fn nobody_is_invited_alone_and_both_are_when_the_second_comes() {
    let mut room = Room::ready(Settings::default());
    room.join("aa", MODERN);
    assert!(
        !room
            .requests
            .iter()
            .any(|(_, iq)| { iq.payload.as_ref().unwrap().namespace() == "jitsi:colibri2" })
    );
    room.join("bb", MODERN);
    let (id, to, modify) = room.expect_colibri();
    assert_eq!(to, bridge("b1"));
    assert!(modify.create);
    assert_eq!(modify.name.unwrap().as_str(), "capa@conference.meet.test");
    let endpoint = &modify.endpoints[0];
    assert!(endpoint.create && endpoint.has_capability("source-names"));
    assert!(endpoint.transport.as_ref().unwrap().ice_controlling);
    let (_, _, second) = room.expect_colibri();
    assert!(
        !second.create,
        "the second request need not wait for the first"
    );
    room.grant(id, "aa");
    let (_, to, offer) = room.expect_jingle(Action::SessionInitiate);
    assert_eq!(to, "aa");
    assert_eq!(
        offer.initiator.as_deref(),
        Some("focus@auth.meet.test/focus")
    );
    assert!(offer.sources.unwrap().0.contains_key("jvb"));
}

/// Every attribute and element that a client reads in the media sections.
fn media_facts(jingle: &Jingle) -> Vec<String> {
    let mut facts = Vec::new();
    for content in &jingle.contents {
        let description = content.description.as_ref().unwrap();
        facts.push(format!("{} mux {}", content.name, description.rtcp_mux));
        if let jitctl_wire::jingle::Application::Rtp(media) = &description.application {
            for payload in &media.payload_types {
                let feedback = if payload.name == "rtx" {
                    &[][..]
                } else {
                    &payload.feedback[..]
                };
                facts.push(format!(
                    "{} pt {} {} {:?} {:?} {:?} {feedback:?}",
                    content.name,
                    payload.id,
                    payload.name,
                    payload.clock_rate,
                    payload.channels,
                    payload.parameters
                ));
            }
            for extension in &media.header_extensions {
                facts.push(format!(
                    "{} ext {} {}",
                    content.name, extension.id, extension.uri
                ));
            }
            facts.push(format!(
                "{} mixed {}",
                content.name, media.extmap_allow_mixed
            ));
        }
        facts.push(format!(
            "{} rtcp-mux {}",
            content.name,
            content.transport.as_ref().unwrap().rtcp_mux
        ));
    }
    facts.sort();
    facts
}

#[test]
fn an_offer_says_what_the_recorded_focus_said() {
    let recorded = Iq::parse(&fixture("53-jingle-session-initiate-first.xml")).unwrap();
    let recorded = Jingle::parse(&recorded.payload.unwrap()).unwrap();
    let mut room = Room::ready(Settings {
        sctp: false,
        ..Settings::default()
    });
    room.join("aa", MODERN);
    room.join("bb", MODERN);
    let (_, offer) = room.invite("aa");
    assert_eq!(media_facts(&offer), media_facts(&recorded));
    assert_eq!(offer.bundle, recorded.bundle);
    assert!(offer.bridge_session.is_some());
    let (ours, theirs) = (offer.sources.unwrap(), recorded.sources.unwrap());
    let names = |map: &jitctl_wire::jingle::SourceMap| {
        let owned = map.0.get("jvb").unwrap();
        let all = owned.video.iter().chain(&owned.audio);
        all.map(|source| (source.name.clone(), source.msid().map(str::to_owned)))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&ours), names(&theirs));
}

#[test]
fn a_data_channel_is_offered_to_clients_that_open_them() {
    let mut room = Room::ready(Settings::default());
    let mut features = MODERN.to_vec();
    features.push("urn:xmpp:jingle:transports:dtls-sctp:1");
    room.join("aa", &features);
    room.join("bb", MODERN);
    let (_, offer) = room.invite("aa");
    let data = offer
        .contents
        .iter()
        .find(|content| content.name == "data")
        .unwrap();
    assert_eq!(data.sctp.as_ref().unwrap().number, 5000);
    assert_eq!(offer.bundle.unwrap(), ["audio", "video", "data"]);
}

#[test]
fn who_leaves_is_taken_from_the_bridge_and_from_the_others() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    room.join("cc", MODERN);
    room.requests.clear();
    room.leave("bb");
    let (_, _, modify) = room.expect_colibri();
    assert!(modify.endpoints[0].expire);
    assert_eq!(modify.endpoints[0].id, "bb");
    let (_, to, removed) = room.expect_jingle(Action::SourceRemove);
    assert_eq!(to, "aa");
    assert!(removed.sources.unwrap().0.contains_key("bb"));
}

#[test]
fn who_is_left_alone_loses_the_session_after_a_while_and_an_empty_room_ends() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    room.requests.clear();
    room.leave("bb");
    room.advance(Duration::from_secs(19));
    room.requests.clear();
    room.advance(Duration::from_secs(2));
    let (_, to, terminate) = room.expect_jingle(Action::SessionTerminate);
    assert_eq!(to, "aa");
    assert_eq!(terminate.reason.unwrap().condition, "expired");
    room.leave("aa");
    assert_eq!(room.ended(), Some(EndReason::Empty));
}

#[test]
fn unknown_sessions_and_payloads_are_answered_with_their_errors() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    let stray = Element::parse("<jingle xmlns='urn:xmpp:jingle:1' action='source-add' sid='no'/>");
    let answer = room.client("aa", stray.unwrap());
    let error = answer.error.unwrap();
    assert_eq!(error.condition, Condition::ItemNotFound);
    assert!(
        error
            .application
            .iter()
            .any(|child| child.name() == "unknown-session")
    );
    let odd = room.client("aa", Element::new("odd", "urn:odd"));
    assert_eq!(odd.error.unwrap().condition, Condition::ServiceUnavailable);
}
