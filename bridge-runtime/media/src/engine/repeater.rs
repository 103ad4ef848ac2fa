//! The simplest conference: every packet goes to everybody else, every message comes back.
//!
//! Serves the bridge's check of itself and the measurements of transport and engine alone; it
//! forwards headers as they are and knows neither codecs nor bandwidth.

use std::collections::VecDeque;
use std::time::Instant;

use super::Room;
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

    /// Forgets an endpoint.
    pub fn remove(&mut self, endpoint: EndpointIndex) {
        self.connected.retain(|connected| *connected != endpoint);
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
        _egress: &mut impl Egress,
    ) {
        if self.messages.len() < MAX_MESSAGES {
            self.messages.push_back((sender, text.to_owned()));
        }
    }

    fn connected(&mut self, _now: Instant, endpoint: EndpointIndex, _egress: &mut impl Egress) {
        if !self.connected.contains(&endpoint) {
            self.connected.push(endpoint);
        }
    }

    fn channel_opened(
        &mut self,
        _now: Instant,
        _endpoint: EndpointIndex,
        _egress: &mut impl Egress,
    ) {
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _now: Instant, _egress: &mut impl Egress) {}

    fn poll_message(&mut self) -> Option<(EndpointIndex, String)> {
        self.messages.pop_front()
    }
}
