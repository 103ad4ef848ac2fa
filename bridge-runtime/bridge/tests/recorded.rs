//! Recorded requests of a focus, sent through a real Prosody to the whole program, get answers
//! that carry what the recorded ones carry; participants meet on what was answered, and neither a
//! restart of the server nor a stop takes them by surprise.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jitctl_media::transport::dtls::Identity;
use jitctl_testing::{Prosody, Setup};
use jitctl_wire::colibri2::{ColibriError, ConferenceModified, ConferenceModify, Endpoint, Reason};
use jitctl_wire::rtp::MediaKind;
use jitctl_wire::{Condition, Element, StanzaError, namespace};
use support::call::{acceptance, bridge_description, creation, participant, source};
use support::program::{Focus, Program};
use support::turn_until_joined;

fn fixture(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/fixtures");
    fs::read_to_string(path.join(file)).unwrap()
}

/// The payload of a recorded stanza.
fn recorded(file: &str) -> Element {
    Element::parse(&fixture(file))
        .unwrap()
        .into_first_child()
        .unwrap()
}

/// Attributes whose values belong to one run.
const OF_ONE_RUN: &[&str] = &[
    "foundation",
    "id",
    "ip",
    "port",
    "priority",
    "pwd",
    "ssrc",
    "ufrag",
    "url",
];

/// What `expected` carries and `found` does not.
fn missing(expected: &Element, found: &Element, place: &str) -> Vec<String> {
    let place = format!("{place}/{}", expected.name());
    let mut missing = Vec::new();
    let is_id_of_run = |name: &str| {
        OF_ONE_RUN.contains(&name)
            && !(name == "id" && expected.is("endpoint", namespace::COLIBRI2))
            && !(name == "id" && expected.is("media-source", namespace::COLIBRI2))
            && !(name == "port" && expected.is("sctp", namespace::COLIBRI2))
    };
    for (name, value) in expected.attributes() {
        match found.attribute(name) {
            None => missing.push(format!("{place} has no {name}")),
            Some(other) if other != value && !is_id_of_run(name) => {
                missing.push(format!("{place}: {name} is {other}, not {value}"));
            }
            Some(_) => {}
        }
    }
    let mut unused: Vec<&Element> = found.children().collect();
    for child in expected.children() {
        let mut candidates: Vec<(usize, Vec<String>)> = unused
            .iter()
            .enumerate()
            .filter(|(_, other)| other.is(child.name(), child.namespace()))
            .map(|(index, other)| (index, self::missing(child, other, &place)))
            .collect();
        candidates.sort_by_key(|(_, missing)| missing.len());
        match candidates.into_iter().next() {
            Some((index, more)) => {
                unused.remove(index);
                missing.extend(more);
            }
            None => missing.push(format!("{place} has no {}", child.name())),
        }
    }
    missing
}

