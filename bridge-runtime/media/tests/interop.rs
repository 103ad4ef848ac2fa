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
        let client = clients.iter_mut().find(|client| client.local == to);
        client.expect("sent to a client").handle(now, &datagram);
    }
}

fn a_call_between(profiles: [Vec<SrtpProtectionProfile>; 2]) -> Vec<Profile> {
    let mut now = Instant::now();
    let mut engine = engine();
    let conference = engine.add_conference(now, Repeater::default());
    assert_eq!(conference, ConferenceIndex(0));
    let mut clients: Vec<Client> = profiles
        .into_iter()
        .enumerate()
        .map(|(index, profiles)| {
            let local = format!("198.51.100.9:{}", 4000 + index);
            let mut client = Client::new(now, &format!("client{index}"), &local, profiles);
            let key = EndpointKey {
                conference,
                endpoint: EndpointIndex(index as u32),
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
        })
        .collect();
    let mut negotiated = Vec::new();
    for _ in 0..1000 {
        now += Duration::from_millis(1);
        turn(&mut engine, &mut clients, now);
        while let Some(event) = engine.poll_event() {
            if let EngineEvent::Transport {
                event: TransportEvent::Connected { profile },
                ..
            } = event
            {
                negotiated.push(profile);
            }
        }
    }
    assert!(
        clients.iter().all(|client| client.srtp.is_some()),
        "all connected"
    );
    for number in 0..20 {
        clients[0].send_rtp(65_530u16.wrapping_add(number));
        turn(&mut engine, &mut clients, now);
    }
    assert_eq!(clients[1].received.len(), 20);
    assert!(
        clients[1]
            .received
            .iter()
            .all(|packet| packet[12..] == [0x5A; 500])
    );
    assert!(clients[0].received.is_empty());
    negotiated
}

#[test]
fn gcm_is_preferred_even_if_the_client_lists_it_last() {
    let gcm = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
    let cm = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;
    let negotiated = a_call_between([vec![cm, gcm], vec![gcm, cm]]);
    assert_eq!(negotiated, [Profile::AeadAes128Gcm; 2]);
}

#[test]
fn a_client_without_gcm_gets_counter_mode_in_the_same_call() {
    let gcm = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
    let cm = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;
    let mut negotiated = a_call_between([vec![cm], vec![gcm]]);
    negotiated.sort_by_key(|profile| profile.rtp_overhead());
    assert_eq!(
        negotiated,
        [Profile::Aes128CmHmacSha1_80, Profile::AeadAes128Gcm]
    );
}
