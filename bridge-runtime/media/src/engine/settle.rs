//! What follows from a change of a transport or a conference: datagrams, events, messages, timers.

use std::time::Instant;

use super::endpoint::ActiveChannel;
use super::room::{Room, RoomOutput};
use super::routes::RouteUse;
use super::timers::TimerKey;
use super::{ConferenceIndex, EndpointKey, Engine, EngineEvent};
use crate::transport::data_channel::ChannelError;
use crate::transport::{Drop, Transport, TransportEvent};

impl<R: Room> Engine<R> {
    /// Carries a transport's results on: datagrams, events, addresses asked, its timer.
    pub(super) fn settle(&mut self, now: Instant, key: EndpointKey) {
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
                    if endpoint.has_socket {
                        endpoint.channel = ActiveChannel::Socket;
                    } else {
                        endpoint.channel = ActiveChannel::None;
                        self.tell(now, key, |room| room.channel_closed(key.endpoint));
                    }
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

    pub(super) fn message(&mut self, now: Instant, key: EndpointKey, text: &str) {
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
    pub(super) fn tell(&mut self, now: Instant, key: EndpointKey, news: impl FnOnce(&mut R)) {
        if let Ok(conference) = self.conference_mut(key.conference) {
            news(&mut conference.room);
            self.settle_room(now, key.conference);
        }
    }

    /// Delivers a conference's messages and takes its timer.
    pub(super) fn settle_room(&mut self, now: Instant, index: ConferenceIndex) {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conference::{Conference, ConferenceConfig, EndpointDescription};
    use crate::transport::dtls::Identity;
    use crate::transport::ice::{AddressPlan, IceConfig};
    use crate::transport::{TransportConfig, TransportOptions};

    /// The text that went to the endpoint's WebSocket since the last call.
    fn to_socket(engine: &mut Engine<Conference>) -> Vec<String> {
        let events = std::iter::from_fn(|| engine.poll_event());
        events
            .filter_map(|event| match event {
                EngineEvent::SocketMessage { text, .. } => Some(text),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn messages_go_to_the_socket_that_is_left_when_a_data_channel_closes() {
        let now = Instant::now();
        let plan = AddressPlan {
            sockets: vec!["203.0.113.7:10000".parse().unwrap()],
            ..AddressPlan::default()
        };
        let mut engine = Engine::new(TransportConfig {
            plan: Arc::new(plan),
            identity: Arc::new(Identity::generate().unwrap()),
            ice: IceConfig::default(),
            fragment_prefix: String::new(),
        });
        let mut room = Conference::new(now, ConferenceConfig::default());
        let description = EndpointDescription::new("abcd0001");
        let endpoint = room.create_endpoint(now, description).unwrap();
        let conference = engine.add_conference(now, room);
        let key = EndpointKey {
            conference,
            endpoint,
        };
        engine
            .add_endpoint(now, key, TransportOptions::default())
            .unwrap();
        let hello = r#"{"colibriClass":"ClientHello"}"#;

        engine.socket_opened(now, key);
        engine.on_transport_event(now, key, TransportEvent::ChannelOpen);
        let spoken = TransportEvent::ChannelMessage(hello.to_owned());
        engine.on_transport_event(now, key, spoken);
        to_socket(&mut engine);
        engine.message(now, key, hello);
        assert_eq!(to_socket(&mut engine), Vec::<String>::new());

        engine.on_transport_event(now, key, TransportEvent::ChannelClosed);
        engine.message(now, key, hello);
        let answered = to_socket(&mut engine);
        assert!(
            answered.iter().any(|text| text.contains("ServerHello")),
            "{answered:?}"
        );

        engine.socket_closed(now, key);
        engine.message(now, key, hello);
        assert_eq!(to_socket(&mut engine), Vec::<String>::new());
    }
}
