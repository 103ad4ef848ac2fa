//! What recorded peers sent is understood and written back with everything a peer relies on.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use jitctl_wire::brewery::{BridgeReport, BridgeStats};
use jitctl_wire::colibri2::{ColibriError, ConferenceModified, ConferenceModify, Reason};
use jitctl_wire::disco::DiscoInfo;
use jitctl_wire::muc::{Occupancy, STATUS_CREATED, STATUS_SELF};
use jitctl_wire::version::SoftwareVersion;
use jitctl_wire::{Condition, Element, Iq, IqKind, Presence, PresenceKind, namespace};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn fixture(number: &str) -> Element {
    let prefix = format!("{number}-");
    let entry = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap())
        .find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .unwrap_or_else(|| panic!("no fixture {number}"));
    Element::parse(&fs::read_to_string(entry.path()).unwrap()).unwrap()
}

/// A text in which the order of attributes and siblings, white space between elements and what
/// no peer reads (language, tracing) make no difference.
fn canonical(element: &Element) -> String {
    let mut attributes: Vec<String> = element
        .attributes()
        .filter(|(key, _)| *key != "xml:lang")
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    attributes.sort();
    let mut children: Vec<String> = element
        .children()
        .filter(|child| child.name() != "traceparent")
        .map(canonical)
        .collect();
    children.sort();
    // The recordings dropped the stream's default namespace, and that of an error's text.
    let recorded_namespace = match (element.name(), element.namespace()) {
        (_, namespace::CLIENT) | ("text", _) => "",
        (_, other) => other,
    };
    format!(
        "<{{{}}}{} {}>{}[{}]",
        recorded_namespace,
        element.name(),
        attributes.join(" "),
        element.text().trim(),
        children.join(",")
    )
}

/// Parses through the typed form and back.
fn typed_again(payload: &Element) -> Element {
    if ConferenceModify::matches(payload) {
        return ConferenceModify::parse(payload).unwrap().to_element();
    }
    ConferenceModified::parse(payload).unwrap().to_element()
}

/// Elements in the order of the recording, so that layers keep theirs.
fn group_order(element: &Element) -> Vec<String> {
    let mut found = Vec::new();
    if element.name() == "ssrc-group" {
        found.push(
            element
                .children()
                .filter_map(|child| child.attribute("ssrc"))
                .collect(),
        );
    }
    found.extend(element.children().flat_map(group_order));
    found
}

#[test]
fn colibri2_requests_and_answers_survive_the_typed_form() {
    let numbers = [
        "16", "45", "46", "47", "48", "49", "50", "51", "52", "72", "73", "74", "77", "78", "79",
        "80", "81", "82", "83", "85", "86", "87", "91", "92",
    ];
    for number in numbers {
        let iq = Iq::parse(&fixture(number)).unwrap();
        let payload = iq.payload.as_ref().unwrap();
        let again = typed_again(payload);
        assert_eq!(canonical(&again), canonical(payload), "fixture {number}");
        assert_eq!(
            group_order(&again),
            group_order(payload),
            "fixture {number}"
        );
        let reread = Element::parse(&again.to_xml()).unwrap();
        assert_eq!(
            canonical(&reread),
            canonical(payload),
            "fixture {number} written out"
        );
    }
}

#[test]
fn an_iq_goes_out_as_it_came_in() {
    for number in ["17", "18", "46", "51"] {
        let element = fixture(number);
        let again = Iq::parse(&element).unwrap().to_element();
        assert_eq!(canonical(&again), canonical(&element), "fixture {number}");
    }
}

#[test]
fn an_answer_carries_exactly_the_id_and_sender_received() {
    let request = Iq::parse(&fixture("17")).unwrap();
    let answer = request.result(None);
    let recorded = Iq::parse(&fixture("18")).unwrap();
    assert_eq!(answer.to, recorded.to);
    assert_eq!(answer.kind, IqKind::Result);
    assert_eq!(answer.id, request.id);
    assert!(answer.id.len() > 60);
}

#[test]
fn published_statistics_carry_every_recorded_key_and_value() {
    for number in ["15", "25", "84"] {
        let presence = Presence::parse(&fixture(number)).unwrap();
        let recorded = presence.child("stats", namespace::COLIBRI).unwrap();
        let again = BridgeStats::parse(recorded).to_element();
        let mut missing: Vec<String> = Vec::new();
        for stat in recorded.children() {
            let name = stat.attribute("name").unwrap();
            let found = again
                .children()
                .find(|other| other.attribute("name") == Some(name));
            let same =
                found.is_some_and(|found| found.attribute("value") == stat.attribute("value"));
            if !same {
                missing.push(format!("{name}: {found:?}"));
            }
        }
        assert_eq!(missing, Vec::<String>::new(), "fixture {number}");
        assert_eq!(
            again.children().count(),
            recorded.children().count(),
            "fixture {number}"
        );
    }
}

#[test]
fn a_focus_reads_its_keys_and_tells_absent_from_false() {
    let presence = Presence::parse(&fixture("84")).unwrap();
    let report = BridgeReport::of(&presence).unwrap();
    assert_eq!(report.relay_id.as_deref(), Some("refjvb2"));
    assert_eq!(report.region.as_deref(), Some("region1"));
    assert_eq!(report.drain, Some(false));
    assert_eq!(report.full_version().as_deref(), Some("2.3.SNAPSHOT"));
    let empty = BridgeReport::parse(&Element::new("stats", namespace::COLIBRI));
    assert_eq!(empty.drain, None);
    assert_eq!(
        BridgeReport::of(&Presence::parse(&fixture("24")).unwrap()),
        None
    );
}

