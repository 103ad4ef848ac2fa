//! A room around a conference: an XMPP server, clients and bridges reduced to what a test needs.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jitctl_conference::{
    Answer, BridgeSelector, Conference, EndReason, Entropy, Event, Output, RequestId,
    SelectedBridge, SelectionRequest, Settings,
};
use jitctl_wire::colibri2::ConferenceModify;
use jitctl_wire::jingle::{Action, Jingle};
use jitctl_wire::{Element, Iq, IqKind, Jid, Presence};

pub(crate) fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

pub(crate) fn bridge(name: &str) -> Jid {
    jid(&format!("jvbbrewery@internal.auth.meet.test/{name}"))
}

pub(crate) fn fixture(name: &str) -> Element {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../wire/tests/fixtures")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find("-->").map_or(0, |end| end + 3);
    Element::parse(text[start..].trim()).unwrap()
}

/// One more microphone, or no longer.
pub(crate) fn microphone(action: &str, sid: &str, ssrc: u32) -> Element {
    let text = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='{sid}'>\
         <content name='audio' creator='responder'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>\
         <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='{ssrc}' name='a{ssrc}'/>\
         </description></content></jingle>"
    );
    Element::parse(&text).unwrap()
}

/// A recorded client adds its screen, in this session.
pub(crate) fn adds_screen(sid: &str) -> Element {
    let stanza = fixture("57-jingle-source-add-from-client-desktop.xml");
    let mut payload = Iq::parse(&stanza).unwrap().payload.unwrap();
    payload.set("sid", sid.to_owned());
    payload
}

/// What a client answers that is asked what it can do.
pub(crate) fn info(features: &[&str]) -> Element {
    let mut query = Element::new("query", "http://jabber.org/protocol/disco#info");
    for feature in features {
        query.push(
            Element::new("feature", "http://jabber.org/protocol/disco#info")
                .with("var", (*feature).to_owned()),
        );
    }
    query
}

/// Chooses the first usable bridge, keeping a conference together.
#[derive(Debug, Default)]
pub(crate) struct Bridges {
    pub(crate) usable: Vec<Jid>,
    pub(crate) failed: Vec<Jid>,
    pub(crate) shutting_down: Vec<Jid>,
}

impl BridgeSelector for Bridges {
    fn select(&mut self, _: Instant, request: &SelectionRequest<'_>) -> Option<SelectedBridge> {
        let fine = |bridge: &&Jid| {
            !self.failed.contains(bridge)
                && !self.shutting_down.contains(bridge)
                && !request.excluded.contains(bridge)
        };
        let used = request
            .in_use
            .iter()
            .map(|(bridge, _)| bridge)
            .find(|used| self.usable.contains(used) && fine(used));
        let bridge = used.or_else(|| self.usable.iter().find(fine))?.clone();
        Some(SelectedBridge {
            jid: bridge,
            region: Some("eu".to_owned()),
        })
    }

    fn report_failure(&mut self, _: Instant, bridge: &Jid) {
        self.failed.push(bridge.clone());
    }

    fn report_shutdown(&mut self, _: Instant, bridge: &Jid) {
        self.shutting_down.push(bridge.clone());
    }
}

pub(crate) struct Room {
    pub(crate) now: Instant,
    pub(crate) conference: Conference,
    pub(crate) bridges: Bridges,
    pub(crate) requests: VecDeque<(RequestId, Iq)>,
    pub(crate) answers: VecDeque<Iq>,
    pub(crate) presences: Vec<Presence>,
    pub(crate) events: Vec<Event>,
    ids: u64,
}

pub(crate) const MODERN: &[&str] = &[
    "urn:xmpp:jingle:apps:rtp:audio",
    "urn:xmpp:jingle:apps:rtp:video",
    "urn:ietf:rfc:4588",
    "http://jitsi.org/tcc",
    "http://jitsi.org/remb",
    "http://jitsi.org/json-encoded-sources",
    "http://jitsi.org/receive-multiple-video-streams",
];

impl Room {
    /// A conference that is ready, with two usable bridges.
    pub(crate) fn ready(settings: Settings) -> Self {
        let mut room = Self::joining(settings);
        room.presence(
            "focus",
            "focus@auth.meet.test/focus",
            "owner",
            "moderator",
            false,
        );
        let (id, _) = room.expect_request("muc#owner");
        let form = fixture("37-jicofo-room-config-form.xml");
        room.answer(id, Answer::Result(Iq::parse(&form).unwrap().payload));
        let (id, _) = room.expect_request("muc#owner");
        room.answer(id, Answer::Result(None));
        assert!(room.conference.is_ready());
        room
    }

