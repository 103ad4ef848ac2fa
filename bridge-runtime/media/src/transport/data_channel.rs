//! The bridge channel over SCTP: one reliable data channel with JSON text in it.
//!
//! The bridge is the passive side: it waits for the client's association and for one DCEP OPEN,
//! whose channel it then uses; further channels, binary messages and oversized ones are dropped and
//! counted. The active side exists for participants of our own and for relays. Bounds: one
//! association, [`MAX_STREAMS`] streams, [`MAX_MESSAGE`] bytes a message both ways,
//! [`MAX_BUFFERED`] bytes waiting for a slow peer.
//!
//! RFC 4960 (SCTP), RFC 8261 (over DTLS), RFC 8831, RFC 8832 (DCEP).

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rtc_datachannel::data_channel::{DataChannel as Dcep, DataChannelConfig, DataChannelMessage};
use rtc_sctp::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig,
    EndpointEvent, Event, Payload, PayloadProtocolIdentifier, ServerConfig, StreamEvent,
    TimerConfig, TransportConfig,
};
use rtc_shared::TransportProtocol;
use sansio::Protocol;

use super::counters::{Drop, DropCounters};

/// Label of the bridge channel as clients open it.
pub const LABEL: &str = "JVB data channel";
/// Protocol of the bridge channel.
pub const PROTOCOL: &str = "http://jitsi.org/protocols/colibri";
/// Port of both sides.
pub const PORT: u16 = 5000;
/// Longest message in bytes, both ways.
pub const MAX_MESSAGE: usize = 128 * 1024;
/// Streams a peer may open.
pub const MAX_STREAMS: u16 = 64;
/// Bytes that may wait for a peer that does not acknowledge.
pub const MAX_BUFFERED: usize = 1024 * 1024;
/// Associations in their handshake at a time.
const MAX_HALF_OPEN: usize = 4;
const RECEIVE_WINDOW: u32 = 2 * MAX_MESSAGE as u32;
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);

/// What the channel reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelEvent {
    /// The channel may be used.
    Open,
    /// A text message.
    Message(String),
    /// The association or the channel is gone; a data channel has no reconnect.
    Closed,
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// No channel is open.
    #[error("the data channel is not open")]
    NotOpen,
    /// Longer than [`MAX_MESSAGE`].
    #[error("message of {0} bytes is longer than a data channel may carry here")]
    TooLong(usize),
    /// The peer does not acknowledge, [`MAX_BUFFERED`] bytes are waiting.
    #[error("the peer reads too slowly: message dropped")]
    Full,
    /// The association refused.
    #[error("the sctp association refused the message")]
    Refused,
}

/// The data channel of one endpoint.
pub struct DataChannel {
    endpoint: Endpoint,
    /// The association in use.
    association: Option<(AssociationHandle, Association)>,
    /// Associations whose handshake is not done: a repeated INIT makes another one, and only the
    /// peer's COOKIE ECHO tells which of them it continues.
    half_open: Vec<(AssociationHandle, Association)>,
    active: bool,
    channel: Option<Dcep>,
    open: bool,
    refused: DropCounters,
    transmits: VecDeque<Bytes>,
    events: VecDeque<ChannelEvent>,
}

impl std::fmt::Debug for DataChannel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DataChannel")
            .field("open", &self.open)
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

fn configuration() -> TransportConfig {
    TransportConfig::default()
        .with_sctp_port(PORT)
        .with_max_message_size(MAX_MESSAGE as u32)
        .with_max_receive_buffer_size(RECEIVE_WINDOW)
        .with_max_num_inbound_streams(MAX_STREAMS)
        .with_max_num_outbound_streams(MAX_STREAMS)
        // Consent (RFC 7675) tells whether the peer is there; an association that gave up on a bad
        // link would stay silent beside media that flows.
        .with_timer_config(TimerConfig {
            max_t1_init_retrans: usize::MAX,
            max_t1_cookie_retrans: usize::MAX,
            max_t3_rtx_retrans: usize::MAX,
            ..TimerConfig::default()
        })
}

impl DataChannel {
    /// Waits for the peer's association and channel.
    #[must_use]
    pub fn passive() -> Self {
        let server = Arc::new(ServerConfig::new(configuration()));
        Self::new(Some(server), false)
    }

