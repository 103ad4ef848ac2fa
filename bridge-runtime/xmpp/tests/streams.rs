//! The stream machines without I/O: what they send, refuse and survive.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use jitctl_xmpp::stream::{ClientStream, ComponentStream, Machine, Output, StreamSettings};
use jitctl_xmpp::{Credentials, Failure, Stage};
use proptest::prelude::*;

const HEADER: &str = "<stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' id='x' version='1.0'>";
const STARTTLS: &str =
    "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
const PROCEED: &str = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const BIND: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
    <sm xmlns='urn:xmpp:sm:3'/></stream:features>";
const BOUND: &str = "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
    <jid>a@b/c</jid></bind></iq>";
const ENABLED: &str = "<enabled xmlns='urn:xmpp:sm:3' id='s' resume='true'/>";

fn mechanisms(names: &[&str]) -> String {
    let list: String = names
        .iter()
        .flat_map(|name| ["<mechanism>", *name, "</mechanism>"])
        .collect();
    format!(
        "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{list}\
         </mechanisms></stream:features>"
    )
}

fn machine(credentials: Credentials) -> ClientStream {
    let settings = StreamSettings {
        domain: String::from("auth.meet.test"),
        credentials,
        resource: None,
        stream_management: true,
        acknowledge_confirmed_only: false,
        keepalive: Duration::from_secs(10),
        websocket: None,
    };
    ClientStream::new(settings, None)
}

fn account() -> Credentials {
    Credentials::Password {
        username: String::from("jvb"),
        password: String::from("s3cret").into(),
    }
}

/// Feeds the machine, does the handshakes it asks for, and returns what it wrote and how it ended.
fn feed(machine: &mut dyn Machine, pieces: &[&str]) -> (String, Option<Failure>) {
    let now = Instant::now();
    let mut written = String::new();
    let mut failure = None;
    machine.start(now);
    for piece in std::iter::once(&"").chain(pieces) {
        machine.handle_bytes(now, piece.as_bytes());
        while let Some(output) = machine.next_output() {
            match output {
                Output::Write(bytes) => written.push_str(&String::from_utf8_lossy(&bytes)),
                Output::StartTls => machine.tls_established(now),
                Output::Failed(reason) => failure = Some(reason),
                _ => {}
            }
        }
    }
    (written, failure)
}

/// Everything up to a session with stream management.
fn log_in(machine: &mut dyn Machine) {
    let anonymous = mechanisms(&["ANONYMOUS"]);
    let pieces = [
        HEADER, STARTTLS, PROCEED, HEADER, &anonymous, SUCCESS, HEADER, BIND, BOUND, ENABLED,
    ];
    let (_, failure) = feed(machine, &pieces);
    assert_eq!(failure, None);
}

#[test]
fn nothing_secret_leaves_before_tls_even_when_the_server_offers_login_there() {
    let early = mechanisms(&["PLAIN", "SCRAM-SHA-1"]);
    let mut stream = machine(account());
    let (written, failure) = feed(&mut stream, &[HEADER, &early]);
    assert!(!written.contains("<auth"), "{written}");
    let expected = Failure::TlsNotOffered {
        domain: String::from("auth.meet.test"),
    };
    assert_eq!(failure, Some(expected));
}

#[test]
fn bytes_injected_before_tls_are_forgotten_after_it() {
    let injected = format!("{PROCEED}{HEADER}{}", mechanisms(&["PLAIN"]));
    let mut stream = machine(account());
    let (written, failure) = feed(&mut stream, &[HEADER, STARTTLS, &injected]);
    assert!(!written.contains("<auth"), "{written}");
    assert_eq!(failure, None);
}

#[test]
fn a_server_that_skips_the_proof_of_scram_is_not_believed() {
    let mut stream = machine(account());
    let offered = mechanisms(&["SCRAM-SHA-1"]);
    let (_, failure) = feed(
        &mut stream,
        &[HEADER, STARTTLS, PROCEED, HEADER, &offered, SUCCESS],
    );
    assert_eq!(failure, Some(Failure::ServerNotAuthentic));
}

