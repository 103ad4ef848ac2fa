//! Wire formats without I/O: XML stanzas, colibri2, Jingle, brewery presence, channel messages.
//!
//! Everything here parses and builds; nothing here keeps state, reads a clock or opens a socket.
//! Parsers take whatever a network can send and answer with an error, never with a panic.
#![forbid(unsafe_code)]

pub mod brewery;
pub mod colibri2;
pub mod conference_request;
pub mod disco;
pub mod health;
pub mod ice;
mod jid;
pub mod jingle;
pub mod moderation;
pub mod muc;
pub mod namespace;
mod parse;
pub mod ping;
pub mod rtp;
mod serialise;
pub mod source;
mod stanza;
mod stanza_error;
pub mod version;
pub mod xml;

pub use jid::{Jid, JidError};
pub use parse::ParseError;
pub use stanza::{Iq, IqKind, Presence, PresenceKind};
pub use stanza_error::{Condition, ErrorKind, StanzaError};
pub use xml::Element;
