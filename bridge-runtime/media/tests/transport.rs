//! Two transports over a simulated link: the whole way from credentials to media and messages.
#![expect(clippy::expect_used, reason = "tests name what must hold")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jitctl_media::rtp::{HeaderFields, write_header};
use jitctl_media::srtp::{MAX_OVERHEAD, Profile};
use jitctl_media::transport::dtls::{DtlsError, DtlsRole, Fingerprint, HashFunction, Identity};
use jitctl_media::transport::ice::{
    AddressPlan, CandidateKind, IceConfig, RemoteCandidate, Role, Route,
};
use jitctl_media::transport::{
    DataChannelMode, Drop, Received, RemoteDescription, Restart, Transport, TransportConfig,
    TransportEvent, TransportOptions,
};

const BRIDGE: &str = "203.0.113.7:10000";
const CLIENT: &str = "198.51.100.9:4000";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn transport(socket: &str, role: Role, data_channel: DataChannelMode) -> Transport {
    let config = TransportConfig {
        plan: Arc::new(AddressPlan {
            sockets: vec![address(socket)],
            ..<_>::default()
        }),
        identity: Arc::new(Identity::generate().expect("a certificate")),
        ice: IceConfig::default(),
        fragment_prefix: String::new(),
    };
    let options = TransportOptions {
        role,
        show_private: true,
        data_channel,
    };
    Transport::new(config, options).expect("a transport")
}

/// A well-mixed function of a counter (splitmix64), for losses that repeat from run to run.
fn mix(counter: u64) -> u64 {
    let mut value = counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

struct World {
    now: Instant,
    start: Instant,
    delay: Duration,
    loss_percent: u64,
    seed: u64,
    sent: u64,
    flying: BTreeMap<(Instant, u64), (Route, Vec<u8>)>,
    sides: [Transport; 2],
    events: [Vec<(Duration, TransportEvent)>; 2],
}

impl World {
    fn new(delay: Duration, loss_percent: u64) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            delay,
            loss_percent,
            seed: 0,
            sent: 0,
            flying: BTreeMap::new(),
            sides: [
                transport(BRIDGE, Role::Controlling, DataChannelMode::Passive),
                transport(CLIENT, Role::Controlled, DataChannelMode::Active),
            ],
            events: [Vec::new(), Vec::new()],
        }
    }

    /// Tells one side of the other, as signalling would.
    fn signal(&mut self, to: usize, dtls_role: DtlsRole, candidates: bool) {
        let description = self.sides[1 - to].description();
        let offered = description
            .candidates
            .iter()
            .map(|candidate| RemoteCandidate {
                address: candidate.address,
                kind: CandidateKind::Host,
                priority: candidate.priority,
            });
        let remote = RemoteDescription {
            credentials: Some(description.credentials.clone()),
            candidates: if candidates {
                offered.collect()
            } else {
                Vec::new()
            },
            fingerprints: vec![description.fingerprint.clone()],
            dtls_role: Some(dtls_role),
            ice_generation: None,
        };
        self.sides[to].set_remote(self.now, remote).expect("usable");
    }

    fn join(&mut self) {
        self.signal(1, DtlsRole::Client, true);
        self.signal(0, DtlsRole::Server, false);
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now += Duration::from_millis(1);
            for side in 0..2 {
                if self.sides[side]
                    .poll_timeout()
                    .is_some_and(|at| at <= self.now)
                {
                    self.sides[side].handle_timeout(self.now);
                }
                while let Some(transmit) = self.sides[side].poll_transmit() {
                    self.sent += 1;
                    let noise = mix(self.sent + (self.seed << 32));
                    if noise % 100 >= self.loss_percent {
                        let key = (self.now + self.delay, self.sent);
                        self.flying.insert(key, (transmit.route, transmit.payload));
                    }
                }
            }
            while let Some(entry) = self.flying.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                let (route, mut payload) = entry.remove();
                let arrived = Route {
                    local: route.remote,
                    remote: route.local,
                };
                let side = usize::from(arrived.local != address(BRIDGE));
                self.sides[side].handle_datagram(self.now, arrived, &mut payload);
            }
            for side in 0..2 {
                while let Some(event) = self.sides[side].poll_event() {
                    self.events[side].push((self.now - self.start, event));
                }
            }
        }
    }

    fn has(&self, side: usize, wanted: &TransportEvent) -> bool {
        self.events[side].iter().any(|(_, event)| event == wanted)
    }

    fn media(&mut self, from: usize, sequence_number: u16) -> Received {
        let fields = HeaderFields {
            payload_type: 96,
            marker: false,
            sequence_number,
            timestamp: 1,
            ssrc: 7,
        };
        let mut packet = [0u8; 112 + MAX_OVERHEAD];
        write_header(&mut packet, &fields, &[]).expect("fits");
        packet[12..112].fill(0x55);
        let length = self.sides[from]
            .protect_rtp(&mut packet, 112)
            .expect("connected");
        let route = self.sides[from].route().expect("connected");
        let arrived = Route {
            local: route.remote,
            remote: route.local,
        };
        let received =
            self.sides[1 - from].handle_datagram(self.now, arrived, &mut packet[..length]);
        if let Received::Rtp { length, .. } = received {
            assert_eq!(length, 112);
            assert_eq!(packet[12..112], [0x55; 100]);
        }
        received
    }
}

