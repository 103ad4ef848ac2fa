//! Request and answer as a whole.

use super::{Connect, Endpoint, MediaSource, Relay, sources};
use crate::jid::Jid;
use crate::namespace::COLIBRI2;
use crate::parse::{ParseError, boolean, expect, optional, required};
use crate::xml::Element;

/// `<conference-modify>`: a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConferenceModify {
    /// Key of the conference on the bridge; opaque.
    pub meeting_id: String,
    /// Address of the room, for logs.
    pub name: Option<Jid>,
    /// The conference must not exist yet.
    pub create: bool,
    /// Drop the whole conference.
    pub expire: bool,
    /// Whether its state may be shown to statistics collectors.
    pub rtcstats_enabled: bool,
    /// Endpoints to change.
    pub endpoints: Vec<Endpoint>,
    /// Links to other bridges to change.
    pub relays: Vec<Relay>,
    /// Media exports; `None` leaves them.
    pub connects: Option<Vec<Connect>>,
}

impl ConferenceModify {
    /// A request that changes nothing yet.
    pub fn new(meeting_id: impl Into<String>) -> Self {
        Self {
            meeting_id: meeting_id.into(),
            rtcstats_enabled: true,
            ..Self::default()
        }
    }

    /// Whether this payload is such a request.
    pub fn matches(payload: &Element) -> bool {
        payload.is("conference-modify", COLIBRI2)
    }

    /// Reads a request; unknown attributes and children are ignored.
    ///
    /// # Errors
    /// Anything missing or outside its type; answered with `bad-request`.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "conference-modify", COLIBRI2)?;
        Ok(Self {
            meeting_id: required(element, "meeting-id")?.to_owned(),
            name: room_address(element)?,
            create: boolean(element, "create", false)?,
            expire: boolean(element, "expire", false)?,
            rtcstats_enabled: boolean(element, "rtcstats-enabled", true)?,
            endpoints: endpoints_of(element)?,
            relays: relays_of(element)?,
            connects: Connect::list_of(element)?,
        })
    }

    /// Builds the request.
    pub fn to_element(&self) -> Element {
        self.echo()
            .with_some(
                "rtcstats-enabled",
                (!self.rtcstats_enabled).then_some("false"),
            )
            .with_children(self.endpoints.iter().map(Endpoint::to_element))
            .with_children(self.relays.iter().map(Relay::to_element))
            .with_children(self.connects.as_deref().map(Connect::list_element))
    }

    /// The request without children, as bridges repeat it in an error.
    pub fn echo(&self) -> Element {
        Element::new("conference-modify", COLIBRI2)
            .with("meeting-id", self.meeting_id.clone())
            .with_some("name", self.name.as_ref())
            .with_flag("create", self.create)
            .with_flag("expire", self.expire)
    }
}

fn room_address(element: &Element) -> Result<Option<Jid>, ParseError> {
    const EXPECTED: &str = "the bare address of a room";
    let name: Option<Jid> = optional(element, "name", EXPECTED)?;
    match name {
        Some(name) if !name.is_bare() || name.local().is_none() => {
            Err(crate::parse::bad(element, "name", name.as_str(), EXPECTED))
        }
        name => Ok(name),
    }
}

/// `<conference-modified>`: an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConferenceModified {
    /// One entry for each endpoint of the request, in order.
    pub endpoints: Vec<Endpoint>,
    /// One entry for each relay of the request, in order.
    pub relays: Vec<Relay>,
    /// The bridge's own feedback sources; stated when something was created.
    pub sources: Option<Vec<MediaSource>>,
}

impl ConferenceModified {
    /// Reads an answer.
    ///
    /// # Errors
    /// Anything missing or outside its type.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "conference-modified", COLIBRI2)?;
        Ok(Self {
            endpoints: endpoints_of(element)?,
            relays: relays_of(element)?,
            sources: sources::list_of(element)?,
        })
    }

    /// Builds the answer.
    pub fn to_element(&self) -> Element {
        Element::new("conference-modified", COLIBRI2)
            .with_children(self.endpoints.iter().map(Endpoint::to_element))
            .with_children(self.relays.iter().map(Relay::to_element))
            .with_children(self.sources.as_deref().map(sources::list_element))
    }
}

fn endpoints_of(element: &Element) -> Result<Vec<Endpoint>, ParseError> {
    element
        .children_named("endpoint", COLIBRI2)
        .map(Endpoint::parse)
        .collect()
}

fn relays_of(element: &Element) -> Result<Vec<Relay>, ParseError> {
    element
        .children_named("relay", COLIBRI2)
        .map(Relay::parse)
        .collect()
}
