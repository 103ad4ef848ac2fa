//! IQ and presence stanzas (RFC 6120 8, RFC 6121 4).
//!
//! Stanzas are read from any namespace (client, component) and written in the client's; the
//! stream that sends them moves them to its own.

use crate::jid::Jid;
use crate::namespace;
use crate::parse::{ParseError, optional, required};
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::Element;

/// The four kinds of IQ (RFC 6120 8.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IqKind {
    /// Asks.
    Get,
    /// Changes.
    Set,
    /// Answers.
    Result,
    /// Answers with an error.
    Error,
}

/// An IQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iq {
    /// Which of the four.
    pub kind: IqKind,
    /// Opaque; servers replace it by long texts, which must come back unchanged.
    pub id: String,
    /// Sender as the server states it.
    pub from: Option<Jid>,
    /// Recipient.
    pub to: Option<Jid>,
    /// The request or answer; in an error, the request repeated.
    pub payload: Option<Element>,
    /// The error of an `Error`.
    pub error: Option<StanzaError>,
}

impl Iq {
    /// A request of kind `get`; the stream that sends it fills in the id.
    pub fn get(to: Option<Jid>, payload: Element) -> Self {
        Self::request(IqKind::Get, to, payload)
    }

    /// A request of kind `set`; the stream that sends it fills in the id.
    pub fn set(to: Option<Jid>, payload: Element) -> Self {
        Self::request(IqKind::Set, to, payload)
    }

    fn request(kind: IqKind, to: Option<Jid>, payload: Element) -> Self {
        Self {
            kind,
            id: String::new(),
            from: None,
            to,
            payload: Some(payload),
            error: None,
        }
    }

    /// The answer to this request.
    #[must_use]
    pub fn result(&self, payload: Option<Element>) -> Self {
        Self {
            kind: IqKind::Result,
            payload,
            ..self.answer()
        }
    }

    /// The refusal of this request.
    #[must_use]
    pub fn refusal(&self, error: StanzaError) -> Self {
        Self {
            kind: IqKind::Error,
            error: Some(error),
            ..self.answer()
        }
    }

    /// Exactly the id and sender received, and no payload yet.
    fn answer(&self) -> Self {
        Self {
            kind: IqKind::Result,
            id: self.id.clone(),
            from: self.to.clone(),
            to: self.from.clone(),
            payload: None,
            error: None,
        }
    }

    /// Whether somebody waits for an answer.
    pub fn is_request(&self) -> bool {
        matches!(self.kind, IqKind::Get | IqKind::Set)
    }

    /// Reads an IQ.
    ///
    /// # Errors
    /// Another element, a missing id, an unknown type, an address that is none, a request without
    /// a payload.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        if element.name() != "iq" {
            return Err(ParseError::UnexpectedElement {
                expected: "iq",
                found: element.name().to_owned(),
            });
        }
        let kind = match required(element, "type")? {
            "get" => IqKind::Get,
            "set" => IqKind::Set,
            "result" => IqKind::Result,
            "error" => IqKind::Error,
            other => {
                return Err(crate::parse::bad(element, "type", other, "a type of IQ"));
            }
        };
        let stanza_namespace = element.namespace();
        let payload = element
            .children()
            .find(|child| !child.is("error", stanza_namespace))
            .cloned();
        let error = match (kind, element.child("error", stanza_namespace)) {
            (IqKind::Error, Some(error)) => Some(StanzaError::parse(error)?),
            (IqKind::Error, None) => Some(StanzaError::new(Condition::UndefinedCondition)),
            _ => None,
        };
        if payload.is_none() && matches!(kind, IqKind::Get | IqKind::Set) {
            return Err(ParseError::MissingChild {
                element: "iq".to_owned(),
                child: "payload",
            });
        }
        Ok(Self {
            kind,
            id: required(element, "id")?.to_owned(),
            from: optional(element, "from", "an address")?,
            to: optional(element, "to", "an address")?,
            payload,
            error,
        })
    }

    /// Builds the IQ in the client namespace.
    pub fn to_element(&self) -> Element {
        let kind = match self.kind {
            IqKind::Get => "get",
            IqKind::Set => "set",
            IqKind::Result => "result",
            IqKind::Error => "error",
        };
        let mut element = Element::new("iq", namespace::CLIENT)
            .with("type", kind)
            .with("id", self.id.clone())
            .with_some("from", self.from.as_ref())
            .with_some("to", self.to.as_ref());
        element = element.with_children(self.payload.iter().cloned());
        if let Some(error) = &self.error {
            element.push(error.to_element(namespace::CLIENT));
        }
        element
    }
}

/// The kinds of presence that matter here (RFC 6121 4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceKind {
    /// No type: the sender is there.
    Available,
    /// The sender is gone.
    Unavailable,
    /// The presence sent was refused.
    Error,
    /// Subscription handling and probes.
    Other,
}

/// A presence, with its payload left as elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Available, unavailable, error.
    pub kind: PresenceKind,
    /// Sender.
    pub from: Option<Jid>,
    /// Recipient.
    pub to: Option<Jid>,
    /// The error of an `Error`.
    pub error: Option<StanzaError>,
    /// All other children.
    pub payload: Vec<Element>,
}

impl Presence {
    /// An available presence to a room occupant or to nobody in particular.
    pub fn available(to: Option<Jid>) -> Self {
        Self {
            kind: PresenceKind::Available,
            from: None,
            to,
            error: None,
            payload: Vec::new(),
        }
    }

    /// An unavailable presence.
    pub fn unavailable(to: Option<Jid>) -> Self {
        Self {
            kind: PresenceKind::Unavailable,
            ..Self::available(to)
        }
    }

    /// Appends a payload.
    #[must_use]
    pub fn with_payload(mut self, payload: Element) -> Self {
        self.payload.push(payload);
        self
    }

    /// First payload of this name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<&Element> {
        self.payload.iter().find(|child| child.is(name, namespace))
    }

    /// Reads a presence.
    ///
    /// # Errors
    /// Another element, or an address that is none.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        if element.name() != "presence" {
            return Err(ParseError::UnexpectedElement {
                expected: "presence",
                found: element.name().to_owned(),
            });
        }
        let kind = match element.attribute("type") {
            None => PresenceKind::Available,
            Some("unavailable") => PresenceKind::Unavailable,
            Some("error") => PresenceKind::Error,
            Some(_) => PresenceKind::Other,
        };
        let is_error = |child: &&Element| child.is("error", element.namespace());
        let error = match (kind, element.children().find(is_error)) {
            (PresenceKind::Error, Some(error)) => Some(StanzaError::parse(error)?),
            (PresenceKind::Error, None) => Some(StanzaError::new(Condition::UndefinedCondition)),
            _ => None,
        };
        Ok(Self {
            kind,
            from: optional(element, "from", "an address")?,
            to: optional(element, "to", "an address")?,
            error,
            payload: element
                .children()
                .filter(|child| !is_error(child))
                .cloned()
                .collect(),
        })
    }

    /// Builds the presence in the client namespace.
    pub fn to_element(&self) -> Element {
        let kind = match self.kind {
            PresenceKind::Available | PresenceKind::Other => None,
            PresenceKind::Unavailable => Some("unavailable"),
            PresenceKind::Error => Some("error"),
        };
        let mut element = Element::new("presence", namespace::CLIENT)
            .with_some("type", kind)
            .with_some("from", self.from.as_ref())
            .with_some("to", self.to.as_ref())
            .with_children(self.payload.iter().cloned());
        if let Some(error) = &self.error {
            element.push(error.to_element(namespace::CLIENT));
        }
        element
    }
}
