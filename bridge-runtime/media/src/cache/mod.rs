//! What repairs losses: packets kept for retransmission, and the search for what is missing.
//!
//! Packets are kept once per incoming stream, not once per receiver. A receiver's log says how
//! each was rewritten for it, so that a retransmission carries exactly what was sent first. All
//! memory is bounded and grows only with the rate of the stream.

mod nack;
mod sent;
mod store;

pub use nack::{Arrival, NackGenerator};
pub use sent::{NotResent, SentLog, SentPacket};
pub use store::{PacketStore, StoreLimits, StoredPacket};
