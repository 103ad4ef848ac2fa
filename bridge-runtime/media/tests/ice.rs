//! ICE in virtual time: against itself and against an independent agent, over bad links.
#![expect(clippy::expect_used, reason = "tests name what must hold")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use jitctl_media::transport::ice::{
    AddressPlan, Agent, CandidateKind, Credentials, IceConfig, IceEvent, RemoteCandidate, Role,
    Route,
};
use jitctl_media::transport::stun::{Builder, Class, IntegrityKey, Message};
use rtc_ice::agent::agent_config::AgentConfig;
use rtc_ice::candidate::CandidateConfig;
use rtc_ice::candidate::candidate_host::CandidateHostConfig;
use rtc_shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use sansio::Protocol;

const STEP: Duration = Duration::from_millis(1);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn agent(role: Role, sockets: &[&str]) -> Agent {
    let plan = AddressPlan {
        sockets: sockets.iter().map(|s| address(s)).collect(),
        ..<_>::default()
    };
    let credentials = Credentials::random("").expect("random");
    Agent::new(IceConfig::default(), Arc::new(plan), role, credentials).expect("an agent")
}

fn host(text: &str) -> RemoteCandidate {
    RemoteCandidate {
        address: address(text),
        kind: CandidateKind::Host,
        priority: CandidateKind::Host.priority(65_535),
    }
}

/// What a network does to the n-th datagram from one address to another.
type Network = Box<dyn FnMut(u64, Route) -> Option<Route>>;

struct World {
    now: Instant,
    start: Instant,
    delay: Duration,
    network: Network,
    sent: u64,
    flying: BTreeMap<(Instant, u64), (Route, Vec<u8>)>,
    bridge: Agent,
    client: Agent,
    bridge_events: Vec<(Duration, IceEvent)>,
    client_events: Vec<(Duration, IceEvent)>,
}

impl World {
    fn new(bridge: Agent, client: Agent, delay: Duration, network: Network) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            delay,
            network,
            sent: 0,
            flying: BTreeMap::new(),
            bridge,
            client,
            bridge_events: Vec::new(),
            client_events: Vec::new(),
        }
    }

    fn exchange_credentials(&mut self) {
        let (bridge, client) = (
            self.bridge.local_credentials().clone(),
            self.client.local_credentials().clone(),
        );
        self.bridge
            .set_remote_credentials(self.now, client)
            .expect("credentials");
        self.client
            .set_remote_credentials(self.now, bridge)
            .expect("credentials");
    }

    fn launch(&mut self, route: Route, payload: Vec<u8>) {
        self.sent += 1;
        if let Some(route) = (self.network)(self.sent, route) {
            self.flying
                .insert((self.now + self.delay, self.sent), (route, payload));
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now += STEP;
            for side in 0..2 {
                let agent = if side == 0 {
                    &mut self.bridge
                } else {
                    &mut self.client
                };
                if agent.poll_timeout().is_some_and(|at| at <= self.now) {
                    agent.handle_timeout(self.now);
                }
                let rest: Vec<_> = std::iter::from_fn(|| agent.poll_transmit()).collect();
                for transmit in rest {
                    self.launch(transmit.route, transmit.payload);
                }
            }
            while let Some(entry) = self.flying.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                let (route, payload) = entry.remove();
                let message = Message::parse(&payload).expect("agents speak stun");
                let arrived = Route {
                    local: route.remote,
                    remote: route.local,
                };
                let agent = if arrived.local.port() == 10_000 {
                    &mut self.bridge
                } else {
                    &mut self.client
                };
                let _ = agent.handle(self.now, arrived, &message);
            }
            let at = self.now - self.start;
            while let Some(event) = self.bridge.poll_event() {
                self.bridge_events.push((at, event));
            }
            while let Some(event) = self.client.poll_event() {
                self.client_events.push((at, event));
            }
        }
    }

    fn connected_after(&self) -> Option<Duration> {
        self.bridge_events
            .iter()
            .find(|(_, event)| matches!(event, IceEvent::Connected(_)))
            .map(|(at, _)| *at)
    }
}

fn reliable() -> Network {
    Box::new(|_, route| Some(route))
}

const BRIDGE: &str = "203.0.113.7:10000";
const CLIENT: &str = "198.51.100.9:4000";

fn route(local: &str, remote: &str) -> Route {
    Route {
        local: address(local),
        remote: address(remote),
    }
}

