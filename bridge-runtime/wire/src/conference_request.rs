//! The request that opens a room, and its answer (namespace `http://jitsi.org/protocol/focus`).
//!
//! Its HTTP twin carries the same in JSON with names in camel case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::jid::Jid;
use crate::namespace::FOCUS;
use crate::parse::{ParseError, boolean, expect, required_as};
use crate::xml::Element;

/// A client asks the focus to be in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceRequest {
    /// Address of the room.
    pub room: Jid,
    /// Identifies a browser; binds authentication sessions.
    pub machine_uid: Option<String>,
    /// An earlier authentication session.
    pub session_id: Option<String>,
    /// Configuration wishes, such as `startAudioMuted`.
    pub properties: BTreeMap<String, String>,
}

impl ConferenceRequest {
    /// Whether a payload is one.
    pub fn matches(payload: &Element) -> bool {
        payload.is("conference", FOCUS)
    }

    /// Reads a `<conference>`.
    ///
    /// # Errors
    /// Another element, or no room.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "conference", FOCUS)?;
        Ok(Self {
            room: required_as(element, "room", "the address of a room")?,
            machine_uid: element.attribute("machine-uid").map(str::to_owned),
            session_id: element.attribute("session-id").map(str::to_owned),
            properties: properties_of(element),
        })
    }

    /// Builds the `<conference>`.
    pub fn to_element(&self) -> Element {
        Element::new("conference", FOCUS)
            .with("room", self.room.to_string())
            .with_some("machine-uid", self.machine_uid.as_ref())
            .with_some("session-id", self.session_id.as_ref())
            .with_children(property_elements(&self.properties))
    }
}

/// The focus answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConferenceReply {
    /// Address of the room.
    pub room: String,
    /// Whether the focus is in the room; a client asks again until it is.
    pub ready: bool,
    /// Bare real address of the focus: what clients trust in the room.
    pub focus_jid: String,
    /// The authentication session, for later requests.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session_id: Option<String>,
    /// Whom the session belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<String>,
    /// What the deployment offers, such as `authentication`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub properties: BTreeMap<String, String>,
}

impl ConferenceReply {
    /// Reads a `<conference>` answer.
    ///
    /// # Errors
    /// Another element, or a bad flag.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "conference", FOCUS)?;
        let text = |name| element.attribute(name).unwrap_or_default().to_owned();
        Ok(Self {
            room: text("room"),
            ready: boolean(element, "ready", false)?,
            focus_jid: text("focusjid"),
            session_id: element.attribute("session-id").map(str::to_owned),
            identity: element.attribute("identity").map(str::to_owned),
            properties: properties_of(element),
        })
    }

    /// Builds the `<conference>` answer.
    pub fn to_element(&self) -> Element {
        Element::new("conference", FOCUS)
            .with("room", self.room.clone())
            .with("ready", self.ready.to_string())
            .with("focusjid", self.focus_jid.clone())
            .with_some("session-id", self.session_id.as_ref())
            .with_some("identity", self.identity.as_ref())
            .with_children(property_elements(&self.properties))
    }
}

fn properties_of(element: &Element) -> BTreeMap<String, String> {
    element
        .children_named("property", FOCUS)
        .filter_map(|property| {
            let name = property.attribute("name")?;
            Some((name.to_owned(), property.attribute("value")?.to_owned()))
        })
        .collect()
}

fn property_elements(properties: &BTreeMap<String, String>) -> impl Iterator<Item = Element> + '_ {
    properties.iter().map(|(name, value)| {
        Element::new("property", FOCUS)
            .with("name", name.clone())
            .with("value", value.clone())
    })
}
