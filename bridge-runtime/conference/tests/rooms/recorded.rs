//! Recorded sequences of real clients, replayed: the focus answers what the recorded one did.
//!
//! Stanzas are compared as pictures: attributes and children in any order, without what every
//! session makes anew (identifiers) and without what neither client nor bridge reads.

use std::fmt::Write as _;
use std::time::Duration;

use jitctl_conference::{Answer, Settings};
use jitctl_wire::colibri2::ConferenceModify;
use jitctl_wire::jingle::{Action, Jingle};
use jitctl_wire::moderation::AvModeration;
use jitctl_wire::{Condition, Element, Iq, Jid, Presence, StanzaError, namespace};

use crate::support::{Room, bridge, fixture};

const ANN: &str = "a450a1d2";
const BEN: &str = "e827954a";
const CLEO: &str = "5e3224f5";

/// Elements that nobody reads.
const UNREAD: &[&str] = &[
    "traceparent",
    "c",
    "etherpad",
    "versions",
    "priority",
    "history",
];

/// An element in one canonical text, without what differs from session to session.
fn picture(element: &Element) -> String {
    let is_rtx = element.attribute("name") == Some("rtx");
    let mut attributes: Vec<String> = element
        .attributes()
        .filter(|(name, value)| {
            let made_anew = matches!(
                (element.name(), *name),
                ("iq" | "presence", _) | ("jingle", "sid") | ("bridge-session", "id" | "region")
            );
            let unread = matches!(
                (element.name(), *name, *value),
                (_, "xml:lang", _)
                    | ("fingerprint", "required", _)
                    | ("fingerprint", "cryptex", "false")
                    | ("conference-modify", "rtcstats-enabled" | "meeting-id", _)
                    | ("endpoint", "stats-id", _)
                    | ("query", "node", _)
                    // What is meant without it (XEP-0166).
                    | ("content", "senders", "both")
            );
            !made_anew && !unread
        })
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    attributes.sort();
    let mut children: Vec<String> = element
        .children()
        .filter(|child| !UNREAD.contains(&child.name()))
        .filter(|child| !(is_rtx && child.name() == "rtcp-fb"))
        .map(picture)
        .collect();
    children.sort();
    let text = element.text();
    let text = match serde_json::from_str::<serde_json::Value>(text.trim()) {
        // JSON objects sort their keys; sources within a list have no order.
        Ok(mut json) if element.name() == "json-message" => {
            sort_lists(&mut json);
            json.to_string()
        }
        _ => text.trim().to_owned(),
    };
    format!(
        "<{}|{} {}>{text}{}</>",
        match element.namespace() {
            "" => jitctl_wire::namespace::CLIENT,
            other => other,
        },
        element.name(),
        attributes.join(" "),
        children.concat()
    )
}

/// Sorts lists of objects; groups such as `["f", 1, 2]` keep their order.
fn sort_lists(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Array(list) => {
            list.iter_mut().for_each(sort_lists);
            // Empty lists at the end may be left out.
            while list
                .last()
                .is_some_and(|last| last == &serde_json::json!([]))
            {
                list.pop();
            }
            if list.iter().all(|one| one.is_object() || one.is_array()) {
                let is_outer = list.iter().any(|one| {
                    one.as_array()
                        .is_some_and(|inner| inner.iter().any(serde_json::Value::is_object))
                });
                if !is_outer {
                    list.sort_by_key(ToString::to_string);
                }
            }
        }
        serde_json::Value::Object(map) => map.values_mut().for_each(sort_lists),
        _ => {}
    }
}

/// A recorded stanza, with names replaced.
fn recorded(name: &str, replaced: &[(&str, &str)]) -> Element {
    let mut text = fixture(name).to_xml();
    for (from, to) in replaced {
        text = text.replace(from, to);
    }
    Element::parse(&text).unwrap()
}

fn payload(stanza: &Element) -> Element {
    Iq::parse(stanza).unwrap().payload.unwrap()
}

