//! The engine against a client made of independent parts: rtc-ice, rtc-dtls, rtc-srtp.
#![expect(clippy::expect_used, reason = "tests name what must hold")]

use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use jitctl_media::engine::{
    ConferenceIndex, DatagramSink, EndpointKey, Engine, EngineEvent, Repeater,
};
use jitctl_media::identifiers::EndpointIndex;
use jitctl_media::srtp::Profile;
use jitctl_media::transport::dtls::{DtlsRole, Fingerprint, HashFunction, Identity};
use jitctl_media::transport::ice::{AddressPlan, Credentials, IceConfig, Route};
use jitctl_media::transport::{
    RemoteDescription, TransportConfig, TransportEvent, TransportOptions,
};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::EndpointEvent;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_ice::agent::agent_config::AgentConfig;
use rtc_ice::candidate::CandidateConfig;
use rtc_ice::candidate::candidate_host::CandidateHostConfig;
use rtc_shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use sansio::Protocol;

const BRIDGE: &str = "203.0.113.7:10000";
const PASSWORD: &str = "clientpasswordclientpassword";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// What the engine sent, run by run.
#[derive(Default)]
struct Wire(Vec<(SocketAddr, Vec<u8>)>);

impl DatagramSink for Wire {
    fn send(&mut self, route: Route, datagrams: &[IoSlice<'_>]) {
        assert_eq!(route.local, address(BRIDGE));
        self.0.extend(
            datagrams
                .iter()
                .map(|datagram| (route.remote, datagram.to_vec())),
        );
    }
}

struct Client {
    local: SocketAddr,
    ice: rtc_ice::agent::Agent,
    dtls: rtc_dtls::endpoint::Endpoint,
    dtls_config: Arc<rtc_dtls::config::HandshakeConfig>,
    provider: Arc<dyn RTCCryptoProvider>,
    fingerprint: Fingerprint,
    dtls_begun: bool,
    srtp: Option<(Context, Context)>,
    outgoing: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
}

impl Client {
    fn new(now: Instant, name: &str, local: &str, profiles: Vec<SrtpProtectionProfile>) -> Self {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let certificate =
            Certificate::generate_self_signed(vec!["client".to_owned()], provider.crypto())
                .expect("a certificate");
        let fingerprint = Fingerprint::of(HashFunction::Sha256, &certificate.certificate[0]);
        let dtls_config = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(profiles)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .build(true, None)
            .expect("a configuration");
        let config = AgentConfig {
            local_ufrag: name.to_owned(),
            local_pwd: PASSWORD.to_owned(),
            check_interval: Duration::from_millis(20),
            ..AgentConfig::default()
        };
        let mut ice =
            rtc_ice::agent::Agent::new(now, Arc::new(config), provider.clone()).expect("an agent");
        ice.add_local_candidate(candidate(local)).expect("added");
        ice.add_remote_candidate(candidate(BRIDGE)).expect("added");
        Self {
            local: address(local),
            ice,
            dtls: rtc_dtls::endpoint::Endpoint::new(address(local), TransportProtocol::UDP, None),
            dtls_config: Arc::new(dtls_config),
            provider,
            fingerprint,
            dtls_begun: false,
            srtp: None,
            outgoing: Vec::new(),
            received: Vec::new(),
        }
    }

    fn handle(&mut self, now: Instant, datagram: &[u8]) {
        match datagram[0] {
            0..=3 => {
                let _ = self.ice.handle_read(TaggedBytesMut {
                    now,
                    transport: TransportContext {
                        local_addr: self.local,
                        peer_addr: address(BRIDGE),
                        transport_protocol: TransportProtocol::UDP,
                        ecn: None,
                    },
                    message: BytesMut::from(datagram),
                });
            }
            20..=63 => {
                let events = self
                    .dtls
                    .read(now, address(BRIDGE), None, BytesMut::from(datagram))
                    .expect("dtls goes well");
                if events
                    .iter()
                    .any(|event| matches!(event, EndpointEvent::HandshakeComplete))
                {
                    self.srtp = Some(self.keys());
                }
            }
            _ => {
                let (_, receiver) = self.srtp.as_mut().expect("keys before media");
                self.received
                    .push(receiver.decrypt_rtp(datagram).expect("authentic").to_vec());
            }
        }
    }

    fn keys(&self) -> (Context, Context) {
        let state = self
            .dtls
            .get_connection_state(address(BRIDGE))
            .expect("connected");
        let (profile, salt) = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => (ProtectionProfile::AeadAes128Gcm, 12),
            _ => (ProtectionProfile::Aes128CmHmacSha1_80, 14),
        };
        let material = state
            .export_keying_material("EXTRACTOR-dtls_srtp", &[], 2 * (16 + salt))
            .expect("exported");
        let material = material.as_ref();
        let context = |key: usize, salt_at: usize| {
            let (key, salt) = (&material[key..key + 16], &material[salt_at..salt_at + salt]);
            Context::new(key, salt, profile, None, None, self.provider.crypto()).expect("keys")
        };
        (context(0, 32), context(16, 32 + salt))
    }

