//! Meetings from the first request to the last leave, without a network.
use std::time::Duration;

use crate::support::{MODERN, Room, bridge, fixture, jid};
use jitctl_conference::{Answer, EndReason, Event, Settings};
use jitctl_wire::colibri2::{ColibriError, ForceMute};
use jitctl_wire::jingle::{Action, Jingle};
use jitctl_wire::moderation::AvModeration;
use jitctl_wire::{Condition, Element, Iq, IqKind, StanzaError};

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
fn the_first_person_is_made_owner_by_bare_address() {
    let mut room = Room::ready(Settings::default());
    room.presence("aa", "aa@meet.test/r", "none", "participant", false);
    let (_, iq) = room.expect_request("muc#admin");
    let item = iq.payload.unwrap().first_child().unwrap().clone();
    assert_eq!(item.attribute("jid"), Some("aa@meet.test"));
    assert_eq!(item.attribute("affiliation"), Some("owner"));
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
fn an_accept_reaches_the_bridge_and_the_others() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    let update = |room: &mut Room| loop {
        let (_, _, modify) = room.expect_colibri();
        if modify.endpoints[0].sources.is_some() && !modify.endpoints[0].create {
            break modify;
        }
    };
    let modify = update(&mut room);
    let endpoint = &modify.endpoints[0];
    assert_eq!(endpoint.id, "aa");
    let transport = endpoint
        .transport
        .as_ref()
        .unwrap()
        .ice_udp
        .as_ref()
        .unwrap();
    assert_eq!(transport.ufrag.as_deref(), Some("cu"));
    assert!(transport.rtcp_mux);
    assert_eq!(endpoint.sources.as_ref().unwrap().len(), 2);
    // With the second accept each hears of the other, of the first layer only.
    let (_, to, added) = room.expect_jingle(Action::SourceAdd);
    assert_eq!(to, "aa");
    assert!(added.sources.unwrap().0.contains_key("bb"));
    let (_, to, added) = room.expect_jingle(Action::SourceAdd);
    assert_eq!(to, "bb");
    let sources = added.sources.unwrap();
    let owned = sources.0.get("aa").unwrap();
    let ssrcs: Vec<u32> = owned.video.iter().map(|source| source.ssrc).collect();
    assert_eq!(ssrcs, [101, 102]);
}

#[test]
fn a_third_person_finds_everybody_in_the_offer() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    room.join("cc", MODERN);
    let (_, offer) = room.invite_next();
    let owners: Vec<String> = offer.sources.unwrap().0.into_keys().collect();
    assert_eq!(owners, ["aa", "bb", "jvb"]);
}

#[test]
fn clients_without_json_get_sources_with_owners_in_xml() {
    let mut room = Room::ready(Settings::default());
    room.join("aa", MODERN);
    room.join(
        "bb",
        &[
            "urn:xmpp:jingle:apps:rtp:audio",
            "urn:xmpp:jingle:apps:rtp:video",
        ],
    );
    let (_, offer_a) = room.invite_next();
    let (_, offer_b) = room.invite_next();
    assert!(offer_b.sources.is_none());
    room.accept("bb", &offer_b.sid, 200);
    room.accept("aa", &offer_a.sid, 100);
    let (_, to, added) = room.expect_jingle(Action::SourceAdd);
    assert_eq!(to, "aa");
    assert!(added.sources.is_some());
    let (_, to, added) = room.expect_jingle(Action::SourceAdd);
    assert_eq!(to, "bb");
    let video = added
        .contents
        .iter()
        .find(|content| content.name == "video")
        .unwrap();
    let source = &video.description.as_ref().unwrap().sources[0];
    assert_eq!(source.owner.as_deref(), Some("aa"));
}

