//! XML: streams, stanzas and what is in them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use jitctl_wire::brewery::{BridgeReport, BridgeStats};
use jitctl_wire::colibri2::{ConferenceModified, ConferenceModify};
use jitctl_wire::conference_request::{ConferenceReply, ConferenceRequest};
use jitctl_wire::disco::DiscoInfo;
use jitctl_wire::ice::{Candidate, IceUdpTransport};
use jitctl_wire::jingle::{Content, Jingle};
use jitctl_wire::moderation::{AvModeration, Mute};
use jitctl_wire::muc::Occupancy;
use jitctl_wire::rtp::{MediaDescription, MediaKind};
use jitctl_wire::version::SoftwareVersion;
use jitctl_wire::xml::{Limits, StreamEvent, StreamParser};
use jitctl_wire::{Element, Iq, Presence, StanzaError};
use jitctl_xmpp::Credentials;
use jitctl_xmpp::stream::{ClientStream, ComponentStream, Machine, Output, StreamSettings};

use super::Target;
use crate::corpus::Recordings;

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target {
        name,
        recordings: Recordings::Stanzas,
        made: super::none,
        run,
    }
}

pub(super) const COLIBRI: Target = target("colibri2", |input| walk(input, check_colibri));

pub(super) const JINGLE: Target = target("jingle", |input| {
    walk(input, |element| {
        if let Ok(jingle) = Jingle::parse(element) {
            let written = written(&jingle.to_element());
            Jingle::parse(&written).expect("what we write is understood");
        }
        if let Ok(content) = Content::parse(element) {
            Content::parse(&written(&content.to_element())).expect("what we write is understood");
        }
        if let Ok(transport) = IceUdpTransport::parse(element) {
            let written = written(&transport.to_element());
            IceUdpTransport::parse(&written).expect("what we write is understood");
        }
        let _ = black_box(Candidate::parse(element));
        let _ = black_box(MediaDescription::parse_children(MediaKind::Video, element));
    });
});

pub(super) const STANZAS: Target = target("stanzas", |input| {
    walk(input, |element| {
        if let Ok(iq) = Iq::parse(element) {
            Iq::parse(&written(&iq.to_element())).expect("what we write is understood");
        }
        if let Ok(presence) = Presence::parse(element) {
            black_box(Occupancy::of(&presence));
            black_box(BridgeReport::of(&presence));
        }
        black_box(BridgeStats::parse(element));
        let _ = black_box(StanzaError::parse(element));
        let _ = black_box(DiscoInfo::parse(element));
        let _ = black_box(SoftwareVersion::parse(element));
        let _ = black_box(ConferenceRequest::parse(element));
        let _ = black_box(ConferenceReply::parse(element));
        let _ = black_box(Mute::parse(element));
        black_box(AvModeration::of(element));
    });
});

pub(super) const XML_STREAM: Target = Target {
    made: streams,
    ..target("xml_stream", |input| {
        let limits = Limits {
            maximum_stanza_bytes: 4096,
            ..Limits::default()
        };
        let mut parser = StreamParser::new(limits);
        let mut whole = StreamParser::new(limits);
        whole.push(input);
        let mut events = Vec::new();
        // In pieces as in one: where the network cuts makes no difference.
        let mut failed = false;
        for piece in input.chunks(7) {
            parser.push(piece);
            failed = failed || !drain(&mut parser, &mut events);
        }
        let mut expected = Vec::new();
        let whole_failed = !drain(&mut whole, &mut expected);
        if !failed && !whole_failed {
            assert_eq!(events, expected, "pieces read like the whole");
        }
        for event in &events {
            if let StreamEvent::Stanza(element) = event {
                assert_eq!(&written(element), element, "written as it was read");
            }
        }
    })
};

pub(super) const XMPP_CLIENT: Target = Target {
    made: streams,
    ..target("xmpp_client", |input| {
        drive(&mut client(None), input);
    })
};