    /// Associates and opens the channel; call when DTLS is established.
    #[must_use]
    pub fn active(now: Instant) -> Self {
        Self::connect(now, configuration())
    }

    fn connect(now: Instant, configuration: TransportConfig) -> Self {
        let mut channel = Self::new(None, true);
        let client = ClientConfig::new(configuration);
        channel.association = channel.endpoint.connect(now, client, PEER).ok();
        channel.advance(now);
        channel
    }

    fn new(server: Option<Arc<ServerConfig>>, active: bool) -> Self {
        let configuration = Arc::new(EndpointConfig::default());
        Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, configuration, server),
            association: None,
            half_open: Vec::new(),
            active,
            channel: None,
            open: false,
            refused: DropCounters::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Whether messages may be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// What hostile or broken peers sent.
    #[must_use]
    pub fn refused(&self) -> &DropCounters {
        &self.refused
    }

    /// Takes an SCTP packet out of DTLS.
    pub fn handle(&mut self, now: Instant, packet: BytesMut) {
        if !is_well_formed(&packet) {
            self.refused.count(Drop::MalformedSctp);
            return;
        }
        match self.endpoint.handle(now, PEER, None, packet.freeze()) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                if self.half_open.len() >= MAX_HALF_OPEN {
                    let (oldest, _) = self.half_open.remove(0);
                    self.endpoint.handle_event(oldest, EndpointEvent::drained());
                }
                self.half_open.push((handle, association));
            }
            Some((handle, DatagramEvent::AssociationEvent(event))) => {
                let known = self.association.iter_mut().chain(&mut self.half_open);
                match known.into_iter().find(|(known, _)| *known == handle) {
                    Some((_, association)) => association.handle_event(event),
                    None => self.refused.count(Drop::MalformedSctp),
                }
            }
            _ => self.refused.count(Drop::MalformedSctp),
        }
        self.settle(now);
        self.advance(now);
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// [`ChannelError`]; nothing was sent then.
    pub fn send(&mut self, now: Instant, text: &str) -> Result<(), ChannelError> {
        if text.len() > MAX_MESSAGE {
            return Err(ChannelError::TooLong(text.len()));
        }
        let (Some((_, association)), Some(channel), true) =
            (&mut self.association, &self.channel, self.open)
        else {
            return Err(ChannelError::NotOpen);
        };
        let mut stream = association
            .stream(channel.stream_identifier())
            .map_err(|_| ChannelError::NotOpen)?;
        if stream
            .buffered_amount()
            .is_ok_and(|buffered| buffered + text.len() > MAX_BUFFERED)
        {
            return Err(ChannelError::Full);
        }
        let message = Dcep::get_data_channel_message(true, BytesMut::from(text));
        stream
            .write_chunk_with_ppi(now, &message.payload.freeze(), message.ppi)
            .map_err(|_| ChannelError::Refused)?;
        self.advance(now);
        Ok(())
    }

    /// The next SCTP packet to put into DTLS.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    /// When [`DataChannel::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.association
            .iter()
            .chain(&self.half_open)
            .filter_map(|(_, association)| association.poll_timeout())
            .min()
    }

    /// Repeats what was lost, acknowledges what waits.
    pub fn handle_timeout(&mut self, now: Instant) {
        for (_, association) in self.association.iter_mut().chain(&mut self.half_open) {
            association.handle_timeout(now);
        }
        self.settle(now);
        self.advance(now);
    }

    /// Takes the half-open association that got through its handshake.
    fn settle(&mut self, now: Instant) {
        let mut index = 0;
        while let Some((handle, association)) = self.half_open.get_mut(index) {
            let mut connected = false;
            let mut failed = false;
            while let Some(event) = association.poll() {
                connected |= matches!(event, Event::Connected);
                failed |= matches!(
                    event,
                    Event::HandshakeFailed { .. } | Event::AssociationLost { .. }
                );
            }
            transmit(
                &mut self.endpoint,
                *handle,
                association,
                now,
                &mut self.transmits,
            );
            if connected {
                let settled = self.half_open.swap_remove(index);
                self.reset();
                for (handle, _) in self.half_open.drain(..) {
                    self.endpoint.handle_event(handle, EndpointEvent::drained());
                }
                self.association = Some(settled);
                return;
            }
            if failed {
                self.half_open.swap_remove(index);
            } else {
                index += 1;
            }
        }
    }

    fn reset(&mut self) {
        if let Some((handle, _)) = self.association.take() {
            self.endpoint.handle_event(handle, EndpointEvent::drained());
        }
        self.channel = None;
        if std::mem::take(&mut self.open) {
            self.events.push_back(ChannelEvent::Closed);
        }
    }

    fn advance(&mut self, now: Instant) {
        let mut lost = false;
        while let Some(event) = self
            .association
            .as_mut()
            .and_then(|(_, association)| association.poll())
        {
            match event {
                Event::Connected if self.active => self.dial(),
                Event::Stream(StreamEvent::Readable { id }) => self.read(id),
                Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => lost = true,
                _ => {}
            }
        }
        // Streams announced with their first data are readable as well.
        while let Some(id) = self.association.as_mut().and_then(|(_, association)| {
            association
                .accept_stream()
                .map(|stream| stream.stream_identifier())
        }) {
            self.read(id);
        }
        self.write_control(now);
        let Some((handle, association)) = &mut self.association else {
            return;
        };
        transmit(
            &mut self.endpoint,
            *handle,
            association,
            now,
            &mut self.transmits,
        );
        if lost {
            self.reset();
        }
    }

    /// Opens the channel as the active side.
    fn dial(&mut self) {
        let Some((_, association)) = &mut self.association else {
            return;
        };
        let configuration = DataChannelConfig {
            label: LABEL.to_owned(),
            protocol: PROTOCOL.to_owned(),
            ..DataChannelConfig::default()
        };
        if association
            .open_stream(0, PayloadProtocolIdentifier::Dcep)
            .is_ok()
        {
            self.channel = Dcep::dial(configuration, 0, 0).ok();
        }
    }

    /// Reads all whole messages of a stream.
    fn read(&mut self, id: u16) {
        loop {
            let Some((_, association)) = &mut self.association else {
                return;
            };
            let Ok(mut stream) = association.stream(id) else {
                return;
            };
            let Ok(Some(chunks)) = stream.read_sctp() else {
                return;
            };
            let Ok(payload) = chunks.to_payload(MAX_MESSAGE) else {
                self.refused.count(Drop::MessageTooLong);
                continue;
            };
            self.on_message(id, chunks.ppi, payload);
        }
    }

    fn on_message(&mut self, id: u16, ppi: PayloadProtocolIdentifier, payload: BytesMut) {
        let ours = self
            .channel
            .as_ref()
            .is_some_and(|channel| channel.stream_identifier() == id);
        match (ppi, ours) {
            (PayloadProtocolIdentifier::Dcep, true) => {
                let message = DataChannelMessage {
                    stream_id: id,
                    ppi,
                    payload,
                    ..DataChannelMessage::default()
                };
                if let Some(channel) = &mut self.channel {
                    if channel.handle_read(message).is_err() {
                        self.refused.count(Drop::UnexpectedMessage);
                    } else if channel.is_handshake_complete() {
                        self.opened();
                    }
                }
            }
            (PayloadProtocolIdentifier::Dcep, false) if self.channel.is_none() && !self.active => {
                match Dcep::accept(DataChannelConfig::default(), 0, id, ppi, &payload) {
                    Ok(channel) => {
                        self.channel = Some(channel);
                        self.opened();
                    }
                    Err(_) => self.refused.count(Drop::UnexpectedMessage),
                }
            }
            (PayloadProtocolIdentifier::Dcep, false) => self.refused.count(Drop::ExtraChannel),
            (PayloadProtocolIdentifier::String, true) => match std::str::from_utf8(&payload) {
                Ok(text) => {
                    self.events
                        .push_back(ChannelEvent::Message(text.to_owned()));
                }
                Err(_) => self.refused.count(Drop::UnexpectedMessage),
            },
            _ => self.refused.count(Drop::UnexpectedMessage),
        }
    }

    fn opened(&mut self) {
        if !std::mem::replace(&mut self.open, true) {
            self.events.push_back(ChannelEvent::Open);
        }
    }

    /// Sends what DCEP has to say.
    fn write_control(&mut self, now: Instant) {
        let (Some((_, association)), Some(channel)) = (&mut self.association, &mut self.channel)
        else {
            return;
        };
        while let Some(message) = channel.poll_write() {
            if let Ok(mut stream) = association.stream(message.stream_id) {
                let _ = stream.write_chunk_with_ppi(now, &message.payload.freeze(), message.ppi);
            }
        }
    }
}