#[test]
fn with_ssrc_rewriting_sources_come_over_the_bridge_only() {
    let mut room = Room::ready(Settings::default());
    let mut features = MODERN.to_vec();
    features.push("http://jitsi.org/ssrc-rewriting-1");
    room.join("aa", MODERN);
    room.join("bb", &features);
    let (_, offer_a) = room.invite_next();
    room.accept("aa", &offer_a.sid, 100);
    let (nick, offer_b) = room.invite_next();
    assert_eq!(nick, "bb");
    let owners: Vec<String> = offer_b.sources.unwrap().0.into_keys().collect();
    assert_eq!(owners, ["jvb"]);
    room.accept("bb", &offer_b.sid, 200);
    let told_b = room.requests.iter().any(|(_, iq)| {
        let jingle = Jingle::parse(iq.payload.as_ref().unwrap());
        jingle.is_ok_and(|jingle| jingle.action == Action::SourceAdd)
            && iq.to.as_ref().unwrap().resource() == Some("bb")
    });
    assert!(!told_b);
}

#[test]
fn a_lost_bridge_moves_its_people_to_another_at_once() {
    let (mut room, sid, _) = Room::call_of_two(Settings::default());
    room.requests.clear();
    room.bridges.usable.retain(|usable| *usable != bridge("b1"));
    room.conference
        .handle_bridge_lost(room.now, &bridge("b1"), &mut room.bridges);
    room.collect();
    let (_, _, terminate) = room.expect_jingle(Action::SessionTerminate);
    assert_eq!(terminate.sid, sid);
    let reason = terminate.reason.unwrap();
    assert_eq!(
        (reason.condition.as_str(), reason.text.as_deref()),
        ("success", Some("moving"))
    );
    let view = room.conference.view();
    assert!(
        view.participants
            .iter()
            .all(|someone| someone.bridge == Some(bridge("b2")))
    );
    let (nick, offer) = room.invite_next();
    assert_eq!(nick, "aa");
    assert_ne!(offer.sid, sid);
}

#[test]
fn without_any_bridge_the_presence_says_so_until_one_comes() {
    let mut room = Room::ready(Settings::default());
    room.bridges.usable.clear();
    room.join("aa", MODERN);
    room.join("bb", MODERN);
    let says_missing = |room: &Room| {
        let last = room.presences.last().unwrap();
        last.payload
            .iter()
            .any(|child| child.name() == "bridgeNotAvailable")
    };
    assert!(says_missing(&room));
    room.bridges.usable.push(bridge("b9"));
    room.conference
        .handle_bridges_changed(room.now, &mut room.bridges);
    room.collect();
    assert!(!says_missing(&room));
    let (nick, _) = room.invite_next();
    assert_eq!(nick, "aa");
}

#[test]
fn an_unanswered_allocation_condemns_the_bridge() {
    let mut room = Room::ready(Settings::default());
    room.join("aa", MODERN);
    room.join("bb", MODERN);
    let (id, to, _) = room.expect_colibri();
    assert_eq!(to, bridge("b1"));
    room.answer(id, Answer::Timeout);
    assert_eq!(room.bridges.failed, [bridge("b1")]);
    let view = room.conference.view();
    assert!(
        view.participants
            .iter()
            .all(|someone| someone.bridge == Some(bridge("b2")))
    );
}

#[test]
fn a_bridge_in_graceful_shutdown_is_left_for_another() {
    let mut room = Room::ready(Settings::default());
    room.join("aa", MODERN);
    room.join("bb", MODERN);
    let (id, _, _) = room.expect_colibri();
    room.answer(
        id,
        Answer::Error(ColibriError::graceful_shutdown().to_stanza_error()),
    );
    assert_eq!(room.bridges.shutting_down, [bridge("b1")]);
    assert!(room.bridges.failed.is_empty());
    assert_eq!(room.conference.view().bridges, [(bridge("b2"), 2)]);
}

