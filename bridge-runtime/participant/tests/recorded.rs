//! The session against stanzas that a reference focus and the browser client exchanged.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jitctl_participant::signalling::{LocalSources, LocalTransport, Session, Step};
use jitctl_wire::jingle::Jingle;
use jitctl_wire::{Condition, Element, Iq, Jid};

fn recorded(text: &str) -> (Jid, Jingle) {
    let start = text.find("<iq").unwrap();
    let iq = Iq::parse(&Element::parse(&text[start..]).unwrap()).unwrap();
    let jingle = Jingle::parse(iq.payload.as_ref().unwrap()).unwrap();
    let from = iq.from.or(iq.to).unwrap();
    (from, jingle)
}

macro_rules! fixture {
    ($name:literal) => {
        recorded(include_str!(concat!("fixtures/", $name, ".xml")))
    };
}

const US: &str = "a1b95c48-206d-4d07-a979-f61d7ebb347b@meet.test/oT0Rsarr9JZe";

fn session(focus: &Jid) -> Session {
    Session::new(focus.clone(), US.parse().unwrap())
}

fn transport() -> LocalTransport {
    LocalTransport {
        ufrag: String::from("HQiM"),
        pwd: String::from("mHUnBt9lYq0cLMMzv2okePxx"),
        hash: String::from("sha-256"),
        fingerprint: String::from("3E:88"),
    }
}

#[test]
fn an_offer_is_understood_and_its_sources_are_those_of_others() {
    let (focus, offer) = fixture!("08-session-initiate-in");
    let mut session = session(&focus);
    let Step::Connect(offer) = session.handle(&focus, &offer).unwrap() else {
        panic!("not an offer");
    };
    assert_eq!(offer.audio.codec.id, 111);
    assert_eq!(offer.video.codec.id, 100);
    assert_eq!(offer.video.retransmission.as_ref().unwrap().id, 96);
    assert_eq!(offer.transport.candidates.len(), 1);
    assert_eq!(offer.sctp_port, None);
    // A microphone and a camera; the camera's retransmissions do not count.
    assert_eq!(session.remote().len(), 2);
    let (focus, third) = fixture!("09-session-initiate-third-with-sources-in");
    session = self::session(&focus);
    session.handle(&focus, &third).unwrap();
    assert_eq!(session.remote().len(), 4);
}

#[test]
fn an_answer_has_what_the_browsers_answer_has() {
    let (focus, offer) = fixture!("27-session-initiate-with-sctp-in");
    let mut session = session(&focus);
    let Step::Connect(offer) = session.handle(&focus, &offer).unwrap() else {
        panic!("not an offer");
    };
    assert_eq!(offer.sctp_port, Some(5000));
    let local = LocalSources::new("a1b95c48", true, 3).unwrap();
    let ours = session.accept(&offer, &local, &transport());
    let (_, browser) = fixture!("28-session-accept-with-sctp-out");
    assert_eq!(ours.bundle, browser.bundle);
    assert_eq!(ours.initiator, browser.initiator);
    let names = |jingle: &Jingle| -> Vec<(String, usize, usize, bool)> {
        jingle
            .contents
            .iter()
            .map(|content| {
                // The browser's data content has no description.
                let description = content.description.as_ref();
                (
                    content.name.clone(),
                    description.map_or(0, |d| d.sources.len()),
                    description.map_or(0, |d| d.groups.len()),
                    content.transport.as_ref().unwrap().fingerprints.len() == 1,
                )
            })
            .collect()
    };
    assert_eq!(names(&ours), names(&browser));
    let read_back = Jingle::parse(&ours.to_element()).unwrap();
    assert_eq!(read_back, ours);
}

#[test]
fn sources_come_and_go_and_moving_ends_the_session() {
    let (focus, offer) = fixture!("08-session-initiate-in");
    let mut session = session(&focus);
    session.handle(&focus, &offer).unwrap();
    let sid = offer.sid;
    let of_session = |(_, mut jingle): (Jid, Jingle)| {
        jingle.sid.clone_from(&sid);
        jingle
    };
    let added = of_session(fixture!("11-source-add-json-in"));
    assert_eq!(session.handle(&focus, &added), Ok(Step::Sources));
    assert!(session.remote().len() >= 2);
    let removed = of_session(fixture!("14-source-remove-json-in"));
    assert_eq!(session.handle(&focus, &removed), Ok(Step::Sources));
    let restart = of_session(fixture!("18-transport-info-ice-generation-in"));
    let Ok(Step::Transport(transport_of_bridge)) = session.handle(&focus, &restart) else {
        panic!("no transport");
    };
    let answer = session
        .restarted(&transport(), transport_of_bridge.ice_generation)
        .unwrap();
    assert_eq!(answer.sid, sid);
    let ended = of_session(fixture!("15-session-terminate-moving-in"));
    let Ok(Step::End(reason)) = session.handle(&focus, &ended) else {
        panic!("no end");
    };
    assert_eq!(reason.text.as_deref(), Some("moving"));
    assert!(!session.is_open());
}

#[test]
fn nobody_but_the_focus_can_call_and_old_sessions_are_unknown() {
    let (focus, offer) = fixture!("08-session-initiate-in");
    let mut session = session(&focus);
    let other = focus.to_bare().with_resource("afc22747").unwrap();
    let error = session.handle(&other, &offer).unwrap_err();
    assert_eq!(error.condition, Condition::ServiceUnavailable);
    session.handle(&focus, &offer).unwrap();
    let (_, mut stale) = fixture!("11-source-add-json-in");
    stale.sid.push('x');
    let error = session.handle(&focus, &stale).unwrap_err();
    assert_eq!(error.condition, Condition::ItemNotFound);
}
