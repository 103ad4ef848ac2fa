//! colibri2: how a focus controls a bridge.
//!
//! A request is a [`ConferenceModify`], an answer a [`ConferenceModified`] or a stanza error with
//! a [`Reason`]. This module gives the types their XML form; what a request means, and which
//! combinations a bridge refuses, is the bridge's business.

mod conference;
mod connect;
mod endpoint;
mod error;
mod relay;
mod sources;
mod transport;

pub use conference::{ConferenceModified, ConferenceModify};
pub use connect::{Connect, ConnectPing};
pub use endpoint::{Endpoint, ForceMute, capability};
pub use error::{ColibriError, Reason};
pub use relay::Relay;
pub use sources::MediaSource;
pub use transport::{Sctp, SctpRole, Transport};

use crate::namespace::COLIBRI2;
use crate::parse::ParseError;
use crate::rtp::{MediaDescription, MediaKind};
use crate::xml::Element;

fn media_of(element: &Element) -> Result<Vec<MediaDescription>, ParseError> {
    element
        .children_named("media", COLIBRI2)
        .map(|media| MediaDescription::parse_children(MediaKind::of(media, "type")?, media))
        .collect()
}

fn media_elements(media: &[MediaDescription]) -> impl Iterator<Item = Element> + '_ {
    media.iter().map(|media| {
        Element::new("media", COLIBRI2)
            .with("type", media.kind.name())
            .with_children(media.to_children())
    })
}