/// Compares what is said with what was recorded, element by element.
fn assert_same(spoken: &Element, recorded: &Element) {
    let lines = |element: &Element| -> Vec<String> {
        let mut path: Vec<String> = Vec::new();
        let mut lines = Vec::new();
        for part in picture(element).split_inclusive('>') {
            if part.ends_with("</>") {
                lines.extend(
                    part.strip_suffix("</>")
                        .map(|text| format!("{path:?} {text}")),
                );
                path.pop();
            } else {
                path.push(part.to_owned());
            }
        }
        lines
    };
    let (ours, theirs) = (lines(spoken), lines(recorded));
    let minus = |a: &[String], b: &[String]| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).cloned().collect()
    };
    assert!(
        ours == theirs,
        "only ours: {:#?}\nonly recorded: {:#?}",
        minus(&ours, &theirs),
        minus(&theirs, &ours),
    );
}

/// The recorded deployment without data channels.
fn without_sctp() -> Settings {
    Settings {
        sctp: false,
        ..Settings::default()
    }
}

impl Room {
    /// Takes the first request that fits out of those waiting.
    fn take_request(
        &mut self,
        what: &str,
        fits: impl Fn(&Iq) -> bool,
    ) -> (jitctl_conference::RequestId, Iq) {
        let found = self.requests.iter().position(|(_, iq)| fits(iq));
        let Some(index) = found else {
            let waiting: Vec<String> = self
                .requests
                .iter()
                .map(|(_, iq)| iq.to_element().to_xml())
                .collect();
            panic!("no {what} among {waiting:#?}");
        };
        self.requests.remove(index).unwrap()
    }

    fn take_jingle(&mut self, nick: &str, action: Action) -> (jitctl_conference::RequestId, Iq) {
        self.take_request(action.name(), |iq| {
            let to_them = iq.to.as_ref().and_then(Jid::resource) == Some(nick);
            let jingle = iq.payload.as_ref().and_then(|one| Jingle::parse(one).ok());
            to_them && jingle.is_some_and(|jingle| jingle.action == action)
        })
    }

    fn take_colibri(&mut self, nick: &str) -> (jitctl_conference::RequestId, Iq) {
        let about = format!("id='{nick}'");
        self.take_request("colibri2 request", |iq| {
            iq.payload.as_ref().is_some_and(|one| {
                one.namespace() == "jitsi:colibri2" && one.to_xml().contains(&about)
            })
        })
    }

    /// Somebody joins with the recorded presence, and answers with the recorded features.
    fn join_recorded(&mut self, nick: &str, stats_id: &str, features: &str) {
        let joining = recorded("41-client-room-join.xml", &[("Chance-4xA", stats_id)]);
        let real = format!("{nick}@meet.test/r");
        let item = format!(
            "<x xmlns='http://jabber.org/protocol/muc#user'>\
             <item affiliation='none' role='participant' jid='{real}'/></x>"
        );
        let mut presence = Presence::parse(&joining).unwrap();
        presence.from = format!("capa@conference.meet.test/{nick}").parse().ok();
        presence.payload.push(Element::parse(&item).unwrap());
        self.conference
            .handle_presence(self.now, &presence, &mut self.bridges);
        self.collect();
        let (id, asked) = self.take_request("question for features", |iq| {
            iq.to.as_ref().and_then(Jid::resource) == Some(nick)
        });
        let recorded_question = payload(&fixture("42-jicofo-disco-client.xml"));
        assert_same(asked.payload.as_ref().unwrap(), &recorded_question);
        let answer = payload(&fixture(features));
        self.answer(id, Answer::Result(Some(answer)));
    }

