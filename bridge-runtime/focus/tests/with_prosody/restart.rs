//! A focus that is restarted or upgraded: nobody in a meeting notices.

use jitctl_testing::bridge::TestBridge;
use jitctl_testing::person::Person;
use jitctl_testing::{Prosody, Setup, read, wait_for};
use jitctl_wire::jingle::Action;
use jitctl_wire::{Presence, PresenceKind};

use crate::support::Focus;

const ROOM: &str = "standup@conference.meet.test";

/// Whether the focus left a room, by the stanzas somebody saw there.
fn left(stanza: &jitctl_wire::Element) -> bool {
    Presence::parse(stanza).is_ok_and(|presence| {
        presence.kind == PresenceKind::Unavailable
            && presence.from.as_ref().and_then(|from| from.resource()) == Some("focus")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_outlives_a_restart_and_the_new_focus_serves_it() {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let bridge = TestBridge::start(&prosody, "b1").await;
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    let mut ann = Person::guest(&prosody).await;
    let mut ben = Person::guest(&prosody).await;
    assert_eq!(ann.ask_for(ROOM).await.focus_jid, "focus@auth.meet.test");
    ann.join(ROOM, "aaaa1111").await;
    ben.join(ROOM, "bbbb2222").await;
    let offer_to_ann = ann.jingle(Action::SessionInitiate).await;
    let offer_to_ben = ben.jingle(Action::SessionInitiate).await;
    ann.accept(&offer_to_ann, 100).await;
    ben.accept(&offer_to_ben, 200).await;
    ann.jingle(Action::SourceAdd).await;
    ben.jingle(Action::SourceAdd).await;
    let mut seen = [ann.all_seen().await, ben.all_seen().await].concat();
    let asked_before = bridge.asked().len();

    assert!(focus.stop().success());
    // While nobody is there to hear it: Ann shares her screen.
    let sid = offer_to_ann.sid.clone();
    let sharing = tokio::spawn(async move {
        ann.add_screen(&sid, 101).await.unwrap();
        ann
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let focus = Focus::start(&prosody);
    let mut ann = sharing.await.unwrap();
    focus.wait_for_line(&["connected to XMPP", "resumed=true"]);
    let told = ben.jingle(Action::SourceAdd).await;
    assert_eq!(told.sid, offer_to_ben.sid, "the same session goes on");
    let screens = &told.sources.unwrap().0["aaaa1111"].video;
    assert_eq!(screens[0].ssrc, 101);
    wait_for("the bridge being told", || {
        (bridge.asked().len() > asked_before).then_some(())
    });

    // A third comes: the same meeting on the same bridge, with everybody's sources.
    let mut cleo = Person::guest(&prosody).await;
    cleo.ask_for(ROOM).await;
    cleo.join(ROOM, "cccc3333").await;
    let offer = cleo.jingle(Action::SessionInitiate).await;
    let owners: Vec<String> = offer.sources.as_ref().unwrap().0.keys().cloned().collect();
    assert_eq!(owners, ["aaaa1111", "bbbb2222", "jvb"]);
    let meetings: std::collections::BTreeSet<String> = bridge
        .asked()
        .into_iter()
        .map(|modify| modify.meeting_id)
        .collect();
    assert_eq!(meetings.len(), 1);
    cleo.accept(&offer, 300).await;

    // And ends what is to be ended.
    let room = format!("/debug/conference/{ROOM}");
    let (_, description) = focus.get(&room);
    assert!(description.contains("cccc3333"), "{description}");
    cleo.leave();
    ann.jingle(Action::SourceRemove).await;
    seen.extend(ann.all_seen().await);
    seen.extend(ben.all_seen().await);
    assert!(!seen.iter().any(left), "the focus never left the room");
    ann.leave();
    ben.leave();
    focus.wait_for_line(&["conference over", "Empty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_outlives_a_killed_focus() {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let bridge = TestBridge::start(&prosody, "b1").await;
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    let mut ann = Person::guest(&prosody).await;
    let mut ben = Person::guest(&prosody).await;
    ann.ask_for(ROOM).await;
    ann.join(ROOM, "aaaa1111").await;
    ben.join(ROOM, "bbbb2222").await;
    let offer_to_ann = ann.jingle(Action::SessionInitiate).await;
    let offer_to_ben = ben.jingle(Action::SessionInitiate).await;
    ann.accept(&offer_to_ann, 100).await;
    ben.accept(&offer_to_ben, 200).await;
    ann.jingle(Action::SourceAdd).await;
    ben.jingle(Action::SourceAdd).await;
    // What was written down a moment ago is what counts.
    wait_for("both sessions in the journal", || {
        let journal = read(&prosody.path("handover"));
        let accepted = journal
            .lines()
            .rev()
            .find(|line| line.starts_with("room "))?;
        (accepted.matches("\"accepted\":true").count() == 2).then_some(())
    });

    focus.kill();
    // While nobody is there to hear it: Ann shares her screen.
    let sid = offer_to_ann.sid.clone();
    let sharing = tokio::spawn(async move {
        ann.add_screen(&sid, 101).await.unwrap();
        ann
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let focus = Focus::start(&prosody);
    let mut ann = sharing.await.unwrap();
    focus.wait_for_line(&["connected to XMPP", "resumed=true"]);
    let told = ben.jingle(Action::SourceAdd).await;
    assert_eq!(told.sid, offer_to_ben.sid, "the same session goes on");

    // A third comes: the same meeting on the same bridge, with everybody's sources.
    let mut cleo = Person::guest(&prosody).await;
    cleo.ask_for(ROOM).await;
    cleo.join(ROOM, "cccc3333").await;
    let offer = cleo.jingle(Action::SessionInitiate).await;
    let owners: Vec<String> = offer.sources.as_ref().unwrap().0.keys().cloned().collect();
    assert_eq!(owners, ["aaaa1111", "bbbb2222", "jvb"]);
    let mut seen = [ann.all_seen().await, ben.all_seen().await].concat();
    seen.extend(cleo.all_seen().await);
    assert!(!seen.iter().any(left), "the focus never left the room");
    let ends = |stanza: &&jitctl_wire::Element| stanza.to_xml().contains("session-terminate");
    assert_eq!(seen.iter().find(ends), None, "no session ended");
    let asked = bridge.asked();
    assert!(
        asked
            .iter()
            .all(|one| one.meeting_id == asked[0].meeting_id)
    );
    ann.leave();
    ben.leave();
    cleo.leave();
    focus.wait_for_line(&["conference over", "Empty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_left_during_the_restart_is_gone_afterwards() {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let bridge = TestBridge::start(&prosody, "b1").await;
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    let mut ann = Person::guest(&prosody).await;
    let mut ben = Person::guest(&prosody).await;
    ann.ask_for(ROOM).await;
    ann.join(ROOM, "aaaa1111").await;
    ben.join(ROOM, "bbbb2222").await;
    let offer = ann.jingle(Action::SessionInitiate).await;
    ann.accept(&offer, 100).await;
    ben.jingle(Action::SessionInitiate).await;
    assert!(focus.stop().success());
    ben.leave();
    let focus = Focus::start(&prosody);
    focus.wait_for_line(&["connected to XMPP", "resumed=true"]);
    let expired = |asked: Vec<jitctl_wire::colibri2::ConferenceModify>| {
        let mut endpoints = asked.iter().flat_map(|modify| &modify.endpoints);
        endpoints.any(|endpoint| endpoint.expire && endpoint.id == "bbbb2222")
    };
    wait_for("the bridge letting go of who left", || {
        expired(bridge.asked()).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_server_forgot_the_session_bridges_are_cleared_and_rooms_open_anew() {
    let mut prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let bridge = TestBridge::start(&prosody, "b1").await;
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    let mut ann = Person::guest(&prosody).await;
    let mut ben = Person::guest(&prosody).await;
    ann.ask_for(ROOM).await;
    ann.join(ROOM, "aaaa1111").await;
    ben.join(ROOM, "bbbb2222").await;
    ann.jingle(Action::SessionInitiate).await;
    assert!(focus.stop().success());
    bridge.stop().await;
    prosody.restart();
    let focus = Focus::start(&prosody);
    focus.wait_for_line(&["connected to XMPP", "resumed=false"]);
    focus.wait_for_line(&["conference over", "Stopped"]);
    let mut cleo = Person::guest(&prosody).await;
    assert!(cleo.ask_for(ROOM).await.ready);
}
