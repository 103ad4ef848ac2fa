//! Sources: SSRCs, their names and groups (XEP-0339 with Jitsi's additions).
//!
//! Shared by colibri2 (`<media-source>`) and Jingle (`<description>`).

use serde::{Deserialize, Serialize};

use crate::namespace::{JITSI_MEET, SOURCES};
use crate::parse::{ParseError, expect, required, required_as};
use crate::rtp::{parameter_elements, parameters};
use crate::xml::Element;

/// One SSRC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Synchronisation source (RFC 3550).
    pub ssrc: u32,
    /// Source name, such as `a1b2c3d4-v0`.
    pub name: Option<String>,
    /// `camera` or `desktop`.
    pub video_type: Option<String>,
    /// Attributes of the SSRC, such as `msid` and `cname`; only in Jingle.
    pub parameters: Vec<(String, String)>,
    /// Endpoint the source belongs to; only in Jingle.
    pub owner: Option<String>,
}

impl Source {
    /// A source of this SSRC and name.
    pub fn new(ssrc: u32, name: impl Into<String>) -> Self {
        Self {
            ssrc,
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// The media stream and track it belongs to (RFC 8830).
    pub fn msid(&self) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(name, _)| name == "msid")
            .map(|(_, value)| value.as_str())
    }

    /// Reads a `<source>`.
    ///
    /// # Errors
    /// Another element, or an SSRC outside 32 bits.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "source", SOURCES)?;
        Ok(Self {
            ssrc: required_as(element, "ssrc", "a 32 bit number")?,
            name: element.attribute("name").map(str::to_owned),
            video_type: element.attribute("videoType").map(str::to_owned),
            parameters: parameters(element, SOURCES),
            owner: element
                .child("ssrc-info", JITSI_MEET)
                .and_then(|info| info.attribute("owner"))
                .map(str::to_owned),
        })
    }

    /// Builds the `<source>`.
    pub fn to_element(&self) -> Element {
        let owner = self
            .owner
            .iter()
            .map(|owner| Element::new("ssrc-info", JITSI_MEET).with("owner", owner.clone()));
        Element::new("source", SOURCES)
            .with("ssrc", self.ssrc.to_string())
            .with_some("name", self.name.as_ref())
            .with_some("videoType", self.video_type.as_ref())
            .with_children(parameter_elements(&self.parameters, SOURCES))
            .with_children(owner)
    }
}

/// SSRCs that belong together (RFC 5576): `SIM` layers, `FID` retransmission, `FEC-FR`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceGroup {
    /// What binds them.
    pub semantics: String,
    /// Members, in the order that the semantics give a meaning.
    pub ssrcs: Vec<u32>,
}

impl SourceGroup {
    /// Reads an `<ssrc-group>`.
    ///
    /// # Errors
    /// Another element, missing semantics, or an SSRC outside 32 bits.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "ssrc-group", SOURCES)?;
        Ok(Self {
            semantics: required(element, "semantics")?.to_owned(),
            ssrcs: element
                .children_named("source", SOURCES)
                .map(|source| required_as(source, "ssrc", "a 32 bit number"))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Builds the `<ssrc-group>`.
    pub fn to_element(&self) -> Element {
        let members = self
            .ssrcs
            .iter()
            .map(|ssrc| Element::new("source", SOURCES).with("ssrc", ssrc.to_string()));
        Element::new("ssrc-group", SOURCES)
            .with("semantics", self.semantics.clone())
            .with_children(members)
    }
}
