//! The engine: conferences and transports of one worker behind one UDP port, without a socket.
//!
//! Datagrams, commands and time in; runs of datagrams, events and one timer out. An address is
//! bound to an endpoint only after a STUN message from it was authenticated with that endpoint's
//! password; STUN requests are told apart by the local fragment, everything else by its 5-tuple.
//! What a conference sends is protected where it was written and leaves in runs of one receiver, so
//! that the edge can hand a run of equal sizes to the kernel in one call.
//!
//! The hot path (a media packet in, copies out) does not allocate once buffers have grown.

mod endpoint;
mod meeting;
mod outbox;
mod repeater;
mod room;
mod routes;
mod timers;

pub use outbox::{DatagramSink, MAX_RUN_BYTES, Outboxes};
pub use repeater::Repeater;
pub use room::{Refused, Room, RoomOutput};

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::identifiers::EndpointIndex;
use crate::rtp::{DatagramKind, classify};
use crate::transport::data_channel::{ChannelError, DataChannel};
use crate::transport::ice::Route;
use crate::transport::stun::{self, Class, Message};
use crate::transport::{
    Drop, DropCounters, LocalDescription, Received, RemoteDescription, Restart, Transmit,
    Transport, TransportConfig, TransportError, TransportEvent, TransportOptions,
};
use endpoint::{ActiveChannel, Endpoint};
use outbox::{Arena, Departing};
use routes::{RouteTable, RouteUse};
use timers::{TimerKey, Timers};

/// Handle of a conference within one engine; reused after the conference has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConferenceIndex(pub u32);

/// An endpoint of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointKey {
    /// Its conference.
    pub conference: ConferenceIndex,
    /// Its handle there.
    pub endpoint: EndpointIndex,
}

/// What the engine reports to its owner.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineEvent {
    /// A transport changed; messages of data channels do not show up here.
    Transport {
        /// Whose.
        key: EndpointKey,
        /// What happened.
        event: TransportEvent,
    },
    /// An endpoint showed no sign of life for too long: it may be expired.
    TimedOut {
        /// Which one.
        key: EndpointKey,
    },
    /// A message for an endpoint whose channel is a WebSocket.
    SocketMessage {
        /// Whose.
        key: EndpointKey,
        /// JSON text.
        text: String,
    },
}

/// What became of a datagram that belongs to an endpoint here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Used, or dropped and counted.
    Consumed,
    /// An authentic STUN message: the sender's address belongs here.
    Authentic,
}

/// Why a command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The conference is gone.
    #[error("conference is not known to this worker")]
    UnknownConference,
    /// The endpoint is gone.
    #[error("endpoint is not known to this worker")]
    UnknownEndpoint,
    /// The transport could not be made or used.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// Packets and bytes over all endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Media packets taken in and authentic.
    pub packets_in: u64,
    /// Their bytes as they came.
    pub bytes_in: u64,
    /// Media packets handed to the edge.
    pub packets_out: u64,
    /// Their bytes as they leave.
    pub bytes_out: u64,
    /// Runs handed to the edge; packets out by runs is what one system call carries.
    pub runs_out: u64,
    /// Messages that came over data channels.
    pub messages_in: u64,
    /// Messages that left over data channels.
    pub messages_out: u64,
}

struct Conference<R> {
    /// Media came in since the last flush.
    touched: bool,
    room: R,
    endpoints: Vec<Option<Endpoint>>,
}

/// Conferences, transports and demultiplexing of one worker.
pub struct Engine<R: Room> {
    config: TransportConfig,
    conferences: Vec<Option<Conference<R>>>,
    routes: RouteTable,
    fragments: HashMap<String, EndpointKey>,
    timers: Timers,
    arena: Arena,
    touched: Vec<ConferenceIndex>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<EngineEvent>,
    counters: DropCounters,
    traffic: Traffic,
}

impl<R: Room> std::fmt::Debug for Engine<R> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("conferences", &self.conferences.iter().flatten().count())
            .field("fragments", &self.fragments.len())
            .finish_non_exhaustive()
    }
}

