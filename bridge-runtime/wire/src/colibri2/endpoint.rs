//! `<endpoint>`: one participant on a bridge.

use super::{MediaSource, Transport, media_elements, media_of, sources};
use crate::namespace::COLIBRI2;
use crate::parse::{ParseError, boolean, expect, optional_boolean, required, required_as};
use crate::rtp::MediaDescription;
use crate::xml::Element;

/// Names of capabilities.
pub mod capability {
    /// Sources are named; mandatory.
    pub const SOURCE_NAMES: &str = "source-names";
    /// The bridge may rewrite SSRCs towards the endpoint.
    pub const SSRC_REWRITING: &str = "ssrc-rewriting";
    /// The endpoint may be given private addresses.
    pub const PRIVATE_ADDRESS_CONNECTIVITY: &str = "private-address-connectivity";
    /// The endpoint sorts rewritten sources by mid.
    pub const RTP_MID_DEMUX: &str = "rtp-mid-demux";
}

/// Which kinds of media of an endpoint are dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ForceMute {
    /// Drop audio.
    pub audio: bool,
    /// Drop video.
    pub video: bool,
}

/// One participant, in requests, answers and lists of a relay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Identifier; the occupant's nickname, opaque.
    pub id: String,
    /// It must not exist yet.
    pub create: bool,
    /// Drop it; in an answer: it was dropped.
    pub expire: bool,
    /// Free text for statistics.
    pub stats_id: Option<String>,
    /// Role in the room; only `visitor` means something.
    pub muc_role: Option<String>,
    /// For transcription exporters.
    pub diarize: Option<bool>,
    /// Capabilities, read on creation.
    pub capabilities: Vec<String>,
    /// Codecs; they accumulate.
    pub media: Vec<MediaDescription>,
    /// Transport.
    pub transport: Option<Transport>,
    /// The full set of sources; `None` leaves them.
    pub sources: Option<Vec<MediaSource>>,
    /// Media to drop; `None` leaves it.
    pub force_mute: Option<ForceMute>,
    /// Last-N until the client asks for something; -1 means all.
    pub initial_last_n: Option<i32>,
}

impl Endpoint {
    /// An entry that only names an endpoint.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    /// Whether a capability is announced.
    pub fn has_capability(&self, name: &str) -> bool {
        self.capabilities
            .iter()
            .any(|capability| capability == name)
    }

    /// Whether the entry is only an expiry or a mute: those may be batched and never fail.
    pub fn is_expire_or_mute_only(&self) -> bool {
        !self.create
            && self.media.is_empty()
            && self.transport.is_none()
            && self.sources.is_none()
            && self.initial_last_n.is_none()
    }

    /// Reads an `<endpoint>`.
    ///
    /// # Errors
    /// Anything missing or outside its type.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "endpoint", COLIBRI2)?;
        let force_mute = match element.child("force-mute", COLIBRI2) {
            Some(mute) => Some(ForceMute {
                audio: boolean(mute, "audio", false)?,
                video: boolean(mute, "video", false)?,
            }),
            None => None,
        };
        let initial_last_n = match element.child("initial-last-n", COLIBRI2) {
            Some(last_n) => Some(required_as(last_n, "value", "a number")?),
            None => None,
        };
        Ok(Self {
            id: required(element, "id")?.to_owned(),
            create: boolean(element, "create", false)?,
            expire: boolean(element, "expire", false)?,
            stats_id: element.attribute("stats-id").map(str::to_owned),
            muc_role: element.attribute("muc-role").map(str::to_owned),
            diarize: optional_boolean(element, "diarize")?,
            capabilities: element
                .children_named("capability", COLIBRI2)
                .map(|capability| Ok(required(capability, "name")?.to_owned()))
                .collect::<Result<_, ParseError>>()?,
            media: media_of(element)?,
            transport: Transport::of(element)?,
            sources: sources::list_of(element)?,
            force_mute,
            initial_last_n,
        })
    }

    /// Builds the `<endpoint>`.
    pub fn to_element(&self) -> Element {
        let mute = self.force_mute.map(|mute| {
            Element::new("force-mute", COLIBRI2)
                .with_flag("audio", mute.audio)
                .with_flag("video", mute.video)
        });
        let last_n = self
            .initial_last_n
            .map(|value| Element::new("initial-last-n", COLIBRI2).with("value", value.to_string()));
        Element::new("endpoint", COLIBRI2)
            .with("id", self.id.clone())
            .with_flag("create", self.create)
            .with_flag("expire", self.expire)
            .with_some("stats-id", self.stats_id.as_ref())
            .with_some("muc-role", self.muc_role.as_ref())
            .with_some("diarize", self.diarize)
            .with_children(media_elements(&self.media))
            .with_children(self.transport.as_ref().map(Transport::to_element))
            .with_children(self.sources.as_deref().map(sources::list_element))
            .with_children(mute)
            .with_children(last_n)
            .with_children(
                self.capabilities
                    .iter()
                    .map(|name| Element::new("capability", COLIBRI2).with("name", name.clone())),
            )
    }
}