#[test]
fn a_refused_endpoint_does_not_condemn_the_bridge() {
    let mut room = Room::ready(Settings::default());
    room.join("aa", MODERN);
    room.join("bb", MODERN);
    let (id, _, _) = room.expect_colibri();
    room.answer(id, Answer::Error(StanzaError::new(Condition::BadRequest)));
    assert!(room.bridges.failed.is_empty());
    let failed = room.events.iter().any(|event| {
        matches!(event, Event::ParticipantFailed { participant, .. } if participant == "aa")
    });
    assert!(failed);
}

#[test]
fn a_forgotten_endpoint_is_invited_again_and_the_others_stay() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    let index = room
        .requests
        .iter()
        .position(|(_, iq)| iq.payload.as_ref().unwrap().namespace() == "jitsi:colibri2")
        .unwrap();
    let (id, _) = room.requests.remove(index).unwrap();
    room.requests.clear();
    room.answer(
        id,
        Answer::Error(ColibriError::unknown_endpoint("aa").to_stanza_error()),
    );
    let (nick, _) = room.invite_next();
    assert_eq!(nick, "aa");
    let view = room.conference.view();
    let other = view
        .participants
        .iter()
        .find(|someone| someone.id == "bb")
        .unwrap();
    assert_eq!(other.session, "active");
}

fn restart(sid: &str, bridge_session: &str) -> Element {
    let text = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='{sid}'>\
         <reason><connectivity-error/><text>ICE FAILED</text></reason>\
         <bridge-session xmlns='http://jitsi.org/protocol/focus' id='{bridge_session}' restart='true'/>\
         </jingle>"
    );
    Element::parse(&text).unwrap()
}

#[test]
fn a_client_whose_ice_failed_is_invited_again_but_not_too_often() {
    let mut room = Room::ready(Settings::default());
    room.join("aa", MODERN);
    room.join("bb", MODERN);
    let (_, offer) = room.invite_next();
    room.accept("aa", &offer.sid, 100);
    let wrong = room.client("aa", restart(&offer.sid, "nonsense"));
    assert_eq!(wrong.error.unwrap().condition, Condition::ItemNotFound);
    let id = offer.bridge_session.unwrap().id;
    assert_eq!(
        room.client("aa", restart(&offer.sid, &id)).kind,
        IqKind::Result
    );
    let again = loop {
        let (nick, offer) = room.invite_next();
        if nick == "aa" {
            break offer;
        }
    };
    let id = again.bridge_session.unwrap().id;
    let refused = room.client("aa", restart(&again.sid, &id));
    assert_eq!(
        refused.error.unwrap().condition,
        Condition::ResourceConstraint
    );
}

