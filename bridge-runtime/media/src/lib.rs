//! Selective forwarding core without I/O.
//!
//! Packets, commands and time go in; packets, events and timers come out. The crate knows no
//! signalling protocol, no socket and no clock, and allocates nothing per forwarded packet.
#![forbid(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "wire fields and unwrapped counters are cut to their width on purpose"
)]

// Routing: everything above the decrypted packet.
pub mod allocation;
pub mod bandwidth;
pub mod cache;
pub mod channel;
pub mod codec;
pub mod conference;
pub mod identifiers;
pub mod projection;
pub mod rtcp;
mod sequence_ring;
pub mod source;
pub mod speaker;

// Transport: everything below it.
pub mod engine;
pub mod rtp;
pub mod srtp;
pub mod transport;