    /// The bridge grants what is asked for somebody, with the transport of a recorded offer.
    fn grant_recorded(&mut self, nick: &str, offer: &Element) {
        let (id, _) = self.take_colibri(nick);
        let mut modified = payload(&fixture("46-colibri2-conference-created.xml")).to_xml();
        modified = modified.replace(ANN, nick);
        let transport = offer.children().next().unwrap().children().nth(1).unwrap();
        let sctp = offer
            .children()
            .any(|content| content.attribute("name") == Some("data"));
        let mut granted =
            jitctl_wire::colibri2::ConferenceModified::parse(&Element::parse(&modified).unwrap())
                .unwrap();
        let given = granted.endpoints[0].transport.as_mut().unwrap();
        given.ice_udp = Some(jitctl_wire::ice::IceUdpTransport::parse(transport).unwrap());
        if sctp {
            given.sctp = Some(jitctl_wire::colibri2::Sctp {
                port: Some(5000),
                ..jitctl_wire::colibri2::Sctp::default()
            });
        }
        granted.sources = Some(feedback_of(offer));
        self.answer(id, Answer::Result(Some(granted.to_element())));
    }
}

/// The bridge's own sources as an offer shows them.
fn feedback_of(offer: &Element) -> Vec<jitctl_wire::colibri2::MediaSource> {
    use jitctl_wire::rtp::MediaKind;
    let offer = Jingle::parse(offer).unwrap();
    let sources = offer.sources.unwrap();
    let own = &sources.0["jvb"];
    let of = |kind, list: &[jitctl_wire::source::Source]| {
        let first = list.first().unwrap();
        jitctl_wire::colibri2::MediaSource {
            kind,
            id: first.name.clone().unwrap(),
            synthetic: false,
            sources: vec![jitctl_wire::source::Source::new(
                first.ssrc,
                first.name.clone().unwrap(),
            )],
            groups: Vec::new(),
        }
    };
    vec![
        of(MediaKind::Audio, &own.audio),
        of(MediaKind::Video, &own.video),
    ]
}

const PLAIN: &str = "43-client-disco-features.xml";

/// Ann's offer, answered as recorded.
fn with_ann_in_session(room: &mut Room) -> String {
    room.join_recorded(ANN, "Chance-4xA", PLAIN);
    let (_, granting) = room.take_request("grant", |iq| {
        iq.payload
            .as_ref()
            .is_some_and(|one| one.namespace().ends_with("muc#admin"))
    });
    let expected = payload(&recorded(
        "44-jicofo-grants-owner.xml",
        &[(
            "a450a1d2-7aae-4faa-adb5-c0155e6a668a@meet.test",
            "a450a1d2@meet.test",
        )],
    ));
    assert_same(granting.payload.as_ref().unwrap(), &expected);
    room.join_recorded(BEN, "Lilian-kEX", PLAIN);

    let (_, create) = {
        let found = room.take_colibri(ANN);
        room.requests.push_front(found.clone());
        found
    };
    assert_same(
        create.payload.as_ref().unwrap(),
        &payload(&fixture("45-colibri2-conference-create.xml")),
    );
    let offer = payload(&fixture("53-jingle-session-initiate-first.xml"));
    room.grant_recorded(ANN, &offer);
    let (id, spoken) = room.take_jingle(ANN, Action::SessionInitiate);
    let spoken = spoken.payload.unwrap();
    assert_same(&spoken, &offer);
    room.answer(id, Answer::Result(None));
    let sid = spoken.attribute("sid").unwrap().to_owned();
    let accept = payload(&recorded(
        "55-jingle-session-accept.xml",
        &[("8nuorne2p9auv", &sid)],
    ));
    assert_eq!(room.client(ANN, accept).error, None);
    sid
}