#[test]
fn a_client_that_reports_failed_ice_is_invited_again_and_counted_but_not_too_often() {
    let mut room = Room::ready(Settings::default());
    room.join("aa", MODERN);
    room.join("bb", MODERN);
    let (_, offer) = room.invite_next();
    room.accept("aa", &offer.sid, 100);
    let report = |offer: &Jingle| {
        let id = &offer.bridge_session.as_ref().unwrap().id;
        let text = format!(
            "<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='{}'>\
             <bridge-session xmlns='http://jitsi.org/protocol/focus' id='{id}'/>\
             <ice-state xmlns='http://jitsi.org/protocol/focus'>failed</ice-state>\
             </jingle>",
            offer.sid
        );
        Element::parse(&text).unwrap()
    };
    assert_eq!(room.client("aa", report(&offer)).kind, IqKind::Result);
    let again = loop {
        let (nick, offer) = room.invite_next();
        if nick == "aa" {
            break offer;
        }
    };
    let refused = room.client("aa", report(&again));
    assert_eq!(
        refused.error.unwrap().condition,
        Condition::ResourceConstraint
    );
    let told = room.events.iter().filter_map(|event| match event {
        Event::IceFailed {
            participant,
            granted,
        } => Some((participant.as_str(), *granted)),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [("aa", true), ("aa", false)]);
}

#[test]
fn a_bridge_that_restarts_ice_in_place_gives_new_credentials_to_the_client() {
    let (mut room, sid, _) = Room::call_of_two(Settings::default());
    room.requests.clear();
    // The third number drawn: after the meeting's and the session's.
    let bridge_session = "00000000-0000-4000-8000-000000000003";
    let text = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='{sid}'>\
         <bridge-session xmlns='http://jitsi.org/protocol/focus' id='{bridge_session}' ice-restart='true'/>\
         </jingle>"
    );
    let answer = room.client("aa", Element::parse(&text).unwrap());
    assert_eq!(answer.kind, IqKind::Result, "{:?}", answer.error);
    let (id, _, modify) = room.expect_colibri();
    assert!(modify.endpoints[0].transport.as_ref().unwrap().ice_restart);
    let reply = Iq::parse(&fixture("92-ice-restart-colibri2-reply.xml"))
        .unwrap()
        .payload
        .unwrap();
    let text = reply.to_xml().replace("6b7c855c", "aa");
    room.answer(id, Answer::Result(Some(Element::parse(&text).unwrap())));
    let (_, to, info) = room.expect_jingle(Action::TransportInfo);
    assert_eq!(to, "aa");
    assert_eq!(
        info.contents[0].transport.as_ref().unwrap().ice_generation,
        Some(1)
    );
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
fn taken_ssrcs_are_refused_and_nothing_changes() {
    let (mut room, sid, _) = Room::call_of_two(Settings::default());
    let text = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='source-add' sid='{sid}'>\
         <content name='video' creator='responder'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'>\
         <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='201' name='aa-v1'/>\
         </description></content></jingle>"
    );
    let answer = room.client("aa", Element::parse(&text).unwrap());
    assert_eq!(answer.error.unwrap().condition, Condition::BadRequest);
    let view = room.conference.view();
    assert!(view.participants.iter().all(|someone| someone.ssrcs == 5));
}

#[test]
fn only_moderators_mute_others() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    let mute = Iq::parse(&fixture("60-mute-request.xml"))
        .unwrap()
        .payload
        .unwrap();
    let text = mute.to_xml().replace("e827954a", "bb");
    let refused = room.client("aa", Element::parse(&text).unwrap());
    assert_eq!(refused.error.unwrap().condition, Condition::NotAllowed);
    room.presence("aa", "aa@meet.test/r", "owner", "moderator", false);
    assert_eq!(
        room.client("aa", Element::parse(&text).unwrap()).kind,
        IqKind::Result
    );
    let (_, iq) = room.expect_request("jitmeet/audio");
    assert_eq!(iq.to.unwrap().resource(), Some("bb"));
    let actor = iq.payload.unwrap().attribute("actor").unwrap().to_owned();
    assert_eq!(actor, "capa@conference.meet.test/aa");
}

