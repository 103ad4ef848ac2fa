//! The conference as the engine's [`Room`].

use std::time::Instant;

use super::room::{Refused, Room, RoomOutput};
use crate::channel::{self, Peer};
use crate::conference::{Conference, Egress, Event};
use crate::identifiers::EndpointIndex;
use crate::rtp::Header;

impl Room for Conference {
    #[inline]
    fn receive_rtp(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        _header: &Header,
        packet: &mut [u8],
        egress: &mut impl Egress,
    ) {
        self.handle_rtp(now, sender, packet, egress);
    }

    fn forward(&mut self, now: Instant, egress: &mut impl Egress) {
        Self::forward(self, now, egress);
    }

    fn waiting_bytes(&self) -> usize {
        Self::waiting_bytes(self)
    }

    fn receive_rtcp(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        packet: &[u8],
        egress: &mut impl Egress,
    ) {
        self.handle_rtcp(now, sender, packet, egress);
    }

    fn receive_message(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        text: &str,
    ) -> Result<(), Refused> {
        let message = channel::parse(text.as_bytes(), Peer::Client).map_err(|_| Refused)?;
        self.handle_channel_message(now, sender, message);
        Ok(())
    }

    fn connected(&mut self, now: Instant, endpoint: EndpointIndex) {
        self.set_transport_ready(now, endpoint, true);
    }

    fn disconnected(&mut self, now: Instant, endpoint: EndpointIndex) {
        self.set_transport_ready(now, endpoint, false);
    }

    fn consented(&mut self, now: Instant, endpoint: EndpointIndex) {
        self.note_activity(now, endpoint);
    }

    fn channel_opened(&mut self, now: Instant, endpoint: EndpointIndex) {
        Self::channel_opened(self, now, endpoint);
    }

    fn channel_closed(&mut self, endpoint: EndpointIndex) {
        Self::channel_closed(self, endpoint);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.next_timeout()
    }

    fn handle_timeout(&mut self, now: Instant, egress: &mut impl Egress) {
        Self::handle_timeout(self, now, egress);
    }

    fn poll_output(&mut self) -> Option<RoomOutput> {
        Some(match self.poll_event()? {
            Event::Channel { endpoint, message } => RoomOutput::Message {
                endpoint,
                text: message.to_json(),
            },
            Event::EndpointTimedOut { endpoint, .. } => RoomOutput::TimedOut { endpoint },
        })
    }
}
