//! The transport of one endpoint: ICE, DTLS, SRTP and the data channel as one object.
//!
//! Datagrams in, plain packets and events out; RTP and RTCP are opened where they lie. The session
//! knows its own path only: telling endpoints apart on the shared port is the engine's business.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::counters::{Drop, DropCounters};
use super::data_channel::{ChannelError, ChannelEvent, DataChannel};
use super::dtls::{Dtls, DtlsError, DtlsEvent, DtlsRole, Fingerprint, Identity, Outcome};
use super::ice::{
    AddressPlan, Agent, CheckError, Credentials, IceConfig, IceEvent, LocalCandidate,
    RemoteCandidate, Role, Route,
};
use super::stun::{Class, Message};
use super::{Transmit, TransportError};
use crate::rtp::{DatagramKind, Header, classify};
use crate::srtp::{Profile, Protector, SrtpError, Unprotector};

/// A restarted agent that does not connect within this time is given up.
const RESTART_TIMEOUT: Duration = Duration::from_secs(20);
/// After a restart the old agent still answers for this long.
const RETIREMENT: Duration = Duration::from_secs(3);

/// What all transports of a bridge share.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// Sockets and mappings.
    pub plan: Arc<AddressPlan>,
    /// Certificate.
    pub identity: Arc<Identity>,
    /// Times of ICE.
    pub ice: IceConfig,
    /// Put in front of every local fragment, for balancers that route by it.
    pub fragment_prefix: String,
}

/// How one transport differs from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportOptions {
    /// Whether this side nominates; the focus asks for controlling.
    pub role: Role,
    /// Whether private candidates are shown whatever the plan says.
    pub show_private: bool,
    /// The data channel: none, or which side opens it.
    pub data_channel: DataChannelMode,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            role: Role::Controlling,
            show_private: false,
            data_channel: DataChannelMode::Passive,
        }
    }
}

/// Who opens the data channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataChannelMode {
    /// There is none: the endpoint uses a WebSocket.
    Disabled,
    /// The peer opens it: endpoints.
    Passive,
    /// We open it: participants of our own.
    Active,
}

/// What to signal to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalDescription {
    /// `ufrag` and `pwd`.
    pub credentials: Credentials,
    /// Candidates, best first.
    pub candidates: Vec<LocalCandidate>,
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// The DTLS role once it is known; until then `actpass`.
    pub dtls_role: Option<DtlsRole>,
    /// `ice-generation` while a restart is under way.
    pub ice_generation: Option<u32>,
}

/// What the peer signalled; parts may come one after another.
#[derive(Debug, Clone, Default)]
pub struct RemoteDescription {
    /// `ufrag` and `pwd`, when present.
    pub credentials: Option<Credentials>,
    /// Candidates; ones that do not parse as addresses are left out by the caller.
    pub candidates: Vec<RemoteCandidate>,
    /// Fingerprints of the peer's certificate.
    pub fingerprints: Vec<Fingerprint>,
    /// Our DTLS role after the peer's `setup`: `active` makes us the server.
    pub dtls_role: Option<DtlsRole>,
    /// `ice-generation`: belongs to the restart with this number, and to nothing else.
    pub ice_generation: Option<u32>,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// A plain RTP packet lies in the first `length` bytes.
    Rtp {
        /// Its header.
        header: Header,
        /// Header and payload, padding included.
        length: usize,
    },
    /// A plain compound RTCP packet lies in the first `length` bytes.
    Rtcp {
        /// Its length.
        length: usize,
    },
    /// An authentic STUN message: the sender's address may be taken as the endpoint's.
    Stun,
    /// Consumed; look for events.
    Handled,
    /// Of no use.
    Dropped(Drop),
}

/// What a transport reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportEvent {
    /// ICE and DTLS are up: media may flow.
    Connected {
        /// The negotiated protection.
        profile: Profile,
    },
    /// Packets now take another path.
    RouteChanged(Route),
    /// ICE found no path or lost consent.
    IceFailed,
    /// DTLS failed; the endpoint is of no use.
    DtlsFailed(DtlsError),
    /// The data channel opened.
    ChannelOpen,
    /// A text message on the data channel.
    ChannelMessage(String),
    /// The data channel closed.
    ChannelClosed,
    /// The peer ended DTLS.
    Closed,
}

/// Answer to a request for an ICE restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// A second agent waits for the peer's new credentials under this generation.
    Started(u32),
    /// Nothing to restart: the first agent is not connected yet.
    NotEstablished,
}

#[derive(Debug)]
struct PendingIce {
    generation: u32,
    agent: Agent,
    started: Instant,
}

