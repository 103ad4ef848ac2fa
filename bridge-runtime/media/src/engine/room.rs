//! What the engine asks of a conference.

use std::time::Instant;

use crate::conference::Egress;
use crate::identifiers::EndpointIndex;
use crate::rtp::Header;

/// A message a conference cannot accept; the engine counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// What a conference hands to the engine besides packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomOutput {
    /// A message for an endpoint's bridge channel.
    Message {
        /// Whose.
        endpoint: EndpointIndex,
        /// JSON text.
        text: String,
    },
    /// An endpoint showed no sign of life for too long: the owner may expire it.
    TimedOut {
        /// Which one.
        endpoint: EndpointIndex,
    },
}

/// A conference as the engine sees it: plain packets and messages in, packets into an [`Egress`],
/// messages and one timer out. Implementations never call back into the engine.
pub trait Room {
    /// An authentic, decrypted RTP packet of `sender`. `packet` holds header, payload and padding
    /// and is scratch afterwards. What it leads to is sent now, or at the next [`Room::forward`].
    fn receive_rtp(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        header: &Header,
        packet: &mut [u8],
        egress: &mut impl Egress,
    );

    /// Sends what was kept of packets received since the last call.
    fn forward(&mut self, now: Instant, egress: &mut impl Egress);

    /// Bytes that the next [`Room::forward`] sends, about.
    fn waiting_bytes(&self) -> usize;

    /// An authentic, decrypted compound RTCP packet of `sender`.
    fn receive_rtcp(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        packet: &[u8],
        egress: &mut impl Egress,
    );

    /// A text message of `sender` on its bridge channel.
    ///
    /// # Errors
    /// [`Refused`] when it is not one.
    fn receive_message(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        text: &str,
    ) -> Result<(), Refused>;

    /// The transport of `endpoint` came up: it may be sent to.
    fn connected(&mut self, now: Instant, endpoint: EndpointIndex);

    /// The transport of `endpoint` is gone, for now or for good.
    fn disconnected(&mut self, now: Instant, endpoint: EndpointIndex);

    /// The client of `endpoint` proved to be there (RFC 7675), whether or not it sends media.
    fn consented(&mut self, now: Instant, endpoint: EndpointIndex);

    /// A bridge channel of `endpoint` opened.
    fn channel_opened(&mut self, now: Instant, endpoint: EndpointIndex);

    /// The last bridge channel of `endpoint` closed.
    fn channel_closed(&mut self, endpoint: EndpointIndex);

    /// When [`Room::handle_timeout`] wants to be called next.
    fn poll_timeout(&mut self) -> Option<Instant>;

    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant, egress: &mut impl Egress);

    /// The next message or notice.
    fn poll_output(&mut self) -> Option<RoomOutput>;
}