#[test]
fn the_rooms_own_presence_tells_who_created_it() {
    let presence = Presence::parse(&fixture("13")).unwrap();
    assert_eq!(presence.kind, PresenceKind::Available);
    let occupancy = Occupancy::of(&presence).unwrap();
    assert!(occupancy.has(STATUS_SELF) && occupancy.has(STATUS_CREATED));
    assert_eq!(occupancy.items[0].affiliation, "owner");
    assert_eq!(
        occupancy.real_addresses()[0].to_string(),
        "jvb@auth.meet.test/VAJBe2DhxNBz"
    );
}

#[test]
fn the_owners_form_is_the_recorded_one() {
    let recorded = Iq::parse(&fixture("14")).unwrap();
    let form = jitctl_wire::muc::show_addresses_form();
    assert_eq!(canonical(&form), canonical(&recorded.payload.unwrap()));
}

/// Pairs of request and answer from the recorded probe of a bridge.
fn exchanges() -> Vec<(String, Element, Option<Element>)> {
    let text = fs::read_to_string(fixtures().join("bridge-error-answers.txt")).unwrap();
    let mut found = Vec::new();
    for block in text.split("### ").skip(1) {
        let title = block.lines().next().unwrap_or_default().to_owned();
        let line = |mark: &str| {
            block
                .lines()
                .find_map(|line| line.strip_prefix(mark))
                .unwrap_or_default()
                .to_owned()
        };
        let answer = line("< ");
        let answer = (!answer.starts_with("NO ANSWER")).then(|| Element::parse(&answer).unwrap());
        found.push((title, Element::parse(&line("> ")).unwrap(), answer));
    }
    found
}

#[test]
fn recorded_error_answers_survive_the_typed_form() {
    let exchanges = exchanges();
    assert!(exchanges.len() >= 35, "{}", exchanges.len());
    for (title, request, answer) in &exchanges {
        let request = Iq::parse(request).unwrap();
        let Some(answer) = answer else { continue };
        let parsed = Iq::parse(answer).unwrap();
        if let Some(error) = &parsed.error {
            let payload = request.payload.as_ref().unwrap();
            if !ConferenceModify::matches(payload) {
                continue;
            }
            let colibri = ColibriError::from_stanza_error(error);
            let modify = ConferenceModify::parse(payload).unwrap();
            let mut ours = request.refusal(colibri.to_stanza_error());
            ours.payload = Some(modify.echo());
            ours.from = parsed.from.clone();
            ours.to = parsed.to.clone();
            assert_eq!(canonical(&ours.to_element()), canonical(answer), "{title}");
        } else if let Some(payload) = &parsed.payload {
            let again = match payload.namespace() {
                namespace::COLIBRI2 => typed_again(payload),
                namespace::DISCO_INFO => DiscoInfo::parse(payload).unwrap().to_element(),
                namespace::VERSION => SoftwareVersion::parse(payload).unwrap().to_element(),
                _ => continue,
            };
            assert_eq!(canonical(&again), canonical(payload), "{title}");
        }
    }
}

#[test]
fn reasons_of_recorded_errors_are_told_apart() {
    let reason_of = |title: &str| {
        let exchanges = exchanges();
        let (_, _, answer) = exchanges
            .iter()
            .find(|(found, ..)| found.starts_with(title))
            .unwrap();
        let error = Iq::parse(answer.as_ref().unwrap()).unwrap().error.unwrap();
        let error = ColibriError::from_stanza_error(&error);
        (error.condition, error.reason)
    };
    assert_eq!(
        reason_of("modify unknown meeting"),
        (Condition::ItemNotFound, Some(Reason::ConferenceNotFound))
    );
    assert_eq!(
        reason_of("create again"),
        (Condition::Conflict, Some(Reason::ConferenceAlreadyExists))
    );
    assert_eq!(
        reason_of("two endpoints in one"),
        (
            Condition::FeatureNotImplemented,
            Some(Reason::FeatureNotImplemented)
        )
    );
    assert_eq!(
        reason_of("endpoint create without source-names"),
        (Condition::BadRequest, None)
    );
}

#[test]
fn an_unknown_endpoint_is_named_in_the_error() {
    let error = ColibriError::unknown_endpoint("a1b2c3d4");
    let stanza_error = error.to_stanza_error();
    let element = stanza_error.to_element(namespace::CLIENT);
    let read = jitctl_wire::StanzaError::parse(&element).unwrap();
    assert_eq!(ColibriError::from_stanza_error(&read), error);
}

#[test]
fn a_request_without_meeting_id_or_endpoint_id_is_refused() {
    for (title, request, _) in exchanges() {
        let refused =
            title.starts_with("no meeting-id") || title.starts_with("endpoint create without id");
        if refused {
            let payload = Iq::parse(&request).unwrap().payload.unwrap();
            assert!(ConferenceModify::parse(&payload).is_err(), "{title}");
        }
    }
}
