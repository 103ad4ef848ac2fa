//! Moderators mute others; the AV moderation component says who may unmute.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::jid::Jid;
use crate::namespace::{JITSI_MEET, MUTE_AUDIO, MUTE_DESKTOP, MUTE_VIDEO};
use crate::parse::{ParseError, bad, optional};
use crate::xml::Element;

/// What can be muted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MuteKind {
    /// The microphone.
    Audio,
    /// The camera.
    Video,
    /// The screen.
    Desktop,
}

impl MuteKind {
    const ALL: [Self; 3] = [Self::Audio, Self::Video, Self::Desktop];

    /// The namespace that names the kind.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Audio => MUTE_AUDIO,
            Self::Video => MUTE_VIDEO,
            Self::Desktop => MUTE_DESKTOP,
        }
    }
}

/// A `<mute>`: from a moderator to the focus with `target`, from the focus to the muted with
/// `actor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mute {
    /// What.
    pub kind: MuteKind,
    /// Whether to mute or to unmute.
    pub muted: bool,
    /// The occupant to be muted.
    pub target: Option<Jid>,
    /// The moderator behind it.
    pub actor: Option<Jid>,
}

impl Mute {
    /// Whether a payload is one.
    pub fn matches(payload: &Element) -> bool {
        MuteKind::ALL
            .into_iter()
            .any(|kind| payload.is("mute", kind.namespace()))
    }

    /// Reads a `<mute>`.
    ///
    /// # Errors
    /// Another element, a malformed address, or a text that is no boolean.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        let kind = MuteKind::ALL
            .into_iter()
            .find(|kind| element.is("mute", kind.namespace()))
            .ok_or_else(|| ParseError::UnexpectedElement {
                expected: "mute",
                found: element.name().to_owned(),
            })?;
        let text = element.text();
        let muted = match text.trim() {
            "true" => true,
            "false" => false,
            other => return Err(bad(element, "text", other, "`true` or `false`")),
        };
        Ok(Self {
            kind,
            muted,
            target: optional(element, "jid", "an address")?,
            actor: optional(element, "actor", "an address")?,
        })
    }

    /// Builds the `<mute>`.
    pub fn to_element(&self) -> Element {
        Element::new("mute", self.kind.namespace())
            .with_some("jid", self.target.as_ref())
            .with_some("actor", self.actor.as_ref())
            .with_text(self.muted.to_string())
    }
}

/// What the AV moderation component tells the focus: a `<json-message>`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AvModeration {
    /// Address of the room.
    #[serde(default)]
    pub room: Option<String>,
    /// Whether moderation of this kind is on.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// Which kind.
    #[serde(default)]
    pub media_type: Option<MuteKind>,
    /// The moderator behind it, an occupant address.
    #[serde(default)]
    pub actor: Option<String>,
    /// Who may unmute, by kind, as occupant addresses.
    #[serde(default)]
    pub whitelists: BTreeMap<MuteKind, Vec<String>>,
}

impl AvModeration {
    /// Reads the message's `<json-message>` child, if it is one of AV moderation.
    pub fn of(message: &Element) -> Option<Self> {
        #[derive(Deserialize)]
        struct Typed {
            r#type: String,
        }
        let text = message.child("json-message", JITSI_MEET)?.text();
        let typed: Typed = serde_json::from_str(&text).ok()?;
        (typed.r#type == "av_moderation").then(|| serde_json::from_str(&text).ok())?
    }
}
