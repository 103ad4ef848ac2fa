//! Clients whose ICE failed: new credentials in place, or a new session, but not too often.

use jitctl_conference::{Answer, Event, Settings};
use jitctl_wire::jingle::{Action, Jingle};
use jitctl_wire::{Condition, Element, Iq, IqKind};

use crate::support::{MODERN, Room, fixture};

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
