//! `<content>`: one section of media or data with its transport.

use crate::ice::IceUdpTransport;
use crate::namespace::{COLIBRI2, DTLS_SCTP, ICE_UDP, JINGLE, JINGLE_RTP, SOURCES};
use crate::parse::{ParseError, expect, optional, required, required_as};
use crate::rtp::{MediaDescription, MediaKind};
use crate::source::{Source, SourceGroup};
use crate::xml::Element;

/// Which side made a content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Creator {
    /// The side that opened the session.
    #[default]
    Initiator,
    /// The other side.
    Responder,
}

impl Creator {
    fn name(self) -> &'static str {
        match self {
            Self::Initiator => "initiator",
            Self::Responder => "responder",
        }
    }
}

/// Who may send media in a content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Senders {
    /// Both sides.
    #[default]
    Both,
    /// The side that opened the session.
    Initiator,
    /// The other side.
    Responder,
    /// Nobody.
    None,
}

impl Senders {
    fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Initiator => "initiator",
            Self::Responder => "responder",
            Self::None => "none",
        }
    }
}

/// What a content carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Application {
    /// RTP.
    Rtp(MediaDescription),
    /// A data channel.
    Data,
}

/// A `<description>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Codecs and header extensions, or data.
    pub application: Application,
    /// Longest packet of audio, in milliseconds.
    pub max_packet_time: Option<u32>,
    /// RTP and RTCP share a port; clients refuse an offer without it.
    pub rtcp_mux: bool,
    /// SSRCs.
    pub sources: Vec<Source>,
    /// Groups of SSRCs.
    pub groups: Vec<SourceGroup>,
}

impl Description {
    /// A description without sources.
    pub fn new(application: Application) -> Self {
        Self {
            application,
            max_packet_time: None,
            rtcp_mux: false,
            sources: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Audio or video; `None` for data.
    pub fn kind(&self) -> Option<MediaKind> {
        match &self.application {
            Application::Rtp(media) => Some(media.kind),
            Application::Data => None,
        }
    }

    fn parse(element: &Element) -> Result<Self, ParseError> {
        let application = if element.attribute("media") == Some("application") {
            Application::Data
        } else {
            let kind = MediaKind::of(element, "media")?;
            Application::Rtp(MediaDescription::parse_children(kind, element)?)
        };
        Ok(Self {
            application,
            max_packet_time: optional(element, "maxptime", "a number")?,
            rtcp_mux: element.child("rtcp-mux", JINGLE_RTP).is_some(),
            sources: element
                .children_named("source", SOURCES)
                .map(Source::parse)
                .collect::<Result<_, _>>()?,
            groups: element
                .children_named("ssrc-group", SOURCES)
                .map(SourceGroup::parse)
                .collect::<Result<_, _>>()?,
        })
    }

    fn to_element(&self) -> Element {
        let element = Element::new("description", JINGLE_RTP)
            .with("media", self.kind().map_or("application", MediaKind::name))
            .with_some("maxptime", self.max_packet_time);
        let element = match &self.application {
            Application::Rtp(media) => element.with_children(media.to_children()),
            Application::Data => element,
        };
        element
            .with_children(self.rtcp_mux.then(|| Element::new("rtcp-mux", JINGLE_RTP)))
            .with_children(self.sources.iter().map(Source::to_element))
            .with_children(self.groups.iter().map(SourceGroup::to_element))
    }
}

/// SCTP over DTLS in a transport (XEP-0343).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SctpMap {
    /// SCTP port.
    pub number: u16,
    /// `webrtc-datachannel`.
    pub protocol: String,
    /// Streams each way.
    pub streams: Option<u16>,
}

/// A `<content>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Which side made it.
    pub creator: Creator,
    /// Its name: `audio`, `video`, `data`; older clients use mids.
    pub name: String,
    /// Who may send.
    pub senders: Senders,
    /// What it carries.
    pub description: Option<Description>,
    /// Its transport.
    pub transport: Option<IceUdpTransport>,
    /// Data channels inside the transport.
    pub sctp: Option<SctpMap>,
    /// Last-N the client asks for until its first constraints.
    pub initial_last_n: Option<i32>,
}

impl Content {
    /// A content of this name, sent by both sides.
    pub fn new(name: &str, creator: Creator) -> Self {
        Self {
            creator,
            name: name.to_owned(),
            senders: Senders::default(),
            description: None,
            transport: None,
            sctp: None,
            initial_last_n: None,
        }
    }

    /// Reads a `<content>`.
    ///
    /// # Errors
    /// Another element, a missing name, or a malformed description or transport.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "content", JINGLE)?;
        let transport = element.child("transport", ICE_UDP);
        let sctp = match transport.and_then(|transport| transport.child("sctpmap", DTLS_SCTP)) {
            Some(map) => Some(SctpMap {
                number: required_as(map, "number", "a port")?,
                protocol: map.attribute("protocol").unwrap_or_default().to_owned(),
                streams: optional(map, "streams", "a number")?,
            }),
            None => None,
        };
        let last_n = element.child("initial-last-n", COLIBRI2).or_else(|| {
            element
                .child("description", JINGLE_RTP)?
                .child("initial-last-n", COLIBRI2)
        });
        Ok(Self {
            creator: match element.attribute("creator") {
                Some("responder") => Creator::Responder,
                _ => Creator::Initiator,
            },
            name: required(element, "name")?.to_owned(),
            senders: match element.attribute("senders") {
                Some("initiator") => Senders::Initiator,
                Some("responder") => Senders::Responder,
                Some("none") => Senders::None,
                _ => Senders::Both,
            },
            description: element
                .child("description", JINGLE_RTP)
                .map(Description::parse)
                .transpose()?,
            transport: transport.map(IceUdpTransport::parse).transpose()?,
            sctp,
            initial_last_n: last_n
                .map(|last_n| required_as(last_n, "value", "a number"))
                .transpose()?,
        })
    }

    /// Builds the `<content>`.
    pub fn to_element(&self) -> Element {
        let sctp = self.sctp.as_ref().map(|map| {
            Element::new("sctpmap", DTLS_SCTP)
                .with("number", map.number.to_string())
                .with("protocol", map.protocol.clone())
                .with_some("streams", map.streams)
        });
        let transport = self
            .transport
            .as_ref()
            .map(|transport| transport.to_element().with_children(sctp));
        Element::new("content", JINGLE)
            .with("creator", self.creator.name())
            .with("name", self.name.clone())
            .with("senders", self.senders.name())
            .with_children(self.description.as_ref().map(Description::to_element))
            .with_children(transport)
            .with_children(self.initial_last_n.map(|value| {
                Element::new("initial-last-n", COLIBRI2).with("value", value.to_string())
            }))
    }
}
