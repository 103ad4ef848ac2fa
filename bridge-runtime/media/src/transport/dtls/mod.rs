//! DTLS 1.2 over whatever path ICE found, for SRTP keys and for the data channel.
//!
//! One certificate ([`Identity`]) serves all endpoints. The peer's certificate is judged by its
//! fingerprint alone, by us, before any key is handed out. Datagrams that arrive before the role,
//! the peer's fingerprints or a valid path are known wait in a short queue. A failed handshake is
//! tried afresh until its deadline, so that a lost flight or a forged alert does not end a join.
//!
//! Flights are repeated by the library, and by us when it does not: version 0.21 disarms its timer
//! when the peer repeats a flight, so that one lost datagram could stall a join for good. Our copies
//! are verbatim; a peer that has the original drops them as replays, one that has not accepts them.
//!
//! RFC 6347 (DTLS 1.2), RFC 5763, RFC 5764 (DTLS-SRTP), RFC 8122 (fingerprints).

mod fingerprint;
mod hello;
mod identity;

pub use fingerprint::{Fingerprint, FingerprintError, HashFunction};
pub use hello::{ClientHello, read_client_hello};
pub use identity::{Identity, IdentityError};

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use zeroize::Zeroizing;

use crate::srtp::{EXPORTER_LABEL, MasterKey, Profile, Protector, SrtpError, Unprotector};

/// A handshake that takes longer has failed.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// First repetition of a flight, doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A repetition by the peer is answered with one of ours, but not more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// How often the last flight is repeated after the handshake, when the peer asks for it.
const MAX_LAST_REPETITIONS: u32 = 10;
const HANDSHAKE_RECORD: u8 = 22;
/// Datagrams kept until the handshake may begin: a `ClientHello` in fragments and repetitions.
const MAX_QUEUED: usize = 8;
const MAX_QUEUED_BYTES: usize = 16 * 1024;
/// `AEAD_AES_128_GCM` among the profiles of a `ClientHello`.
const GCM: u16 = 0x0007;
/// The association's peer towards the library; paths are ICE's business.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Which side sends the `ClientHello`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    /// We do: the peer said `passive`.
    Client,
    /// The peer does: it said `active`.
    Server,
}

/// What the association reports.
#[derive(Debug)]
pub enum DtlsEvent {
    /// The handshake is done and the peer is who it was said to be.
    Established {
        /// For what we send.
        protector: Box<Protector>,
        /// For what we receive.
        unprotector: Box<Unprotector>,
    },
    /// Decrypted application data: an SCTP packet.
    Data(BytesMut),
    /// The peer ended the association.
    Closed,
    /// There will be no association.
    Failed(DtlsError),
}

/// Why there is no association.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// The certificate is not the one signalled.
    #[error("dtls certificate does not match the signalled fingerprint: refuse the peer")]
    Fingerprint,
    /// No common SRTP profile.
    #[error("dtls peer negotiated no srtp profile: refuse the peer")]
    Profile,
    /// The handshake took longer than [`HANDSHAKE_TIMEOUT`].
    #[error("dtls handshake did not finish within 30 s")]
    Timeout,
    /// Keys could not be derived.
    #[error(transparent)]
    Keys(#[from] SrtpError),
    /// The library refused.
    #[error("dtls: {0}")]
    Library(String),
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken, or kept for later.
    Taken,
    /// The association stands and nothing came of it.
    None,
    /// Dropped, for want of room or because all is over.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Waiting,
    Handshaking,
    Established,
    Over,
}

/// One DTLS association.
pub struct Dtls {
    identity: Arc<Identity>,
    peer: Option<(DtlsRole, Vec<Fingerprint>)>,
    path_is_valid: bool,
    endpoint: Option<Endpoint>,
    progress: Progress,
    deadline: Option<Instant>,
    queue: Vec<Vec<u8>>,
    /// What was sent last during the handshake, when, and the pause before it is repeated.
    flight: Vec<BytesMut>,
    flight_sent: Option<Instant>,
    pause: Duration,
    repetitions: u32,
    transmits: VecDeque<BytesMut>,
    events: VecDeque<DtlsEvent>,
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Dtls")
            .field("peer", &self.peer)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

impl Dtls {
    /// An association that waits for [`Dtls::set_peer`] and [`Dtls::set_path_valid`].
    #[must_use]
    pub fn new(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            peer: None,
            path_is_valid: false,
            endpoint: None,
            progress: Progress::Waiting,
            deadline: None,
            queue: Vec::new(),
            flight: Vec::new(),
            flight_sent: None,
            pause: FIRST_PAUSE,
            repetitions: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Sets role and acceptable certificates. An empty list never wipes an earlier one, and
    /// nothing changes once the handshake began.
    pub fn set_peer(&mut self, now: Instant, role: DtlsRole, fingerprints: Vec<Fingerprint>) {
        if self.progress == Progress::Waiting && !fingerprints.is_empty() {
            self.peer = Some((role, fingerprints));
            self.begin(now);
        }
    }

    /// ICE found a path.
    pub fn set_path_valid(&mut self, now: Instant) {
        self.path_is_valid = true;
        self.begin(now);
    }

    /// Whether the handshake is done.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.progress == Progress::Established
    }

