//! The simplest conference: every packet goes to everybody else, every message comes back.
//!
//! Serves tests of transport, engine and edge; it forwards headers as they are and knows neither
//! codecs nor bandwidth.

use std::collections::VecDeque;
use std::time::Instant;

use super::room::{Refused, Room, RoomOutput};
use crate::conference::Egress;
use crate::identifiers::EndpointIndex;
use crate::rtp::Header;

/// Messages that may wait for delivery.
const MAX_MESSAGES: usize = 64;

/// Repeats what it hears.
#[derive(Debug, Default)]
pub struct Repeater {
    connected: Vec<EndpointIndex>,
    messages: VecDeque<(EndpointIndex, String)>,
}

impl Repeater {
    /// How many endpoints are connected.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.connected.len()
    }
}

impl Room for Repeater {
    #[inline]
    fn receive_rtp(
        &mut self,
        _now: Instant,
        sender: EndpointIndex,
        _header: &Header,
        packet: &mut [u8],
        egress: &mut impl Egress,
    ) {
        for receiver in &self.connected {
            if *receiver != sender {
                egress.rtp(*receiver, packet.len(), |room| room.copy_from_slice(packet));
            }
        }
    }

    fn forward(&mut self, _now: Instant, _egress: &mut impl Egress) {}

    fn waiting_bytes(&self) -> usize {
        0
    }

    fn receive_rtcp(
        &mut self,
        _now: Instant,
        _sender: EndpointIndex,
        _packet: &[u8],
        _egress: &mut impl Egress,
    ) {
    }

    fn receive_message(
        &mut self,
        _now: Instant,
        sender: EndpointIndex,
        text: &str,
    ) -> Result<(), Refused> {
        if self.messages.len() >= MAX_MESSAGES {
            return Err(Refused);
        }
        self.messages.push_back((sender, text.to_owned()));
        Ok(())
    }

    fn connected(&mut self, _now: Instant, endpoint: EndpointIndex) {
        if !self.connected.contains(&endpoint) {
            self.connected.push(endpoint);
        }
    }

    fn disconnected(&mut self, _now: Instant, endpoint: EndpointIndex) {
        self.connected.retain(|connected| *connected != endpoint);
    }

    fn consented(&mut self, _now: Instant, _endpoint: EndpointIndex) {}

    fn channel_opened(&mut self, _now: Instant, _endpoint: EndpointIndex) {}

    fn channel_closed(&mut self, _endpoint: EndpointIndex) {}

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _now: Instant, _egress: &mut impl Egress) {}

    fn poll_output(&mut self) -> Option<RoomOutput> {
        let (endpoint, text) = self.messages.pop_front()?;
        Some(RoomOutput::Message { endpoint, text })
    }
}
