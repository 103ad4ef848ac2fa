//! The stream parser takes whatever arrives, in whatever pieces.
#![forbid(unsafe_code)]

use jitctl_wire::Element;
use jitctl_wire::xml::{Limits, StreamEvent, StreamParser, XmlError};
use proptest::prelude::*;

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' id='s1' from='auth.meet.test' version='1.0'>";

fn events(pieces: &[&[u8]], limits: Limits) -> Result<Vec<StreamEvent>, XmlError> {
    let mut parser = StreamParser::new(limits);
    let mut found = Vec::new();
    for piece in pieces {
        parser.push(piece);
        while let Some(event) = parser.next_event()? {
            found.push(event);
        }
    }
    Ok(found)
}

fn stanzas(body: &str) -> Result<Vec<Element>, XmlError> {
    let text = format!("{HEADER}{body}");
    Ok(events(&[text.as_bytes()], Limits::default())?
        .into_iter()
        .filter_map(|event| match event {
            StreamEvent::Stanza(element) => Some(element),
            _ => None,
        })
        .collect())
}

#[test]
fn a_stream_cut_at_every_byte_gives_the_same_events() {
    let text = format!(
        "{HEADER}<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
         </stream:features> \n<message a=\"1 > 2\"><body>x &lt; &#x1F600; <![CDATA[<raw>]]></body>\
         </message><iq/></stream:stream>"
    );
    let whole = events(&[text.as_bytes()], Limits::default()).unwrap();
    assert_eq!(whole.len(), 5);
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(events(&bytes, Limits::default()).unwrap(), whole);
    let StreamEvent::Stanza(features) = &whole[1] else {
        panic!("{whole:?}")
    };
    assert!(features.is("features", "http://etherx.jabber.org/streams"));
    let StreamEvent::Stanza(message) = &whole[2] else {
        panic!("{whole:?}")
    };
    assert_eq!(message.attribute("a"), Some("1 > 2"));
    assert_eq!(
        message.child("body", "jabber:client").unwrap().text(),
        "x < \u{1F600} <raw>"
    );
    assert_eq!(whole[4], StreamEvent::Closed);
}

#[test]
fn what_xmpp_forbids_is_refused() {
    for body in [
        "<!-- comment -->",
        "<?php x ?>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]>",
        "<a>&undefined;</a>",
        "<a>&#0;</a>",
        "<p:a/>",
        "<a b='1' b='2'/>",
        "<a></b>",
        "text<a/>",
        "</other>",
        "<a b=c/>",
        "<1a/>",
        "<a:b:c/>",
    ] {
        assert!(stanzas(body).is_err(), "{body}");
    }
}

#[test]
fn a_stanza_beyond_the_limits_is_refused_before_it_is_whole() {
    let limits = Limits {
        maximum_stanza_bytes: 1000,
        maximum_depth: 10,
        maximum_attributes: 6,
    };
    let endless = format!("{HEADER}<a>{}", "x".repeat(2000));
    assert_eq!(
        events(&[endless.as_bytes()], limits),
        Err(XmlError::TooLarge { limit: 1000 })
    );
    let deep = format!("{HEADER}{}", "<a>".repeat(11));
    assert_eq!(
        events(&[deep.as_bytes()], limits),
        Err(XmlError::TooDeep { limit: 10 })
    );
    let wide = format!("{HEADER}<a a='' b='' c='' d='' e='' f='' g=''/>");
    assert!(matches!(
        events(&[wide.as_bytes()], limits),
        Err(XmlError::TooManyAttributes { limit: 6, .. })
    ));
    let many_small = format!("{HEADER}{}", "<a>xxxxxxxxxx</a>".repeat(1000));
    assert_eq!(
        events(&[many_small.as_bytes()], limits).unwrap().len(),
        1001
    );
}

#[test]
fn a_document_is_exactly_one_element() {
    assert!(Element::parse("<!-- a --><a/><!-- b -->").is_ok());
    for text in ["", "<a>", "<a/><b/>", "<a/>text", "text"] {
        assert!(Element::parse(text).is_err(), "{text}");
    }
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-zA-Z0-9_.-]{0,8}"
}

fn element() -> impl Strategy<Value = Element> {
    let leaf = (
        name(),
        "[a-z:]{0,8}",
        proptest::collection::btree_map(name(), ".{0,12}", 0..4),
    )
        .prop_filter("xmlns declares", |(_, _, attributes)| {
            !attributes.contains_key("xmlns")
        })
        .prop_map(|(name, namespace, attributes)| {
            let mut element = Element::new(name, namespace);
            for (key, value) in attributes {
                element.set(key, clean(&value));
            }
            element
        });
    leaf.prop_recursive(4, 24, 4, |inner| {
        (
            inner.clone(),
            proptest::collection::vec((inner, ".{0,12}"), 0..4),
        )
            .prop_map(|(mut element, children)| {
                for (child, text) in children {
                    element.push_text(clean(&text));
                    element.push(child);
                }
                element
            })
    })
}

/// What XML 1.0 cannot carry is replaced on writing, so it cannot come back.
fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
        .filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .collect()
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_itself(element in element()) {
        prop_assert_eq!(Element::parse(&element.to_xml()).unwrap(), element.clone());
        let within = format!("{HEADER}{}", element.to_xml_within("jabber:client"));
        let found = events(&[within.as_bytes()], Limits::default()).unwrap();
        prop_assert_eq!(&found[1], &StreamEvent::Stanza(element));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut parser = StreamParser::new(Limits::default());
        parser.push(HEADER.as_bytes());
        parser.push(&bytes);
        while let Ok(Some(_)) = parser.next_event() {}
    }

    #[test]
    fn no_markup_like_text_panics(text in "[<>/='\"&;!\\[\\]?a-c: -]{0,60}") {
        let mut parser = StreamParser::new(Limits::default());
        parser.push(HEADER.as_bytes());
        parser.push(text.as_bytes());
        while let Ok(Some(_)) = parser.next_event() {}
        let _ = Element::parse(&text);
    }
}
