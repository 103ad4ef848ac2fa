//! A site with a focus and bridges that grant everything, and two people who meet there.

use jitctl_testing::bridge::TestBridge;
use jitctl_testing::person::Person;
use jitctl_testing::{Prosody, Setup};
use jitctl_wire::jingle::{Action, Jingle};

use super::Focus;

/// Where people meet.
pub(crate) const ROOM: &str = "standup@conference.meet.test";

/// A server, a focus, and bridges that the focus knows.
pub(crate) async fn site(bridges: &[&str]) -> (Prosody, Focus, Vec<TestBridge>) {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let mut started = Vec::new();
    for nickname in bridges {
        started.push(TestBridge::start(&prosody, nickname).await);
        let named = format!("nickname={nickname}");
        focus.wait_for_line(&["Added new videobridge", &named]);
    }
    (prosody, focus, started)
}

/// Two people in the room, each with an offer.
pub(crate) async fn invited(prosody: &Prosody) -> [(Person, Jingle); 2] {
    let mut ann = Person::guest(prosody).await;
    let mut ben = Person::guest(prosody).await;
    ann.ask_for(ROOM).await;
    ann.join(ROOM, "aaaa1111").await;
    ben.join(ROOM, "bbbb2222").await;
    let offer_to_ann = ann.jingle(Action::SessionInitiate).await;
    let offer_to_ben = ben.jingle(Action::SessionInitiate).await;
    [(ann, offer_to_ann), (ben, offer_to_ben)]
}

/// Two people in the room who accepted.
pub(crate) async fn call(prosody: &Prosody) -> (Person, Person) {
    let [(mut ann, offer_to_ann), (mut ben, offer_to_ben)] = invited(prosody).await;
    ann.accept(&offer_to_ann, 100).await;
    ben.accept(&offer_to_ben, 200).await;
    (ann, ben)
}
