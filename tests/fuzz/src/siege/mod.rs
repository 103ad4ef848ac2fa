//! A running conference under fire, in virtual time: three people who talk, one who turned
//! hostile, and outsiders who see and forge every datagram but know no key.
//!
//! The three must get every packet of each other, in order, and nothing may happen to their
//! transports. Of what outsiders send each datagram must be counted as dropped, unless it is one of
//! three kinds that do no harm: an authentic STUN request sent again, a plain Binding request, and
//! the last records of a handshake sent again, which are answered a bounded number of times.

mod attacks;
mod person;
mod report;

use std::collections::HashMap;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jitctl_media::codec::Codec;
use jitctl_media::conference::{
    Conference, ConferenceConfig, EndpointDescription, MediaDescription, PayloadType,
};
use jitctl_media::engine::{
    ConferenceIndex, DatagramSink, EndpointKey, Engine, EngineEvent, Taken,
};
use jitctl_media::rtp::{DatagramKind, classify};
use jitctl_media::source::MediaKind;
use jitctl_media::transport::dtls::Identity;
use jitctl_media::transport::ice::{AddressPlan, IceConfig, Route};
use jitctl_media::transport::stun::answer_to_stranger;
use jitctl_media::transport::{TransportConfig, TransportEvent, TransportOptions};

use attacks::Attacker;
use person::Person;
pub use report::{Broken, Report};

/// Where the conference listens.
const BRIDGE: &str = "203.0.113.7:10000";
/// Hostile datagrams in each millisecond.
const INTENSITY: u64 = 100;
/// The three who must not notice.
const PEACEFUL: usize = 3;

/// Sends `count` hostile packets that follow from `seed` at a conference.
#[must_use]
pub fn run(count: u64, seed: u64) -> Report {
    let mut world = World::new();
    let mut attacker = Attacker::new(seed);
    world.assemble(&mut attacker);
    // From now on the one inside says only what an attacker wants.
    world.people[PEACEFUL].is_silent = true;
    let before = world.engine.counters();
    while attacker.outside + attacker.inside < count {
        world.turn(Some(&mut attacker));
        let left = count - attacker.outside - attacker.inside;
        for _ in 0..left.min(INTENSITY) {
            attacker.strike(&mut world);
        }
    }
    // What is under way arrives.
    for person in &mut world.people {
        person.is_silent = true;
    }
    for _ in 0..200 {
        world.turn(None);
    }
    Report::of(&world, &attacker, &before)
}

/// Engine and people; datagrams arrive at once.
struct World {
    now: Instant,
    milliseconds: u64,
    bridge: SocketAddr,
    conference: ConferenceIndex,
    engine: Engine<Conference>,
    people: Vec<Person>,
    addresses: HashMap<SocketAddr, usize>,
    /// What happened at the bridge after everybody was there.
    incidents: Vec<String>,
    /// Drops of what people themselves sent: messages of the one inside, and answers of others to
    /// what the bridge was made to send again.
    dropped_of_people: u64,
}

/// What became of a hostile datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reception {
    /// An authentic STUN message, sent again.
    Authentic,
    /// A plain Binding request, answered.
    Answered,
    /// A handshake record of DTLS sent again; the answer to it may have been lost.
    Repeated,
    /// Counted, or it should be.
    Dropped,
}

#[derive(Default)]
struct Outbox(Vec<(Route, Vec<u8>)>);

impl DatagramSink for Outbox {
    fn send(&mut self, route: Route, datagrams: &[IoSlice<'_>]) {
        let datagrams = datagrams.iter().map(|datagram| (route, datagram.to_vec()));
        self.0.extend(datagrams);
    }
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let bridge = BRIDGE.parse().expect("an address");
        let plan = AddressPlan {
            sockets: vec![bridge],
            ..AddressPlan::default()
        };
        let mut engine = Engine::new(TransportConfig {
            plan: Arc::new(plan),
            identity: Arc::new(Identity::generate().expect("a certificate")),
            ice: IceConfig::default(),
            fragment_prefix: String::new(),
        });
        let room = Conference::new(now, ConferenceConfig::default());
        Self {
            now,
            milliseconds: 0,
            bridge,
            conference: engine.add_conference(now, room),
            engine,
            people: Vec::new(),
            addresses: HashMap::new(),
            incidents: Vec::new(),
            dropped_of_people: 0,
        }
    }

