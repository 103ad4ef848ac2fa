//! What lies between a datagram and a decrypted packet: ICE, DTLS, SRTP and the data channel of
//! one endpoint.

pub mod ice;
mod random;
pub mod stun;

pub use random::RandomError;

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// From which local socket, to whom.
    pub route: ice::Route,
    /// The bytes.
    pub payload: Vec<u8>,
}