#[test]
fn joining_configuring_and_the_focus_presence_are_as_recorded() {
    let mut room = Room::joining(Settings::default());
    assert_same(
        &room.presences[0].to_element(),
        &fixture("35-jicofo-room-join.xml"),
    );
    room.presence(
        "focus",
        "focus@auth.meet.test/focus",
        "owner",
        "moderator",
        false,
    );
    let (id, asked) = room.expect_request("muc#owner");
    assert_same(
        asked.payload.as_ref().unwrap(),
        &payload(&fixture("36-jicofo-room-config-get.xml")),
    );
    let form = payload(&fixture("37-jicofo-room-config-form.xml"));
    room.answer(id, Answer::Result(Some(form)));
    let (id, set) = room.expect_request("muc#owner");
    assert_same(
        set.payload.as_ref().unwrap(),
        &payload(&fixture("38-jicofo-room-config-submit.xml")),
    );
    room.answer(id, Answer::Result(None));
    assert_same(
        &room.presences.last().unwrap().to_element(),
        &fixture("39-jicofo-room-presence.xml"),
    );
    room.join_recorded(ANN, "a", PLAIN);
    room.join_recorded(BEN, "b", PLAIN);
    assert_same(
        &room.presences.last().unwrap().to_element(),
        &fixture("40-jicofo-room-presence-with-bridge-count.xml"),
    );
}

#[test]
fn a_call_of_three_is_as_recorded_from_the_first_offer_to_the_end() {
    let mut room = Room::ready(without_sctp());
    let sid = with_ann_in_session(&mut room);
    room.requests.retain(|(_, iq)| {
        iq.to.as_ref().and_then(Jid::resource) != Some("b1")
            || iq.payload.as_ref().unwrap().to_xml().contains(BEN)
    });

    // A third person: the offer shows who is there.
    room.join_recorded(CLEO, "Dolores-wn5", PLAIN);
    let (id, create) = room.take_colibri(CLEO);
    assert_same(
        create.payload.as_ref().unwrap(),
        &payload(&fixture("47-colibri2-endpoint-create.xml")),
    );
    room.requests.push_front((id, create));
    let offer = payload(&fixture("54-jingle-session-initiate-third.xml"));
    room.grant_recorded(CLEO, &offer);
    let (id, spoken) = room.take_jingle(CLEO, Action::SessionInitiate);
    let spoken = spoken.payload.unwrap();
    assert_same(&spoken, &offer);
    room.answer(id, Answer::Result(None));
    let cleos = spoken.attribute("sid").unwrap().to_owned();
    let empty =
        format!("<jingle xmlns='urn:xmpp:jingle:1' action='session-accept' sid='{cleos}'/>");
    assert_eq!(
        room.client(CLEO, Element::parse(&empty).unwrap()).error,
        None
    );
    room.requests
        .retain(|(_, iq)| iq.payload.as_ref().unwrap().to_xml().contains(BEN));

    // Ben answers: the bridge and Ann hear of his sources.
    room.grant_recorded(BEN, &offer);
    let (id, spoken) = room.take_jingle(BEN, Action::SessionInitiate);
    room.answer(id, Answer::Result(None));
    let bens = spoken.payload.unwrap().attribute("sid").unwrap().to_owned();
    let update = payload(&fixture("48-colibri2-endpoint-update-transport.xml"));
    let told = payload(&recorded("56-jingle-source-add-from-focus.xml", &[]));
    let accept = accept_of(BEN, &bens, &update, &told);
    assert_eq!(room.client(BEN, accept).error, None);
    let (_, spoken) = room.take_colibri(BEN);
    assert_same(spoken.payload.as_ref().unwrap(), &update);
    let (_, spoken) = room.take_jingle(ANN, Action::SourceAdd);
    let spoken = spoken.payload.unwrap();
    assert_eq!(spoken.attribute("sid"), Some(sid.as_str()));
    assert_same(&spoken, &told);

    // Cleo shares her screen.
    let screen = recorded(
        "57-jingle-source-add-from-client-desktop.xml",
        &[("et7e2g7trfle4", &cleos)],
    );
    assert_eq!(room.client(CLEO, payload(&screen)).error, None);
    let (_, spoken) = room.take_jingle(ANN, Action::SourceAdd);
    let told = payload(&fixture("58-jingle-source-add-desktop-to-others.xml"));
    assert_same(spoken.payload.as_ref().unwrap(), &told);

    // Ann, a moderator by now, mutes Ben.
    room.presence(ANN, "a450a1d2@meet.test/r", "owner", "moderator", false);
    room.requests.clear();
    let mute = payload(&fixture("60-mute-request.xml"));
    assert_eq!(room.client(ANN, mute).error, None);
    let (_, order) = room.requests.pop_front().unwrap();
    let expected = Iq::parse(&fixture("61-mute-request-from-focus.xml")).unwrap();
    assert_eq!(order.to, expected.to);
    assert_same(
        order.payload.as_ref().unwrap(),
        expected.payload.as_ref().unwrap(),
    );

    // Cleo leaves, then Ben; Ann alone loses her session after a while.
    room.leave(CLEO);
    let (_, spoken) = room.take_colibri(CLEO);
    assert_same(
        spoken.payload.as_ref().unwrap(),
        &payload(&fixture("51-colibri2-endpoint-expire.xml")),
    );
    room.leave(BEN);
    room.requests.clear();
    room.advance(Duration::from_secs(20));
    let (_, spoken) = room.expect_request("jitsi:colibri2");
    assert_same(
        spoken.payload.as_ref().unwrap(),
        &payload(&fixture("52-colibri2-conference-expire.xml")),
    );
}

