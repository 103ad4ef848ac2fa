//! Stanza errors (RFC 6120 8.3).

use std::fmt;

use crate::namespace;
use crate::parse::ParseError;
use crate::xml::Element;

/// What the sender may do about an error (RFC 6120 8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Retry after giving credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// Go on: it was only a warning.
    Continue,
    /// Retry with other data.
    Modify,
    /// Retry later.
    Wait,
}

impl ErrorKind {
    fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Cancel => "cancel",
            Self::Continue => "continue",
            Self::Modify => "modify",
            Self::Wait => "wait",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [
            Self::Auth,
            Self::Cancel,
            Self::Continue,
            Self::Modify,
            Self::Wait,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

macro_rules! conditions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $kind:ident;)*) => {
        /// A defined condition (RFC 6120 8.3.3).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Condition {
            $($(#[$doc])* $variant,)*
        }

        impl Condition {
            /// The element name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The kind RFC 6120 recommends with it.
            pub fn usual_kind(self) -> ErrorKind {
                match self { $(Self::$variant => ErrorKind::$kind,)* }
            }

            /// The condition of this element name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

conditions! {
    /// Malformed content.
    BadRequest = "bad-request", Modify;
    /// Something of that name exists.
    Conflict = "conflict", Cancel;
    /// The recipient does not have that.
    FeatureNotImplemented = "feature-not-implemented", Cancel;
    /// The sender may not.
    Forbidden = "forbidden", Auth;
    /// The recipient moved.
    Gone = "gone", Cancel;
    /// The recipient failed.
    InternalServerError = "internal-server-error", Cancel;
    /// No such thing.
    ItemNotFound = "item-not-found", Cancel;
    /// The address is not one.
    JidMalformed = "jid-malformed", Modify;
    /// The recipient's rules forbid it.
    NotAcceptable = "not-acceptable", Modify;
    /// Nobody may.
    NotAllowed = "not-allowed", Cancel;
    /// Credentials first.
    NotAuthorized = "not-authorized", Auth;
    /// A policy forbids it.
    PolicyViolation = "policy-violation", Modify;
    /// The recipient cannot be reached now.
    RecipientUnavailable = "recipient-unavailable", Wait;
    /// Ask elsewhere.
    Redirect = "redirect", Modify;
    /// Registration first.
    RegistrationRequired = "registration-required", Auth;
    /// No such remote server.
    RemoteServerNotFound = "remote-server-not-found", Cancel;
    /// The remote server does not answer.
    RemoteServerTimeout = "remote-server-timeout", Wait;
    /// A limit is reached.
    ResourceConstraint = "resource-constraint", Wait;
    /// Nobody serves that.
    ServiceUnavailable = "service-unavailable", Cancel;
    /// Subscription first.
    SubscriptionRequired = "subscription-required", Auth;
    /// A condition outside this list.
    UndefinedCondition = "undefined-condition", Cancel;
    /// Not at this moment.
    UnexpectedRequest = "unexpected-request", Wait;
}

/// An error that answers a stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StanzaError {
    /// What the sender may do.
    pub kind: ErrorKind,
    /// The condition.
    pub condition: Condition,
    /// Words for a human.
    pub text: Option<String>,
    /// Application-specific elements.
    pub application: Vec<Element>,
}

impl StanzaError {
    /// A condition with its usual kind.
    pub fn new(condition: Condition) -> Self {
        Self {
            kind: condition.usual_kind(),
            condition,
            text: None,
            application: Vec::new(),
        }
    }

    /// Adds words for a human.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Adds an application-specific element.
    #[must_use]
    pub fn with_application(mut self, element: Element) -> Self {
        self.application.push(element);
        self
    }

    /// Reads an `<error>`; an unknown condition or kind becomes `undefined-condition`, `cancel`.
    ///
    /// # Errors
    /// Another element.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        if element.name() != "error" {
            return Err(ParseError::UnexpectedElement {
                expected: "error",
                found: element.name().to_owned(),
            });
        }
        let mut error = Self::new(Condition::UndefinedCondition);
        for child in element.children() {
            // Some peers leave the text in the namespace of the stanza.
            if child.name() == "text" {
                error.text = Some(child.text());
            } else if child.namespace() != namespace::STANZA_ERRORS {
                error.application.push(child.clone());
            } else if let Some(condition) = Condition::from_name(child.name()) {
                error.condition = condition;
            }
        }
        error.kind = element
            .attribute("type")
            .and_then(ErrorKind::from_name)
            .unwrap_or(error.condition.usual_kind());
        Ok(error)
    }

    /// Builds the `<error>` for a stanza of this namespace.
    pub fn to_element(&self, stanza_namespace: &'static str) -> Element {
        let mut element = Element::new("error", stanza_namespace)
            .with("type", self.kind.name())
            .with_child(Element::new(
                self.condition.name(),
                namespace::STANZA_ERRORS,
            ));
        if let Some(text) = &self.text {
            element.push(
                Element::new("text", namespace::STANZA_ERRORS)
                    .with("xml:lang", "en")
                    .with_text(text.clone()),
            );
        }
        element.with_children(self.application.iter().cloned())
    }
}

impl fmt::Display for StanzaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.condition.name())?;
        match &self.text {
            Some(text) => write!(formatter, " ({text})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StanzaError {}

impl From<&ParseError> for StanzaError {
    fn from(error: &ParseError) -> Self {
        Self::new(Condition::BadRequest).with_text(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_back_as_written() {
        let error = StanzaError::new(Condition::ItemNotFound)
            .with_text("no such conference")
            .with_application(Element::new("error", namespace::COLIBRI2).with("reason", "x"));
        let element = error.to_element(namespace::CLIENT);
        assert_eq!(StanzaError::parse(&element).unwrap(), error);
    }

    #[test]
    fn an_unknown_condition_is_undefined_and_its_kind_kept() {
        let element = Element::parse(
            "<error type='wait'><odd xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
        )
        .unwrap();
        let error = StanzaError::parse(&element).unwrap();
        assert_eq!(
            (error.condition, error.kind),
            (Condition::UndefinedCondition, ErrorKind::Wait)
        );
    }
}