#[test]
fn stream_errors_and_refusals_of_tls_are_told_apart() {
    let error = |condition: &str| {
        format!(
            "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             </stream:error>"
        )
    };
    let ending = |piece: &str| feed(&mut machine(account()), &[HEADER, piece]).1;
    let domain = String::from("auth.meet.test");
    assert_eq!(
        ending(&error("host-unknown")),
        Some(Failure::HostUnknown { domain })
    );
    assert_eq!(ending(&error("conflict")), Some(Failure::Replaced));
    assert!(matches!(
        ending(&error("policy-violation")),
        Some(Failure::Policy { .. })
    ));
    assert!(matches!(
        ending(&error("reset")),
        Some(Failure::Stream { .. })
    ));
    assert!(matches!(
        ending("HTTP/1.1 400 Bad Request<"),
        Some(Failure::NotXmpp { .. })
    ));
    let closed = Failure::Closed { stage: Stage::Open };
    assert_eq!(ending("</stream:stream>"), Some(closed));
}

#[test]
fn a_silent_server_is_asked_once_and_then_given_up() {
    let mut stream = machine(Credentials::Anonymous);
    log_in(&mut stream);
    let first = stream.next_timeout();
    let Some(first) = first else {
        panic!("no timer")
    };
    stream.handle_timeout(first);
    assert!(matches!(stream.next_output(), Some(Output::Write(bytes)) if bytes.starts_with(b"<r")));
    let Some(second) = stream.next_timeout() else {
        panic!("no timer")
    };
    stream.handle_timeout(second);
    assert!(matches!(
        stream.next_output(),
        Some(Output::Failed(Failure::Silent))
    ));
    let boxed: Box<dyn Machine> = Box::new(stream);
    assert!(boxed.into_resumption().is_some());
}

fn piece() -> impl Strategy<Value = String> {
    let known: Vec<String> = [
        HEADER,
        STARTTLS,
        PROCEED,
        SUCCESS,
        BIND,
        BOUND,
        ENABLED,
        "</stream:stream>",
        "<r xmlns='urn:xmpp:sm:3'/>",
        "<a xmlns='urn:xmpp:sm:3' h='4000000000'/>",
        "<a xmlns='urn:xmpp:sm:3' h='0'/>",
        "<resumed xmlns='urn:xmpp:sm:3' h='7' previd='s'/>",
        "<failed xmlns='urn:xmpp:sm:3'/>",
        "<iq type='result' id='bind'/>",
        "<iq type='get' id='1' from='@@'><x xmlns='y'/></iq>",
        "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>cj0=</challenge>",
        "<handshake/>",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        mechanisms(&["ANONYMOUS"]),
        mechanisms(&["SCRAM-SHA-1", "PLAIN"]),
        mechanisms(&[]),
    ])
    .collect();
    prop_oneof![proptest::sample::select(known), "[<>/='a-c: ]{0,12}"]
}

proptest! {
    #[test]
    fn no_server_makes_a_machine_panic(pieces in proptest::collection::vec(piece(), 0..16)) {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        feed(&mut machine(account()), &pieces);
        feed(&mut machine(Credentials::Anonymous), &pieces);
        let mut online = machine(Credentials::Anonymous);
        log_in(&mut online);
        online.send(jitctl_wire::Element::new("iq", "jabber:client"));
        for piece in &pieces {
            online.handle_bytes(Instant::now(), piece.as_bytes());
        }
        while online.next_output().is_some() {}
        if let Ok(name) = "focus.meet.test".parse() {
            let secret = String::from("x").into();
            let mut component = ComponentStream::new(name, secret, Duration::from_secs(1));
            feed(&mut component, &pieces);
        }
    }
}
