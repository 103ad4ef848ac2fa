//! JSON form of colibri2: one table read both ways.
//!
//! Attributes keep their names, repeated children become plural arrays, marks become `true`.
//! JSON is turned into the XML form and read by the same parser as a stanza, so that both say the
//! same and fail alike.

use jitctl_wire::Element;
use jitctl_wire::colibri2::{ColibriError, ConferenceModified, ConferenceModify};
use jitctl_wire::namespace::{
    COLIBRI, COLIBRI2, DTLS, ICE_UDP, JINGLE_RTP, RTCP_FEEDBACK, RTP_HEADER_EXTENSION, SOURCES,
};
use serde_json::{Map, Value, json};

/// Type of a value in JSON; in XML all are text.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Truth,
}

/// How a key of an object stands in XML.
#[derive(Clone, Copy)]
enum Shape {
    /// An attribute of the same name.
    Attribute(Kind),
    /// The text of the element.
    Content,
    /// A child for an object.
    Child(&'static Form),
    /// A child for each object of an array.
    Children(&'static Form),
    /// The same within one element of the key's name.
    Wrapped(&'static Form),
    /// A child with this attribute for each value of an array.
    Values(&'static Form, &'static str, Kind),
    /// A child with this attribute for a value.
    Value(&'static Form, &'static str, Kind),
    /// An empty child for `true`.
    Mark(&'static Form),
    /// A child with `name` and `value` for each key of an object.
    Pairs(&'static Form),
}

/// An element.
struct Form {
    name: &'static str,
    namespace: &'static str,
    keys: &'static [(&'static str, Shape)],
}

const TEXT: Shape = Shape::Attribute(Kind::Text);
const NUMBER: Shape = Shape::Attribute(Kind::Number);
const TRUTH: Shape = Shape::Attribute(Kind::Truth);

const fn bare(name: &'static str, namespace: &'static str) -> Form {
    Form {
        name,
        namespace,
        keys: &[],
    }
}

static PARAMETER: Form = bare("parameter", JINGLE_RTP);
static FEEDBACK: Form = Form {
    name: "rtcp-fb",
    namespace: RTCP_FEEDBACK,
    keys: &[("type", TEXT), ("subtype", TEXT)],
};
static PAYLOAD_TYPE: Form = Form {
    name: "payload-type",
    namespace: JINGLE_RTP,
    keys: &[
        ("id", NUMBER),
        ("name", TEXT),
        ("clockrate", NUMBER),
        ("channels", NUMBER),
        ("parameters", Shape::Pairs(&PARAMETER)),
        ("rtcp-fbs", Shape::Children(&FEEDBACK)),
    ],
};
static EXTENSION: Form = Form {
    name: "rtp-hdrext",
    namespace: RTP_HEADER_EXTENSION,
    keys: &[("id", NUMBER), ("uri", TEXT)],
};
static MIXED: Form = bare("extmap-allow-mixed", RTP_HEADER_EXTENSION);
static MEDIA: Form = Form {
    name: "media",
    namespace: COLIBRI2,
    keys: &[
        ("type", TEXT),
        ("payload-types", Shape::Children(&PAYLOAD_TYPE)),
        ("rtp-hdrexts", Shape::Children(&EXTENSION)),
        ("extmap-allow-mixed", Shape::Mark(&MIXED)),
    ],
};
static RTCP_MUX: Form = bare("rtcp-mux", ICE_UDP);
static WEB_SOCKET: Form = bare("web-socket", COLIBRI);
static FINGERPRINT: Form = Form {
    name: "fingerprint",
    namespace: DTLS,
    keys: &[
        ("hash", TEXT),
        ("setup", TEXT),
        ("cryptex", TRUTH),
        ("fingerprint", Shape::Content),
    ],
};
static CANDIDATE: Form = Form {
    name: "candidate",
    namespace: ICE_UDP,
    keys: &[
        ("component", NUMBER),
        ("foundation", TEXT),
        ("generation", NUMBER),
        ("id", TEXT),
        ("network", NUMBER),
        ("protocol", TEXT),
        ("type", TEXT),
        ("ip", TEXT),
        ("port", NUMBER),
        ("priority", NUMBER),
        ("rel-addr", TEXT),
        ("rel-port", NUMBER),
        ("tcptype", TEXT),
    ],
};
static ICE_TRANSPORT: Form = Form {
    name: "transport",
    namespace: ICE_UDP,
    keys: &[
        ("ufrag", TEXT),
        ("pwd", TEXT),
        ("ice-generation", NUMBER),
        ("rtcp-mux", Shape::Mark(&RTCP_MUX)),
        ("fingerprints", Shape::Children(&FINGERPRINT)),
        ("web-sockets", Shape::Values(&WEB_SOCKET, "url", Kind::Text)),
        ("candidates", Shape::Children(&CANDIDATE)),
    ],
};
static SCTP: Form = Form {
    name: "sctp",
    namespace: COLIBRI2,
    keys: &[("role", TEXT), ("port", NUMBER)],
};
static TRANSPORT: Form = Form {
    name: "transport",
    namespace: COLIBRI2,
    keys: &[
        ("ice-controlling", TRUTH),
        ("use-unique-port", TRUTH),
        ("ice-restart", TRUTH),
        ("transport", Shape::Child(&ICE_TRANSPORT)),
        ("sctp", Shape::Child(&SCTP)),
    ],
};
static SOURCE: Form = Form {
    name: "source",
    namespace: SOURCES,
    keys: &[("ssrc", NUMBER), ("name", TEXT), ("videoType", TEXT)],
};
static GROUP: Form = Form {
    name: "ssrc-group",
    namespace: SOURCES,
    keys: &[
        ("semantics", TEXT),
        ("sources", Shape::Values(&SOURCE, "ssrc", Kind::Number)),
    ],
};
static MEDIA_SOURCE: Form = Form {
    name: "media-source",
    namespace: COLIBRI2,
    keys: &[
        ("type", TEXT),
        ("id", TEXT),
        ("synthetic", TRUTH),
        ("sources", Shape::Children(&SOURCE)),
        ("ssrc-groups", Shape::Children(&GROUP)),
    ],
};
static FORCE_MUTE: Form = Form {
    name: "force-mute",
    namespace: COLIBRI2,
    keys: &[("audio", TRUTH), ("video", TRUTH)],
};
static INITIAL_LAST_N: Form = bare("initial-last-n", COLIBRI2);
static CAPABILITY: Form = bare("capability", COLIBRI2);
static ENDPOINT: Form = Form {
    name: "endpoint",
    namespace: COLIBRI2,
    keys: &[
        ("id", TEXT),
        ("create", TRUTH),
        ("expire", TRUTH),
        ("stats-id", TEXT),
        ("muc-role", TEXT),
        ("diarize", TRUTH),
        ("medias", Shape::Children(&MEDIA)),
        ("transport", Shape::Child(&TRANSPORT)),
        ("sources", Shape::Wrapped(&MEDIA_SOURCE)),
        ("force-mute", Shape::Child(&FORCE_MUTE)),
        (
            "initial-last-n",
            Shape::Value(&INITIAL_LAST_N, "value", Kind::Number),
        ),
        (
            "capabilities",
            Shape::Values(&CAPABILITY, "name", Kind::Text),
        ),
    ],
};
static RELAY: Form = Form {
    name: "relay",
    namespace: COLIBRI2,
    keys: &[
        ("id", TEXT),
        ("mesh-id", TEXT),
        ("create", TRUTH),
        ("expire", TRUTH),
        ("medias", Shape::Children(&MEDIA)),
        ("transport", Shape::Child(&TRANSPORT)),
        ("endpoints", Shape::Wrapped(&ENDPOINT)),
    ],
};
/// Known so that it is refused and not overlooked: a bridge exports no media.
static CONNECT: Form = Form {
    name: "connect",
    namespace: COLIBRI2,
    keys: &[("id", TEXT), ("create", TRUTH), ("expire", TRUTH)],
};
static MODIFY: Form = Form {
    name: "conference-modify",
    namespace: COLIBRI2,
    keys: &[
        ("meeting-id", TEXT),
        ("name", TEXT),
        ("create", TRUTH),
        ("expire", TRUTH),
        ("rtcstats-enabled", TRUTH),
        ("endpoints", Shape::Children(&ENDPOINT)),
        ("relays", Shape::Children(&RELAY)),
        ("connects", Shape::Wrapped(&CONNECT)),
    ],
};
static MODIFIED: Form = Form {
    name: "conference-modified",
    namespace: COLIBRI2,
    keys: &[
        ("endpoints", Shape::Children(&ENDPOINT)),
        ("relays", Shape::Children(&RELAY)),
        ("sources", Shape::Wrapped(&MEDIA_SOURCE)),
    ],
};

/// Reads a request.
///
/// # Errors
/// `bad-request` with the place that is wrong.
pub(super) fn request(value: &Value) -> Result<ConferenceModify, ColibriError> {
    let element = build(&MODIFY, value, "the request").map_err(ColibriError::bad_request)?;
    ConferenceModify::parse(&element).map_err(|error| ColibriError::from(&error))
}

/// Writes an answer.
pub(super) fn answer(answer: &ConferenceModified) -> Value {
    describe(&MODIFIED, &answer.to_element())
}

fn scalar(value: &Value, place: &str) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err(format!("{place} is no text, number or truth value")),
    }
}

fn list<'v>(value: &'v Value, place: &str) -> Result<&'v [Value], String> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| format!("{place} is no array"))
}

