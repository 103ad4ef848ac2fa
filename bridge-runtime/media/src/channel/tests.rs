use super::*;
use proptest::prelude::*;

const RECORDED: &[&str] = &[
    include_str!("../../tests/fixtures/bridge-channel-plain-p0.log"),
    include_str!("../../tests/fixtures/bridge-channel-sctp-p0.log"),
    include_str!("../../tests/fixtures/bridge-channel-ssrc-rewriting-p0.log"),
];

fn client(text: &str) -> Result<ChannelMessage, ChannelError> {
    parse(text.as_bytes(), Peer::Client)
}

#[test]
fn every_recorded_message_is_understood_and_written_back_alike() {
    let mut understood = 0;
    for line in RECORDED.iter().flat_map(|log| log.lines()) {
        let Some(start) = line.find('{') else {
            continue;
        };
        let peer = if line[..start].contains("in |") || line[..start].contains("dc-in") {
            Peer::Bridge
        } else {
            Peer::Client
        };
        let text = &line[start..];
        let message =
            parse(text.as_bytes(), peer).unwrap_or_else(|error| panic!("{text}: {error}"));
        let original: serde_json::Value = serde_json::from_str(text).unwrap();
        let written: serde_json::Value = serde_json::from_str(&message.to_json()).unwrap();
        assert_eq!(written, original);
        understood += 1;
    }
    assert!(
        understood > 50,
        "only {understood} messages in the recordings"
    );
}

#[test]
fn every_class_a_client_or_bridge_was_seen_to_send_is_understood() {
    let recorded = include_str!("../../tests/fixtures/bridge-messages.txt");
    let mut peer = Peer::Client;
    let mut understood = 0;
    for line in recorded.lines() {
        if let Some(direction) = line.strip_prefix("## ") {
            peer = if direction.starts_with("bridge") {
                Peer::Bridge
            } else {
                Peer::Client
            };
        } else if let Some(start) = line.find('{') {
            parse(&line.as_bytes()[start..], peer)
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            understood += 1;
        }
    }
    assert!(understood > 20);
}

#[test]
fn absent_fields_of_constraints_stay_absent() {
    let message = client(r#"{"colibriClass":"ReceiverVideoConstraints","lastN":3}"#).unwrap();
    assert_eq!(
        message,
        ChannelMessage::ReceiverVideoConstraints(ReceiverVideoConstraints {
            last_n: Some(3),
            ..ReceiverVideoConstraints::default()
        })
    );
}

#[test]
fn an_endpoint_message_keeps_keys_the_bridge_does_not_know() {
    let text =
        r#"{"colibriClass":"EndpointMessage","to":"","msgPayload":{"a":[1,{"b":null}]},"x":1}"#;
    let written: serde_json::Value =
        serde_json::from_str(&client(text).unwrap().to_json()).unwrap();
    assert_eq!(
        written,
        serde_json::from_str::<serde_json::Value>(text).unwrap()
    );
}

#[test]
fn duplicate_keys_are_refused_at_any_depth() {
    for text in [
        r#"{"colibriClass":"ClientHello","colibriClass":"ServerHello"}"#,
        r#"{"colibriClass":"EndpointMessage","msgPayload":{"a":{"b":1,"b":2}}}"#,
    ] {
        assert!(
            matches!(client(text), Err(ChannelError::Malformed(_))),
            "{text}"
        );
    }
}

#[test]
fn hostile_messages_are_refused_with_their_reason() {
    let many = format!(
        r#"{{"colibriClass":"ReceiverVideoConstraints","selectedSources":[{}"x"]}}"#,
        r#""x","#.repeat(MAXIMUM_NAMES)
    );
    assert!(matches!(
        client(&many),
        Err(ChannelError::TooLarge {
            field: "selectedSources"
        })
    ));
    let deep = "[".repeat(10_000);
    assert!(matches!(client(&deep), Err(ChannelError::Malformed(_))));
    let nested = format!(
        r#"{{"colibriClass":"EndpointMessage","msgPayload":{}1{}}}"#,
        r#"{"a":"#.repeat(200),
        "}".repeat(200)
    );
    assert!(matches!(client(&nested), Err(ChannelError::Malformed(_))));
    let long = " ".repeat(MAXIMUM_MESSAGE_LENGTH + 1);
    assert!(matches!(client(&long), Err(ChannelError::TooLong { .. })));
    assert!(matches!(
        client(r#"{"colibriClass":"Nonsense"}"#),
        Err(ChannelError::UnknownClass { .. })
    ));
    assert!(matches!(client("[]"), Err(ChannelError::Malformed(_))));
    assert!(matches!(
        client(r#"{"colibriClass":"LastNChangedEvent","lastN":"many"}"#),
        Err(ChannelError::Malformed(_))
    ));
}

#[test]
fn a_client_may_not_speak_for_the_bridge() {
    assert!(matches!(
        client(r#"{"colibriClass":"ForwardedSources","forwardedSources":[]}"#),
        Err(ChannelError::WrongDirection {
            class: "ForwardedSources"
        })
    ));
}

proptest! {
    #[test]
    fn any_text_is_judged_without_panic(text in ".{0,200}") {
        let _ = client(&text);
    }

    #[test]
    fn any_fields_in_any_class_are_judged_without_panic(
        class in proptest::sample::select(ChannelMessage::CLASSES),
        field in "(lastN|constraints|to|sourceName|videoType|include|maxHeight|msgPayload)",
        value in r#"(-1|1e99|null|"x"|\[\]|\{\}|\["a"\]|\{"a":\{"maxHeight":2\}\}|true)"#,
    ) {
        let _ = client(&format!(r#"{{"colibriClass":"{class}","{field}":{value}}}"#));
    }
}
