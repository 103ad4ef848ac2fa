//! `<relay>`: the link to another bridge of the same conference.

use super::{Endpoint, Transport, media_elements, media_of};
use crate::namespace::COLIBRI2;
use crate::parse::{ParseError, boolean, expect, required};
use crate::rtp::MediaDescription;
use crate::xml::Element;

/// A link to another bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relay {
    /// The other bridge's `relay_id`.
    pub id: String,
    /// Mesh the link belongs to.
    pub mesh_id: Option<String>,
    /// It must not exist yet.
    pub create: bool,
    /// Drop it; in an answer: it was dropped.
    pub expire: bool,
    /// Codecs and header extensions.
    pub media: Vec<MediaDescription>,
    /// Transport.
    pub transport: Option<Transport>,
    /// Endpoints behind the other bridge that change; `None` leaves them.
    pub endpoints: Option<Vec<Endpoint>>,
}

impl Relay {
    /// Reads a `<relay>`.
    ///
    /// # Errors
    /// Anything missing or outside its type.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "relay", COLIBRI2)?;
        let endpoints = match element.child("endpoints", COLIBRI2) {
            Some(list) => Some(
                list.children_named("endpoint", COLIBRI2)
                    .map(Endpoint::parse)
                    .collect::<Result<_, _>>()?,
            ),
            None => None,
        };
        Ok(Self {
            id: required(element, "id")?.to_owned(),
            mesh_id: element.attribute("mesh-id").map(str::to_owned),
            create: boolean(element, "create", false)?,
            expire: boolean(element, "expire", false)?,
            media: media_of(element)?,
            transport: Transport::of(element)?,
            endpoints,
        })
    }

    /// Builds the `<relay>`.
    pub fn to_element(&self) -> Element {
        let endpoints = self.endpoints.as_ref().map(|endpoints| {
            Element::new("endpoints", COLIBRI2)
                .with_children(endpoints.iter().map(Endpoint::to_element))
        });
        Element::new("relay", COLIBRI2)
            .with("id", self.id.clone())
            .with_some("mesh-id", self.mesh_id.as_ref())
            .with_flag("create", self.create)
            .with_flag("expire", self.expire)
            .with_children(media_elements(&self.media))
            .with_children(self.transport.as_ref().map(Transport::to_element))
            .with_children(endpoints)
    }
}
