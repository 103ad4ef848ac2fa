//! One XMPP stream core for bridge, focus, doctor and headless participants.
//!
//! [`stream`] holds the protocol without I/O: bytes, clock and stanzas in; bytes, events and a
//! next timer out (RFC 6120, XEP-0198, XEP-0114). [`Client`] runs it over TCP and TLS, reconnects
//! and resumes; [`probe_login`] runs it once and tells in detail how far it came. TLS is always
//! required towards a server for clients, and its certificate always verified.
#![forbid(unsafe_code)]

mod backoff;
mod client;
mod credentials;
mod dns;
mod failure;
mod login;
mod probe;
mod sasl;
pub mod stream;
mod tls;

pub use backoff::Backoff;
pub use client::{Client, ClientConfig, ClientEvent, IqError};
pub use credentials::Credentials;
pub use dns::ServerAddress;
pub use failure::{Failure, Stage, TlsFailure};
pub use login::{LoginTrace, Socket, Target, open_tls};
pub use probe::{LoginOutcome, probe_login, probe_login_over};
pub use stream::SavedSession;
pub use tls::{Trust, TrustError};

/// Random lower-case hexadecimal digits from the operating system.
///
/// # Errors
/// The operating system has no randomness to give.
pub fn random_hex(digits: usize) -> Result<String, getrandom::Error> {
    let mut bytes = vec![0; digits.div_ceil(2)];
    getrandom::fill(&mut bytes)?;
    let mut text = hexadecimal(&bytes);
    text.truncate(digits);
    Ok(text)
}

/// Lower-case hexadecimal digits, two a byte.
fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
