//! Errors of a bridge, with the reasons a focus acts upon.

use crate::namespace::COLIBRI2;
use crate::parse::ParseError;
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::Element;

/// `reason` of `<error xmlns='jitsi:colibri2'>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No such conference; the bridge was restarted.
    ConferenceNotFound,
    /// The conference to create exists.
    ConferenceAlreadyExists,
    /// No new conferences while shutting down gracefully.
    GracefulShutdown,
    /// The endpoint to update is gone.
    UnknownEndpoint,
    /// The bridge does not have that.
    FeatureNotImplemented,
    /// Anything else.
    Unspecified,
}

impl Reason {
    const ALL: [Self; 6] = [
        Self::ConferenceNotFound,
        Self::ConferenceAlreadyExists,
        Self::GracefulShutdown,
        Self::UnknownEndpoint,
        Self::FeatureNotImplemented,
        Self::Unspecified,
    ];

    /// The attribute value.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConferenceNotFound => "conference_not_found",
            Self::ConferenceAlreadyExists => "conference_already_exists",
            Self::GracefulShutdown => "graceful_shutdown",
            Self::UnknownEndpoint => "unknown_endpoint",
            Self::FeatureNotImplemented => "feature_not_implemented",
            Self::Unspecified => "unspecified",
        }
    }
}

/// A refused request: what a bridge answers, and what a focus reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColibriError {
    /// Stanza error condition.
    pub condition: Condition,
    /// colibri2's own reason, when there is one.
    pub reason: Option<Reason>,
    /// The endpoint of `unknown_endpoint`.
    pub endpoint: Option<String>,
    /// Words for a human.
    pub text: String,
}

impl ColibriError {
    /// A condition without a reason.
    pub fn new(condition: Condition, text: impl Into<String>) -> Self {
        Self {
            condition,
            reason: None,
            endpoint: None,
            text: text.into(),
        }
    }

    /// No such conference.
    pub fn conference_not_found(meeting_id: &str) -> Self {
        Self {
            reason: Some(Reason::ConferenceNotFound),
            ..Self::new(
                Condition::ItemNotFound,
                format!("Conference not found for ID: {meeting_id}"),
            )
        }
    }

    /// The conference to create exists.
    pub fn conference_already_exists(meeting_id: &str) -> Self {
        Self {
            reason: Some(Reason::ConferenceAlreadyExists),
            ..Self::new(
                Condition::Conflict,
                format!("Conference already exists for ID: {meeting_id}"),
            )
        }
    }

    /// No new conferences any more.
    pub fn graceful_shutdown() -> Self {
        Self {
            reason: Some(Reason::GracefulShutdown),
            ..Self::new(Condition::ServiceUnavailable, "In graceful shutdown")
        }
    }

    /// The endpoint to update is gone.
    pub fn unknown_endpoint(id: &str) -> Self {
        Self {
            reason: Some(Reason::UnknownEndpoint),
            endpoint: Some(id.to_owned()),
            ..Self::new(Condition::ItemNotFound, format!("Unknown endpoint {id}"))
        }
    }

    /// A request this bridge does not serve.
    pub fn feature_not_implemented(text: impl Into<String>) -> Self {
        Self {
            reason: Some(Reason::FeatureNotImplemented),
            ..Self::new(Condition::FeatureNotImplemented, text)
        }
    }

    /// A request that contradicts itself or lacks something.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(Condition::BadRequest, text)
    }

    /// Reads the reason and endpoint out of a stanza error.
    pub fn from_stanza_error(error: &StanzaError) -> Self {
        let detail = error
            .application
            .iter()
            .find(|child| child.is("error", COLIBRI2));
        let reason = detail
            .and_then(|detail| detail.attribute("reason"))
            .map(str::to_ascii_lowercase)
            .and_then(|name| Reason::ALL.into_iter().find(|reason| reason.name() == name));
        let endpoint = detail
            .into_iter()
            .chain(error.application.iter())
            .find_map(|element| {
                if element.is("endpoint", COLIBRI2) {
                    return element.attribute("id");
                }
                element.child("endpoint", COLIBRI2)?.attribute("id")
            })
            .map(str::to_owned);
        Self {
            condition: error.condition,
            reason,
            endpoint,
            text: error.text.clone().unwrap_or_default(),
        }
    }

    /// Builds the stanza error.
    pub fn to_stanza_error(&self) -> StanzaError {
        let mut error = StanzaError::new(self.condition).with_text(self.text.clone());
        if let Some(reason) = self.reason {
            let endpoint = self
                .endpoint
                .iter()
                .map(|id| Element::new("endpoint", COLIBRI2).with("id", id.clone()));
            error = error.with_application(
                Element::new("error", COLIBRI2)
                    .with("reason", reason.name())
                    .with_children(endpoint),
            );
        }
        error
    }
}

impl From<&ParseError> for ColibriError {
    fn from(error: &ParseError) -> Self {
        Self::bad_request(error.to_string())
    }
}