#[test]
fn av_moderation_mutes_at_the_bridge_until_somebody_is_allowed() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    room.presence("aa", "aa@meet.test/r", "owner", "moderator", false);
    room.requests.clear();
    let news = |json: &str| {
        let json = Element::new("json-message", "http://jitsi.org/jitmeet").with_text(json);
        AvModeration::of(&Element::new("message", "jabber:client").with_child(json)).unwrap()
    };
    let on = news(
        r#"{"type":"av_moderation","enabled":true,"mediaType":"audio",
            "actor":"capa@conference.meet.test/aa"}"#,
    );
    room.conference
        .handle_av_moderation(room.now, &on, &mut room.bridges);
    room.collect();
    let (_, iq) = room.expect_request("jitmeet/audio");
    assert_eq!(iq.to.unwrap().resource(), Some("bb"));
    let (_, _, modify) = room.expect_colibri();
    assert_eq!(modify.endpoints[0].id, "bb");
    assert_eq!(
        modify.endpoints[0].force_mute,
        Some(ForceMute {
            audio: true,
            video: false
        })
    );
    let allowed =
        news(r#"{"type":"av_moderation","whitelists":{"audio":["capa@conference.meet.test/bb"]}}"#);
    room.conference
        .handle_av_moderation(room.now, &allowed, &mut room.bridges);
    room.collect();
    let (_, _, modify) = room.expect_colibri();
    assert_eq!(
        modify.endpoints[0].force_mute,
        Some(ForceMute {
            audio: false,
            video: false
        })
    );
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

#[test]
fn a_room_is_moved_as_a_whole_and_only_when_there_is_somewhere_to_go() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    room.requests.clear();
    let moved = room
        .conference
        .move_away(room.now, Some(&bridge("b2")), &mut room.bridges);
    assert_eq!(moved, 0, "nobody is on that bridge");
    let moved = room.conference.move_away(room.now, None, &mut room.bridges);
    assert_eq!(moved, 2);
    room.collect();
    let view = room.conference.view();
    assert_eq!(view.bridges, [(bridge("b2"), 2)]);
    room.bridges.usable.retain(|usable| *usable == bridge("b2"));
    let moved = room.conference.move_away(room.now, None, &mut room.bridges);
    assert_eq!(moved, 0, "there is no other bridge");
    assert_eq!(room.conference.view(), view);
}

#[test]
fn a_moderators_wish_mutes_those_who_come_later() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    room.presence_with(
        "aa",
        "moderator",
        "<startmuted xmlns='http://jitsi.org/jitmeet/start-muted' audio='true' video='false'/>",
    );
    room.requests.clear();
    room.join("cc", MODERN);
    let (_, offer) = room.invite_next();
    let muted = offer.start_muted.unwrap();
    assert_eq!((muted.audio, muted.video), (true, false));
    room.requests.clear();
    room.conference.move_away(room.now, None, &mut room.bridges);
    room.collect();
    let (_, offer) = room.invite_next();
    assert_eq!(
        offer.start_muted, None,
        "whoever only moves is left as they are"
    );
}

#[test]
fn beyond_the_limit_people_start_muted_and_new_sources_are_refused() {
    let settings = Settings {
        max_video_senders: 1,
        ..Settings::default()
    };
    let (mut room, _, sid_b) = Room::call_of_two(settings);
    room.presence_with(
        "aa",
        "participant",
        "<SourceInfo>{\"aa-a0\":{\"muted\":true},\"aa-v0\":{\"muted\":false}}</SourceInfo>",
    );
    let said = room.presences.last().unwrap().to_element().to_xml();
    assert!(said.contains("video-limit-reached") && !said.contains("audio-limit-reached"));
    let desktop = fixture("57-jingle-source-add-from-client-desktop.xml");
    let mut payload = Iq::parse(&desktop).unwrap().payload.unwrap();
    payload.set("sid", sid_b);
    let refused = room.client("bb", payload);
    assert_eq!(
        refused.error.unwrap().condition,
        Condition::ResourceConstraint
    );
    room.requests.clear();
    room.join("cc", MODERN);
    let (_, offer) = room.invite_next();
    let muted = offer.start_muted.unwrap();
    assert_eq!((muted.audio, muted.video), (false, true));
}

#[test]
fn who_logged_in_elsewhere_becomes_owner_in_a_secure_domain() {
    let settings = Settings {
        authenticated_domain: Some("meet.test".to_owned()),
        ..Settings::default()
    };
    let mut room = Room::ready(settings);
    room.presence("gg", "gg@guest.meet.test/r", "none", "participant", false);
    let granted = |room: &mut Room| {
        let found = room.requests.iter().any(|(_, iq)| {
            iq.payload
                .as_ref()
                .is_some_and(|payload| payload.namespace().ends_with("muc#admin"))
        });
        room.requests.clear();
        found
    };
    assert!(!granted(&mut room));
    room.conference
        .note_authenticated(&jid("gg@guest.meet.test/r"));
    room.collect();
    assert!(granted(&mut room));
}