    fn turn(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.ice.handle_timeout(now).expect("runs");
        if self.ice.get_selected_candidate_pair().is_some() && !self.dtls_begun {
            self.dtls_begun = true;
            let config = Arc::clone(&self.dtls_config);
            self.dtls
                .connect(now, address(BRIDGE), config, None)
                .expect("begins");
        }
        let mut out: Vec<Vec<u8>> = std::mem::take(&mut self.outgoing);
        out.extend(std::iter::from_fn(|| self.ice.poll_write()).map(|one| one.message.to_vec()));
        out.extend(
            std::iter::from_fn(|| self.dtls.poll_transmit()).map(|one| one.message.to_vec()),
        );
        out
    }

    fn send_rtp(&mut self, sequence_number: u16) {
        let mut packet = vec![0x80, 96];
        packet.extend(sequence_number.to_be_bytes());
        packet.extend([0, 0, 0, 1, 0, 0, 0, 7]);
        packet.extend([0x5A; 500]);
        let (sender, _) = self.srtp.as_mut().expect("connected");
        self.outgoing
            .push(sender.encrypt_rtp(&packet).expect("encrypted").to_vec());
    }
}

fn candidate(text: &str) -> rtc_ice::candidate::Candidate {
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
}

fn engine() -> Engine<Repeater> {
    Engine::new(TransportConfig {
        plan: Arc::new(AddressPlan {
            sockets: vec![address(BRIDGE)],
            ..<_>::default()
        }),
        identity: Arc::new(Identity::generate().expect("a certificate")),
        ice: IceConfig::default(),
        fragment_prefix: String::new(),
    })
}

fn turn(engine: &mut Engine<Repeater>, clients: &mut [Client], now: Instant) {
    if engine.poll_timeout().is_some_and(|due| due <= now) {
        engine.handle_timeout(now);
    }
    for client in clients.iter_mut() {
        for mut datagram in client.turn(now) {
            let route = Route {
                local: address(BRIDGE),
                remote: client.local,
            };
            engine.handle_datagram(now, route, &mut datagram);
        }
    }
    let mut wire = Wire::default();
    engine.flush(now, &mut wire);
    for (to, datagram) in wire.0 {
        // Checks may go to an address from which a captured request was sent again.
        if let Some(client) = clients.iter_mut().find(|client| client.local == to) {
            client.handle(now, &datagram);
        }
    }
}

struct Call {
    now: Instant,
    engine: Engine<Repeater>,
    clients: Vec<Client>,
    negotiated: Vec<Profile>,
}

impl Call {
    /// Two clients that offer these profiles, connected.
    fn between(profiles: [Vec<SrtpProtectionProfile>; 2]) -> Self {
        let now = Instant::now();
        let mut engine = engine();
        let conference = engine.add_conference(now, Repeater::default());
        assert_eq!(conference, ConferenceIndex(0));
        let clients = profiles
            .into_iter()
            .enumerate()
            .map(|(index, profiles)| join(&mut engine, now, conference, index, profiles))
            .collect();
        let mut call = Self {
            now,
            engine,
            clients,
            negotiated: Vec::new(),
        };
        for _ in 0..1000 {
            call.turn(1);
        }
        assert!(
            call.clients.iter().all(|client| client.srtp.is_some()),
            "all connected"
        );
        call
    }

    fn turn(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        turn(&mut self.engine, &mut self.clients, self.now);
        while let Some(event) = self.engine.poll_event() {
            if let EngineEvent::Transport { event, .. } = event
                && let TransportEvent::Connected { profile } = event
            {
                self.negotiated.push(profile);
            }
        }
    }

    /// The first is heard by the second, over a roll-over of sequence numbers.
    fn assert_media_flows(&mut self, first_sequence_number: u16) {
        self.clients[1].received.clear();
        for number in 0..20 {
            self.clients[0].send_rtp(first_sequence_number.wrapping_add(number));
            self.turn(0);
        }
        assert_eq!(self.clients[1].received.len(), 20);
        assert!(
            self.clients[1]
                .received
                .iter()
                .all(|packet| packet[12..] == [0x5A; 500])
        );
        assert!(self.clients[0].received.is_empty());
    }
}

fn join(
    engine: &mut Engine<Repeater>,
    now: Instant,
    conference: ConferenceIndex,
    index: usize,
    profiles: Vec<SrtpProtectionProfile>,
) -> Client {
    let local = format!("198.51.100.9:{}", 4000 + index);
    let mut client = Client::new(now, &format!("client{index}"), &local, profiles);
    let endpoint = EndpointIndex(u32::try_from(index).expect("few"));
    let key = EndpointKey {
        conference,
        endpoint,
    };
    let description = engine
        .add_endpoint(now, key, TransportOptions::default())
        .expect("an endpoint");
    let ours = description.credentials;
    client
        .ice
        .start_connectivity_checks(now, false, ours.fragment, ours.password)
        .expect("started");
    let remote = RemoteDescription {
        credentials: Some(Credentials {
            fragment: format!("client{index}"),
            password: PASSWORD.to_owned(),
        }),
        fingerprints: vec![client.fingerprint.clone()],
        dtls_role: Some(DtlsRole::Server),
        ..RemoteDescription::default()
    };
    engine.set_remote(now, key, remote).expect("usable");
    client
}