/// JSON to XML. Unknown keys are ignored, as unknown attributes are.
fn build(form: &'static Form, value: &Value, place: &str) -> Result<Element, String> {
    let object = value
        .as_object()
        .ok_or_else(|| format!("{place} is no object"))?;
    let mut element = Element::new(form.name, form.namespace);
    for (key, shape) in form.keys {
        let Some(value) = object.get(*key).filter(|value| !value.is_null()) else {
            continue;
        };
        let place = format!("`{key}` of {place}");
        match shape {
            Shape::Attribute(_) => element.set(*key, scalar(value, &place)?),
            Shape::Content => element.push_text(scalar(value, &place)?),
            Shape::Child(child) => element.push(build(child, value, &place)?),
            Shape::Children(child) => {
                for value in list(value, &place)? {
                    element.push(build(child, value, &place)?);
                }
            }
            Shape::Wrapped(child) => {
                let mut wrapper = Element::new(*key, COLIBRI2);
                for value in list(value, &place)? {
                    wrapper.push(build(child, value, &place)?);
                }
                element.push(wrapper);
            }
            Shape::Values(child, attribute, _) => {
                for value in list(value, &place)? {
                    let text = scalar(value, &place)?;
                    element.push(Element::new(child.name, child.namespace).with(*attribute, text));
                }
            }
            Shape::Value(child, attribute, _) => {
                let text = scalar(value, &place)?;
                element.push(Element::new(child.name, child.namespace).with(*attribute, text));
            }
            Shape::Mark(child) => {
                if value.as_bool() == Some(true) {
                    element.push(Element::new(child.name, child.namespace));
                }
            }
            Shape::Pairs(child) => {
                let pairs = value
                    .as_object()
                    .ok_or_else(|| format!("{place} is no object"))?;
                for (name, value) in pairs {
                    let text = scalar(value, &place)?;
                    element.push(
                        Element::new(child.name, child.namespace)
                            .with("name", name.clone())
                            .with("value", text),
                    );
                }
            }
        }
    }
    Ok(element)
}