/// The answer of a client whose transport and sources a bridge was told so; the names of its
/// tracks are those the others were told.
fn accept_of(nick: &str, sid: &str, update: &Element, told: &Element) -> Element {
    let update = jitctl_wire::colibri2::ConferenceModify::parse(update).unwrap();
    let endpoint = &update.endpoints[0];
    let told = Jingle::parse(told).unwrap().sources.unwrap();
    let known = &told.0[nick];
    let transport = endpoint.transport.as_ref().unwrap();
    let mut contents = String::new();
    for media in endpoint.sources.as_ref().unwrap() {
        let kind = media.kind.name();
        let listed = known.video.iter().chain(&known.audio);
        let msid = listed
            .filter(|source| source.name.as_deref() == Some(&media.id))
            .find_map(|source| source.msid().map(str::to_owned));
        let sources: String = media
            .sources
            .iter()
            .map(|source| {
                let mut source = source.clone();
                source.parameters = vec![("msid".to_owned(), msid.clone().unwrap())];
                source.to_element().to_xml()
            })
            .collect();
        let groups: String = media
            .groups
            .iter()
            .map(|group| group.to_element().to_xml())
            .collect();
        let ice = transport.ice_udp.as_ref().unwrap().to_element().to_xml();
        let _ = write!(
            contents,
            "<content name='{kind}' creator='responder'>\
             <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{kind}'>{sources}{groups}\
             </description>{ice}</content>"
        );
    }
    let text = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-accept' sid='{sid}'>{contents}</jingle>"
    );
    Element::parse(&text).unwrap()
}

/// What our AV moderation component says of the recorded order to it.
fn moderated(order: &Element) -> AvModeration {
    let order = order.children().next().unwrap();
    let news = serde_json::json!({
        "type": "av_moderation",
        "room": "capa@conference.meet.test",
        "enabled": order.attribute("enable") == Some("true"),
        "mediaType": order.attribute("mediaType"),
        "actor": format!("capa@conference.meet.test/{ANN}"),
    });
    serde_json::from_value(news).unwrap()
}