/// The transport of one endpoint.
#[derive(Debug)]
pub struct Transport {
    config: TransportConfig,
    options: TransportOptions,
    ice: Agent,
    pending: Option<PendingIce>,
    retired: Option<(Agent, Instant)>,
    generations: u32,
    route: Option<Route>,
    dtls: Dtls,
    dtls_role: Option<DtlsRole>,
    protector: Option<Box<Protector>>,
    unprotector: Option<Box<Unprotector>>,
    channel: Option<DataChannel>,
    last_activity: Option<Instant>,
    counters: DropCounters,
    transmits: VecDeque<Transmit>,
    events: VecDeque<TransportEvent>,
}

impl Transport {
    /// A transport that waits for the peer.
    ///
    /// # Errors
    /// [`TransportError`] when no random credentials can be had.
    pub fn new(config: TransportConfig, options: TransportOptions) -> Result<Self, TransportError> {
        let ice = new_agent(&config, options.role)?;
        let channel = match options.data_channel {
            DataChannelMode::Passive => Some(DataChannel::passive()),
            DataChannelMode::Disabled | DataChannelMode::Active => None,
        };
        Ok(Self {
            dtls: Dtls::new(Arc::clone(&config.identity)),
            config,
            options,
            ice,
            pending: None,
            retired: None,
            generations: 0,
            route: None,
            dtls_role: None,
            protector: None,
            unprotector: None,
            channel,
            last_activity: None,
            counters: DropCounters::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// What to signal now.
    #[must_use]
    pub fn description(&self) -> LocalDescription {
        let agent = self
            .pending
            .as_ref()
            .map_or(&self.ice, |pending| &pending.agent);
        LocalDescription {
            credentials: agent.local_credentials().clone(),
            candidates: self.config.plan.candidates(self.options.show_private),
            fingerprint: self.config.identity.fingerprint().clone(),
            dtls_role: self.dtls_role,
            ice_generation: self.pending.as_ref().map(|pending| pending.generation),
        }
    }

    /// The local fragments this transport answers to.
    pub fn fragments(&self) -> impl Iterator<Item = &str> {
        let pending = self.pending.as_ref().map(|pending| &pending.agent);
        let retired = self.retired.as_ref().map(|(agent, _)| agent);
        [Some(&self.ice), pending, retired]
            .into_iter()
            .flatten()
            .map(|agent| agent.local_credentials().fragment.as_str())
    }

    /// Takes what the peer signalled.
    ///
    /// # Errors
    /// [`TransportError`] when the credentials cannot be used.
    pub fn set_remote(
        &mut self,
        now: Instant,
        remote: RemoteDescription,
    ) -> Result<(), TransportError> {
        let agent = match (remote.ice_generation, &mut self.pending) {
            (None, _) => Some(&mut self.ice),
            (Some(generation), Some(pending)) if pending.generation == generation => {
                Some(&mut pending.agent)
            }
            _ => None,
        };
        if let Some(agent) = agent {
            // Once established everything is ignored.
            if agent.route().is_none() {
                if let Some(credentials) = remote.credentials {
                    agent.set_remote_credentials(now, credentials)?;
                }
                for candidate in remote.candidates {
                    agent.add_remote_candidate(now, candidate);
                }
            }
        }
        if let Some(role) = remote.dtls_role {
            let role = *self.dtls_role.get_or_insert(role);
            self.dtls.set_peer(now, role, remote.fingerprints);
        }
        self.advance(now);
        Ok(())
    }

    /// Begins an ICE restart in place; the present path stays in use until the new one works.
    ///
    /// # Errors
    /// [`TransportError`] when no random credentials can be had: answer without a transport.
    pub fn restart_ice(&mut self, now: Instant) -> Result<Restart, TransportError> {
        if self.ice.route().is_none() && !self.dtls.is_established() {
            return Ok(Restart::NotEstablished);
        }
        let agent = new_agent(&self.config, self.ice.role())?;
        self.generations += 1;
        self.pending = Some(PendingIce {
            generation: self.generations,
            agent,
            started: now,
        });
        Ok(Restart::Started(self.generations))
    }

    /// Whether media may flow.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.protector.is_some() && self.route.is_some()
    }

    /// Where packets go.
    #[inline]
    #[must_use]
    pub fn route(&self) -> Option<Route> {
        self.route
    }

    /// When the peer was last heard of with certainty: media, data or consent.
    #[must_use]
    pub fn last_activity(&self) -> Option<Instant> {
        self.last_activity
    }

    /// What was dropped.
    #[must_use]
    pub fn counters(&self) -> DropCounters {
        let mut all = self.counters.clone();
        if let Some(channel) = &self.channel {
            all.add(channel.refused());
        }
        all
    }

    /// The data channel, if it is in use.
    #[must_use]
    pub fn data_channel(&self) -> Option<&DataChannel> {
        self.channel.as_ref()
    }

    /// Takes a datagram that arrived on `route`; RTP and RTCP are opened in place.
    #[inline]
    pub fn handle_datagram(&mut self, now: Instant, route: Route, datagram: &mut [u8]) -> Received {
        let received = match classify(datagram) {
            DatagramKind::Rtp => self.handle_rtp(now, route, datagram),
            DatagramKind::Rtcp => self.handle_rtcp(now, route, datagram),
            DatagramKind::Stun => self.handle_stun(now, route, datagram),
            DatagramKind::Dtls => self.handle_dtls(now, datagram),
            DatagramKind::Unknown => Received::Dropped(Drop::NotMedia),
        };
        if let Received::Dropped(reason) = received {
            self.counters.count(reason);
        }
        received
    }

    /// Protects the RTP packet in `buffer[..length]` in place; `buffer` needs
    /// [`crate::srtp::MAX_OVERHEAD`] more bytes. Returns the length to send.
    ///
    /// # Errors
    /// [`SrtpError`]; the packet must not be sent then.
    #[inline]
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        match &mut self.protector {
            Some(protector) => protector.protect_rtp(buffer, length),
            None => Err(SrtpError::Malformed(length)),
        }
    }

    /// Protects a compound RTCP packet; see [`Transport::protect_rtp`].
    ///
    /// # Errors
    /// [`SrtpError`]; the packet must not be sent then.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        match &mut self.protector {
            Some(protector) => protector.protect_rtcp(buffer, length),
            None => Err(SrtpError::Malformed(length)),
        }
    }

    /// Sends a text message on the data channel.
    ///
    /// # Errors
    /// [`ChannelError`]; nothing was sent then.
    pub fn send_message(&mut self, now: Instant, text: &str) -> Result<(), ChannelError> {
        let channel = self.channel.as_mut().ok_or(ChannelError::NotOpen)?;
        let result = channel.send(now, text);
        self.advance(now);
        result
    }

    /// Ends DTLS politely.
    pub fn close(&mut self, now: Instant) {
        self.dtls.close(now);
        self.advance(now);
    }

    /// The next datagram to send, media excluded.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    /// When [`Transport::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let pending = self
            .pending
            .as_ref()
            .map(|pending| pending.started + RESTART_TIMEOUT);
        let pending_checks = self
            .pending
            .as_ref()
            .and_then(|pending| pending.agent.poll_timeout());
        let retired = self.retired.as_ref().map(|(_, until)| *until);
        let channel = self.channel.as_ref().and_then(DataChannel::poll_timeout);
        [
            self.ice.poll_timeout(),
            pending,
            pending_checks,
            retired,
            self.dtls.poll_timeout(),
            channel,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ice.handle_timeout(now);
        if let Some(pending) = &mut self.pending {
            pending.agent.handle_timeout(now);
            if now >= pending.started + RESTART_TIMEOUT {
                self.pending = None;
            }
        }
        if self
            .retired
            .as_ref()
            .is_some_and(|(_, until)| now >= *until)
        {
            self.retired = None;
        }
        self.dtls.handle_timeout(now);
        if let Some(channel) = &mut self.channel
            && channel.poll_timeout().is_some_and(|at| at <= now)
        {
            channel.handle_timeout(now);
        }
        self.advance(now);
    }

    #[inline]
    fn handle_rtp(&mut self, now: Instant, route: Route, packet: &mut [u8]) -> Received {
        let Some(unprotector) = &mut self.unprotector else {
            return Received::Dropped(Drop::BeforeKeys);
        };
        let Ok(header) = Header::parse(packet) else {
            return Received::Dropped(Drop::MalformedRtp);
        };
        match unprotector.unprotect_rtp(&header, packet) {
            Ok(length) => {
                self.heard(now, route);
                Received::Rtp { header, length }
            }
            Err(error) => Received::Dropped(Drop::from_srtp(error)),
        }
    }

    fn handle_rtcp(&mut self, now: Instant, route: Route, packet: &mut [u8]) -> Received {
        let Some(unprotector) = &mut self.unprotector else {
            return Received::Dropped(Drop::BeforeKeys);
        };
        match unprotector.unprotect_rtcp(packet) {
            Ok(length) => {
                self.heard(now, route);
                Received::Rtcp { length }
            }
            Err(error) => Received::Dropped(Drop::from_srtp(error)),
        }
    }

    fn handle_stun(&mut self, now: Instant, route: Route, datagram: &[u8]) -> Received {
        let Ok(message) = Message::parse(datagram) else {
            return Received::Dropped(Drop::MalformedStun);
        };
        let mut result = self.ice.handle(now, route, &message);
        let elsewhere = |result: &Result<(), CheckError>| {
            matches!(
                result,
                Err(CheckError::Username | CheckError::UnexpectedAnswer)
            )
        };
        if elsewhere(&result)
            && let Some(pending) = &mut self.pending
        {
            result = pending.agent.handle(now, route, &message);
        }
        if elsewhere(&result)
            && let Some((retired, _)) = &mut self.retired
        {
            result = retired.handle(now, route, &message);
        }
        self.advance(now);
        match result {
            Ok(()) => {
                if message.class != Class::Request || self.route.is_some() {
                    self.last_activity = Some(now);
                }
                Received::Stun
            }
            Err(error) => Received::Dropped(Drop::from_check(error)),
        }
    }

    fn handle_dtls(&mut self, now: Instant, datagram: &[u8]) -> Received {
        match self.dtls.handle(now, datagram) {
            Outcome::Refused => return Received::Dropped(Drop::DtlsQueueFull),
            Outcome::None => return Received::Dropped(Drop::DtlsIgnored),
            Outcome::Taken => {}
        }
        self.advance(now);
        Received::Handled
    }

    #[inline]
    fn heard(&mut self, now: Instant, route: Route) {
        self.last_activity = Some(now);
        self.ice.received(now, route);
    }

    /// Lets every layer hand its results to the next until nothing moves.
    fn advance(&mut self, now: Instant) {
        self.advance_ice(now);
        self.advance_dtls(now);
        self.advance_channel(now);
        let Some(route) = self.route.or_else(|| self.ice.route()) else {
            return;
        };
        while let Some(payload) = self.dtls.poll_transmit() {
            self.transmits.push_back(Transmit {
                route,
                payload: payload.to_vec(),
            });
        }
    }

    fn advance_ice(&mut self, now: Instant) {
        let restarted = self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.agent.route().is_some());
        if restarted && let Some(pending) = self.pending.take() {
            let old = std::mem::replace(&mut self.ice, pending.agent);
            self.retired = Some((old, now + RETIREMENT));
        }
        while let Some(event) = self.ice.poll_event() {
            match event {
                IceEvent::Connected(_) => self.dtls.set_path_valid(now),
                IceEvent::RouteChanged(_) => {}
                IceEvent::Failed => self.events.push_back(TransportEvent::IceFailed),
            }
        }
        let route = self.ice.route();
        if route != self.route {
            self.route = route;
            if let Some(route) = route {
                self.events.push_back(TransportEvent::RouteChanged(route));
            }
        }
        if let Some(pending) = &mut self.pending {
            while let Some(transmit) = pending.agent.poll_transmit() {
                self.transmits.push_back(transmit);
            }
        }
        if let Some((retired, _)) = &mut self.retired {
            while retired.poll_event().is_some() {}
            while let Some(transmit) = retired.poll_transmit() {
                self.transmits.push_back(transmit);
            }
        }
        while let Some(transmit) = self.ice.poll_transmit() {
            self.transmits.push_back(transmit);
        }
    }

    fn advance_dtls(&mut self, now: Instant) {
        while let Some(event) = self.dtls.poll_event() {
            match event {
                DtlsEvent::Established {
                    protector,
                    unprotector,
                } => {
                    let profile = protector.profile();
                    self.protector = Some(protector);
                    self.unprotector = Some(unprotector);
                    self.last_activity = Some(now);
                    self.events.push_back(TransportEvent::Connected { profile });
                    if self.options.data_channel == DataChannelMode::Active {
                        self.channel = Some(DataChannel::active(now));
                    }
                }
                DtlsEvent::Data(data) => {
                    self.last_activity = Some(now);
                    match &mut self.channel {
                        Some(channel) => channel.handle(now, data),
                        None => self.counters.count(Drop::UnexpectedData),
                    }
                }
                DtlsEvent::Closed => self.events.push_back(TransportEvent::Closed),
                DtlsEvent::Failed(error) => {
                    self.events.push_back(TransportEvent::DtlsFailed(error));
                }
            }
        }
    }

    fn advance_channel(&mut self, now: Instant) {
        let Some(channel) = &mut self.channel else {
            return;
        };
        while let Some(event) = channel.poll_event() {
            self.events.push_back(match event {
                ChannelEvent::Open => TransportEvent::ChannelOpen,
                ChannelEvent::Message(text) => TransportEvent::ChannelMessage(text),
                ChannelEvent::Closed => TransportEvent::ChannelClosed,
            });
        }
        while let Some(packet) = channel.poll_transmit() {
            self.dtls.send(now, &packet);
        }
    }
}

fn new_agent(config: &TransportConfig, role: Role) -> Result<Agent, TransportError> {
    let credentials = Credentials::random(&config.fragment_prefix)?;
    Ok(Agent::new(
        config.ice,
        Arc::clone(&config.plan),
        role,
        credentials,
    )?)
}