fn typed(text: &str, kind: Kind) -> Value {
    match kind {
        Kind::Number => text
            .parse::<i64>()
            .map_or_else(|_| json!(text), Value::from),
        Kind::Truth => text
            .parse::<bool>()
            .map_or_else(|_| json!(text), Value::from),
        Kind::Text => json!(text),
    }
}

/// XML to JSON.
fn describe(form: &'static Form, element: &Element) -> Value {
    let mut object = Map::new();
    for (key, shape) in form.keys {
        let found = match shape {
            Shape::Attribute(kind) => element.attribute(key).map(|text| typed(text, *kind)),
            Shape::Content => Some(json!(element.text())),
            Shape::Child(child) => element
                .child(child.name, child.namespace)
                .map(|found| describe(child, found)),
            Shape::Children(child) => filled(children(child, element)),
            Shape::Wrapped(child) => element
                .child(key, COLIBRI2)
                .map(|wrapper| Value::from(children(child, wrapper))),
            Shape::Values(child, attribute, kind) => filled(
                element
                    .children_named(child.name, child.namespace)
                    .filter_map(|found| found.attribute(attribute))
                    .map(|text| typed(text, *kind))
                    .collect(),
            ),
            Shape::Value(child, attribute, kind) => element
                .child(child.name, child.namespace)
                .and_then(|found| found.attribute(attribute))
                .map(|text| typed(text, *kind)),
            Shape::Mark(child) => element
                .child(child.name, child.namespace)
                .map(|_| json!(true)),
            Shape::Pairs(child) => {
                let pairs: Map<String, Value> = element
                    .children_named(child.name, child.namespace)
                    .filter_map(|found| {
                        let name = found.attribute("name").unwrap_or_default().to_owned();
                        Some((name, json!(found.attribute("value")?)))
                    })
                    .collect();
                (!pairs.is_empty()).then_some(Value::Object(pairs))
            }
        };
        if let Some(found) = found {
            object.insert((*key).to_owned(), found);
        }
    }
    if form.namespace == ICE_UDP && form.name == "transport" {
        object.insert("xmlns".to_owned(), json!(ICE_UDP));
    }
    Value::Object(object)
}