fn assert_carries(recorded: &Element, answer: &Element) {
    let missing = missing(recorded, answer, "");
    assert!(missing.is_empty(), "{missing:#?}\nin {}", answer.to_xml());
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_requests_get_answers_that_carry_what_the_recorded_ones_carry() {
    let prosody = Prosody::start(&Setup::default());
    let _program = Program::start(&prosody, true);
    let focus = Focus::join(&prosody).await;
    let created = focus
        .ask(recorded("45-colibri2-conference-create.xml"))
        .await
        .unwrap();
    assert_carries(&recorded("46-colibri2-conference-created.xml"), &created);
    // What a focus reads of it.
    let answer = ConferenceModified::parse(&created).unwrap();
    let transport = answer.endpoints[0]
        .transport
        .clone()
        .unwrap()
        .ice_udp
        .unwrap();
    assert!(transport.rtcp_mux && !transport.candidates.is_empty());
    assert_eq!(answer.sources.unwrap().len(), 2);

    let endpoint = focus
        .ask(recorded("47-colibri2-endpoint-create.xml"))
        .await
        .unwrap();
    let second = ConferenceModified::parse(&endpoint)
        .unwrap()
        .endpoints
        .remove(0);
    assert!(second.transport.is_some(), "{}", endpoint.to_xml());
    // The recorded run had a third endpoint between these; its requests follow without it.
    let update = recorded("48-colibri2-endpoint-update-transport.xml");
    let updated = ConferenceModify::parse(&update)
        .unwrap()
        .endpoints
        .remove(0)
        .id;
    if updated != second.id && updated != "a450a1d2" {
        let mut creation =
            ConferenceModify::parse(&recorded("47-colibri2-endpoint-create.xml")).unwrap();
        creation.endpoints[0].id.clone_from(&updated);
        focus.ask(creation.to_element()).await.unwrap();
    }
    let reply = focus.ask(update).await.unwrap();
    let mut expected =
        ConferenceModified::parse(&recorded("49-colibri2-update-reply.xml")).unwrap();
    expected.endpoints[0].id = updated;
    assert_carries(&expected.to_element(), &reply);

    let muted = focus
        .ask(recorded("50-colibri2-force-mute.xml"))
        .await
        .unwrap();
    let ids: Vec<String> = ConferenceModified::parse(&muted)
        .unwrap()
        .endpoints
        .into_iter()
        .map(|e| e.id)
        .collect();
    assert_eq!(ids, ["5e3224f5", "e827954a"]);
    let expired = focus
        .ask(recorded("51-colibri2-endpoint-expire.xml"))
        .await
        .unwrap();
    assert!(ConferenceModified::parse(&expired).unwrap().endpoints[0].expire);
    focus
        .ask(recorded("52-colibri2-conference-expire.xml"))
        .await
        .unwrap();

    focus
        .ask(recorded("72-ssrc-rewriting-colibri2-create.xml"))
        .await
        .unwrap();
    let sctp = focus
        .ask(recorded("73-sctp-colibri2-create.xml"))
        .await
        .unwrap();
    let mut expected = recorded("74-sctp-colibri2-created.xml");
    let asked = ConferenceModify::parse(&recorded("73-sctp-colibri2-create.xml")).unwrap();
    let mut typed = ConferenceModified::parse(&expected).unwrap();
    typed.endpoints[0].id.clone_from(&asked.endpoints[0].id);
    expected = typed.to_element();
    assert_carries(&expected, &sctp);

    // Links to other bridges are another matter: the focus hears so in a way it acts upon.
    for file in ["77-octo-relay-modify-0.xml", "78-octo-relay-modify-1.xml"] {
        let mut request = ConferenceModify::parse(&recorded(file)).unwrap();
        request.create = true;
        request.meeting_id = format!("relay of {file}");
        let error = focus.ask(request.to_element()).await.unwrap_err();
        assert_eq!(error.condition, Condition::FeatureNotImplemented, "{file}");
    }
}

/// `> request` and `< answer` lines of the recorded errors.
fn questions() -> Vec<(String, Element, Option<Element>)> {
    let text = fixture("bridge-error-answers.txt");
    let mut found = Vec::new();
    let mut title = "";
    let mut request = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("### ") {
            title = rest;
        } else if let Some(rest) = line.strip_prefix("> ") {
            request = Element::parse(rest).ok();
        } else if let Some(rest) = line.strip_prefix("< ")
            && let Some(request) = request.take()
        {
            found.push((title.to_owned(), request, Element::parse(rest).ok()));
        }
    }
    found
}