    /// Takes a datagram of the peer.
    pub fn handle(&mut self, now: Instant, datagram: &[u8]) -> Outcome {
        if self.progress == Progress::Over {
            return Outcome::Refused;
        }
        if self.endpoint.is_some() {
            return self.read(now, datagram);
        }
        let queued: usize = self.queue.iter().map(Vec::len).sum();
        if self.queue.len() >= MAX_QUEUED || queued + datagram.len() > MAX_QUEUED_BYTES {
            return Outcome::Refused;
        }
        self.queue.push(datagram.to_vec());
        self.begin(now);
        Outcome::Taken
    }

    /// Sends application data. False: there is no association.
    pub fn send(&mut self, now: Instant, data: &[u8]) -> bool {
        let Some(endpoint) = self
            .endpoint
            .as_mut()
            .filter(|_| self.progress != Progress::Over)
        else {
            return false;
        };
        let sent = endpoint.write(now, PEER, data).is_ok();
        self.collect();
        sent
    }

    /// Says goodbye to the peer.
    pub fn close(&mut self, now: Instant) {
        if let Some(mut endpoint) = self.endpoint.take() {
            let _ = endpoint.stop(now, PEER);
            while let Some(transmit) = endpoint.poll_transmit() {
                self.transmits.push_back(transmit.message);
            }
        }
        self.progress = Progress::Over;
        self.queue = Vec::new();
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.transmits.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    /// When [`Dtls::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.progress != Progress::Handshaking {
            return None;
        }
        let library = self
            .endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.poll_timeout(&PEER));
        let retransmission = library.or_else(|| self.flight_sent.map(|sent| sent + self.pause));
        [self.deadline, retransmission].into_iter().flatten().min()
    }

    /// Repeats a flight or gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.progress != Progress::Handshaking {
            return;
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.fail(DtlsError::Timeout);
            return;
        }
        let Some(endpoint) = self.endpoint.as_mut() else {
            return;
        };
        if let Some(due) = endpoint.poll_timeout(&PEER) {
            if now < due {
                return;
            }
            if endpoint.handle_timeout(PEER, now).is_err() {
                self.start_afresh(now);
            }
            self.collect_flight(now);
        } else if self
            .flight_sent
            .is_some_and(|sent| now >= sent + self.pause)
        {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            self.repeat_flight(now);
        }
    }

    fn begin(&mut self, now: Instant) {
        if !self.path_is_valid || self.endpoint.is_some() || self.progress == Progress::Over {
            return;
        }
        let Some((role, _)) = &self.peer else {
            return;
        };
        let role = *role;
        self.progress = Progress::Handshaking;
        self.deadline.get_or_insert(now + HANDSHAKE_TIMEOUT);
        match role {
            DtlsRole::Client => {
                let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
                let configuration = Arc::clone(&self.identity.client);
                if let Err(error) = endpoint.connect(now, PEER, configuration, None) {
                    self.fail(DtlsError::Library(error.to_string()));
                    return;
                }
                self.endpoint = Some(endpoint);
                self.collect_flight(now);
            }
            DtlsRole::Server => {
                // Our preference among the profiles decides, not the client's order, which the
                // library would follow: AES-GCM costs a quarter of AES-CM.
                let configuration = match read_client_hello(&self.queue) {
                    ClientHello::Offers(profiles) if profiles.contains(&GCM) => {
                        &self.identity.server_gcm
                    }
                    ClientHello::Incomplete if self.queue.len() < MAX_QUEUED => return,
                    _ => &self.identity.server_any,
                };
                let configuration = Some(Arc::clone(configuration));
                self.endpoint = Some(Endpoint::new(PEER, TransportProtocol::UDP, configuration));
            }
        }
        for datagram in std::mem::take(&mut self.queue) {
            self.read(now, &datagram);
        }
    }

    fn read(&mut self, now: Instant, datagram: &[u8]) -> Outcome {
        let stood = self.is_established();
        let before = self.events.len() + self.transmits.len();
        let Some(endpoint) = self.endpoint.as_mut() else {
            return Outcome::Refused;
        };
        let result = endpoint.read(now, PEER, None, BytesMut::from(datagram));
        let answered = match self.progress {
            Progress::Handshaking => self.collect_flight(now),
            _ => self.collect(),
        };
        let repetition_is_due = self
            .flight_sent
            .is_some_and(|sent| now >= sent + SHORTEST_PAUSE);
        if !answered && repetition_is_due && datagram.first() == Some(&HANDSHAKE_RECORD) {
            self.repeat_flight(now);
        }
        match result {
            Ok(events) => {
                for event in events {
                    self.on_event(event);
                }
            }
            Err(_) if self.progress == Progress::Handshaking => self.start_afresh(now),
            // An established association survives what it cannot read.
            Err(_) => {}
        }
        if stood && self.events.len() + self.transmits.len() == before {
            return Outcome::None;
        }
        Outcome::Taken
    }

    fn on_event(&mut self, event: EndpointEvent) {
        match event {
            EndpointEvent::HandshakeComplete => match self.keys() {
                Ok((protector, unprotector)) => {
                    self.progress = Progress::Established;
                    self.repetitions = 0;
                    self.events.push_back(DtlsEvent::Established {
                        protector,
                        unprotector,
                    });
                }
                Err(error) => self.fail(error),
            },
            EndpointEvent::ApplicationData(data) if self.progress == Progress::Established => {
                self.events.push_back(DtlsEvent::Data(data));
            }
            EndpointEvent::PeerClosed if self.progress == Progress::Established => {
                self.progress = Progress::Over;
                self.events.push_back(DtlsEvent::Closed);
            }
            _ => {}
        }
    }

    /// Judges the peer's certificate, then derives the SRTP keys.
    fn keys(&self) -> Result<(Box<Protector>, Box<Unprotector>), DtlsError> {
        let missing = || DtlsError::Library("association is missing".to_owned());
        let state = self
            .endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.get_connection_state(PEER))
            .ok_or_else(missing)?;
        let (role, fingerprints) = self.peer.as_ref().ok_or_else(missing)?;
        let certificate = state
            .peer_certificates
            .first()
            .ok_or(DtlsError::Fingerprint)?;
        if !fingerprint::matches_strongest(fingerprints, certificate) {
            return Err(DtlsError::Fingerprint);
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::Aes128CmHmacSha1_80,
            _ => return Err(DtlsError::Profile),
        };
        let material = state
            .export_keying_material(EXPORTER_LABEL, &[], profile.keying_material_length())
            .map_err(|error| DtlsError::Library(error.to_string()))?;
        let material = Zeroizing::new(material.into_bytes());
        let keys = MasterKey::split(profile, &material)?;
        let (ours, theirs) = match role {
            DtlsRole::Client => (keys.client, keys.server),
            DtlsRole::Server => (keys.server, keys.client),
        };
        Ok((
            Box::new(Protector::new(profile, &ours)?),
            Box::new(Unprotector::new(profile, &theirs)?),
        ))
    }

    /// The handshake broke: forget it and wait for, or send, another `ClientHello`.
    fn start_afresh(&mut self, now: Instant) {
        self.endpoint = None;
        self.queue = Vec::new();
        self.flight = Vec::new();
        self.flight_sent = None;
        self.pause = FIRST_PAUSE;
        self.progress = Progress::Handshaking;
        if matches!(self.peer, Some((DtlsRole::Client, _))) {
            self.begin(now);
        }
    }

    fn fail(&mut self, error: DtlsError) {
        self.endpoint = None;
        self.queue = Vec::new();
        self.progress = Progress::Over;
        self.events.push_back(DtlsEvent::Failed(error));
    }

    /// Sends what the library has to say and keeps it for repetition; false if that is nothing.
    fn collect_flight(&mut self, now: Instant) -> bool {
        let before = self.transmits.len();
        if !self.collect() {
            return false;
        }
        self.flight = self.transmits.range(before..).cloned().collect();
        self.flight_sent = Some(now);
        self.pause = FIRST_PAUSE;
        true
    }

    fn repeat_flight(&mut self, now: Instant) {
        self.flight_sent = Some(now);
        self.repetitions += 1;
        if self.progress == Progress::Established && self.repetitions > MAX_LAST_REPETITIONS {
            self.flight = Vec::new();
            self.flight_sent = None;
        }
        self.transmits.extend(self.flight.iter().cloned());
    }

    /// Sends what the library has to say; false if that is nothing.
    fn collect(&mut self) -> bool {
        let before = self.transmits.len();
        if let Some(endpoint) = self.endpoint.as_mut() {
            while let Some(transmit) = endpoint.poll_transmit() {
                self.transmits.push_back(transmit.message);
            }
        }
        self.transmits.len() > before
    }
}