#[test]
fn held_microphones_are_dropped_at_the_bridge_and_the_kicked_are_gone_as_recorded() {
    let mut room = Room::ready(without_sctp());
    with_ann_in_session(&mut room);
    room.join_recorded(CLEO, "Dolores-wn5", PLAIN);
    let offer = payload(&fixture("54-jingle-session-initiate-third.xml"));
    for nick in [BEN, CLEO] {
        room.grant_recorded(nick, &offer);
    }
    room.presence(ANN, "a450a1d2@meet.test/r", "owner", "moderator", false);
    room.requests.clear();

    let news = moderated(&fixture("62-avmoderation-enable.xml"));
    room.conference
        .handle_av_moderation(room.now, &news, &mut room.bridges);
    room.collect();
    let (id, spoken) = room.take_colibri(BEN);
    let expected = payload(&fixture("50-colibri2-force-mute.xml"));
    assert_same(spoken.payload.as_ref().unwrap(), &expected);

    // A bridge that has forgotten one of them: she gets a new session, the other is told alone.
    let forgotten = format!(
        "<error xmlns='jitsi:colibri2' reason='unknown_endpoint'><endpoint id='{CLEO}'/></error>"
    );
    let mut error = StanzaError::new(Condition::ItemNotFound);
    error.application.push(Element::parse(&forgotten).unwrap());
    room.answer(id, Answer::Error(error));
    let (_, spoken) = room.take_colibri(BEN);
    assert_eq!(spoken.payload.unwrap().children().count(), 1);
    let (_, spoken) = room.take_jingle(CLEO, Action::SessionTerminate);
    assert!(spoken.payload.unwrap().to_xml().contains("moving"));

    // The server carries out the kick; the focus says the same when an operator wants it.
    let kick = payload(&recorded("65-kick.xml", &[]));
    assert!(room.conference.kick(BEN, "bye"));
    room.collect();
    let (_, spoken) = room.take_request("kick", |iq| {
        iq.payload
            .as_ref()
            .is_some_and(|one| one.namespace() == namespace::MUC_ADMIN)
    });
    assert_eq!(spoken.to.unwrap().bare(), "capa@conference.meet.test");
    assert_same(spoken.payload.as_ref().unwrap(), &kick);
    room.leave(BEN);
    let (_, spoken) = room.take_colibri(BEN);
    assert!(spoken.payload.unwrap().to_xml().contains("expire='true'"));
}

/// What others are told of an accepted offer: of three layers the first, and what repairs it.
fn told_of(accept: &Jingle) -> serde_json::Value {
    // The recorded focus passed sources on without names, which clients of today break on.
    let source = |source: &jitctl_wire::source::Source, kind: char| {
        let name = source.name.clone();
        let name = name.unwrap_or_else(|| format!("{BEN}-{kind}0"));
        serde_json::json!({ "s": source.ssrc, "m": source.msid(), "n": name })
    };
    let of = |name: &str| {
        let mut contents = accept.contents.iter();
        let content = contents.find(|content| content.name == name).unwrap();
        content.description.clone().unwrap()
    };
    let (audio, video) = (of("audio"), of("video"));
    let first = |semantics: &str| {
        let mut groups = video.groups.iter();
        groups
            .find(|group| group.semantics == semantics)
            .map(|group| group.ssrcs.clone())
    };
    let primary = first("SIM").unwrap()[0];
    let repair = first("FID").filter(|pair| pair[0] == primary).unwrap();
    let listed: Vec<_> = video
        .sources
        .iter()
        .filter(|one| repair.contains(&one.ssrc))
        .map(|one| source(one, 'v'))
        .collect();
    let heard: Vec<_> = audio.sources.iter().map(|one| source(one, 'a')).collect();
    serde_json::json!([listed, [["f", repair[0], repair[1]]], heard])
}

#[test]
fn answers_of_every_recorded_client_are_taken_and_passed_on_in_the_recorded_form() {
    for name in [
        "client/33-session-accept-vp9-out.xml",
        "client/34-session-accept-av1-out.xml",
        "client/35-session-accept-lyno2021-out.xml",
        "client/37-session-accept-sariska-out.xml",
    ] {
        let mut room = Room::ready(without_sctp());
        let session = with_ann_in_session(&mut room);
        let offer = payload(&fixture("54-jingle-session-initiate-third.xml"));
        room.grant_recorded(BEN, &offer);
        let (_, spoken) = room.take_jingle(BEN, Action::SessionInitiate);
        let sid = Jingle::parse(&spoken.payload.unwrap()).unwrap().sid;
        room.requests.clear();

        let mut accept = payload(&fixture(name));
        let answered = Jingle::parse(&accept).unwrap();
        accept.set("sid", sid);
        assert_eq!(room.client(BEN, accept).error, None, "{name}");
        let (_, spoken) = room.take_colibri(BEN);
        let modify = ConferenceModify::parse(&spoken.payload.unwrap()).unwrap();
        let kept: Vec<u32> = modify.endpoints[0]
            .sources
            .iter()
            .flatten()
            .flat_map(|media| &media.sources)
            .map(|source| source.ssrc)
            .collect();
        assert_eq!(kept.len(), 7, "the bridge gets every layer: {name}");
        let (_, spoken) = room.take_jingle(ANN, Action::SourceAdd);
        let told = spoken.payload.unwrap();
        assert_eq!(told.attribute("sid"), Some(session.as_str()));
        let text = told.children().next().unwrap().text();
        let mut told: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut expected = serde_json::json!({ "sources": { BEN: told_of(&answered) } });
        sort_lists(&mut told);
        sort_lists(&mut expected);
        assert_eq!(told, expected, "{name}");
    }
}