#[test]
fn without_signalled_candidates_the_peer_is_learned() {
    let bridge = agent(Role::Controlling, &[BRIDGE]);
    let client = agent(Role::Controlled, &[CLIENT]);
    let mut world = World::new(bridge, client, Duration::from_millis(1), reliable());
    world.exchange_credentials();
    world.client.add_remote_candidate(world.now, host(BRIDGE));
    world.run(Duration::from_millis(100));
    assert_eq!(world.bridge.route(), Some(route(BRIDGE, CLIENT)));
    assert_eq!(world.client.route(), Some(route(CLIENT, BRIDGE)));
    assert!(world.connected_after().expect("connected") <= Duration::from_millis(20));
}

#[test]
fn checks_before_the_credentials_are_answered_and_remembered() {
    let bridge = agent(Role::Controlling, &[BRIDGE]);
    let client = agent(Role::Controlled, &[CLIENT]);
    let mut world = World::new(bridge, client, Duration::from_millis(1), reliable());
    let theirs = world.bridge.local_credentials().clone();
    world
        .client
        .set_remote_credentials(world.now, theirs)
        .expect("credentials");
    world.client.add_remote_candidate(world.now, host(BRIDGE));
    world.run(Duration::from_millis(50));
    assert_eq!(world.bridge.route(), None);
    let ours = world.client.local_credentials().clone();
    world
        .bridge
        .set_remote_credentials(world.now, ours)
        .expect("credentials");
    world.run(Duration::from_millis(4));
    assert_eq!(world.bridge.route(), Some(route(BRIDGE, CLIENT)));
}

#[test]
fn half_of_the_packets_lost_and_a_slow_link_still_connect() {
    for seed in 0..50u64 {
        let bridge = agent(Role::Controlling, &[BRIDGE]);
        let client = agent(Role::Controlled, &[CLIENT]);
        let lossy: Network = Box::new(move |number, route| {
            let noise = (number + seed * 977).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            (noise % 2 == 0).then_some(route)
        });
        let mut world = World::new(bridge, client, Duration::from_millis(150), lossy);
        world.exchange_credentials();
        world.client.add_remote_candidate(world.now, host(BRIDGE));
        world.run(Duration::from_secs(15));
        assert_eq!(
            world.bridge.route(),
            Some(route(BRIDGE, CLIENT)),
            "seed {seed}"
        );
        assert_eq!(
            world.client.route(),
            Some(route(CLIENT, BRIDGE)),
            "seed {seed}"
        );
    }
}

#[test]
fn a_role_conflict_is_repaired() {
    for role in [Role::Controlling, Role::Controlled] {
        let (bridge, client) = (agent(role, &[BRIDGE]), agent(role, &[CLIENT]));
        let mut world = World::new(bridge, client, Duration::from_millis(5), reliable());
        world.exchange_credentials();
        world.client.add_remote_candidate(world.now, host(BRIDGE));
        world.run(Duration::from_secs(1));
        assert_ne!(world.bridge.role(), world.client.role());
        assert_eq!(world.bridge.route(), Some(route(BRIDGE, CLIENT)));
        assert_eq!(world.client.route(), Some(route(CLIENT, BRIDGE)));
    }
}

#[test]
fn a_forged_role_conflict_changes_nothing() {
    let mut bridge = agent(Role::Controlling, &[BRIDGE]);
    let mut builder = Builder::new(Class::Request, &[1; 12]);
    builder
        .username(&bridge.local_credentials().fragment.clone(), "anyone")
        .controlling(u64::MAX);
    let forged = builder.finish(&IntegrityKey::new("guessed password").expect("a key"));
    let message = Message::parse(&forged).expect("stun");
    assert!(
        bridge
            .handle(Instant::now(), route(BRIDGE, CLIENT), &message)
            .is_err()
    );
    assert_eq!(bridge.role(), Role::Controlling);
    assert_eq!(bridge.poll_transmit(), None);
}

#[test]
fn unreachable_candidates_do_not_delay_the_reachable_one_and_are_paced() {
    let bridge = agent(Role::Controlling, &[BRIDGE]);
    let client = agent(Role::Controlled, &[CLIENT]);
    let network: Network = Box::new(|_, route| {
        (route.remote.port() == 10_000 || route.remote.port() == 4_000).then_some(route)
    });
    let mut world = World::new(bridge, client, Duration::from_millis(10), network);
    world.exchange_credentials();
    for port in 5_000..5_020 {
        world
            .bridge
            .add_remote_candidate(world.now, host(&format!("192.0.2.1:{port}")));
    }
    world.client.add_remote_candidate(world.now, host(BRIDGE));
    world.run(Duration::from_millis(300));
    assert_eq!(world.bridge.route(), Some(route(BRIDGE, CLIENT)));
    assert!(world.connected_after().expect("connected") <= Duration::from_millis(40));
    assert!(world.sent < 60, "{} datagrams", world.sent);
}

