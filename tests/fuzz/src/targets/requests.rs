//! JSON: bridge channels, colibri2 and conference requests over HTTP, sources in messages.

use std::hint::black_box;

use jitctl_focus::requests::HttpConferenceRequest;
use jitctl_media::channel::{self, Peer};
use jitctl_wire::jingle::SourceMap;

use super::Target;
use crate::corpus::Recordings;

pub(super) const BRIDGE_CHANNEL: Target = Target {
    name: "bridge_channel",
    recordings: Recordings::Channels,
    made: super::none,
    run: |input| {
        for peer in [Peer::Client, Peer::Relay, Peer::Bridge] {
            if let Ok(message) = channel::parse(input, peer) {
                let written = message.to_json();
                // Numbers may grow when they are written, at most to their full length.
                if written.len() <= channel::MAXIMUM_MESSAGE_LENGTH {
                    channel::parse(written.as_bytes(), peer).expect("what we write is understood");
                }
            }
        }
    },
};

pub(super) const COLIBRI_JSON: Target = Target {
    name: "colibri_json",
    recordings: Recordings::None,
    made: || {
        let text = r#"{"meeting-id":"m","create":true,"endpoints":[{"id":"a","create":true,
            "capabilities":["source-names"],"medias":[{"type":"video","payload-types":[{"id":100,
            "name":"VP8","clockrate":90000,"parameters":{"x":"1"},"rtcp-fbs":[{"type":"nack",
            "subtype":"pli"}]}],"rtp-hdrexts":[{"id":3,"uri":"urn:x"}],"extmap-allow-mixed":true}],
            "transport":{"ice-controlling":true,"sctp":{},"transport":{"ufrag":"u","pwd":"p",
            "rtcp-mux":true,"fingerprints":[{"hash":"sha-256","setup":"active","fingerprint":"AA"}],
            "candidates":[{"ip":"192.0.2.1","port":1,"type":"host","priority":1,"foundation":"1",
            "component":1,"protocol":"udp","generation":0,"id":"x"}]}},"sources":[{"type":"video",
            "id":"a-v0","sources":[{"ssrc":1,"name":"a-v0"}],"ssrc-groups":[{"semantics":"FID",
            "sources":[1,2]}]}],"force-mute":{"audio":true},"initial-last-n":3}]}"#;
        vec![
            text.into(),
            r#"{"meeting-id":"m","expire":true}"#.into(),
            r#"{"endpoints":[{"id":"a","expire":true}],"relays":[{"id":"r"}]}"#.into(),
        ]
    },
    run: |input| {
        if let Ok(text) = std::str::from_utf8(input)
            && let Ok(request) = jitctl_bridge::rest::read(text)
        {
            super::stanzas::check_colibri(&request.to_element());
        }
    },
};

pub(super) const CONFERENCE_JSON: Target = Target {
    name: "conference_json",
    recordings: Recordings::None,
    made: || {
        vec![
            br#"{"room":"room@conference.meet.test","machineUid":"u","sessionId":"s",
                "properties":{"visitors-version":1,"a":true,"b":"c","d":[{}]}}"#
                .into(),
        ]
    },
    run: |input| {
        if let Ok(asked) = serde_json::from_slice::<HttpConferenceRequest>(input)
            && let Ok(request) = asked.into_request()
        {
            black_box(request.to_element().to_xml());
        }
    },
};

pub(super) const SOURCES_JSON: Target = Target {
    name: "sources_json",
    recordings: Recordings::None,
    made: || {
        vec![
            br#"{"sources":{"3f8867bc":[[{"s":1,"n":"3f8867bc-v0","m":"a b"},{"s":2}],[["f",1,2]],
                [{"s":3,"n":"3f8867bc-a0","v":"d"}],[]]}}"#
                .into(),
            br#"{"jvb":[[],[],[{"s":4}]]}"#.into(),
        ]
    },
    run: |input| {
        if let Ok(text) = std::str::from_utf8(input)
            && let Ok(map) = SourceMap::parse(text)
        {
            SourceMap::parse(&map.to_json()).expect("what we write is understood");
        }
    },
};