/// Whether the lengths in a packet agree with each other (RFC 4960 section 3.2). `rtc-sctp` 0.21
/// panics on an error cause that is longer than its chunk.
fn is_well_formed(packet: &[u8]) -> bool {
    let Some(chunks) = packet.get(12..) else {
        return false;
    };
    fields(chunks, |kind, value| {
        let parameters = match kind[0] {
            // INIT and INIT ACK have 16 fixed bytes.
            1 | 2 => value.get(16..),
            // HEARTBEAT, HEARTBEAT ACK, ABORT, ERROR, RE-CONFIG.
            4..=6 | 9 | 130 => Some(value),
            _ => return true,
        };
        parameters.is_some_and(|parameters| fields(parameters, |_, _| true))
    })
}

/// Whether `bytes` are fields of two bytes of type, two of length and a padded value, each of which
/// `check` likes.
fn fields(mut bytes: &[u8], check: impl Fn([u8; 2], &[u8]) -> bool) -> bool {
    while let Some((&[first, second, high, low], _)) = bytes.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(value) = bytes.get(4..length) else {
            return false;
        };
        if !check([first, second], value) {
            return false;
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    bytes.is_empty()
}

fn transmit(
    endpoint: &mut Endpoint,
    handle: AssociationHandle,
    association: &mut Association,
    now: Instant,
    transmits: &mut VecDeque<Bytes>,
) {
    while let Some(event) = association.poll_endpoint_event() {
        endpoint.handle_event(handle, event);
    }
    while let Some(transmit) = association.poll_transmit(now) {
        if let Payload::RawEncode(packets) = transmit.message {
            transmits.extend(packets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(now: Instant, client: &mut DataChannel, server: &mut DataChannel) {
        loop {
            let mut idle = true;
            while let Some(packet) = client.poll_transmit() {
                server.handle(now, BytesMut::from(&packet[..]));
                idle = false;
            }
            while let Some(packet) = server.poll_transmit() {
                client.handle(now, BytesMut::from(&packet[..]));
                idle = false;
            }
            if idle {
                return;
            }
        }
    }

    fn connected() -> (Instant, DataChannel, DataChannel) {
        connected_with(configuration())
    }

    /// A client of another configuration than ours.
    fn connected_with(client: TransportConfig) -> (Instant, DataChannel, DataChannel) {
        let now = Instant::now();
        let mut client = DataChannel::connect(now, client);
        let mut server = DataChannel::passive();
        exchange(now, &mut client, &mut server);
        assert_eq!(client.poll_event(), Some(ChannelEvent::Open));
        assert_eq!(server.poll_event(), Some(ChannelEvent::Open));
        (now, client, server)
    }

    #[test]
    fn text_goes_both_ways_whatever_its_length() {
        let (now, mut client, mut server) = connected();
        for length in [0, 1, 1200, 5000, MAX_MESSAGE] {
            let text = "x".repeat(length);
            client.send(now, &text).unwrap();
            server.send(now, &text).unwrap();
            let mut now = now;
            let mut received = (None, None);
            for _ in 0..200 {
                exchange(now, &mut client, &mut server);
                received.0 = received.0.or_else(|| server.poll_event());
                received.1 = received.1.or_else(|| client.poll_event());
                now += std::time::Duration::from_millis(100);
                client.handle_timeout(now);
                server.handle_timeout(now);
            }
            if length == 0 {
                assert_eq!(received, (None, None), "empty messages carry nothing");
            } else {
                assert_eq!(
                    received.0,
                    Some(ChannelEvent::Message(text.clone())),
                    "{length}"
                );
                assert_eq!(received.1, Some(ChannelEvent::Message(text)), "{length}");
            }
        }
    }

    #[test]
    fn too_long_messages_are_not_sent() {
        let (now, mut client, _server) = connected();
        let text = "x".repeat(MAX_MESSAGE + 1);
        assert_eq!(
            client.send(now, &text),
            Err(ChannelError::TooLong(MAX_MESSAGE + 1))
        );
        assert_eq!(
            DataChannel::passive().send(now, "x"),
            Err(ChannelError::NotOpen)
        );
    }

    #[test]
    fn a_peer_that_does_not_read_cannot_make_us_buffer_without_end() {
        let (now, _client, mut server) = connected();
        let text = "x".repeat(60_000);
        let refused = (0..100).find_map(|_| server.send(now, &text).err());
        assert_eq!(refused, Some(ChannelError::Full));
    }

    #[test]
    fn a_message_longer_than_any_is_dropped_and_counted_and_the_next_one_is_heard() {
        // A peer that does not keep to what we advertised.
        let unbounded = configuration().with_max_message_size(2 * MAX_MESSAGE as u32);
        let (mut now, mut client, mut server) = connected_with(unbounded);
        let (_, association) = client.association.as_mut().unwrap();
        let long = vec![b'x'; MAX_MESSAGE + 1];
        association
            .stream(0)
            .unwrap()
            .write_with_ppi(now, &long, PayloadProtocolIdentifier::String)
            .unwrap();
        client.send(now, "short").unwrap();
        for _ in 0..100 {
            exchange(now, &mut client, &mut server);
            now += std::time::Duration::from_millis(100);
            client.handle_timeout(now);
            server.handle_timeout(now);
        }
        assert_eq!(server.refused().get(Drop::MessageTooLong), 1);
        assert_eq!(
            server.poll_event(),
            Some(ChannelEvent::Message(String::from("short")))
        );
    }

    #[test]
    fn a_second_channel_and_binary_messages_are_refused_and_counted() {
        let (now, mut client, mut server) = connected();
        let (_, association) = client.association.as_mut().unwrap();
        let open = Dcep::dial(DataChannelConfig::default(), 0, 2)
            .unwrap()
            .poll_write()
            .unwrap();
        association
            .open_stream(2, PayloadProtocolIdentifier::Dcep)
            .unwrap();
        let mut stream = association.stream(2).unwrap();
        stream
            .write_with_ppi(now, &open.payload, PayloadProtocolIdentifier::Dcep)
            .unwrap();
        stream
            .write_with_ppi(now, b"text", PayloadProtocolIdentifier::String)
            .unwrap();
        let mut stream = association.stream(0).unwrap();
        stream
            .write_with_ppi(now, b"binary", PayloadProtocolIdentifier::Binary)
            .unwrap();
        stream
            .write_with_ppi(now, &[0xFF], PayloadProtocolIdentifier::String)
            .unwrap();
        client.advance(now);
        exchange(now, &mut client, &mut server);
        assert_eq!(server.poll_event(), None);
        assert_eq!(server.refused().get(Drop::ExtraChannel), 1);
        assert_eq!(server.refused().get(Drop::UnexpectedMessage), 3);
    }

    #[test]
    fn an_error_cause_longer_than_its_chunk_is_refused() {
        let (now, client, mut server) = connected();
        let mut packet = BytesMut::new();
        packet.extend([0x13, 0x88, 0x13, 0x88, 0, 0, 0, 1, 0, 0, 0, 0]);
        packet.extend([9, 0, 0, 8, 0, 1, 0xff, 0xff]);
        assert!(!is_well_formed(&packet));
        server.handle(now, packet);
        assert_eq!(server.refused().get(Drop::MalformedSctp), 1);
        assert!(client.is_open() && server.is_open());
    }

    #[test]
    fn garbage_is_counted() {
        let mut server = DataChannel::passive();
        let now = Instant::now();
        for length in 0..64usize {
            server.handle(now, BytesMut::from(&vec![length as u8; length][..]));
        }
        assert!(server.refused().get(Drop::MalformedSctp) > 0);
        assert_eq!(server.poll_event(), None);
    }
}