#[test]
fn a_client_that_moves_is_followed() {
    let bridge = agent(Role::Controlling, &[BRIDGE]);
    let client = agent(Role::Controlled, &[CLIENT]);
    let moved = address("198.51.100.9:7777");
    let after = std::rc::Rc::new(std::cell::Cell::new(false));
    let rebound = after.clone();
    // A NAT that forgets its binding: the client's packets come from another port, and the old
    // one leads nowhere.
    let network: Network = Box::new(move |_, route| {
        if !rebound.get() {
            return Some(route);
        }
        if route.local == address(CLIENT) {
            return Some(Route {
                local: moved,
                remote: route.remote,
            });
        }
        (route.remote == moved).then_some(Route {
            local: route.local,
            remote: address(CLIENT),
        })
    });
    let mut world = World::new(bridge, client, Duration::from_millis(10), network);
    world.exchange_credentials();
    world.client.add_remote_candidate(world.now, host(BRIDGE));
    world.run(Duration::from_secs(2));
    assert_eq!(world.bridge.route(), Some(route(BRIDGE, CLIENT)));
    after.set(true);
    world.run(Duration::from_secs(8));
    assert_eq!(
        world.bridge.route(),
        Some(Route {
            local: address(BRIDGE),
            remote: moved
        })
    );
    assert!(
        world.bridge_events.iter().any(
            |(_, event)| matches!(event, IceEvent::RouteChanged(route) if route.remote == moved)
        )
    );
}

#[test]
fn a_move_is_noticed_by_the_clients_checks_before_consent_is_due() {
    let bridge = agent(Role::Controlling, &[BRIDGE]);
    // Browsers check an unwritable path several times a second.
    let eager = IceConfig {
        consent_interval: Duration::from_millis(500),
        ..IceConfig::default()
    };
    let plan = AddressPlan {
        sockets: vec![address(CLIENT)],
        ..<_>::default()
    };
    let credentials = Credentials::random("").expect("random");
    let client = Agent::new(eager, Arc::new(plan), Role::Controlled, credentials);
    let moved = address("198.51.100.9:7777");
    let after = std::rc::Rc::new(std::cell::Cell::new(false));
    let rebound = after.clone();
    let network: Network = Box::new(move |_, mut route| {
        if rebound.get() && route.local == address(CLIENT) {
            route.local = moved;
        } else if rebound.get() {
            if route.remote != moved {
                return None;
            }
            route.remote = address(CLIENT);
        }
        Some(route)
    });
    let client = client.expect("an agent");
    let mut world = World::new(bridge, client, Duration::from_millis(10), network);
    world.exchange_credentials();
    world.client.add_remote_candidate(world.now, host(BRIDGE));
    world.run(Duration::from_secs(1));
    after.set(true);
    // The bridge's own consent check comes 4 s after the nomination at the earliest.
    world.run(Duration::from_secs(2));
    assert_eq!(world.bridge.route().map(|route| route.remote), Some(moved));
}

const RELAY: &str = "192.0.2.99:5000";

/// A client behind a relay, whose own address is or is not reached.
fn relayed(is_direct: std::rc::Rc<std::cell::Cell<bool>>) -> World {
    let bridge = agent(Role::Controlling, &[BRIDGE]);
    let client = agent(Role::Controlled, &[CLIENT, RELAY]);
    let network: Network = Box::new(move |_, route| {
        let direct = address(CLIENT);
        let blocked = !is_direct.get() && (route.local == direct || route.remote == direct);
        (!blocked).then_some(route)
    });
    let mut world = World::new(bridge, client, Duration::from_millis(10), network);
    world.exchange_credentials();
    let relay = RemoteCandidate {
        address: address(RELAY),
        kind: CandidateKind::Relayed,
        priority: CandidateKind::Relayed.priority(65_535),
    };
    world.bridge.add_remote_candidate(world.now, host(CLIENT));
    world.bridge.add_remote_candidate(world.now, relay);
    world
}

#[test]
fn a_relay_waits_for_a_direct_path() {
    let is_direct = std::rc::Rc::new(std::cell::Cell::new(false));
    let mut world = relayed(is_direct.clone());
    world.run(Duration::from_millis(200));
    assert_eq!(world.bridge.route(), Some(route(BRIDGE, RELAY)), "so far");
    is_direct.set(true);
    world.run(Duration::from_secs(3));
    assert_eq!(world.bridge.route(), Some(route(BRIDGE, CLIENT)));
}

#[test]
fn a_relay_is_the_last_resort_and_kept_under_watch() {
    let is_direct = std::rc::Rc::new(std::cell::Cell::new(false));
    let mut world = relayed(is_direct);
    world.run(Duration::from_secs(10));
    assert_eq!(world.bridge.route(), Some(route(BRIDGE, RELAY)));
    // Consent is asked for on a nominated path only.
    world.network = Box::new(|_, _| None);
    world.run(Duration::from_secs(40));
    assert_eq!(world.bridge.route(), None);
}

