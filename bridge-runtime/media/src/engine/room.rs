//! What the engine asks of a conference.

use std::time::Instant;

use crate::conference::Egress;
use crate::identifiers::EndpointIndex;
use crate::rtp::Header;

/// A conference as the engine sees it: plain packets and messages in, packets into an [`Egress`],
/// messages and one timer out. Implementations never call back into the engine.
pub trait Room {
    /// An authentic, decrypted RTP packet of `sender`. `packet` holds header, payload and padding.
    fn receive_rtp(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        header: &Header,
        packet: &mut [u8],
        egress: &mut impl Egress,
    );

    /// An authentic, decrypted compound RTCP packet of `sender`.
    fn receive_rtcp(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        packet: &[u8],
        egress: &mut impl Egress,
    );

    /// A text message of `sender` on its bridge channel.
    fn receive_message(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        text: &str,
        egress: &mut impl Egress,
    );

    /// The transport of `endpoint` came up: it may be sent to.
    fn connected(&mut self, now: Instant, endpoint: EndpointIndex, egress: &mut impl Egress);

    /// A bridge channel of `endpoint` opened.
    fn channel_opened(&mut self, now: Instant, endpoint: EndpointIndex, egress: &mut impl Egress);

    /// When [`Room::handle_timeout`] wants to be called next.
    fn poll_timeout(&mut self) -> Option<Instant>;

    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant, egress: &mut impl Egress);

    /// The next message for an endpoint's bridge channel, as JSON text.
    fn poll_message(&mut self) -> Option<(EndpointIndex, String)>;
}