const CONNECTED: TransportEvent = TransportEvent::Connected {
    profile: Profile::AeadAes128Gcm,
};

#[test]
fn media_and_messages_flow_within_a_few_round_trips() {
    let mut world = World::new(Duration::from_millis(1), 0);
    world.join();
    world.run(Duration::from_millis(200));
    for side in 0..2 {
        assert!(world.has(side, &CONNECTED));
        assert!(world.has(side, &TransportEvent::ChannelOpen));
        assert!(matches!(world.media(side, 1), Received::Rtp { .. }));
        assert_eq!(world.media_replay(side), Received::Dropped(Drop::Replayed));
    }
    let connected = world.events[0]
        .iter()
        .find(|(_, event)| *event == CONNECTED);
    assert!(connected.expect("connected").0 <= Duration::from_millis(20));
    for side in 0..2 {
        let now = world.now;
        world.sides[side]
            .send_message(now, "{\"colibriClass\":\"ClientHello\"}")
            .expect("open");
    }
    world.run(Duration::from_millis(50));
    let message = TransportEvent::ChannelMessage("{\"colibriClass\":\"ClientHello\"}".into());
    assert!(world.has(0, &message) && world.has(1, &message));
}

impl World {
    /// Sends one protected packet twice and returns what became of the second.
    fn media_replay(&mut self, from: usize) -> Received {
        let fields = HeaderFields {
            payload_type: 96,
            marker: false,
            sequence_number: 500,
            timestamp: 1,
            ssrc: 7,
        };
        let mut packet = [0u8; 100 + MAX_OVERHEAD];
        write_header(&mut packet, &fields, &[]).expect("fits");
        let length = self.sides[from]
            .protect_rtp(&mut packet, 100)
            .expect("connected");
        let route = self.sides[from].route().expect("connected");
        let arrived = Route {
            local: route.remote,
            remote: route.local,
        };
        let mut copy = packet;
        let to = &mut self.sides[1 - from];
        assert!(matches!(
            to.handle_datagram(self.now, arrived, &mut packet[..length]),
            Received::Rtp { .. }
        ));
        to.handle_datagram(self.now, arrived, &mut copy[..length])
    }
}

#[test]
fn the_bridge_may_be_the_dtls_client() {
    let mut world = World::new(Duration::from_millis(1), 0);
    world.signal(1, DtlsRole::Server, true);
    world.signal(0, DtlsRole::Client, false);
    world.run(Duration::from_millis(200));
    assert!(world.has(0, &CONNECTED) && world.has(1, &CONNECTED));
    assert!(matches!(world.media(0, 1), Received::Rtp { .. }));
}