#[test]
fn lost_consent_ends_the_path() {
    let bridge = agent(Role::Controlling, &[BRIDGE]);
    let client = agent(Role::Controlled, &[CLIENT]);
    let cut = std::rc::Rc::new(std::cell::Cell::new(false));
    let seen = cut.clone();
    let network: Network = Box::new(move |_, route| (!seen.get()).then_some(route));
    let mut world = World::new(bridge, client, Duration::from_millis(10), network);
    world.exchange_credentials();
    world.client.add_remote_candidate(world.now, host(BRIDGE));
    world.run(Duration::from_secs(60));
    assert!(
        world.bridge.route().is_some(),
        "consent is renewed while answers come"
    );
    cut.set(true);
    world.run(Duration::from_secs(40));
    assert_eq!(world.bridge.route(), None);
    assert_eq!(
        world.bridge_events.last().map(|(_, event)| *event),
        Some(IceEvent::Failed)
    );
}

#[test]
fn without_any_peer_the_agent_reports_failure_once() {
    let bridge = agent(Role::Controlling, &[BRIDGE]);
    let client = agent(Role::Controlled, &[CLIENT]);
    let mut world = World::new(
        bridge,
        client,
        Duration::from_millis(10),
        Box::new(|_, _| None),
    );
    world.exchange_credentials();
    world.bridge.add_remote_candidate(world.now, host(CLIENT));
    world.run(Duration::from_secs(70));
    let events: Vec<_> = world
        .bridge_events
        .iter()
        .map(|(_, event)| *event)
        .collect();
    assert_eq!(events, [IceEvent::Failed]);
    assert!(world.bridge.poll_timeout().is_none_or(|at| at > world.now));
}

/// rtc-ice as the browser: controlled, full, one host candidate, told the bridge's candidate.
#[test]
fn an_independent_agent_connects_and_is_nominated() {
    let provider = Arc::new(rtc_crypto::providers::RingProvider::new());
    let mut bridge = agent(Role::Controlling, &[BRIDGE]);
    let mut now = Instant::now();
    let config = AgentConfig {
        local_ufrag: "clientfragment".into(),
        local_pwd: "clientpasswordclientpassword".into(),
        check_interval: Duration::from_millis(20),
        ..AgentConfig::default()
    };
    let mut client = rtc_ice::agent::Agent::new(now, Arc::new(config), provider).expect("an agent");
    let candidate = |text: &str| {
        let address = address(text);
        CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".into(),
                address: address.ip().to_string(),
                port: address.port(),
                component: 1,
                ..CandidateConfig::default()
            },
            ..CandidateHostConfig::default()
        }
        .new_candidate_host()
        .expect("a candidate")
    };
    client
        .add_local_candidate(candidate(CLIENT))
        .expect("added");
    client
        .add_remote_candidate(candidate(BRIDGE))
        .expect("added");
    let ours = bridge.local_credentials().clone();
    client
        .start_connectivity_checks(now, false, ours.fragment, ours.password)
        .expect("started");
    let theirs = Credentials {
        fragment: "clientfragment".into(),
        password: "clientpasswordclientpassword".into(),
    };
    bridge
        .set_remote_credentials(now, theirs)
        .expect("credentials");
    for _ in 0..500 {
        now += STEP;
        if bridge.poll_timeout().is_some_and(|at| at <= now) {
            bridge.handle_timeout(now);
        }
        client.handle_timeout(now).expect("runs");
        while let Some(transmit) = bridge.poll_transmit() {
            let _ = client.handle_read(TaggedBytesMut {
                now,
                transport: TransportContext {
                    local_addr: transmit.route.remote,
                    peer_addr: transmit.route.local,
                    transport_protocol: TransportProtocol::UDP,
                    ecn: None,
                },
                message: BytesMut::from(&transmit.payload[..]),
            });
        }
        while let Some(transmit) = client.poll_write() {
            let message = Message::parse(&transmit.message).expect("stun");
            let arrived = Route {
                local: transmit.transport.peer_addr,
                remote: transmit.transport.local_addr,
            };
            bridge.handle(now, arrived, &message).expect("authentic");
        }
    }
    assert_eq!(bridge.route(), Some(route(BRIDGE, CLIENT)));
    let (local, remote) = client.get_selected_candidate_pair().expect("nominated");
    assert_eq!(
        (local.addr(), remote.addr()),
        (address(CLIENT), address(BRIDGE))
    );
}