    pub(crate) fn joining(settings: Settings) -> Self {
        let now = Instant::now();
        let mut counter: u128 = 0;
        let entropy = Entropy::new(move || {
            counter += 1;
            counter
        });
        let conference = Conference::new(
            now,
            jid("capa@conference.meet.test"),
            jid("focus@auth.meet.test/focus"),
            settings,
            entropy,
        )
        .unwrap();
        let usable = vec![bridge("b1"), bridge("b2")];
        let mut room = Self {
            now,
            conference,
            bridges: Bridges {
                usable,
                ..Bridges::default()
            },
            requests: VecDeque::new(),
            answers: VecDeque::new(),
            presences: Vec::new(),
            events: Vec::new(),
            ids: 0,
        };
        room.collect();
        room
    }

    pub(crate) fn collect(&mut self) {
        while let Some(output) = self.conference.poll_output() {
            match output {
                Output::Presence(presence) => self.presences.push(presence),
                Output::Request { id, iq } => self.requests.push_back((id, iq)),
                Output::Answer(iq) => self.answers.push_back(iq),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    pub(crate) fn presence(
        &mut self,
        nick: &str,
        real: &str,
        affiliation: &str,
        role: &str,
        gone: bool,
    ) {
        let kind = if gone { "type='unavailable' " } else { "" };
        let text = format!(
            "<presence xmlns='jabber:client' {kind}from='capa@conference.meet.test/{nick}'>\
             <x xmlns='http://jabber.org/protocol/muc#user'>\
             <item affiliation='{affiliation}' role='{role}' jid='{real}'/></x></presence>"
        );
        let presence = Presence::parse(&Element::parse(&text).unwrap()).unwrap();
        self.conference
            .handle_presence(self.now, &presence, &mut self.bridges);
        self.collect();
    }

    /// A presence of somebody present, with this inside.
    pub(crate) fn presence_with(&mut self, nick: &str, role: &str, payload: &str) {
        let text = format!(
            "<presence xmlns='jabber:client' from='capa@conference.meet.test/{nick}'>{payload}\
             <x xmlns='http://jabber.org/protocol/muc#user'>\
             <item affiliation='none' role='{role}' jid='{nick}@meet.test/r'/></x></presence>"
        );
        let presence = Presence::parse(&Element::parse(&text).unwrap()).unwrap();
        self.conference
            .handle_presence(self.now, &presence, &mut self.bridges);
        self.collect();
    }

    /// Somebody joins and tells what their client can do.
    pub(crate) fn join(&mut self, nick: &str, features: &[&str]) {
        self.presence(
            nick,
            &format!("{nick}@meet.test/r"),
            "none",
            "participant",
            false,
        );
        let (id, iq) = self.expect_request("disco#info");
        assert_eq!(iq.to.unwrap().resource(), Some(nick));
        self.answer(id, Answer::Result(Some(info(features))));
    }

    pub(crate) fn leave(&mut self, nick: &str) {
        self.presence(nick, &format!("{nick}@meet.test/r"), "none", "none", true);
    }

    pub(crate) fn answer(&mut self, id: RequestId, answer: Answer) {
        self.conference
            .handle_answer(self.now, id, answer, &mut self.bridges);
        self.collect();
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.now += by;
        self.conference.handle_timeout(self.now, &mut self.bridges);
        self.collect();
    }

    /// The next request whose payload's namespace ends so; requests before it are dropped.
    pub(crate) fn expect_request(&mut self, namespace: &str) -> (RequestId, Iq) {
        while let Some((id, iq)) = self.requests.pop_front() {
            if iq
                .payload
                .as_ref()
                .unwrap()
                .namespace()
                .ends_with(namespace)
            {
                return (id, iq);
            }
        }
        panic!("no request with a payload in {namespace}");
    }

    /// The next colibri2 request.
    pub(crate) fn expect_colibri(&mut self) -> (RequestId, Jid, ConferenceModify) {
        let (id, iq) = self.expect_request("jitsi:colibri2");
        let modify = ConferenceModify::parse(iq.payload.as_ref().unwrap()).unwrap();
        (id, iq.to.unwrap(), modify)
    }

    /// The next Jingle to a client.
    pub(crate) fn expect_jingle(&mut self, action: Action) -> (RequestId, String, Jingle) {
        loop {
            let (id, iq) = self.expect_request("urn:xmpp:jingle:1");
            let jingle = Jingle::parse(iq.payload.as_ref().unwrap()).unwrap();
            if jingle.action == action {
                return (id, iq.to.unwrap().resource().unwrap().to_owned(), jingle);
            }
        }
    }

    /// A bridge grants an allocation.
    pub(crate) fn grant(&mut self, id: RequestId, endpoint: &str) {
        let text = format!(
            "<conference-modified xmlns='jitsi:colibri2'><endpoint id='{endpoint}'><transport>\
             <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u' pwd='p'>\
             <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>AA</fingerprint>\
             <candidate component='1' foundation='1' generation='0' id='k' network='0' protocol='udp' \
             type='host' ip='10.0.0.5' port='10000' priority='2130706431'/></transport>\
             <sctp port='5000' role='server'/></transport></endpoint>\
             <sources><media-source type='audio' id='jvb-a0'>\
             <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='11' name='jvb-a0'/></media-source>\
             <media-source type='video' id='jvb-v0'>\
             <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='22' name='jvb-v0'/></media-source>\
             </sources></conference-modified>"
        );
        self.answer(id, Answer::Result(Some(Element::parse(&text).unwrap())));
    }

    /// Invites: the allocation is granted, the offer acknowledged; gives the offer.
    pub(crate) fn invite(&mut self, nick: &str) -> (Jid, Jingle) {
        let (id, bridge, modify) = self.expect_colibri();
        assert_eq!(modify.endpoints[0].id, nick);
        self.grant(id, nick);
        let (id, to, offer) = self.expect_jingle(Action::SessionInitiate);
        assert_eq!(to, nick);
        self.answer(id, Answer::Result(None));
        (bridge, offer)
    }

    /// A client sends an IQ; gives the focus's answer.
    pub(crate) fn client(&mut self, nick: &str, payload: Element) -> Iq {
        self.ids += 1;
        let iq = Iq {
            kind: IqKind::Set,
            id: format!("c{}", self.ids),
            from: Some(jid(&format!("capa@conference.meet.test/{nick}"))),
            to: Some(jid("focus@auth.meet.test/focus")),
            payload: Some(payload),
            error: None,
        };
        self.conference.handle_iq(self.now, &iq, &mut self.bridges);
        self.collect();
        let answer = self.answers.pop_front().expect("every request is answered");
        assert_eq!(answer.id, iq.id);
        answer
    }

    /// A client accepts with one microphone and a camera of two layers.
    pub(crate) fn accept(&mut self, nick: &str, sid: &str, first_ssrc: u32) -> Iq {
        let source = |ssrc: u32, name: &str| {
            format!(
                "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='{ssrc}' name='{nick}-{name}'>\
                 <parameter name='msid' value='{nick}-{name} t'/></source>"
            )
        };
        let group = |semantics: &str, a: u32, b: u32| {
            format!(
                "<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='{semantics}'>\
                 <source ssrc='{a}'/><source ssrc='{b}'/></ssrc-group>"
            )
        };
        let s = first_ssrc;
        let text = format!(
            "<jingle xmlns='urn:xmpp:jingle:1' action='session-accept' sid='{sid}'>\
             <content name='audio' creator='responder'>\
             <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>{}</description>\
             <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='cu' pwd='cp'>\
             <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='active'>BB</fingerprint>\
             </transport></content>\
             <content name='video' creator='responder'>\
             <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'>{}{}{}{}{}{}{}</description>\
             </content></jingle>",
            source(s, "a0"),
            source(s + 1, "v0"),
            source(s + 2, "v0"),
            source(s + 3, "v0"),
            source(s + 4, "v0"),
            group("SIM", s + 1, s + 3),
            group("FID", s + 1, s + 2),
            group("FID", s + 3, s + 4),
        );
        self.client(nick, Element::parse(&text).unwrap())
    }

    /// Two people in a running call on the first bridge.
    pub(crate) fn call_of_two(settings: Settings) -> (Self, String, String) {
        let mut room = Self::ready(settings);
        room.join("aa", MODERN);
        room.join("bb", MODERN);
        let (first, offer_a) = room.invite_next();
        assert_eq!(first, "aa");
        let (_, offer_b) = room.invite_next();
        room.accept("aa", &offer_a.sid, 100);
        room.accept("bb", &offer_b.sid, 200);
        (room, offer_a.sid, offer_b.sid)
    }

    /// Invites whoever the next allocation is for. All allocations may be out already.
    pub(crate) fn invite_next(&mut self) -> (String, Jingle) {
        let index = self
            .requests
            .iter()
            .position(|(_, iq)| {
                iq.payload.as_ref().is_some_and(|payload| {
                    ConferenceModify::parse(payload)
                        .is_ok_and(|modify| modify.endpoints.iter().any(|one| one.create))
                })
            })
            .expect("an allocation is asked for");
        let (id, iq) = self.requests.remove(index).unwrap();
        let modify = ConferenceModify::parse(iq.payload.as_ref().unwrap()).unwrap();
        let nick = modify.endpoints[0].id.clone();
        self.grant(id, &nick);
        let index = self
            .requests
            .iter()
            .position(|(_, iq)| {
                Jingle::parse(iq.payload.as_ref().unwrap())
                    .is_ok_and(|jingle| jingle.action == Action::SessionInitiate)
            })
            .expect("an offer follows");
        let (id, iq) = self.requests.remove(index).unwrap();
        let offer = Jingle::parse(iq.payload.as_ref().unwrap()).unwrap();
        self.answer(id, Answer::Result(None));
        (nick, offer)
    }

    pub(crate) fn ended(&self) -> Option<EndReason> {
        self.events.iter().find_map(|event| match event {
            Event::Ended(reason) => Some(reason.clone()),
            _ => None,
        })
    }
}