    /// Everybody joins, talks and sees everybody.
    fn assemble(&mut self, observer: &mut Attacker) {
        let identity = Arc::new(Identity::generate().expect("a certificate"));
        for number in 0..=PEACEFUL {
            let mut person = Person::new(number, &identity);
            let (now, conference) = (self.now, self.conference);
            let added = self.engine.command(now, conference, |room, _| {
                let description = EndpointDescription::new(person.id.as_str());
                let endpoint = room.create_endpoint(now, description).expect("a new id");
                room.add_media(endpoint, &media()).expect("known");
                for (kind, source) in person.sources() {
                    let set = room.set_sources(now, endpoint, kind, vec![source]);
                    set.expect("free");
                }
                endpoint
            });
            let key = EndpointKey {
                conference,
                endpoint: added.expect("a conference"),
            };
            let options = TransportOptions::default();
            let offered = self.engine.add_endpoint(now, key, options);
            let remote = person.description();
            self.engine
                .set_remote(now, key, remote)
                .expect("an endpoint");
            person.join(now, &offered.expect("an endpoint"));
            self.addresses.insert(person.address, number);
            self.people.push(person);
        }
        while !self.people.iter().all(Person::sees_everybody) {
            self.turn(Some(observer));
            assert!(self.milliseconds < 20_000, "the conference assembles");
        }
        self.incidents.clear();
        self.dropped_of_people = 0;
        for person in &mut self.people {
            person.begin();
        }
    }

    /// A millisecond of peaceful life; `observer` sees what people send.
    fn turn(&mut self, mut observer: Option<&mut Attacker>) {
        self.now += Duration::from_millis(1);
        self.milliseconds += 1;
        let dropped = self.dropped();
        for index in 0..self.people.len() {
            let sent = self.people[index].live(self.now, self.milliseconds);
            for mut datagram in sent {
                let remote = self.people[index].address;
                if let Some(attacker) = observer.as_deref_mut() {
                    attacker.capture(index, &datagram);
                }
                self.engine.handle_datagram(
                    self.now,
                    Route {
                        local: self.bridge,
                        remote,
                    },
                    &mut datagram,
                );
            }
        }
        if self
            .engine
            .poll_timeout()
            .is_some_and(|due| due <= self.now)
        {
            self.engine.handle_timeout(self.now);
        }
        let mut outbox = Outbox::default();
        self.engine.flush(self.now, &mut outbox);
        for (route, mut datagram) in outbox.0 {
            if let Some(index) = self.addresses.get(&route.remote) {
                self.people[*index].receive(self.now, self.bridge, &mut datagram);
            }
        }
        while let Some(event) = self.engine.poll_event() {
            self.note(&event);
        }
        self.dropped_of_people += self.dropped() - dropped;
    }

    /// Gives the bridge a hostile datagram.
    fn offer(&mut self, remote: SocketAddr, datagram: &mut [u8]) -> Reception {
        let is_dtls = classify(datagram) == DatagramKind::Dtls;
        let before = is_dtls.then(|| self.dropped());
        let is_plain = answer_to_stranger(datagram, remote).is_some();
        let route = Route {
            local: self.bridge,
            remote,
        };
        match self.engine.offer_datagram(self.now, route, datagram) {
            Ok(Taken::Authentic) => Reception::Authentic,
            Ok(Taken::Consumed) if is_plain => Reception::Answered,
            Ok(Taken::Consumed) if before == Some(self.dropped()) => Reception::Repeated,
            Ok(Taken::Consumed) => Reception::Dropped,
            Err(reason) => {
                self.engine.count_drop(reason);
                Reception::Dropped
            }
        }
    }

    /// All drops so far.
    fn dropped(&self) -> u64 {
        let counters = self.engine.counters();
        counters.iter().map(|(_, count)| count).sum()
    }

    /// Nothing may happen to the transports of the peaceful.
    fn note(&mut self, event: &EngineEvent) {
        let (EngineEvent::Transport { key, .. } | EngineEvent::TimedOut { key }) = event else {
            return;
        };
        let is_message = matches!(
            event,
            EngineEvent::Transport {
                event: TransportEvent::ChannelMessage(_),
                ..
            }
        );
        if key.endpoint.as_usize() < PEACEFUL && !is_message {
            self.incidents.push(format!("{event:?}"));
        }
    }
}

fn media() -> [MediaDescription; 2] {
    let audio = MediaDescription {
        kind: MediaKind::Audio,
        payload_types: vec![PayloadType::new(person::OPUS, Codec::Opus)],
        extensions: vec![(
            person::LEVEL,
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level".to_owned(),
        )],
    };
    let video = MediaDescription {
        kind: MediaKind::Video,
        payload_types: vec![PayloadType::new(person::VP8, Codec::Vp8)],
        extensions: Vec::new(),
    };
    [audio, video]
}
