//! Bridges that fail, refuse, go or come, and what becomes of the people on them.

use jitctl_conference::{Answer, Event, Settings};
use jitctl_wire::colibri2::ColibriError;
use jitctl_wire::jingle::Action;
use jitctl_wire::{Condition, StanzaError};

use crate::support::{MODERN, Room, bridge};

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
