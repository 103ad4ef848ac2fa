//! Whatever happens in which order: everybody knows what the others send, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use jitctl_conference::{Answer, Settings};
use jitctl_wire::colibri2::ConferenceModify;
use jitctl_wire::jingle::{Action, Jingle};
use jitctl_wire::{Element, Iq, IqKind};
use proptest::prelude::*;

use crate::announcements::{DELAY, gathering, ssrcs};
use crate::support::{MODERN, Room, bridge, info, microphone};

/// Something that happens in a room; a number says to whom.
#[derive(Debug, Clone)]
enum Step {
    ComeOrGo(u8),
    Accept(u8),
    Microphone(u8),
    Screen(u8),
    SayScreen(u8),
    Reinvite(u8),
    LoseBridge,
    Wait(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0..PEOPLE;
    let step = prop_oneof![
        2 => who().prop_map(Step::ComeOrGo),
        4 => who().prop_map(Step::Accept),
        3 => who().prop_map(Step::Microphone),
        3 => who().prop_map(Step::Screen),
        3 => who().prop_map(Step::SayScreen),
        1 => who().prop_map(Step::Reinvite),
        1 => Just(Step::LoseBridge),
        4 => (0..4u8).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..80)
}

const PEOPLE: u8 = 8;

/// Somebody as a client: what they send, and what they know of the others.
#[derive(Debug, Default)]
struct Person {
    present: bool,
    says_screen: bool,
    /// Jingle sessions: what they were offered, and whether they accepted it.
    offer: Option<String>,
    session: Option<String>,
    /// What they send beside the first microphone and the camera.
    added: BTreeSet<u32>,
    knows: BTreeMap<u32, String>,
}

/// People with clients of four kinds, who answer what they are asked.
struct Crowd {
    room: Room,
    people: Vec<Person>,
}

impl Crowd {
    /// Everybody comes and accepts.
    fn new(settings: Settings) -> Self {
        let people = (0..PEOPLE).map(|_| Person::default());
        let mut crowd = Self {
            room: Room::ready(settings),
            people: people.collect(),
        };
        for who in 0..PEOPLE {
            crowd.take(&Step::ComeOrGo(who));
            crowd.take(&Step::Accept(who));
        }
        crowd
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::ComeOrGo(who) => self.come_or_go(*who),
            Step::Accept(who) => self.accept(*who),
            Step::Microphone(who) => self.change(*who, microphone_of(*who), microphone),
            Step::Screen(who) => self.change(*who, screen_of(*who), screen),
            Step::SayScreen(who) => self.say_screen(*who),
            Step::Reinvite(who) => {
                let now = self.room.now;
                let Room {
                    conference,
                    bridges,
                    ..
                } = &mut self.room;
                conference.reinvite_participant(now, &nick(*who), bridges);
                self.room.collect();
            }
            Step::LoseBridge => {
                let now = self.room.now;
                let Room {
                    conference,
                    bridges,
                    ..
                } = &mut self.room;
                conference.handle_bridge_lost(now, &bridge("b1"), bridges);
                self.room.collect();
            }
            Step::Wait(tenths) => self.room.advance(DELAY * u32::from(*tenths) / 3),
        }
        self.answer_all();
    }

    fn person(&mut self, who: u8) -> &mut Person {
        &mut self.people[usize::from(who)]
    }

    fn say_screen(&mut self, who: u8) {
        let person = self.person(who);
        if !person.present {
            return;
        }
        person.says_screen = !person.says_screen;
        let (name, muted) = (nick(who), !person.says_screen);
        let info = format!(
            "<SourceInfo>{{\"{name}-v1\":{{\"muted\":{muted},\"videoType\":\"desktop\"}}}}\
             </SourceInfo>"
        );
        self.room.presence_with(&name, "participant", &info);
    }

    fn come_or_go(&mut self, who: u8) {
        let present = self.person(who).present;
        *self.person(who) = Person {
            present: !present,
            ..Person::default()
        };
        if present {
            self.room.leave(&nick(who));
        } else {
            let real = format!("{}@meet.test/r", nick(who));
            self.room
                .presence(&nick(who), &real, "none", "participant", false);
        }
    }

    fn accept(&mut self, who: u8) {
        if let Some(sid) = self.person(who).offer.take() {
            self.person(who).session = Some(sid.clone());
            let answer = self.room.accept(&nick(who), &sid, first(who));
            assert_eq!(answer.kind, IqKind::Result);
        }
    }

    /// Who is in a session adds what they do not send yet, and removes what they send.
    fn change(&mut self, who: u8, ssrc: u32, jingle: fn(&str, &str, u32) -> Element) {
        let person = self.person(who);
        let Some(sid) = person.session.clone() else {
            return;
        };
        let action = if person.added.insert(ssrc) {
            "source-add"
        } else {
            person.added.remove(&ssrc);
            "source-remove"
        };
        let answer = self.room.client(&nick(who), jingle(action, &sid, ssrc));
        assert_eq!(answer.kind, IqKind::Result, "{:?}", answer.error);
    }

