//! Who hears of whose sources, and in what form.

use jitctl_conference::Settings;
use jitctl_wire::jingle::{Action, Jingle};
use jitctl_wire::{Condition, IqKind};

use crate::support::{MODERN, Room, adds_screen, microphone};

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
fn clients_that_take_one_video_get_the_screen_in_place_of_the_camera_while_it_is_shared() {
    let mut room = Room::ready(Settings::default());
    room.join("aa", MODERN);
    let older: Vec<&str> = MODERN
        .iter()
        .copied()
        .filter(|feature| !feature.contains("receive-multiple-video-streams"))
        .collect();
    room.join("bb", &older);
    let (_, offer_a) = room.invite_next();
    let (_, offer_b) = room.invite_next();
    room.accept("aa", &offer_a.sid, 100);
    room.accept("bb", &offer_b.sid, 200);
    room.requests.clear();
    let screen = adds_screen(&offer_a.sid);
    assert_eq!(room.client("aa", screen.clone()).kind, IqKind::Result);
    let screen = Jingle::parse(&screen).unwrap().contents[0].clone();
    let layers = screen.description.unwrap().groups;
    let layers = layers.iter().find(|group| group.semantics == "SIM");
    let screen = layers.unwrap().ssrcs[0];
    let says = |room: &mut Room, muted: bool| {
        let info = format!(
            "<SourceInfo>{{\"aa-a0\":{{\"muted\":false}},\"aa-v0\":{{\"muted\":false}},\
             \"aa-v1\":{{\"muted\":{muted},\"videoType\":\"desktop\"}}}}</SourceInfo>"
        );
        room.presence_with("aa", "participant", &info);
    };
    let video = |told: Jingle| told.sources.unwrap().0["aa"].video[0].ssrc;
    for (muted, went, came) in [(false, 101, screen), (true, screen, 101)] {
        room.requests.clear();
        says(&mut room, muted);
        let (_, to, removed) = room.expect_jingle(Action::SourceRemove);
        assert_eq!((to.as_str(), video(removed)), ("bb", went));
        let (_, to, added) = room.expect_jingle(Action::SourceAdd);
        assert_eq!((to.as_str(), video(added)), ("bb", came));
    }
}

#[test]
fn taken_ssrcs_are_refused_and_nothing_changes() {
    let (mut room, sid, _) = Room::call_of_two(Settings::default());
    let answer = room.client("aa", microphone("source-add", &sid, 201));
    assert_eq!(answer.error.unwrap().condition, Condition::BadRequest);
    let view = room.conference.view();
    assert!(view.participants.iter().all(|someone| someone.ssrcs == 5));
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
    let refused = room.client("bb", adds_screen(&sid_b));
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