#[test]
fn offers_with_rewriting_and_with_data_channels_are_as_recorded() {
    for (features, create, offer) in [
        (
            "69-ssrc-rewriting-client-features.xml",
            "72-ssrc-rewriting-colibri2-create.xml",
            "70-ssrc-rewriting-session-initiate.xml",
        ),
        (
            "69-ssrc-rewriting-client-features.xml",
            "72-ssrc-rewriting-colibri2-create.xml",
            "71-ssrc-rewriting-session-initiate-third.xml",
        ),
    ] {
        // The recorded deployment had data channels off.
        let mut room = Room::ready(without_sctp());
        room.join_recorded(ANN, "a", features);
        room.join_recorded(BEN, "b", features);
        let (id, asked) = room.take_colibri(ANN);
        let expected = recorded(create, &[("24ed3eda", ANN), ("capb@", "capa@")]);
        assert_same(asked.payload.as_ref().unwrap(), &payload(&expected));
        room.requests.push_front((id, asked));
        let expected = payload(&fixture(offer));
        room.grant_recorded(ANN, &expected);
        let (_, spoken) = room.take_jingle(ANN, Action::SessionInitiate);
        assert_same(spoken.payload.as_ref().unwrap(), &expected);
    }
    let mut room = Room::ready(Settings::default());
    // A browser of today that opens data channels, without rewriting.
    let features = payload(&fixture(PLAIN)).to_xml();
    assert!(features.contains("transports:dtls-sctp:1"));
    room.join_recorded(ANN, "a", PLAIN);
    room.join_recorded(BEN, "b", PLAIN);
    let expected = payload(&fixture("75-sctp-session-initiate.xml"));
    room.grant_recorded(ANN, &expected);
    let (_, spoken) = room.take_jingle(ANN, Action::SessionInitiate);
    assert_same(spoken.payload.as_ref().unwrap(), &expected);
}

#[test]
fn a_lost_bridge_ends_sessions_and_invites_anew_as_recorded() {
    let mut room = Room::ready(Settings::default());
    room.join_recorded(ANN, "a", PLAIN);
    room.join_recorded(BEN, "b", PLAIN);
    let offer = payload(&fixture("75-sctp-session-initiate.xml"));
    room.grant_recorded(ANN, &offer);
    room.requests.clear();
    room.conference
        .handle_bridge_lost(room.now, &bridge("b1"), &mut room.bridges);
    room.collect();
    let (_, spoken) = room.take_jingle(ANN, Action::SessionTerminate);
    let expected = payload(&fixture("88-failover-session-terminate.xml"));
    assert_same(spoken.payload.as_ref().unwrap(), &expected);
    let expected = payload(&fixture("89-failover-session-initiate.xml"));
    room.grant_recorded(ANN, &expected);
    let (_, spoken) = room.take_jingle(ANN, Action::SessionInitiate);
    assert_same(spoken.payload.as_ref().unwrap(), &expected);
}

