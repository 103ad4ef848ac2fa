//! XMPP streams without I/O: bytes, stanzas and a clock in; bytes, events and a next timer out.
//!
//! [`ClientStream`] logs in with STARTTLS and SASL, binds, and keeps the session alive with
//! stream management. [`ComponentStream`] is an external component. Both are [`Machine`]s, so one
//! edge drives either. A client stream may also go through a WebSocket (RFC 7395), inside TLS from
//! the first byte. Invariant: nothing but the stream header and `<starttls/>` leaves before TLS is
//! up.

mod client;
mod component;
mod errors;
mod management;
mod websocket;

use std::time::Instant;

use jitctl_wire::{Element, Jid};

pub use client::{ClientStream, StreamSettings};
pub use component::ComponentStream;
pub use management::{Resumption, SavedSession};

use crate::failure::{Failure, Stage};

/// What a stream wants done, or tells.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Write(Vec<u8>),
    /// Do the TLS handshake now, then call [`Machine::tls_established`].
    StartTls,
    /// The login reached this stage.
    Stage(Stage),
    /// The server offers these SASL mechanisms.
    Mechanisms(Vec<String>),
    /// Logged in.
    Online {
        /// Our full address.
        jid: Jid,
        /// The earlier session goes on: rooms are still joined.
        resumed: bool,
    },
    /// A stanza for us, in the client namespace.
    Stanza(Element),
    /// The stream is over.
    Failed(Failure),
}

/// A stream without I/O.
pub trait Machine: Send {
    /// Opens the stream over a fresh connection.
    fn start(&mut self, now: Instant);
    /// TLS is up; the stream starts again inside.
    fn tls_established(&mut self, now: Instant);
    /// Bytes arrived.
    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]);
    /// The connection ended.
    fn handle_end(&mut self);
    /// The time of [`Machine::next_timeout`] has come.
    fn handle_timeout(&mut self, now: Instant);
    /// When [`Machine::handle_timeout`] wants to be called.
    fn next_timeout(&self) -> Option<Instant>;
    /// Sends a stanza of the client namespace; ignored unless online.
    fn send(&mut self, stanza: Element);
    /// Closes the stream in an orderly way.
    fn close(&mut self);
    /// The session as another process could go on with it now.
    fn session(&self) -> Option<&Resumption> {
        None
    }
    /// So many of the stanzas received in a session are safe: the server need not keep them.
    fn confirm(&mut self, _id: &str, _received: u32) {}
    /// The next thing to do, until `None`.
    fn next_output(&mut self) -> Option<Output>;
    /// What is needed to go on over another connection, when the server allows it.
    fn into_resumption(self: Box<Self>) -> Option<Resumption>;
}
