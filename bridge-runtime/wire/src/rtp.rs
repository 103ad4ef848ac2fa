//! Media descriptions: payload types and header extensions (XEP-0167, 0293, 0294).
//!
//! Shared by colibri2 (`<media>`) and Jingle (`<description>`).

use serde::{Deserialize, Serialize};

use crate::namespace::{JINGLE_RTP, RTCP_FEEDBACK, RTP_HEADER_EXTENSION};
use crate::parse::{ParseError, bad, expect, optional, required, required_as};
use crate::xml::Element;

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl MediaKind {
    /// The attribute value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    pub(crate) fn of(element: &Element, attribute: &'static str) -> Result<Self, ParseError> {
        match required(element, attribute)? {
            "audio" => Ok(Self::Audio),
            "video" => Ok(Self::Video),
            other => Err(bad(element, attribute, other, "`audio` or `video`")),
        }
    }
}

/// Feedback a receiver may send for a payload type (RFC 4585).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RtcpFeedback {
    /// Such as `nack`, `ccm`, `transport-cc`, `goog-remb`.
    pub kind: String,
    /// Such as `pli`, `fir`.
    pub subtype: Option<String>,
}

/// A codec with its number on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PayloadType {
    /// Number, 0 to 127.
    pub id: u8,
    /// Codec name.
    pub name: String,
    /// Samples per second.
    pub clock_rate: Option<u32>,
    /// Channels of audio.
    pub channels: Option<u8>,
    /// Format parameters, in order.
    pub parameters: Vec<(String, String)>,
    /// Feedback, in order.
    pub feedback: Vec<RtcpFeedback>,
}

impl PayloadType {
    /// Value of a format parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads a `<payload-type>`.
    ///
    /// # Errors
    /// Another element, a missing or impossible number.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "payload-type", JINGLE_RTP)?;
        let id: u8 = required_as(element, "id", "a payload type number")?;
        if id > 127 {
            return Err(bad(
                element,
                "id",
                &id.to_string(),
                "a number from 0 to 127",
            ));
        }
        let feedback = element
            .children_named("rtcp-fb", RTCP_FEEDBACK)
            .map(|child| {
                Ok(RtcpFeedback {
                    kind: required(child, "type")?.to_owned(),
                    subtype: child.attribute("subtype").map(str::to_owned),
                })
            })
            .collect::<Result<_, ParseError>>()?;
        Ok(Self {
            id,
            name: element.attribute("name").unwrap_or_default().to_owned(),
            clock_rate: optional(element, "clockrate", "a number")?,
            channels: optional(element, "channels", "a number")?,
            parameters: parameters(element, JINGLE_RTP),
            feedback,
        })
    }

    /// Builds the `<payload-type>`.
    pub fn to_element(&self) -> Element {
        Element::new("payload-type", JINGLE_RTP)
            .with("id", self.id.to_string())
            .with_some("name", (!self.name.is_empty()).then_some(&self.name))
            .with_some("clockrate", self.clock_rate)
            .with_some("channels", self.channels)
            .with_children(parameter_elements(&self.parameters, JINGLE_RTP))
            .with_children(self.feedback.iter().map(|feedback| {
                Element::new("rtcp-fb", RTCP_FEEDBACK)
                    .with("type", feedback.kind.clone())
                    .with_some("subtype", feedback.subtype.as_ref())
            }))
    }
}

/// A header extension with its number on the wire (RFC 8285).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderExtension {
    /// Number, 1 to 255 (0 and 15 are reserved in the one-byte form).
    pub id: u8,
    /// Which extension.
    pub uri: String,
}

/// Codecs and header extensions of one kind of media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaDescription {
    /// Audio or video.
    pub kind: MediaKind,
    /// Codecs in order of preference.
    pub payload_types: Vec<PayloadType>,
    /// Header extensions.
    pub header_extensions: Vec<HeaderExtension>,
    /// Whether one- and two-byte header extensions may be mixed (RFC 8285 4.1.2).
    pub extmap_allow_mixed: bool,
}

impl MediaDescription {
    /// An empty description.
    pub fn new(kind: MediaKind) -> Self {
        Self {
            kind,
            payload_types: Vec::new(),
            header_extensions: Vec::new(),
            extmap_allow_mixed: false,
        }
    }

    /// Reads the children of a `<media>` or `<description>`.
    ///
    /// # Errors
    /// A payload type or header extension that is none.
    pub fn parse_children(kind: MediaKind, element: &Element) -> Result<Self, ParseError> {
        let mut media = Self::new(kind);
        for child in element.children() {
            if child.is("payload-type", JINGLE_RTP) {
                media.payload_types.push(PayloadType::parse(child)?);
            } else if child.is("rtp-hdrext", RTP_HEADER_EXTENSION) {
                media.header_extensions.push(HeaderExtension {
                    id: required_as(child, "id", "a number from 0 to 255")?,
                    uri: required(child, "uri")?.to_owned(),
                });
            } else if child.is("extmap-allow-mixed", RTP_HEADER_EXTENSION) {
                media.extmap_allow_mixed = true;
            }
        }
        Ok(media)
    }

    /// Builds the children of a `<media>` or `<description>`.
    pub fn to_children(&self) -> impl Iterator<Item = Element> {
        let extensions = self.header_extensions.iter().map(|extension| {
            Element::new("rtp-hdrext", RTP_HEADER_EXTENSION)
                .with("id", extension.id.to_string())
                .with("uri", extension.uri.clone())
        });
        let mixed = self
            .extmap_allow_mixed
            .then(|| Element::new("extmap-allow-mixed", RTP_HEADER_EXTENSION));
        self.payload_types
            .iter()
            .map(PayloadType::to_element)
            .chain(extensions)
            .chain(mixed)
    }
}

/// Reads `<parameter name= value=>` children.
pub(crate) fn parameters(element: &Element, namespace: &str) -> Vec<(String, String)> {
    element
        .children_named("parameter", namespace)
        .map(|child| {
            let text = |name| child.attribute(name).unwrap_or_default().to_owned();
            (text("name"), text("value"))
        })
        .collect()
}

/// Builds `<parameter name= value=>` children; an empty name is left out, as Jingle does for
/// parameters that are one bare value.
pub(crate) fn parameter_elements<'p>(
    parameters: &'p [(String, String)],
    namespace: &'static str,
) -> impl Iterator<Item = Element> + 'p {
    parameters.iter().map(move |(name, value)| {
        Element::new("parameter", namespace)
            .with_some("name", (!name.is_empty()).then_some(name))
            .with("value", value.clone())
    })
}
