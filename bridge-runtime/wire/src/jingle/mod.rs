//! Jingle between focus and client (XEP-0166, 0167, 0176, 0294, 0320, 0338, 0339).
//!
//! One [`Jingle`] is one `<jingle>` element: an action, contents, and what Jitsi adds to it (the
//! bridge session, sources as compact JSON, the start-muted hint). Whether an action fits the
//! state of a session is not decided here.

mod action;
mod content;
mod reason;
mod sources_json;

pub use action::Action;
pub use content::{Application, Content, Creator, Description, SctpMap, Senders};
pub use reason::Reason;
pub use sources_json::{OwnedSources, SourceMap, SourceMapError};

use crate::namespace::{FOCUS, GROUPING, JINGLE, JITSI_MEET, START_MUTED};
use crate::parse::{ParseError, bad, boolean, expect, required};
use crate::xml::Element;

/// Ties a session to one allocation on a bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BridgeSession {
    /// Made by the focus for each allocation; the client repeats it.
    pub id: String,
    /// Region of the bridge, for display.
    pub region: Option<String>,
    /// The client asks for a new session (in `session-terminate`).
    pub restart: bool,
    /// The client asks for new ICE credentials on the same session (in `session-info`).
    pub ice_restart: bool,
}

/// Which of its own tracks the invited client is asked to mute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StartMuted {
    /// The microphone.
    pub audio: bool,
    /// The camera.
    pub video: bool,
}

/// A `<jingle>` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jingle {
    /// What it does.
    pub action: Action,
    /// Session identifier.
    pub sid: String,
    /// Who opened the session.
    pub initiator: Option<String>,
    /// Who accepts it.
    pub responder: Option<String>,
    /// Media and data sections.
    pub contents: Vec<Content>,
    /// Names of the contents that share one transport (`BUNDLE`).
    pub bundle: Option<Vec<String>>,
    /// Why a session ends.
    pub reason: Option<Reason>,
    /// The allocation on a bridge.
    pub bridge_session: Option<BridgeSession>,
    /// Tracks to start muted.
    pub start_muted: Option<StartMuted>,
    /// Sources of others in compact form.
    pub sources: Option<SourceMap>,
    /// `<ice-state>` of older clients, such as `failed`.
    pub ice_state: Option<String>,
}

impl Jingle {
    /// An element with nothing but its action and session.
    pub fn new(action: Action, sid: impl Into<String>) -> Self {
        Self {
            action,
            sid: sid.into(),
            initiator: None,
            responder: None,
            contents: Vec::new(),
            bundle: None,
            reason: None,
            bridge_session: None,
            start_muted: None,
            sources: None,
            ice_state: None,
        }
    }

    /// Whether a payload is one.
    pub fn matches(payload: &Element) -> bool {
        payload.is("jingle", JINGLE)
    }

    /// Reads a `<jingle>`; unknown children are ignored.
    ///
    /// # Errors
    /// Another element, an unknown action, or a child that is malformed.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "jingle", JINGLE)?;
        let name = required(element, "action")?;
        let action = Action::from_name(name)
            .ok_or_else(|| bad(element, "action", name, "an action of XEP-0166"))?;
        let mut jingle = Self::new(action, required(element, "sid")?);
        jingle.initiator = element.attribute("initiator").map(str::to_owned);
        jingle.responder = element.attribute("responder").map(str::to_owned);
        for child in element.children() {
            if child.is("content", JINGLE) {
                jingle.contents.push(Content::parse(child)?);
            } else if child.is("group", GROUPING) {
                jingle.bundle = Some(bundle_of(child)?);
            } else if child.is("reason", JINGLE) {
                jingle.reason = Some(Reason::parse(child)?);
            } else if child.is("bridge-session", FOCUS) {
                jingle.bridge_session = Some(BridgeSession {
                    id: required(child, "id")?.to_owned(),
                    region: child.attribute("region").map(str::to_owned),
                    restart: boolean(child, "restart", false)?,
                    ice_restart: boolean(child, "ice-restart", false)?,
                });
            } else if child.is("startmuted", START_MUTED) {
                jingle.start_muted = Some(StartMuted {
                    audio: boolean(child, "audio", false)?,
                    video: boolean(child, "video", false)?,
                });
            } else if child.is("json-message", JITSI_MEET) {
                let text = child.text();
                jingle.sources = Some(
                    SourceMap::parse(&text)
                        .map_err(|_| bad(child, "json-message", &text, "a map of sources"))?,
                );
            } else if child.is("ice-state", FOCUS) {
                jingle.ice_state = Some(child.text().trim().to_owned());
            }
        }
        Ok(jingle)
    }

    /// Builds the `<jingle>`.
    pub fn to_element(&self) -> Element {
        let bundle = self.bundle.as_ref().map(|names| {
            Element::new("group", GROUPING)
                .with("semantics", "BUNDLE")
                .with_children(
                    names
                        .iter()
                        .map(|name| Element::new("content", GROUPING).with("name", name.clone())),
                )
        });
        let start_muted = self.start_muted.map(|muted| {
            Element::new("startmuted", START_MUTED)
                .with("audio", muted.audio.to_string())
                .with("video", muted.video.to_string())
        });
        let bridge_session = self.bridge_session.as_ref().map(|session| {
            Element::new("bridge-session", FOCUS)
                .with("id", session.id.clone())
                .with_some("region", session.region.as_ref())
                .with_flag("restart", session.restart)
                .with_flag("ice-restart", session.ice_restart)
        });
        let sources = self
            .sources
            .as_ref()
            .map(|map| Element::new("json-message", JITSI_MEET).with_text(map.to_json()));
        let ice_state = self
            .ice_state
            .as_ref()
            .map(|state| Element::new("ice-state", FOCUS).with_text(state.clone()));
        Element::new("jingle", JINGLE)
            .with("action", self.action.name())
            .with("sid", self.sid.clone())
            .with_some("initiator", self.initiator.as_ref())
            .with_some("responder", self.responder.as_ref())
            .with_children(self.contents.iter().map(Content::to_element))
            .with_children(bundle)
            .with_children(self.reason.as_ref().map(Reason::to_element))
            .with_children(start_muted)
            .with_children(bridge_session)
            .with_children(sources)
            .with_children(ice_state)
    }
}

/// Members of a BUNDLE group; groups of other semantics count as empty.
fn bundle_of(group: &Element) -> Result<Vec<String>, ParseError> {
    if group.attribute("semantics") != Some("BUNDLE") {
        return Ok(Vec::new());
    }
    group
        .children_named("content", GROUPING)
        .map(|content| Ok(required(content, "name")?.to_owned()))
        .collect()
}
