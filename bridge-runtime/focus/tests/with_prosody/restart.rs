//! A focus that is restarted or upgraded: nobody in a meeting notices.

use std::collections::BTreeSet;
use std::time::Duration;

use jitctl_testing::bridge::TestBridge;
use jitctl_testing::person::Person;
use jitctl_testing::{Prosody, read, wait_for};
use jitctl_wire::jingle::{Action, Jingle};
use jitctl_wire::{Element, Presence, PresenceKind};

use crate::support::{Focus, ROOM, invited, site};

/// Ann and Ben in a meeting on one bridge.
struct Meeting {
    prosody: Prosody,
    bridge: TestBridge,
    ann: Person,
    ben: Person,
    offer_to_ann: Jingle,
    offer_to_ben: Jingle,
}

impl Meeting {
    /// Both were invited; nobody has accepted.
    async fn offered() -> (Self, Focus) {
        let (prosody, focus, mut bridges) = site(&["b1"]).await;
        let [(ann, offer_to_ann), (ben, offer_to_ben)] = invited(&prosody).await;
        let meeting = Self {
            prosody,
            bridge: bridges.remove(0),
            ann,
            ben,
            offer_to_ann,
            offer_to_ben,
        };
        (meeting, focus)
    }

    /// Both accepted and know of each other.
    async fn under_way() -> (Self, Focus) {
        let (mut meeting, focus) = Self::offered().await;
        meeting.ann.accept(&meeting.offer_to_ann, 100).await;
        meeting.ben.accept(&meeting.offer_to_ben, 200).await;
        meeting.ann.jingle(Action::SourceAdd).await;
        meeting.ben.jingle(Action::SourceAdd).await;
        (meeting, focus)
    }

    /// Ann shares her screen while no focus is there to hear it; the next one takes the meeting
    /// over, and tells Ben and the bridge.
    async fn taken_over_while_a_screen_is_shared(&mut self) -> Focus {
        let asked_before = self.bridge.asked().len();
        let sharing = async {
            let sid = &self.offer_to_ann.sid;
            self.ann.add_screen(sid, 101).await.unwrap();
        };
        let starting = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Focus::start(&self.prosody)
        };
        let ((), focus) = tokio::join!(sharing, starting);
        focus.wait_for_line(&["connected to XMPP", "resumed=true"]);
        let told = self.ben.jingle(Action::SourceAdd).await;
        assert_eq!(told.sid, self.offer_to_ben.sid, "the same session goes on");
        let screens = &told.sources.unwrap().0["aaaa1111"].video;
        assert_eq!(screens[0].ssrc, 101);
        wait_for("the bridge being told", || {
            (self.bridge.asked().len() > asked_before).then_some(())
        });
        focus
    }

    /// A third comes: to the same meeting on the same bridge, with everybody's sources.
    async fn third(&self) -> Person {
        let mut cleo = Person::guest(&self.prosody).await;
        cleo.ask_for(ROOM).await;
        cleo.join(ROOM, "cccc3333").await;
        let offer = cleo.jingle(Action::SessionInitiate).await;
        let owners: Vec<String> = offer.sources.as_ref().unwrap().0.keys().cloned().collect();
        assert_eq!(owners, ["aaaa1111", "bbbb2222", "jvb"]);
        let asked = self.bridge.asked();
        let meetings: BTreeSet<&str> = asked.iter().map(|one| one.meeting_id.as_str()).collect();
        assert_eq!(meetings.len(), 1);
        cleo.accept(&offer, 300).await;
        cleo
    }

    /// Both leave, and have seen neither the focus leave nor a session end before.
    async fn ends_unnoticed(mut self, focus: &Focus) {
        for person in [&mut self.ann, &mut self.ben] {
            let seen = person.all_seen().await;
            assert!(!seen.iter().any(is_focus_leaving), "it never left the room");
            let ends = |stanza: &&Element| stanza.to_xml().contains("session-terminate");
            assert_eq!(seen.iter().find(ends), None, "no session ended");
            person.leave();
        }
        focus.wait_for_line(&["conference over", "Empty"]);
    }
}

fn is_focus_leaving(stanza: &Element) -> bool {
    Presence::parse(stanza).is_ok_and(|presence| {
        presence.kind == PresenceKind::Unavailable
            && presence.from.as_ref().and_then(|from| from.resource()) == Some("focus")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_outlives_a_restart_and_the_new_focus_serves_it() {
    let (mut meeting, focus) = Meeting::under_way().await;
    assert!(focus.stop().success());
    let focus = meeting.taken_over_while_a_screen_is_shared().await;
    let mut cleo = meeting.third().await;
    let (_, description) = focus.get(&format!("/debug/conference/{ROOM}"));
    assert!(description.contains("cccc3333"), "{description}");
    // And ends what is to be ended.
    cleo.leave();
    meeting.ann.jingle(Action::SourceRemove).await;
    meeting.ends_unnoticed(&focus).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_outlives_a_killed_focus() {
    let (mut meeting, focus) = Meeting::under_way().await;
    // What was written down a moment ago is what counts.
    wait_for("both sessions in the journal", || {
        let journal = read(&meeting.prosody.path("handover"));
        let accepted = journal
            .lines()
            .rev()
            .find(|line| line.starts_with("room "))?;
        (accepted.matches("\"accepted\":true").count() == 2).then_some(())
    });
    focus.kill();
    let focus = meeting.taken_over_while_a_screen_is_shared().await;
    let mut cleo = meeting.third().await;
    cleo.leave();
    meeting.ends_unnoticed(&focus).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_the_full_address_waits_for_the_next_focus() {
    let (prosody, mut focus, _bridges) = site(&["b1"]).await;
    let mut ann = Person::guest(&prosody).await;
    let ends: [fn(Focus); 2] = [|focus| assert!(focus.stop().success()), Focus::kill];
    for (end, room) in ends.into_iter().zip(["one", "two"]) {
        wait_for("the journal", || {
            prosody.path("handover").exists().then_some(())
        });
        end(focus);
        let room = format!("{room}@conference.meet.test");
        let starting = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Focus::start(&prosody)
        };
        let asking = ann.ask_once("focus@auth.meet.test/focus", &room);
        let (reply, started) = tokio::join!(asking, starting);
        assert!(reply.unwrap().ready, "{room}");
        focus = started;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_left_during_the_restart_is_gone_afterwards() {
    let (mut meeting, focus) = Meeting::offered().await;
    meeting.ann.accept(&meeting.offer_to_ann, 100).await;
    assert!(focus.stop().success());
    meeting.ben.leave();
    let focus = Focus::start(&meeting.prosody);
    focus.wait_for_line(&["connected to XMPP", "resumed=true"]);
    wait_for("the bridge letting go of who left", || {
        let asked = meeting.bridge.asked();
        let mut endpoints = asked.iter().flat_map(|modify| &modify.endpoints);
        endpoints
            .any(|endpoint| endpoint.expire && endpoint.id == "bbbb2222")
            .then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_server_forgot_the_session_bridges_are_cleared_and_rooms_open_anew() {
    let (mut meeting, focus) = Meeting::offered().await;
    assert!(focus.stop().success());
    meeting.bridge.stop().await;
    meeting.prosody.restart();
    let focus = Focus::start(&meeting.prosody);
    focus.wait_for_line(&["connected to XMPP", "resumed=false"]);
    focus.wait_for_line(&["conference over", "Stopped"]);
    let mut cleo = Person::guest(&meeting.prosody).await;
    assert!(cleo.ask_for(ROOM).await.ready);
}