fn children(form: &'static Form, element: &Element) -> Vec<Value> {
    element
        .children_named(form.name, form.namespace)
        .map(|child| describe(form, child))
        .collect()
}

fn filled(values: Vec<Value>) -> Option<Value> {
    (!values.is_empty()).then(|| Value::from(values))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// The colibri2 element of a recorded stanza.
    fn recorded(file: &str) -> Element {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../wire/tests/fixtures")
            .join(file);
        let stanza = Element::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        stanza.first_child().unwrap().clone()
    }

    #[test]
    fn recorded_requests_say_the_same_in_json() {
        for file in [
            "45-colibri2-conference-create.xml",
            "47-colibri2-endpoint-create.xml",
            "48-colibri2-endpoint-update-transport.xml",
            "50-colibri2-force-mute.xml",
            "51-colibri2-endpoint-expire.xml",
            "52-colibri2-conference-expire.xml",
            "72-ssrc-rewriting-colibri2-create.xml",
            "73-sctp-colibri2-create.xml",
            "77-octo-relay-modify-0.xml",
            "91-ice-restart-colibri2.xml",
        ] {
            let element = recorded(file);
            let expected = sorted(ConferenceModify::parse(&element).unwrap());
            let json = describe(&MODIFY, &element);
            assert_eq!(
                sorted(request(&json).unwrap()),
                expected,
                "{file}: {json:#}"
            );
        }
    }

    /// JSON objects do not keep the order of format parameters.
    fn sorted(mut request: ConferenceModify) -> ConferenceModify {
        let relays = request.relays.iter_mut().map(|relay| &mut relay.media);
        let endpoints = request
            .endpoints
            .iter_mut()
            .map(|endpoint| &mut endpoint.media);
        for media in relays.chain(endpoints).flatten() {
            for payload_type in &mut media.payload_types {
                payload_type.parameters.sort();
            }
        }
        request
    }

    #[test]
    fn recorded_answers_say_the_same_in_json() {
        for file in [
            "46-colibri2-conference-created.xml",
            "74-sctp-colibri2-created.xml",
        ] {
            let element = recorded(file);
            let expected = ConferenceModified::parse(&element).unwrap();
            let json = answer(&expected);
            let again = build(&MODIFIED, &json, "the answer").unwrap();
            assert_eq!(
                ConferenceModified::parse(&again).unwrap(),
                expected,
                "{file}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let wrong = json!({"meeting-id": "m", "endpoints": [{"id": "a", "medias": 7}]});
        let error = request(&wrong).unwrap_err();
        assert_eq!(
            error.text,
            "`medias` of `endpoints` of the request is no array"
        );
        let missing = request(&json!({"meeting-id": "m", "endpoints": [{}]})).unwrap_err();
        assert!(missing.text.contains("id"), "{}", missing.text);
    }
}
