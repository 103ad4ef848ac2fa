//! XML as XMPP uses it (RFC 6120 11): elements, attributes, text; namespaces resolved.
//!
//! [`Element`] is an owned tree. [`StreamParser`] turns bytes as they arrive into stream events
//! and whole stanzas, within [`Limits`]. Comments, processing instructions and document types are
//! refused inside a stream; [`Element::parse`], which reads one whole document, skips comments.

mod element;
mod error;
mod scope;
mod stream;
mod tokenizer;
mod write;

pub use element::{Element, Node};
pub use error::XmlError;
pub use stream::{Limits, StreamEvent, StreamHeader, StreamParser};
pub use write::escape_text;