#[test]
fn a_client_hello_before_the_answer_is_kept() {
    let mut world = World::new(Duration::from_millis(1), 0);
    world.signal(1, DtlsRole::Client, true);
    // The client's path is valid as soon as the bridge answers, which it does at once.
    world.run(Duration::from_millis(300));
    assert!(!world.has(0, &CONNECTED));
    let before = world.now - world.start;
    world.signal(0, DtlsRole::Server, false);
    world.run(Duration::from_millis(100));
    let connected = world.events[0]
        .iter()
        .find(|(_, event)| *event == CONNECTED);
    assert!(connected.expect("connected").0 <= before + Duration::from_millis(20));
}

#[test]
fn a_bad_link_only_delays() {
    for seed in 0..20 {
        for (delay, loss, client_role) in [
            (100, 10, DtlsRole::Client),
            (20, 30, DtlsRole::Client),
            (20, 30, DtlsRole::Server),
        ] {
            let mut world = World::new(Duration::from_millis(delay), loss);
            world.seed = seed;
            let bridge_role = match client_role {
                DtlsRole::Client => DtlsRole::Server,
                DtlsRole::Server => DtlsRole::Client,
            };
            world.signal(1, client_role, true);
            world.signal(0, bridge_role, false);
            world.run(Duration::from_secs(29));
            for side in 0..2 {
                let connected = world.has(side, &CONNECTED);
                assert!(connected, "side {side}, {delay} ms, {loss} %, seed {seed}");
            }
            // SCTP waits up to a minute between attempts (RFC 9260, RTO.Max), and keys are random:
            // the number of attempts is no function of the seed.
            let open =
                |world: &World| (0..2).all(|side| world.has(side, &TransportEvent::ChannelOpen));
            let end = world.now + Duration::from_secs(20 * 60);
            while !open(&world) && world.now < end {
                world.run(Duration::from_secs(1));
            }
            assert!(open(&world), "{delay} ms, {loss} %, seed {seed}");
        }
    }
}

#[test]
fn a_wrong_fingerprint_gives_no_keys() {
    let mut world = World::new(Duration::from_millis(1), 0);
    world.signal(1, DtlsRole::Client, true);
    let description = world.sides[1].description();
    let remote = RemoteDescription {
        credentials: Some(description.credentials),
        fingerprints: vec![Fingerprint::of(
            HashFunction::Sha256,
            b"another certificate",
        )],
        dtls_role: Some(DtlsRole::Server),
        ..RemoteDescription::default()
    };
    world.sides[0]
        .set_remote(world.now, remote)
        .expect("usable");
    world.run(Duration::from_secs(1));
    assert!(world.has(0, &TransportEvent::DtlsFailed(DtlsError::Fingerprint)));
    assert!(!world.has(0, &CONNECTED) && !world.sides[0].is_connected());
}

