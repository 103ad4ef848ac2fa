//! Who may do what to others: ownership, mutes, AV moderation.

use jitctl_conference::Settings;
use jitctl_wire::colibri2::ForceMute;
use jitctl_wire::moderation::AvModeration;
use jitctl_wire::{Condition, Element, Iq, IqKind};

use crate::support::{MODERN, Room, fixture, jid};

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