pub(super) const XMPP_WEBSOCKET: Target = Target {
    made: || {
        let mut answers: Vec<Vec<u8>> = vec![
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n"
                .into(),
        ];
        answers.push([&answers[0][..], &[0x81, 4], b"<a/>", &[0x89, 1, 1]].concat());
        answers
    },
    ..target("xmpp_websocket", |input| {
        drive(&mut client(Some("/xmpp-websocket")), input);
    })
};

pub(super) const XMPP_COMPONENT: Target = Target {
    made: streams,
    ..target("xmpp_component", |input| {
        let name = "focus.meet.test".parse().expect("a name");
        let secret = String::from("secret").into();
        let mut component = ComponentStream::new(name, secret, Duration::from_secs(60));
        drive(&mut component, input);
    })
};

/// A request or an answer of colibri2. JSON may hold characters that XML cannot, which are
/// replaced when it is written; from then on it is read as it was written.
pub(super) fn check_colibri(element: &Element) {
    if let Ok(request) = ConferenceModify::parse(element) {
        let once = ConferenceModify::parse(&written(&request.to_element()));
        let once = once.expect("what we write is understood");
        let twice = ConferenceModify::parse(&written(&once.to_element()));
        assert_eq!(twice.as_ref(), Ok(&once), "read as it was written");
        black_box(request.echo());
    }
    if let Ok(answer) = ConferenceModified::parse(element) {
        let once = ConferenceModified::parse(&written(&answer.to_element()));
        let once = once.expect("what we write is understood");
        let twice = ConferenceModified::parse(&written(&once.to_element()));
        assert_eq!(twice.as_ref(), Ok(&once), "read as it was written");
    }
}

/// Shows every element of a document to `look`.
fn walk(input: &[u8], look: impl Fn(&Element)) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(root) = Element::parse(text) else {
        return;
    };
    let mut left = vec![&root];
    while let Some(element) = left.pop() {
        look(element);
        left.extend(element.children());
    }
}

fn written(element: &Element) -> Element {
    Element::parse(&element.to_xml()).expect("what we write is XML")
}

/// False after an error.
fn drain(parser: &mut StreamParser, events: &mut Vec<StreamEvent>) -> bool {
    loop {
        match parser.next_event() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

fn client(websocket: Option<&str>) -> ClientStream {
    let settings = StreamSettings {
        domain: String::from("meet.test"),
        credentials: Credentials::Anonymous,
        resource: None,
        stream_management: true,
        acknowledge_confirmed_only: false,
        keepalive: Duration::from_secs(60),
        websocket: websocket.map(str::to_owned),
    };
    ClientStream::new(settings, None)
}

fn drive(machine: &mut dyn Machine, input: &[u8]) {
    let now = Instant::now();
    machine.start(now);
    for piece in input.chunks(61) {
        machine.handle_bytes(now, piece);
        while let Some(output) = machine.next_output() {
            if matches!(output, Output::StartTls) {
                machine.tls_established(now);
            }
        }
    }
    machine.handle_end();
    while machine.next_output().is_some() {}
}

fn streams() -> Vec<Vec<u8>> {
    let header = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
                  xmlns:stream='http://etherx.jabber.org/streams' id='s' from='meet.test' \
                  version='1.0'>";
    let features = |inner: &str| format!("<stream:features>{inner}</stream:features>");
    let login = [
        header,
        &features("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        header,
        &features(
            "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
             <mechanism>ANONYMOUS</mechanism></mechanisms>",
        ),
        "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
        header,
        &features("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>"),
        "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
         <jid>a@meet.test/b</jid></bind></iq>",
        "<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/><r xmlns='urn:xmpp:sm:3'/>",
        "<message from='x@y'><body>&lt;&#x41;</body></message><a xmlns='urn:xmpp:sm:3' h='1'/>",
        "</stream:stream>",
    ];
    let component = "<stream:stream xmlns='jabber:component:accept' \
                     xmlns:stream='http://etherx.jabber.org/streams' id='7' from='focus.meet.test'>\
                     <handshake/><iq type='get' id='1' from='a@b/c'><ping xmlns='urn:xmpp:ping'/></iq>";
    vec![
        login.concat().into(),
        login[..7].concat().into(),
        component.into(),
    ]
}