#[test]
fn an_ice_restart_in_place_keeps_the_media_keys() {
    let mut world = World::new(Duration::from_millis(1), 0);
    world.join();
    world.run(Duration::from_millis(200));
    let old = world.sides[0].description().credentials;
    let now = world.now;
    assert_eq!(world.sides[0].restart_ice(now), Ok(Restart::Started(1)));
    assert_eq!(world.sides[1].restart_ice(now), Ok(Restart::Started(1)));
    let descriptions = [world.sides[0].description(), world.sides[1].description()];
    assert_eq!(descriptions[0].ice_generation, Some(1));
    assert_ne!(descriptions[0].credentials, old);
    // An untagged update touches nothing.
    world.join();
    world.run(Duration::from_millis(50));
    assert_eq!(world.sides[0].description().ice_generation, Some(1));
    for side in 0..2 {
        let theirs = &descriptions[1 - side];
        let remote = RemoteDescription {
            credentials: Some(theirs.credentials.clone()),
            candidates: vec![RemoteCandidate {
                address: theirs.candidates[0].address,
                kind: CandidateKind::Host,
                priority: 1,
            }],
            ice_generation: Some(1),
            ..RemoteDescription::default()
        };
        let now = world.now;
        world.sides[side].set_remote(now, remote).expect("usable");
    }
    assert!(matches!(world.media(0, 10), Received::Rtp { .. }));
    world.run(Duration::from_millis(200));
    assert_eq!(world.sides[0].description().ice_generation, None);
    assert_eq!(
        world.sides[0].description().credentials,
        descriptions[0].credentials
    );
    assert!(matches!(world.media(0, 11), Received::Rtp { .. }));
    assert_eq!(
        world.sides[0].fragments().count(),
        2,
        "the old agent still answers"
    );
    world.run(Duration::from_secs(4));
    assert_eq!(world.sides[0].fragments().count(), 1);
}

#[test]
fn a_restart_that_the_client_does_not_answer_is_given_up_and_the_call_goes_on() {
    let mut world = World::new(Duration::from_millis(1), 0);
    world.join();
    world.run(Duration::from_millis(200));
    let old = world.sides[0].description().credentials;
    let now = world.now;
    assert_eq!(world.sides[0].restart_ice(now), Ok(Restart::Started(1)));
    world.run(Duration::from_secs(19));
    assert_eq!(world.sides[0].description().ice_generation, Some(1));
    world.run(Duration::from_secs(2));
    let description = world.sides[0].description();
    assert_eq!(
        (description.ice_generation, description.credentials),
        (None, old)
    );
    assert_eq!(world.sides[0].fragments().count(), 1);
    assert!(matches!(world.media(0, 10), Received::Rtp { .. }));
}

#[test]
fn an_update_without_fingerprints_takes_none_away() {
    let mut world = World::new(Duration::from_millis(1), 0);
    world.join();
    let update = RemoteDescription {
        dtls_role: Some(DtlsRole::Server),
        ..RemoteDescription::default()
    };
    let now = world.now;
    world.sides[0].set_remote(now, update).expect("usable");
    world.run(Duration::from_millis(200));
    assert!(world.sides.iter().all(Transport::is_connected));
}

#[test]
fn a_restart_before_the_first_connection_changes_nothing() {
    let mut bridge = transport(BRIDGE, Role::Controlling, DataChannelMode::Passive);
    assert_eq!(
        bridge.restart_ice(Instant::now()),
        Ok(Restart::NotEstablished)
    );
    assert_eq!(bridge.description().ice_generation, None);
}

#[test]
fn what_comes_too_early_or_from_nobody_is_counted() {
    let mut bridge = transport(BRIDGE, Role::Controlling, DataChannelMode::Passive);
    let now = Instant::now();
    let route = Route {
        local: address(BRIDGE),
        remote: address(CLIENT),
    };
    let mut rtp = [0x80; 40];
    rtp[1] = 96;
    let mut control = [0x80; 40];
    control[1] = 200;
    for (mut datagram, reason) in [
        (rtp.to_vec(), Drop::BeforeKeys),
        (control.to_vec(), Drop::BeforeKeys),
        (vec![0; 20], Drop::MalformedStun),
        (vec![64; 20], Drop::NotMedia),
        (Vec::new(), Drop::NotMedia),
    ] {
        let received = bridge.handle_datagram(now, route, &mut datagram);
        assert_eq!(received, Received::Dropped(reason));
    }
    for _ in 0..20 {
        bridge.handle_datagram(now, route, &mut [22; 100]);
    }
    assert_eq!(bridge.counters().get(Drop::DtlsQueueFull), 12);
    assert_eq!(bridge.counters().get(Drop::BeforeKeys), 2);
}

#[test]
fn a_transport_may_move_to_another_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<Transport>();
}
