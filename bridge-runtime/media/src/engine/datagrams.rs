//! The way of datagrams: in to the endpoint they belong to, out in runs of one receiver.

use std::time::Instant;

use super::outbox::{DatagramSink, Departing, Outboxes};
use super::room::Room;
use super::{Conference, EndpointKey, Engine, Taken};
use crate::rtp::{DatagramKind, classify};
use crate::transport::ice::Route;
use crate::transport::stun::{self, Class, Message};
use crate::transport::{Drop, Received, Transmit, Transport};

impl<R: Room> Engine<R> {
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
}