impl<R: Room> Engine<R> {
    /// An engine without conferences.
    #[must_use]
    pub fn new(config: TransportConfig) -> Self {
        Self {
            config,
            conferences: Vec::new(),
            routes: RouteTable::default(),
            fragments: HashMap::new(),
            timers: Timers::default(),
            arena: Arena::default(),
            touched: Vec::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: DropCounters::default(),
            traffic: Traffic::default(),
        }
    }

    /// Uses another certificate for transports made from now on.
    pub fn set_identity(&mut self, identity: std::sync::Arc<crate::transport::dtls::Identity>) {
        self.config.identity = identity;
    }

    /// Takes in a conference.
    pub fn add_conference(&mut self, now: Instant, room: R) -> ConferenceIndex {
        let conference = Some(Conference {
            touched: false,
            room,
            endpoints: Vec::new(),
        });
        let free = self.conferences.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.conferences.len());
        if slot == self.conferences.len() {
            self.conferences.push(conference);
        } else {
            self.conferences[slot] = conference;
        }
        let index = ConferenceIndex(slot as u32);
        self.settle_room(now, index);
        index
    }

    /// Gives a conference back, ending the transports of its endpoints.
    pub fn remove_conference(&mut self, now: Instant, index: ConferenceIndex) -> Option<R> {
        let count = self.conference(index)?.endpoints.len();
        for endpoint in 0..count {
            let endpoint = EndpointIndex(endpoint as u32);
            let _ = self.remove_endpoint(
                now,
                EndpointKey {
                    conference: index,
                    endpoint,
                },
            );
        }
        self.timers.cancel(TimerKey::Room(index));
        self.conferences
            .get_mut(index.0 as usize)?
            .take()
            .map(|conference| conference.room)
    }

    /// The conference itself.
    #[must_use]
    pub fn room(&self, index: ConferenceIndex) -> Option<&R> {
        self.conference(index).map(|conference| &conference.room)
    }

    /// Changes a conference: `command` may send at once. Messages it leaves are delivered.
    ///
    /// # Errors
    /// [`EngineError::UnknownConference`].
    pub fn command<Output>(
        &mut self,
        now: Instant,
        index: ConferenceIndex,
        command: impl FnOnce(&mut R, &mut Outboxes<'_>) -> Output,
    ) -> Result<Output, EngineError> {
        let Self {
            conferences,
            arena,
            counters,
            traffic,
            ..
        } = self;
        let conference = conferences
            .get_mut(index.0 as usize)
            .and_then(Option::as_mut)
            .ok_or(EngineError::UnknownConference)?;
        let mut outboxes =
            Outboxes::new(index, &mut conference.endpoints, arena, counters, traffic);
        let output = command(&mut conference.room, &mut outboxes);
        self.settle_room(now, index);
        Ok(output)
    }

    /// Makes the transport of an endpoint the conference knows already.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn add_endpoint(
        &mut self,
        now: Instant,
        key: EndpointKey,
        options: TransportOptions,
    ) -> Result<LocalDescription, EngineError> {
        let _ = self.remove_endpoint(now, key);
        let transport = Transport::new(self.config.clone(), options)?;
        let description = transport.description();
        let conference = self.conference_mut(key.conference)?;
        let slot = key.endpoint.as_usize();
        if conference.endpoints.len() <= slot {
            conference.endpoints.resize_with(slot + 1, || None);
        }
        conference.endpoints[slot] = Some(Endpoint::new(transport));
        self.settle(now, key);
        Ok(description)
    }

    /// Ends the transport of an endpoint and forgets its addresses; the conference is told that it
    /// is disconnected, and still knows it.
    ///
    /// # Errors
    /// [`EngineError`] when there is none.
    pub fn remove_endpoint(&mut self, now: Instant, key: EndpointKey) -> Result<(), EngineError> {
        let slot = self
            .conference_mut(key.conference)?
            .endpoints
            .get_mut(key.endpoint.as_usize())
            .ok_or(EngineError::UnknownEndpoint)?;
        let mut endpoint = slot.take().ok_or(EngineError::UnknownEndpoint)?;
        endpoint.transport.close(now);
        while let Some(transmit) = endpoint.transport.poll_transmit() {
            self.transmits.push_back(transmit);
        }
        self.counters.add(&endpoint.transport.counters());
        self.routes.forget(key);
        self.arena.forget(key);
        self.timers.cancel(TimerKey::Endpoint(key));
        self.fragments.retain(|_, owner| *owner != key);
        self.tell(now, key, |room| room.disconnected(now, key.endpoint));
        Ok(())
    }

    /// Takes what an endpoint's client signalled.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn set_remote(
        &mut self,
        now: Instant,
        key: EndpointKey,
        remote: RemoteDescription,
    ) -> Result<(), EngineError> {
        self.endpoint_mut(key)?.transport.set_remote(now, remote)?;
        self.settle(now, key);
        Ok(())
    }

    /// Begins an ICE restart in place; the description tells the new credentials.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn restart_ice(
        &mut self,
        now: Instant,
        key: EndpointKey,
    ) -> Result<(Restart, LocalDescription), EngineError> {
        let transport = &mut self.endpoint_mut(key)?.transport;
        let restart = transport.restart_ice(now)?;
        let description = transport.description();
        self.settle(now, key);
        Ok((restart, description))
    }

    /// What to signal to an endpoint's client now.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn description(&self, key: EndpointKey) -> Result<LocalDescription, EngineError> {
        self.transport(key)
            .map(Transport::description)
            .ok_or(EngineError::UnknownEndpoint)
    }

    /// The transport of an endpoint, for statistics.
    #[must_use]
    pub fn transport(&self, key: EndpointKey) -> Option<&Transport> {
        let endpoint = self
            .conference(key.conference)?
            .endpoints
            .get(key.endpoint.as_usize())?;
        endpoint.as_ref().map(|endpoint| &endpoint.transport)
    }

    /// A WebSocket of an endpoint opened: its messages go there until the data channel speaks.
    pub fn socket_opened(&mut self, now: Instant, key: EndpointKey) {
        if let Ok(endpoint) = self.endpoint_mut(key) {
            endpoint.channel = ActiveChannel::Socket;
            self.tell(now, key, |room| room.channel_opened(now, key.endpoint));
        }
    }

    /// The WebSocket of an endpoint closed.
    pub fn socket_closed(&mut self, now: Instant, key: EndpointKey) {
        if let Ok(endpoint) = self.endpoint_mut(key)
            && endpoint.channel == ActiveChannel::Socket
        {
            let open = endpoint
                .transport
                .data_channel()
                .is_some_and(DataChannel::is_open);
            endpoint.channel = if open {
                ActiveChannel::Data
            } else {
                ActiveChannel::None
            };
            if !open {
                self.tell(now, key, |room| room.channel_closed(key.endpoint));
            }
        }
    }

    /// A message came in over an endpoint's WebSocket.
    pub fn socket_message(&mut self, now: Instant, key: EndpointKey, text: &str) {
        if let Ok(endpoint) = self.endpoint_mut(key) {
            endpoint.channel = ActiveChannel::Socket;
            self.message(now, key, text);
        }
    }

    /// Takes a datagram that arrived on `route`. What belongs to no endpoint here is counted.
    #[inline]
    pub fn handle_datagram(&mut self, now: Instant, route: Route, datagram: &mut [u8]) {
        if let Err(reason) = self.offer_datagram(now, route, datagram) {
            self.counters.count(reason);
        }
    }

    /// Counts a datagram that no worker wanted.
    pub fn count_drop(&mut self, reason: Drop) {
        self.counters.count(reason);
    }

    /// Takes a datagram that arrived on `route`, if it belongs to an endpoint here.
    ///
    /// # Errors
    /// Why it does not; it is untouched and not counted, another worker may know it.
    #[inline]
    pub fn offer_datagram(
        &mut self,
        now: Instant,
        route: Route,
        datagram: &mut [u8],
    ) -> Result<Taken, Drop> {
        let key = match classify(datagram) {
            DatagramKind::Stun => {
                if let Some(payload) = stun::answer_to_stranger(datagram, route.remote) {
                    self.transmits.push_back(Transmit { route, payload });
                    return Ok(Taken::Consumed);
                }
                self.owner_of_stun(route, datagram)
            }
            DatagramKind::Unknown => Err(Drop::NotMedia),
            _ => self.routes.find(route).ok_or(Drop::UnknownAddress),
        }?;
        let Self {
            conferences,
            arena,
            touched,
            counters,
            traffic,
            ..
        } = self;
        let Some(conference) = conferences
            .get_mut(key.conference.0 as usize)
            .and_then(Option::as_mut)
        else {
            return Err(Drop::UnknownAddress);
        };
        let Some(Some(endpoint)) = conference.endpoints.get_mut(key.endpoint.as_usize()) else {
            return Err(Drop::UnknownAddress);
        };
        if !std::mem::replace(&mut conference.touched, true) {
            touched.push(key.conference);
        }
        let bytes = datagram.len() as u64;
        let received = endpoint.transport.handle_datagram(now, route, datagram);
        match received {
            Received::Rtp { header, length } => {
                traffic.packets_in += 1;
                traffic.bytes_in += bytes;
                let Conference {
                    room, endpoints, ..
                } = conference;
                let mut outboxes =
                    Outboxes::new(key.conference, endpoints, arena, counters, traffic);
                let packet = datagram.get_mut(..length).unwrap_or_default();
                room.receive_rtp(now, key.endpoint, &header, packet, &mut outboxes);
            }
            Received::Rtcp { length } => {
                traffic.packets_in += 1;
                traffic.bytes_in += bytes;
                let Conference {
                    room, endpoints, ..
                } = conference;
                let mut outboxes =
                    Outboxes::new(key.conference, endpoints, arena, counters, traffic);
                let packet = datagram.get(..length).unwrap_or_default();
                room.receive_rtcp(now, key.endpoint, packet, &mut outboxes);
            }
            Received::Stun => {
                if !self.is_in_use_by_another(route, key) {
                    let in_use = self.transport(key).and_then(Transport::route);
                    self.routes.bind(route, key, in_use);
                }
                self.settle(now, key);
                self.tell(now, key, |room| room.consented(now, key.endpoint));
                return Ok(Taken::Authentic);
            }
            Received::Handled => self.settle(now, key),
            Received::Dropped(_) => {}
        }
        Ok(Taken::Consumed)
    }

    /// Bytes that wait for [`Engine::flush`]; the edge flushes early when they grow.
    #[inline]
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        let kept = self.touched.iter().filter_map(|index| self.room(*index));
        self.arena.pending_bytes() + kept.map(Room::waiting_bytes).sum::<usize>()
    }

    /// Hands everything that waits to `sink`, media in runs. Conferences touched since the last
    /// call get to set their timers and to send their messages.
    pub fn flush(&mut self, now: Instant, sink: &mut impl DatagramSink) {
        while let Some(transmit) = self.transmits.pop_front() {
            sink.send(transmit.route, &[std::io::IoSlice::new(&transmit.payload)]);
        }
        let Self {
            conferences,
            arena,
            touched,
            counters,
            traffic,
            ..
        } = self;
        while let Some(key) = arena.next_receiver() {
            let endpoint = conferences
                .get_mut(key.conference.0 as usize)
                .and_then(Option::as_mut)
                .and_then(|conference| conference.endpoints.get_mut(key.endpoint.as_usize()))
                .and_then(Option::as_mut);
            if let Some(endpoint) = endpoint {
                arena.send(endpoint, sink, traffic);
            }
        }
        arena.reset();
        for index in touched.iter() {
            let conference = conferences
                .get_mut(index.0 as usize)
                .and_then(Option::as_mut);
            if let Some(Conference {
                room, endpoints, ..
            }) = conference
            {
                let outboxes = Outboxes::new(*index, endpoints, arena, counters, traffic);
                let mut departing = Departing::new(outboxes, sink);
                room.forward(now, &mut departing);
                departing.send();
            }
        }
        while let Some(index) = self.touched.pop() {
            if let Ok(conference) = self.conference_mut(index) {
                conference.touched = false;
            }
            self.settle_room(now, index);
        }
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<EngineEvent> {
        self.events.pop_front()
    }

    /// When [`Engine::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due; call [`Engine::flush`] after it.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                TimerKey::Endpoint(key) => {
                    if let Ok(endpoint) = self.endpoint_mut(key) {
                        endpoint.transport.handle_timeout(now);
                        self.settle(now, key);
                    }
                }
                TimerKey::Room(index) => {
                    let _ = self.command(now, index, |room, outboxes| {
                        room.handle_timeout(now, outboxes);
                    });
                }
            }
        }
    }

    /// What was dropped, over all endpoints past and present.
    #[must_use]
    pub fn counters(&self) -> DropCounters {
        let mut sum = self.counters.clone();
        for conference in self.conferences.iter().flatten() {
            for endpoint in conference.endpoints.iter().flatten() {
                sum.add(&endpoint.transport.counters());
            }
        }
        sum
    }

    /// Packets and bytes so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn conference(&self, index: ConferenceIndex) -> Option<&Conference<R>> {
        self.conferences.get(index.0 as usize)?.as_ref()
    }

    fn conference_mut(
        &mut self,
        index: ConferenceIndex,
    ) -> Result<&mut Conference<R>, EngineError> {
        self.conferences
            .get_mut(index.0 as usize)
            .and_then(Option::as_mut)
            .ok_or(EngineError::UnknownConference)
    }

    fn endpoint_mut(&mut self, key: EndpointKey) -> Result<&mut Endpoint, EngineError> {
        self.conference_mut(key.conference)?
            .endpoints
            .get_mut(key.endpoint.as_usize())
            .and_then(Option::as_mut)
            .ok_or(EngineError::UnknownEndpoint)
    }

    /// Requests name their receiver; answers come from addresses asked.
    fn owner_of_stun(&self, route: Route, datagram: &[u8]) -> Result<EndpointKey, Drop> {
        let message = Message::parse(datagram).map_err(|_| Drop::MalformedStun)?;
        if message.class == Class::Request {
            let (receiver, _) = message.fragments().ok_or(Drop::UnknownFragment)?;
            return self
                .fragments
                .get(receiver)
                .copied()
                .ok_or(Drop::UnknownFragment);
        }
        self.routes.find_or_asked(route).ok_or(Drop::UnknownAddress)
    }

    /// Whether `route` is the working path of an endpoint other than `key`. A captured request,
    /// sent again from another client's address, must not take that address away.
    fn is_in_use_by_another(&self, route: Route, key: EndpointKey) -> bool {
        self.routes
            .find(route)
            .filter(|owner| *owner != key)
            .and_then(|owner| self.transport(owner))
            .is_some_and(|transport| transport.is_connected() && transport.route() == Some(route))
    }

    /// Carries a transport's results on: datagrams, events, addresses asked, its timer.
    fn settle(&mut self, now: Instant, key: EndpointKey) {
        loop {
            let Ok(endpoint) = self.endpoint_mut(key) else {
                return;
            };
            let Some(event) = endpoint.transport.poll_event() else {
                break;
            };
            self.on_transport_event(now, key, event);
        }
        let Self {
            conferences,
            routes,
            fragments,
            transmits,
            timers,
            ..
        } = self;
        let Some(Some(endpoint)) = conferences
            .get_mut(key.conference.0 as usize)
            .and_then(Option::as_mut)
            .and_then(|conference| conference.endpoints.get_mut(key.endpoint.as_usize()))
        else {
            return;
        };
        while let Some(transmit) = endpoint.transport.poll_transmit() {
            if routes.usage(transmit.route) == RouteUse::Unknown {
                routes.ask(transmit.route, key);
            }
            transmits.push_back(transmit);
        }
        if endpoint.fragments_changed() {
            fragments.retain(|_, owner| *owner != key);
            for fragment in endpoint.transport.fragments() {
                fragments.insert(fragment.to_owned(), key);
            }
        }
        timers.set(TimerKey::Endpoint(key), endpoint.transport.poll_timeout());
    }

    fn on_transport_event(&mut self, now: Instant, key: EndpointKey, event: TransportEvent) {
        match event {
            TransportEvent::ChannelMessage(text) => {
                if let Ok(endpoint) = self.endpoint_mut(key) {
                    endpoint.channel = ActiveChannel::Data;
                }
                self.traffic.messages_in += 1;
                self.message(now, key, &text);
                return;
            }
            TransportEvent::ChannelOpen => {
                if let Ok(endpoint) = self.endpoint_mut(key)
                    && endpoint.channel == ActiveChannel::None
                {
                    endpoint.channel = ActiveChannel::Data;
                }
                self.tell(now, key, |room| room.channel_opened(now, key.endpoint));
            }
            TransportEvent::ChannelClosed => {
                if let Ok(endpoint) = self.endpoint_mut(key)
                    && endpoint.channel == ActiveChannel::Data
                {
                    endpoint.channel = ActiveChannel::None;
                    self.tell(now, key, |room| room.channel_closed(key.endpoint));
                }
            }
            TransportEvent::Connected { .. } => {
                self.tell(now, key, |room| room.connected(now, key.endpoint));
            }
            TransportEvent::RouteChanged(_) => {
                let ready = self.transport(key).is_some_and(Transport::is_connected);
                if ready {
                    self.tell(now, key, |room| room.connected(now, key.endpoint));
                }
            }
            TransportEvent::IceFailed | TransportEvent::DtlsFailed(_) | TransportEvent::Closed => {
                self.tell(now, key, |room| room.disconnected(now, key.endpoint));
            }
        }
        self.events.push_back(EngineEvent::Transport { key, event });
    }

    fn message(&mut self, now: Instant, key: EndpointKey, text: &str) {
        let Ok(conference) = self.conference_mut(key.conference) else {
            return;
        };
        if conference
            .room
            .receive_message(now, key.endpoint, text)
            .is_err()
        {
            self.counters.count(Drop::RefusedMessage);
        }
        self.settle_room(now, key.conference);
    }

    /// Tells a conference of one of its endpoints.
    fn tell(&mut self, now: Instant, key: EndpointKey, news: impl FnOnce(&mut R)) {
        if let Ok(conference) = self.conference_mut(key.conference) {
            news(&mut conference.room);
            self.settle_room(now, key.conference);
        }
    }

    /// Delivers a conference's messages and takes its timer.
    fn settle_room(&mut self, now: Instant, index: ConferenceIndex) {
        while let Ok(conference) = self.conference_mut(index) {
            match conference.room.poll_output() {
                Some(RoomOutput::Message { endpoint, text }) => {
                    self.deliver(
                        now,
                        EndpointKey {
                            conference: index,
                            endpoint,
                        },
                        text,
                    );
                }
                Some(RoomOutput::TimedOut { endpoint }) => {
                    let key = EndpointKey {
                        conference: index,
                        endpoint,
                    };
                    self.events.push_back(EngineEvent::TimedOut { key });
                }
                None => {
                    let timeout = conference.room.poll_timeout();
                    self.timers.set(TimerKey::Room(index), timeout);
                    return;
                }
            }
        }
    }

    fn deliver(&mut self, now: Instant, key: EndpointKey, text: String) {
        let Ok(endpoint) = self.endpoint_mut(key) else {
            return;
        };
        match endpoint.channel {
            ActiveChannel::None => {}
            ActiveChannel::Socket => {
                self.events
                    .push_back(EngineEvent::SocketMessage { key, text });
            }
            ActiveChannel::Data => {
                self.traffic.messages_out += 1;
                let Ok(endpoint) = self.endpoint_mut(key) else {
                    return;
                };
                if endpoint.transport.send_message(now, &text) == Err(ChannelError::Full) {
                    self.counters.count(Drop::SlowChannel);
                }
                self.settle(now, key);
            }
        }
    }
}
