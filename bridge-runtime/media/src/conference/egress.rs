//! Where forwarded packets leave the conference.
//!
//! The conference never owns a packet on its way out: it asks the egress for room in the
//! receiver's own run of packets and writes straight into it, so that the engine can protect in
//! place and send one receiver's packets together. Implementations must not call back into the
//! conference and must not allocate in steady state.

use crate::identifiers::EndpointIndex;

/// Sink of unprotected packets, implemented by the engine.
pub trait Egress {
    /// Sends one RTP packet to `receiver`.
    ///
    /// `write` is called exactly once with a slice of exactly `length` bytes, whose content is
    /// undefined, and fills all of it. The implementation leaves room behind it for the SRTP
    /// tag. When the receiver has no usable transport the implementation may skip `write`; it
    /// then returns false, and the packet counts as not sent.
    fn rtp(
        &mut self,
        receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool;

    /// Sends one compound RTCP packet (RFC 3550 section 6.1, or reduced size after RFC 5506);
    /// same contract as [`Egress::rtp`].
    fn rtcp(
        &mut self,
        receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool;

    /// A receiver has got all that it gets for now: this is the time to send what was written.
    fn end_turn(&mut self) {}
}

/// Counts packets and throws them away; for measurements and tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiscardEgress {
    /// RTP packets taken.
    pub rtp_packets: u64,
    /// RTP bytes taken.
    pub rtp_bytes: u64,
    /// RTCP packets taken.
    pub rtcp_packets: u64,
}

impl Egress for DiscardEgress {
    fn rtp(
        &mut self,
        _receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        let mut buffer = [0_u8; 2048];
        let Some(room) = buffer.get_mut(..length) else {
            return false;
        };
        write(room);
        self.rtp_packets += 1;
        self.rtp_bytes += length as u64;
        true
    }

    fn rtcp(
        &mut self,
        _receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        let mut buffer = [0_u8; 2048];
        let Some(room) = buffer.get_mut(..length) else {
            return false;
        };
        write(room);
        self.rtcp_packets += 1;
        true
    }
}
