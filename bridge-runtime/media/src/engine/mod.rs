//! The engine: conferences and transports of one worker behind one UDP port, without a socket.
//!
//! Datagrams, commands and time in; runs of datagrams, events and one timer out. An address is
//! bound to an endpoint only after a STUN message from it was authenticated with that endpoint's
//! password; STUN requests are told apart by the local fragment, everything else by its 5-tuple.
//! What a conference sends is protected where it was written and leaves in runs of one receiver, so
//! that the edge can hand a run of equal sizes to the kernel in one call.
//!
//! The hot path (a media packet in, copies out) does not allocate once buffers have grown.

mod datagrams;
mod endpoint;
mod meeting;
mod outbox;
mod repeater;
mod room;
mod routes;
mod settle;
mod timers;

pub use outbox::{DatagramSink, MAX_RUN_BYTES, Outboxes};
pub use repeater::Repeater;
pub use room::{Refused, Room, RoomOutput};

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::identifiers::EndpointIndex;
use crate::transport::data_channel::DataChannel;
use crate::transport::{
    DropCounters, LocalDescription, RemoteDescription, Restart, Transmit, Transport,
    TransportConfig, TransportError, TransportEvent, TransportOptions,
};
use endpoint::{ActiveChannel, Endpoint};
use outbox::Arena;
use routes::RouteTable;
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
            endpoint.has_socket = true;
            self.tell(now, key, |room| room.channel_opened(now, key.endpoint));
        }
    }

    /// The WebSocket of an endpoint closed.
    pub fn socket_closed(&mut self, now: Instant, key: EndpointKey) {
        let Ok(endpoint) = self.endpoint_mut(key) else {
            return;
        };
        endpoint.has_socket = false;
        if endpoint.channel == ActiveChannel::Socket {
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
}