fn error_of(answer: &Element) -> Option<StanzaError> {
    let error = answer.children().find(|child| child.name() == "error")?;
    StanzaError::parse(error).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_mistakes_get_the_recorded_condition_and_reason() {
    let prosody = Prosody::start(&Setup::default());
    let program = Program::start(&prosody, true);
    let focus = Focus::join(&prosody).await;
    let (mut compared, mut refused) = (0, 0);
    for (title, request, recorded) in questions() {
        let payload = request.into_first_child().unwrap();
        if !ConferenceModify::matches(&payload) {
            continue;
        }
        let answer = focus.ask(payload).await;
        refused += u32::from(answer.is_err());
        let Some(recorded) = recorded else {
            // The recorded bridge kept silent; a focus would wait for 15 s.
            assert_eq!(
                answer.unwrap_err().condition,
                Condition::BadRequest,
                "{title}"
            );
            continue;
        };
        compared += 1;
        match (error_of(&recorded), answer) {
            (Some(expected), Err(found)) => {
                assert_eq!(found.condition, expected.condition, "{title}");
                let reason = |error| ColibriError::from_stanza_error(error).reason;
                assert_eq!(reason(&found), reason(&expected), "{title}");
            }
            (None, Ok(found)) => {
                let expected = recorded.first_child().unwrap();
                assert_carries(expected, &found);
            }
            (expected, found) => panic!("{title}: {expected:?}, but {found:?}"),
        }
    }
    assert!(compared > 20, "{compared}");
    let (_, metrics) = program.get("/metrics");
    let counted = format!("jitsi_jvb_refused_requests_total {refused}\n");
    assert!(metrics.contains(&counted), "{refused}: {metrics}");
    for reason in [
        "stun_integrity",
        "replayed",
        "malformed_rtcp",
        "websocket_slow",
    ] {
        let dropped = format!("jitsi_jvb_dropped_total{{reason=\"{reason}\"}} ");
        assert!(metrics.contains(&dropped), "{reason}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_joined_again_and_ends_no_conference() {
    let mut prosody = Prosody::start(&Setup::default());
    let program = Program::start(&prosody, false);
    let focus = Focus::join(&prosody).await;
    let create = creation("m", "aaaaaaaa", true).to_element();
    focus.ask(create).await.unwrap();
    drop(focus);
    prosody.restart();
    support::eventually("the bridge in the brewery again", || {
        let (_, metrics) = program.get("/metrics");
        let counted = metrics.contains("jitsi_jvb_xmpp_disconnects_total 1\n");
        (counted && metrics.contains("jitsi_jvb_mucs_joined 1\n")).then_some(())
    })
    .await;
    let focus = Focus::join(&prosody).await;
    let again = creation("m", "aaaaaaaa", true).to_element();
    let error = focus.ask(again).await.unwrap_err();
    let reason = ColibriError::from_stanza_error(&error).reason;
    assert_eq!(reason, Some(Reason::ConferenceAlreadyExists));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_until_everybody_is_moved_away() {
    let prosody = Prosody::start(&Setup::default());
    let mut program = Program::start(&prosody, false);
    let focus = Focus::join(&prosody).await;
    focus
        .ask(creation("m", "aaaaaaaa", true).to_element())
        .await
        .unwrap();
    program.terminate();
    support::eventually("the announcement of the end", || {
        let (_, published) = program.get("/colibri/stats");
        published.contains(r#""shutting_down":true"#).then_some(())
    })
    .await;
    // Who is here is served until the focus has another place for them; nobody else comes.
    let newcomer = creation("n", "bbbbbbbb", true).to_element();
    let error = focus.ask(newcomer).await.unwrap_err();
    let reason = ColibriError::from_stanza_error(&error).reason;
    assert_eq!(reason, Some(Reason::GracefulShutdown));
    let mut moved = ConferenceModify::new("m");
    moved.endpoints.push(Endpoint {
        expire: true,
        ..Endpoint::new("aaaaaaaa")
    });
    assert!(program.is_running());
    focus.ask(moved.to_element()).await.unwrap();
    assert!(program.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_participants_meet_on_what_the_program_answers_over_xmpp_and_http() {
    let prosody = Prosody::start(&Setup::default());
    let mut program = Program::start(&prosody, true);
    let focus = Focus::join(&prosody).await;
    let identity = Arc::new(Identity::generate().unwrap());
    let mut participants = Vec::new();
    for (number, id) in ["aaaaaaaa", "bbbbbbbb", "cccccccc"].into_iter().enumerate() {
        let mut participant = participant(&identity);
        let created = focus
            .ask(creation("m", id, number == 0).to_element())
            .await
            .unwrap();
        let endpoint: Endpoint = ConferenceModified::parse(&created)
            .unwrap()
            .endpoints
            .remove(0);
        let transport = endpoint.transport.unwrap().ice_udp.unwrap();
        let ssrc = 1000 + u32::try_from(number).unwrap();
        let sources = vec![source(MediaKind::Audio, &format!("{id}-a0"), ssrc)];
        let accepted = acceptance("m", id, &participant.description(false), sources);
        focus.ask(accepted.to_element()).await.unwrap();
        participant
            .join(Instant::now(), &bridge_description(&transport))
            .unwrap();
        participants.push(participant);
    }
    turn_until_joined(&mut participants);
    let mut number = 0;
    support::call::talk(&mut participants, &mut number, |_, _| true);

    let published = support::eventually(
        "three endpoints and their packets in the statistics",
        || {
            let published: serde_json::Value =
                serde_json::from_str(&program.get("/colibri/stats").1).ok()?;
            let packets = published["total_packets_received"].as_u64()?;
            (published["local_endpoints"] == 3 && packets > 50).then_some(published)
        },
    )
    .await;
    assert_eq!(published["conferences"], 1, "{published}");
    assert!(
        program
            .get("/metrics")
            .1
            .contains("jitsi_jvb_local_endpoints 3")
    );
    assert_eq!(program.get("/about/health").0, 200);
    let (_, debug) = program.get("/debug/m");
    assert!(debug.contains("\"aaaaaaaa-a0\""), "{debug}");
    let (_, listed) = program.get("/colibri/v2/conferences");
    assert!(listed.contains("\"bbbbbbbb\""), "{listed}");

    // The same meeting, changed over HTTP: unknown ones are refused, known ones served.
    let expire = r#"{"endpoints":[{"id":"cccccccc","expire":true}]}"#;
    let (status, answer) = program.request("PATCH", "/colibri/v2/conferences/m", expire);
    assert_eq!(
        (status, answer.as_str()),
        (200, r#"{"endpoints":[{"expire":true,"id":"cccccccc"}]}"#)
    );
    let (status, answer) = program.request("PATCH", "/colibri/v2/conferences/x", expire);
    assert_eq!(status, 404, "{answer}");
    assert!(
        answer.contains(Reason::ConferenceNotFound.name()),
        "{answer}"
    );
    for (body, expected, what) in [
        ("{", 400, r#""condition":"bad-request""#),
        (
            r#"{"name":"no room"}"#,
            400,
            "not the bare address of a room",
        ),
        (r#"{"relays":[{"id":"r","create":true}]}"#, 501, "no links"),
        (r#"{"connects":[{"create":true}]}"#, 501, "exports no media"),
        (
            r#"{"endpoints":[{"id":"x","sources":[]}]}"#,
            404,
            Reason::UnknownEndpoint.name(),
        ),
    ] {
        let (status, answer) = program.request("PATCH", "/colibri/v2/conferences/m", body);
        assert!(
            status == expected && answer.contains(what),
            "{body}: {status} {answer}"
        );
    }
    let again = r#"{"meeting-id":"m"}"#;
    let (status, answer) = program.request("POST", "/colibri/v2/conferences", again);
    let exists = Reason::ConferenceAlreadyExists.name();
    assert!(
        status == 409 && answer.contains(exists),
        "{status} {answer}"
    );
    let create = r#"{"meeting-id":"n","endpoints":[{"id":"dddddddd","create":true,
        "capabilities":["source-names"],"transport":{"ice-controlling":true,"sctp":{}}}]}"#;
    let (status, answer) = program.request("POST", "/colibri/v2/conferences", create);
    assert_eq!(status, 200, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let transport = &answer["endpoints"][0]["transport"];
    assert_eq!(transport["sctp"]["port"], 5000);
    assert!(
        transport["transport"]["candidates"][0]["port"].is_u64(),
        "{answer}"
    );

    // On the way out: no new conferences, those that are there go on, and the last one ends it.
    let (status, _) = program.request("POST", "/colibri/shutdown", r#"{"graceful-shutdown":true}"#);
    assert_eq!(status, 200);
    let refused = creation("o", "eeeeeeee", true).to_element();
    let error = focus.ask(refused).await.unwrap_err();
    let reason = ColibriError::from_stanza_error(&error).reason;
    assert_eq!(reason, Some(Reason::GracefulShutdown));
    let late = r#"{"meeting-id":"o"}"#;
    let (status, answer) = program.request("POST", "/colibri/v2/conferences", late);
    let ending = Reason::GracefulShutdown.name();
    assert!(
        status == 503 && answer.contains(ending),
        "{status} {answer}"
    );
    support::call::talk(&mut participants[..2], &mut number, |_, _| true);
    for meeting in ["m", "n"] {
        assert!(program.is_running());
        let mut end = ConferenceModify::new(meeting);
        end.expire = true;
        focus.ask(end.to_element()).await.unwrap();
    }
    assert!(program.wait().success());
}
