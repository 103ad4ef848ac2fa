//! What lies between a datagram and a decrypted packet: ICE, DTLS, SRTP and the data channel of
//! one endpoint.

mod counters;
pub mod data_channel;
pub mod dtls;
pub mod ice;
mod random;
mod session;
pub mod stun;

pub use counters::{Drop, DropCounters};
pub use random::RandomError;
pub use session::{
    DataChannelMode, LocalDescription, Received, RemoteDescription, Restart, Transport,
    TransportConfig, TransportEvent, TransportOptions,
};

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// From which local socket, to whom.
    pub route: ice::Route,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// Why a transport cannot be made or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No random credentials.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] ice::CheckError),
}