#[test]
fn restarts_of_ice_and_of_sessions_are_as_recorded() {
    const HER: &str = "6b7c855c";
    let mut room = Room::ready(Settings::default());
    room.join_recorded(HER, "Doug-I5d", PLAIN);
    room.join_recorded(BEN, "Lilian-kEX", PLAIN);
    let offer = payload(&fixture("75-sctp-session-initiate.xml"));
    let mut sids = Vec::new();
    for nick in [HER, BEN] {
        room.grant_recorded(nick, &offer);
        let (id, spoken) = room.take_jingle(nick, Action::SessionInitiate);
        room.answer(id, Answer::Result(None));
        sids.push(spoken.payload.unwrap());
    }
    let (hers, bens) = (
        sids[0].clone(),
        sids[1].attribute("sid").unwrap().to_owned(),
    );
    let sid = hers.attribute("sid").unwrap().to_owned();
    let session = Jingle::parse(&hers).unwrap().bridge_session.unwrap().id;
    let removed = payload(&recorded(
        "96-session-restart-source-remove-to-other.xml",
        &[],
    ));
    let accept = accept_with(HER, &sid, &removed);
    assert_eq!(room.client(HER, accept).error, None);
    let empty = format!("<jingle xmlns='urn:xmpp:jingle:1' action='session-accept' sid='{bens}'/>");
    assert_eq!(
        room.client(BEN, Element::parse(&empty).unwrap()).error,
        None
    );
    room.requests.clear();

    let names = [
        ("b0mu79h5i7i1p", sid.as_str()),
        ("137729f9-cfa6-452d-b0de-ca859bb910e0", session.as_str()),
    ];
    let asked = recorded("90-ice-restart-request.xml", &names);
    assert_eq!(room.client(HER, payload(&asked)).error, None);
    let (id, spoken) = room.take_colibri(HER);
    let expected = payload(&fixture("91-ice-restart-colibri2.xml"));
    assert_same(spoken.payload.as_ref().unwrap(), &expected);
    let answer = payload(&fixture("92-ice-restart-colibri2-reply.xml"));
    room.answer(id, Answer::Result(Some(answer)));
    let (_, spoken) = room.take_jingle(HER, Action::TransportInfo);
    let expected = payload(&fixture("93-ice-restart-transport-info-from-focus.xml"));
    assert_same(spoken.payload.as_ref().unwrap(), &expected);
    let info = recorded("94-ice-restart-transport-info-from-client.xml", &names);
    assert_eq!(room.client(HER, payload(&info)).error, None);
    let (_, spoken) = room.take_colibri(HER);
    let spoken = spoken.payload.unwrap().to_xml();
    assert!(
        spoken.contains("ice-generation='1'") && spoken.contains("T1Vh"),
        "{spoken}"
    );

    room.requests.clear();
    let restart = recorded("95-session-restart-terminate.xml", &names);
    assert_eq!(room.client(HER, payload(&restart)).error, None);
    let (_, spoken) = room.take_jingle(BEN, Action::SourceRemove);
    assert_same(spoken.payload.as_ref().unwrap(), &removed);
    let (_, expired) = room.take_colibri(HER);
    assert!(expired.payload.unwrap().to_xml().contains("expire='true'"));
    room.grant_recorded(HER, &offer);
    room.take_jingle(HER, Action::SessionInitiate);
}

/// The answer of a client that sends what the others are told of it.
fn accept_with(nick: &str, sid: &str, told: &Element) -> Element {
    let told = Jingle::parse(told).unwrap().sources.unwrap();
    let known = &told.0[nick];
    let mut contents = String::new();
    for (kind, sources, groups) in [
        ("audio", &known.audio, &known.audio_groups),
        ("video", &known.video, &known.video_groups),
    ] {
        let sources: String = sources
            .iter()
            .map(|one| one.to_element().to_xml())
            .collect();
        let groups: String = groups.iter().map(|one| one.to_element().to_xml()).collect();
        let _ = write!(
            contents,
            "<content name='{kind}' creator='responder'>\
             <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{kind}'>{sources}{groups}\
             </description></content>"
        );
    }
    let text = format!(
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-accept' sid='{sid}'>{contents}</jingle>"
    );
    Element::parse(&text).unwrap()
}
