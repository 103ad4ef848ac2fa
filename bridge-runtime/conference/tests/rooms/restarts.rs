//! A conference that another process takes up, after a stop and after a kill.

use jitctl_conference::{Conference, Entropy, SavedConference, Settings};
use jitctl_wire::IqKind;
use jitctl_wire::jingle::Action;

use crate::announcements::{DELAY, gathering, tells, told};
use crate::support::{MODERN, Room, adds_screen, bridge};

/// The room as another process takes it up: through text.
fn taken_up(room: &mut Room) {
    let saved = serde_json::to_string(&room.conference.save().unwrap()).unwrap();
    let saved: SavedConference = serde_json::from_str(&saved).unwrap();
    let mut counter: u128 = 1000;
    let entropy = Entropy::new(move || {
        counter += 1;
        counter
    });
    room.conference = Conference::restore(room.now, saved, Settings::default(), entropy).unwrap();
    room.requests.clear();
    room.presences.clear();
    room.collect();
    assert!(
        room.requests.is_empty() && room.presences.is_empty(),
        "nothing is said before the session goes on"
    );
}

/// The same, with the server's session resumed.
fn restarted(room: &mut Room) {
    taken_up(room);
    room.conference.resume(room.now, &mut room.bridges);
    room.collect();
}

#[test]
fn after_a_killed_focus_only_those_get_new_offers_who_had_not_accepted() {
    let (mut room, _, _) = Room::call_of_two(Settings::default());
    room.join("cc", MODERN);
    let (_, offered) = room.invite_next();
    taken_up(&mut room);
    room.conference.recover(room.now, &mut room.bridges);
    room.collect();
    let (_, to, ended) = room.expect_jingle(Action::SessionTerminate);
    assert_eq!((to.as_str(), &ended.sid), ("cc", &offered.sid));
    let (_, _, expired) = room.expect_colibri();
    assert!(expired.endpoints[0].expire && expired.endpoints[0].id == "cc");
    let (_, again) = room.invite("cc");
    assert_ne!(again.sid, offered.sid);
    let owners: Vec<String> = again.sources.unwrap().0.into_keys().collect();
    assert_eq!(owners, ["aa", "bb", "jvb"]);
    assert!(room.requests.is_empty(), "the others notice nothing");
}

#[test]
fn a_restarted_focus_goes_on_where_it_was() {
    let (mut room, sid_a, sid_b) = Room::call_of_two(Settings::default());
    let before = room.conference.view();
    restarted(&mut room);
    assert!(room.conference.is_ready());
    assert_eq!(room.conference.view(), before);
    let said: Vec<_> = room.requests.iter().map(|(_, iq)| iq.clone()).collect();
    assert_eq!(said, [], "people notice nothing");

    // A screen appears: the bridge and the other are told.
    let added = room.client("aa", adds_screen(&sid_a));
    assert_eq!(added.kind, IqKind::Result);
    let (_, _, modify) = room.expect_colibri();
    assert_eq!(modify.endpoints[0].id, "aa");
    let (_, to, told) = room.expect_jingle(Action::SourceAdd);
    assert_eq!((to.as_str(), told.sid), ("bb", sid_b));
    // A third comes to the same meeting on the same bridge, and finds all sources.
    room.join("cc", MODERN);
    let (id, to, modify) = room.expect_colibri();
    assert_eq!((to, modify.create), (bridge("b1"), false));
    room.grant(id, "cc");
    let (_, _, offer) = room.expect_jingle(Action::SessionInitiate);
    let owners: Vec<_> = offer.sources.unwrap().0.into_keys().collect();
    assert_eq!(owners, ["aa", "bb", "jvb"]);
    room.leave("aa");
    let (_, _, modify) = room.expect_colibri();
    assert!(modify.endpoints[0].expire);
}

#[test]
fn what_was_gathered_before_a_restart_is_told_after_it() {
    let (mut room, _, _) = Room::call_of_two(gathering());
    room.advance(DELAY);
    room.join("cc", MODERN);
    let (_, offer) = room.invite_next();
    room.accept("cc", &offer.sid, 300);
    room.leave("bb");
    restarted(&mut room);
    let gone = [200, 201, 202];
    assert_eq!(
        told(&mut room),
        [
            tells("aa", Action::SourceRemove, &gone),
            tells("aa", Action::SourceAdd, &[300, 301, 302]),
            tells("cc", Action::SourceRemove, &gone),
        ]
    );
}

#[test]
fn an_invitation_cut_off_by_a_restart_is_made_anew() {
    let mut room = Room::ready(Settings::default());
    room.join("aa", MODERN);
    room.join("bb", MODERN);
    restarted(&mut room);
    let (_, _, modify) = room.expect_colibri();
    assert!(
        modify.endpoints[0].expire,
        "what may be there is given back"
    );
    let (nick, _) = room.invite_next();
    assert_eq!(nick, "aa");
    let (nick, _) = room.invite_next();
    assert_eq!(nick, "bb");
}