    fn answer_all(&mut self) {
        while let Some((id, iq)) = self.room.requests.pop_front() {
            let payload = iq.payload.as_ref().unwrap();
            if let Ok(modify) = ConferenceModify::parse(payload) {
                if let Some(endpoint) = modify.endpoints.iter().find(|one| one.create) {
                    self.room.grant(id, &endpoint.id);
                }
            } else if payload.is("query", "http://jabber.org/protocol/disco#info") {
                let who = iq.to.as_ref().unwrap().resource().unwrap();
                let info = info(&features(index(who)));
                self.room.answer(id, Answer::Result(Some(info)));
            } else if let Ok(jingle) = Jingle::parse(payload) {
                self.hear(&iq, &jingle);
            }
        }
    }

    fn hear(&mut self, iq: &Iq, jingle: &Jingle) {
        let name = iq.to.as_ref().unwrap().resource().unwrap();
        let person = self.person(index(name));
        match jingle.action {
            Action::SessionInitiate => {
                *person = Person {
                    present: true,
                    says_screen: person.says_screen,
                    offer: Some(jingle.sid.clone()),
                    knows: ssrcs(jingle),
                    ..Person::default()
                };
            }
            Action::SessionTerminate => {
                person.offer = None;
                person.session = None;
            }
            Action::SourceAdd => {
                for (ssrc, owner) in ssrcs(jingle) {
                    let known = person.knows.insert(ssrc, owner);
                    assert_eq!(known, None, "{name} knew {ssrc} already");
                }
            }
            Action::SourceRemove => {
                for (ssrc, owner) in ssrcs(jingle) {
                    let known = person.knows.remove(&ssrc);
                    assert_eq!(known, Some(owner), "{name} did not know {ssrc}");
                }
            }
            other => panic!("nobody asked for {other:?}"),
        }
    }

    /// Everybody with a session knows what the others send, and nothing else.
    fn check(&self) {
        for (who, person) in (0..).zip(&self.people) {
            if person.session.is_none() {
                continue;
            }
            let features = features(who);
            let one_video = !features.iter().any(|one| one.contains("receive-multiple"));
            let mut wanted = BTreeMap::new();
            for (owner, other) in (0..).zip(&self.people) {
                if owner != who && !features.contains(&REWRITING) {
                    let sent = other.sends(owner, one_video).into_iter();
                    wanted.extend(sent.map(|ssrc| (ssrc, nick(owner))));
                }
            }
            assert_eq!(person.knows, wanted, "{}", nick(who));
        }
    }
}

impl Person {
    fn sends(&self, index: u8, one_video: bool) -> Vec<u32> {
        if self.session.is_none() {
            return Vec::new();
        }
        let shares = self.added.contains(&screen_of(index));
        let mut sent = vec![first(index)];
        if !(one_video && shares && self.says_screen) {
            sent.extend([first(index) + 1, first(index) + 2]);
        }
        sent.extend(&self.added);
        if one_video && !self.says_screen {
            sent.retain(|ssrc| *ssrc != screen_of(index));
        }
        sent
    }
}

const REWRITING: &str = "http://jitsi.org/ssrc-rewriting-1";

fn nick(index: u8) -> String {
    format!("p{index}")
}

fn index(nick: &str) -> u8 {
    nick.trim_start_matches('p').parse().unwrap()
}

fn first(index: u8) -> u32 {
    100 * (u32::from(index) + 1)
}

/// Of four people in a row: current, before several videos, before JSON, with rewritten SSRCs.
fn features(index: u8) -> Vec<&'static str> {
    let mut features = MODERN.to_vec();
    match index % 4 {
        1 => features.retain(|one| !one.contains("receive-multiple")),
        2 => features.truncate(2),
        3 => features.push(REWRITING),
        _ => {}
    }
    features
}

fn microphone_of(index: u8) -> u32 {
    first(index) + 50
}

fn screen_of(index: u8) -> u32 {
    first(index) + 60
}

fn screen(action: &str, sid: &str, ssrc: u32) -> Element {
    let text = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='{sid}'>\
         <content name='video' creator='responder'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'>\
         <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='{ssrc}' name='v{ssrc}' \
         videoType='desktop'/></description></content></jingle>"
    );
    Element::parse(&text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn everybody_knows_at_rest_what_the_others_send(steps in steps(), gathered: bool) {
        let settings = if gathered { gathering() } else { Settings::default() };
        let mut crowd = Crowd::new(settings);
        for step in &steps {
            crowd.take(step);
            if !gathered {
                crowd.check();
            }
        }
        if crowd.room.ended().is_none() {
            crowd.take(&Step::Wait(3));
            crowd.check();
        }
    }
}