#[test]
fn gcm_is_preferred_even_if_the_client_lists_it_last() {
    let gcm = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
    let cm = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;
    let mut call = Call::between([vec![cm, gcm], vec![gcm, cm]]);
    assert_eq!(call.negotiated, [Profile::AeadAes128Gcm; 2]);
    call.assert_media_flows(65_530);
}

#[test]
fn a_client_without_gcm_gets_counter_mode_in_the_same_call() {
    let gcm = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
    let cm = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;
    let mut call = Call::between([vec![cm], vec![gcm]]);
    call.negotiated
        .sort_by_key(|profile| profile.rtp_overhead());
    assert_eq!(
        call.negotiated,
        [Profile::Aes128CmHmacSha1_80, Profile::AeadAes128Gcm]
    );
    call.assert_media_flows(65_530);
}

/// splitmix64: noise that repeats from run to run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit as u64).max(1)).expect("small")
    }
}

/// Changes, cuts, lengthens or rewrites the first bytes of a datagram.
fn mutate(datagram: &mut Vec<u8>, noise: &mut Noise) {
    for _ in 0..=noise.below(3) {
        let length = datagram.len();
        match noise.below(4) {
            0 if length > 0 => {
                let position = noise.below(length);
                datagram[position] ^= 1 << noise.below(8);
            }
            1 => datagram.truncate(noise.below(length + 1)),
            2 => datagram.extend(std::iter::repeat_n(noise.next().to_be_bytes()[0], 7)),
            _ => {
                let end = length.min(16);
                datagram[..end].fill_with(|| noise.next().to_be_bytes()[0]);
            }
        }
    }
}

#[test]
fn forged_and_mutated_datagrams_change_nothing_for_a_running_call() {
    let gcm = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
    let mut call = Call::between([vec![gcm], vec![gcm]]);
    // What the wire carries in either direction, to begin with.
    let mut samples: Vec<Vec<u8>> = Vec::new();
    call.clients[0].send_rtp(1);
    for _ in 0..6000 {
        call.now += Duration::from_millis(1);
        for index in 0..2 {
            for mut datagram in call.clients[index].turn(call.now) {
                samples.push(datagram.clone());
                let remote = call.clients[index].local;
                let route = Route {
                    local: address(BRIDGE),
                    remote,
                };
                call.engine.handle_datagram(call.now, route, &mut datagram);
            }
        }
        if call
            .engine
            .poll_timeout()
            .is_some_and(|due| due <= call.now)
        {
            call.engine.handle_timeout(call.now);
        }
        let mut wire = Wire::default();
        call.engine.flush(call.now, &mut wire);
        for (to, datagram) in wire.0 {
            samples.push(datagram.clone());
            let client = call.clients.iter_mut().find(|client| client.local == to);
            client.expect("a client").handle(call.now, &datagram);
        }
    }
    // Plaintext DTLS records anyone can make: a fatal alert, a ClientHello, application data.
    for (kind, body) in [(21, vec![2, 40]), (22, vec![1; 60]), (23, vec![9; 40])] {
        let mut record = vec![kind, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0];
        record.push(u8::try_from(body.len()).expect("short"));
        record.extend(body);
        samples.push(record);
    }
    assert!(
        samples.len() > 8,
        "stun, dtls and media are among {} samples",
        samples.len()
    );
    let mut noise = Noise(7);
    let before = call.engine.counters();
    for round in 0..200_000usize {
        let mut datagram = samples[noise.below(samples.len())].clone();
        if round % 8 != 0 {
            mutate(&mut datagram, &mut noise);
        }
        // From the clients' own addresses, and from strangers'.
        let port = u16::try_from(4000 + round % 3).expect("small");
        let remote = SocketAddr::new(address("198.51.100.9:1").ip(), port);
        let route = Route {
            local: address(BRIDGE),
            remote,
        };
        call.engine.handle_datagram(call.now, route, &mut datagram);
        if round % 64 == 0 {
            call.engine.flush(call.now, &mut Wire::default());
        }
    }
    let dropped: u64 = call
        .engine
        .counters()
        .iter()
        .map(|(_, count)| count)
        .sum::<u64>()
        - before.iter().map(|(_, count)| count).sum::<u64>();
    assert!(dropped > 100_000, "{dropped} dropped");
    call.clients[0].received.clear();
    call.assert_media_flows(100);
    for _ in 0..10_000 {
        call.turn(1);
    }
    call.assert_media_flows(200);
}
