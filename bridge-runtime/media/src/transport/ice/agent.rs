//! The agent: a state machine over pairs.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::checks::{MAX_PAIRS, Pair, PairState, Transaction, Transactions};
use super::{
    AddressPlan, CandidateKind, CheckError, Credentials, IceConfig, IceEvent, RemoteCandidate,
    Role, Route,
};
use crate::transport::Transmit;
use crate::transport::random::{self, RandomError};
use crate::transport::stun::{Builder, Class, IntegrityKey, Message, TransactionId};

/// Checks remembered that arrived before the peer's credentials.
const MAX_EARLY_CHECKS: usize = 8;
const ROLE_CONFLICT: u16 = 487;

#[derive(Debug, Clone, Copy)]
struct EarlyCheck {
    route: Route,
    priority: u32,
    use_candidate: bool,
}

#[derive(Debug)]
struct Peer {
    credentials: Credentials,
    key: IntegrityKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    New,
    Checking,
    Connected,
    Failed,
}

/// A full ICE agent. See the [module](super) for what it promises.
#[derive(Debug)]
pub struct Agent {
    config: IceConfig,
    plan: Arc<AddressPlan>,
    role: Role,
    tie_breaker: u64,
    local: Credentials,
    local_key: IntegrityKey,
    peer: Option<Peer>,
    early: Vec<EarlyCheck>,
    pairs: Vec<Pair>,
    transactions: Transactions,
    selected: Option<usize>,
    progress: Progress,
    checking_since: Option<Instant>,
    next_check: Option<Instant>,
    next_consent: Option<Instant>,
    /// First unanswered consent check.
    unanswered_since: Option<Instant>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<IceEvent>,
}

impl Agent {
    /// Makes an agent that answers checks at once and sends its own after
    /// [`Agent::set_remote_credentials`].
    ///
    /// # Errors
    /// [`CheckError::Random`], [`CheckError::Key`].
    pub fn new(
        config: IceConfig,
        plan: Arc<AddressPlan>,
        role: Role,
        local: Credentials,
    ) -> Result<Self, CheckError> {
        let local_key = IntegrityKey::new(&local.password).ok_or(CheckError::Key)?;
        Ok(Self {
            config,
            plan,
            role,
            tie_breaker: u64::from_be_bytes(random::bytes()?),
            local,
            local_key,
            peer: None,
            early: Vec::new(),
            pairs: Vec::new(),
            transactions: Transactions::default(),
            selected: None,
            progress: Progress::New,
            checking_since: None,
            next_check: None,
            next_consent: None,
            unanswered_since: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// The credentials to signal.
    #[must_use]
    pub fn local_credentials(&self) -> &Credentials {
        &self.local
    }

    /// The current role; changes when a conflict is resolved.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether the peer's credentials are known.
    #[must_use]
    pub fn has_peer(&self) -> bool {
        self.peer.is_some()
    }

    /// Where packets go: the nominated pair, else the best valid one.
    #[must_use]
    pub fn route(&self) -> Option<Route> {
        if self.progress != Progress::Connected {
            return None;
        }
        self.selected
            .or_else(|| self.best(PairState::Succeeded))
            .map(|pair| self.pairs[pair].route)
    }

    /// Sets the peer's credentials and starts checking. Later calls are ignored: new credentials
    /// need a new agent (RFC 8445 section 9).
    ///
    /// # Errors
    /// [`CheckError::Key`], [`CheckError::Random`].
    pub fn set_remote_credentials(
        &mut self,
        now: Instant,
        credentials: Credentials,
    ) -> Result<(), CheckError> {
        if self.peer.is_some() {
            return Ok(());
        }
        let key = IntegrityKey::new(&credentials.password).ok_or(CheckError::Key)?;
        self.peer = Some(Peer { credentials, key });
        self.progress = Progress::Checking;
        self.checking_since = Some(now);
        self.next_check = Some(now);
        for check in std::mem::take(&mut self.early) {
            self.peer_checked(now, check);
        }
        self.check(now);
        Ok(())
    }

    /// Adds a signalled candidate, paired with every local socket of its family.
    pub fn add_remote_candidate(&mut self, now: Instant, candidate: RemoteCandidate) {
        let remote = canonical(candidate.address);
        if remote.port() == 0 || remote.ip().is_unspecified() || remote.ip().is_multicast() {
            return;
        }
        let plan = Arc::clone(&self.plan);
        for local in &plan.sockets {
            let reachable = local.is_ipv4() == remote.is_ipv4()
                && local.ip().is_loopback() == remote.ip().is_loopback();
            let route = Route {
                local: *local,
                remote,
            };
            if reachable {
                self.add_pair(route, candidate.kind, candidate.priority);
            }
        }
        self.next_check.get_or_insert(now);
    }

    /// Notes that a packet of the peer came in on `route`; keeps the agent from moving away.
    #[inline]
    pub fn received(&mut self, now: Instant, route: Route) {
        if let Some(pair) = self.selected.and_then(|pair| self.pairs.get_mut(pair))
            && pair.route == route
        {
            pair.last_received = Some(now);
        }
    }

    /// Handles a STUN message that arrived on `route`. `Ok` means it was authentic, and that
    /// `route.remote` may be taken as the peer's.
    ///
    /// # Errors
    /// [`CheckError`]: why it was dropped.
    pub fn handle(
        &mut self,
        now: Instant,
        route: Route,
        message: &Message<'_>,
    ) -> Result<(), CheckError> {
        let route = Route {
            local: route.local,
            remote: canonical(route.remote),
        };
        match message.class {
            Class::Request => self.handle_request(now, route, message),
            Class::Success => self.handle_success(now, route, message),
            Class::Error => self.handle_error(now, message),
            Class::Indication => Err(CheckError::Integrity),
        }
    }

    /// When [`Agent::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.peer.as_ref()?;
        let deadline = match self.progress {
            Progress::Checking => self
                .checking_since
                .map(|at| at + self.config.connect_timeout),
            _ => None,
        };
        let next_check = self.next_check.filter(|_| self.next_pair().is_some());
        let attempts = self.pairs.iter().filter_map(|pair| pair.next_attempt).min();
        [deadline, next_check, attempts, self.next_consent]
            .into_iter()
            .flatten()
            .min()
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.peer.is_none() {
            return;
        }
        if self.progress == Progress::Checking
            && self
                .checking_since
                .is_some_and(|at| now >= at + self.config.connect_timeout)
        {
            self.progress = Progress::Failed;
            self.events.push_back(IceEvent::Failed);
        }
        self.retransmit(now);
        self.check(now);
        self.renew_consent(now);
        self.nominate_last_resort(now);
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    fn handle_request(
        &mut self,
        now: Instant,
        route: Route,
        message: &Message<'_>,
    ) -> Result<(), CheckError> {
        let (receiver, sender) = message.fragments().ok_or(CheckError::Username)?;
        let known = self
            .peer
            .as_ref()
            .is_none_or(|peer| peer.credentials.fragment == sender);
        if receiver != self.local.fragment || !known {
            return Err(CheckError::Username);
        }
        if !message.has_integrity(&self.local_key) {
            return Err(CheckError::Integrity);
        }
        if message.unknown_required {
            return Err(CheckError::UnknownAttribute);
        }
        if self.loses_nothing_by_role(message) {
            let mut builder = Builder::new(Class::Error, &message.transaction_id);
            builder.error_code(ROLE_CONFLICT, "Role Conflict");
            self.send(route, builder.finish(&self.local_key));
            return Ok(());
        }
        let mut builder = Builder::new(Class::Success, &message.transaction_id);
        builder.xor_mapped_address(route.remote);
        self.send(route, builder.finish(&self.local_key));
        let check = EarlyCheck {
            route,
            priority: message.priority.unwrap_or(0),
            use_candidate: message.use_candidate,
        };
        if self.peer.is_some() {
            self.peer_checked(now, check);
        } else if self.early.len() < MAX_EARLY_CHECKS
            && !self.early.iter().any(|early| early.route == route)
        {
            self.early.push(check);
        }
        Ok(())
    }

    /// Role conflicts, RFC 8445 section 7.3.1.1: true if the peer has to give way; otherwise this
    /// side gave way if there was a conflict at all.
    fn loses_nothing_by_role(&mut self, message: &Message<'_>) -> bool {
        match (self.role, message.controlling, message.controlled) {
            (Role::Controlling, Some(theirs), _) => {
                if self.tie_breaker >= theirs {
                    return true;
                }
                self.role = Role::Controlled;
            }
            (Role::Controlled, _, Some(theirs)) => {
                if self.tie_breaker < theirs {
                    return true;
                }
                self.role = Role::Controlling;
            }
            _ => {}
        }
        false
    }

    /// Learning peer-reflexive candidates and triggered checks, RFC 8445 sections 7.3.1.3, 7.3.1.4.
    fn peer_checked(&mut self, now: Instant, check: EarlyCheck) {
        let Some(index) = self.add_pair(check.route, CandidateKind::PeerReflexive, check.priority)
        else {
            return;
        };
        let controlled = self.role == Role::Controlled;
        let pair = &mut self.pairs[index];
        pair.last_received = Some(now);
        if check.use_candidate && controlled {
            if pair.state == PairState::Succeeded {
                self.select(now, index);
                return;
            }
            pair.nominated_by_peer = true;
        }
        if pair.state == PairState::Succeeded {
            self.watch_selected(now, index);
            return;
        }
        // A triggered check leaves at once: there is at most one for each check of the peer's.
        pair.state = PairState::InProgress;
        pair.attempts = 0;
        self.send_check(now, index);
    }

    /// The peer checks another valid path: is the selected one still alive? (It may have moved.)
    fn watch_selected(&mut self, now: Instant, checked: usize) {
        let Some(selected) = self.selected.filter(|selected| *selected != checked) else {
            return;
        };
        let silent = self.pairs[selected]
            .last_received
            .is_none_or(|at| now.saturating_duration_since(at) >= self.config.silence);
        if silent && self.unanswered_since.is_none() {
            self.next_consent = Some(now);
        }
    }

    fn handle_success(
        &mut self,
        now: Instant,
        route: Route,
        message: &Message<'_>,
    ) -> Result<(), CheckError> {
        let peer = self.peer.as_ref().ok_or(CheckError::UnexpectedAnswer)?;
        let expected = self
            .transactions
            .find(&message.transaction_id)
            .is_some_and(|sent| {
                self.pairs
                    .get(sent.pair)
                    .is_some_and(|pair| pair.route == route)
            });
        if !expected {
            return Err(CheckError::UnexpectedAnswer);
        }
        if !message.has_integrity(&peer.key) {
            return Err(CheckError::Integrity);
        }
        let Some(sent) = self.transactions.take(&message.transaction_id) else {
            return Err(CheckError::UnexpectedAnswer);
        };
        let pair = &mut self.pairs[sent.pair];
        pair.last_received = Some(now);
        pair.state = PairState::Succeeded;
        if !pair.nominating || sent.nominating {
            pair.next_attempt = None;
            pair.attempts = 0;
        }
        let nominated = (sent.nominating && pair.nominating) || pair.nominated_by_peer;
        let nominated_by_peer = std::mem::take(&mut pair.nominated_by_peer);
        if self.selected == Some(sent.pair) {
            self.consent_granted(now);
        }
        if self.progress != Progress::Connected {
            self.progress = Progress::Connected;
            self.events
                .push_back(IceEvent::Connected(self.pairs[sent.pair].route));
        }
        let controlling = self.role == Role::Controlling;
        if nominated && (controlling || nominated_by_peer) {
            self.select(now, sent.pair);
        } else if controlling {
            self.consider_nomination(now, sent.pair);
        }
        Ok(())
    }

    fn handle_error(&mut self, now: Instant, message: &Message<'_>) -> Result<(), CheckError> {
        let peer = self.peer.as_ref().ok_or(CheckError::UnexpectedAnswer)?;
        if self.transactions.find(&message.transaction_id).is_none() {
            return Err(CheckError::UnexpectedAnswer);
        }
        if !message.has_integrity(&peer.key) {
            return Err(CheckError::Integrity);
        }
        let Some(sent) = self.transactions.take(&message.transaction_id) else {
            return Err(CheckError::UnexpectedAnswer);
        };
        let controlling = self.role == Role::Controlling;
        if message.error_code == Some(ROLE_CONFLICT) {
            if sent.controlling == controlling {
                self.role = if controlling {
                    Role::Controlled
                } else {
                    Role::Controlling
                };
            }
            let pair = &mut self.pairs[sent.pair];
            pair.nominating = false;
            if pair.state != PairState::Succeeded {
                pair.state = PairState::InProgress;
                self.send_check(now, sent.pair);
            }
        }
        Ok(())
    }

    /// First valid host or reflexive path wins; relayed ones wait for
    /// [`Agent::nominate_last_resort`].
    fn consider_nomination(&mut self, now: Instant, index: usize) {
        let undecided = self.selected.is_none() && !self.pairs.iter().any(|pair| pair.nominating);
        if undecided && self.pairs[index].remote_kind != CandidateKind::Relayed {
            self.nominate(now, index);
        }
    }

    fn nominate_last_resort(&mut self, now: Instant) {
        let undecided = self.role == Role::Controlling
            && self.selected.is_none()
            && !self.pairs.iter().any(|pair| pair.nominating);
        if !undecided {
            return;
        }
        let open = self.pairs.iter().any(|pair| {
            matches!(pair.state, PairState::Waiting | PairState::InProgress) && pair.attempts < 4
        });
        if let Some(index) = self.best(PairState::Succeeded).filter(|_| !open) {
            self.nominate(now, index);
        }
    }

    fn nominate(&mut self, now: Instant, index: usize) {
        for pair in &mut self.pairs {
            pair.nominating = false;
        }
        let pair = &mut self.pairs[index];
        pair.nominating = true;
        pair.attempts = 0;
        self.send_check(now, index);
    }

    fn select(&mut self, now: Instant, index: usize) {
        let before = self.route();
        for pair in &mut self.pairs {
            pair.nominating = false;
            // Checks end with the nomination (RFC 8445 section 8.1.1).
            pair.next_attempt = None;
            if pair.state == PairState::InProgress {
                pair.state = PairState::Waiting;
            }
        }
        if self.selected != Some(index) {
            self.selected = Some(index);
            self.consent_granted(now);
        }
        let route = self.pairs[index].route;
        if before != Some(route) {
            self.events.push_back(IceEvent::RouteChanged(route));
        }
    }

    fn consent_granted(&mut self, now: Instant) {
        self.unanswered_since = None;
        // 0.8 to 1.2 of the interval, so that a thousand endpoints do not check in step.
        let spread = random::bytes::<1>().map_or(128, |[byte]| u32::from(byte));
        self.next_consent = Some(now + self.config.consent_interval * (205 + spread * 2 / 5) / 256);
    }

    fn renew_consent(&mut self, now: Instant) {
        let Some(selected) = self.selected else {
            self.next_consent = None;
            return;
        };
        if self.next_consent.is_none_or(|at| now < at) {
            return;
        }
        if let Some(since) = self.unanswered_since {
            let fresher = self.pairs.iter().enumerate().position(|(index, pair)| {
                index != selected
                    && pair.state == PairState::Succeeded
                    && pair.last_received > self.pairs[selected].last_received
            });
            if let Some(other) = fresher {
                self.move_to(now, other);
                return;
            }
            if now.saturating_duration_since(since) >= self.config.consent_timeout {
                self.lose_consent();
                return;
            }
        }
        self.unanswered_since.get_or_insert(now);
        self.next_consent = Some(now + self.config.consent_retransmission);
        self.send_check(now, selected);
        self.pairs[selected].next_attempt = None;
    }

    /// The peer is heard on another path only: use it at once, and say so.
    fn move_to(&mut self, now: Instant, index: usize) {
        self.select(now, index);
        if self.role == Role::Controlling {
            self.nominate(now, index);
        }
    }

    fn lose_consent(&mut self) {
        self.selected = None;
        self.next_consent = None;
        self.unanswered_since = None;
        self.progress = Progress::Failed;
        for pair in &mut self.pairs {
            pair.state = PairState::Failed;
            pair.nominating = false;
            pair.next_attempt = None;
        }
        self.events.push_back(IceEvent::Failed);
    }

    fn retransmit(&mut self, now: Instant) {
        for index in 0..self.pairs.len() {
            let pair = &mut self.pairs[index];
            if pair.next_attempt.is_none_or(|at| now < at) {
                continue;
            }
            if pair.attempts >= self.config.attempts {
                pair.state = PairState::Failed;
                pair.nominating = false;
                pair.next_attempt = None;
                continue;
            }
            self.send_check(now, index);
        }
    }

    /// One ordinary check per [`IceConfig::check_interval`].
    fn check(&mut self, now: Instant) {
        if self.peer.is_none() || self.next_check.is_none_or(|at| now < at) {
            return;
        }
        let Some(index) = self.next_pair() else {
            return;
        };
        self.pairs[index].state = PairState::InProgress;
        self.send_check(now, index);
        self.next_check = Some(now + self.config.check_interval);
    }

    fn next_pair(&self) -> Option<usize> {
        match self.selected {
            None => self.best(PairState::Waiting),
            Some(_) => None,
        }
    }

    fn best(&self, state: PairState) -> Option<usize> {
        let controlling = self.role == Role::Controlling;
        (0..self.pairs.len())
            .filter(|index| self.pairs[*index].state == state)
            .max_by_key(|index| self.pairs[*index].priority(controlling))
    }

    fn send_check(&mut self, now: Instant, index: usize) {
        let (Some(peer), Ok(id)) = (&self.peer, transaction_id()) else {
            return;
        };
        let pair = &mut self.pairs[index];
        let controlling = self.role == Role::Controlling;
        let nominating = controlling && pair.nominating;
        let preference = self.plan.preference(pair.route.local);
        let mut builder = Builder::new(Class::Request, &id);
        builder
            .username(&peer.credentials.fragment, &self.local.fragment)
            .priority(CandidateKind::PeerReflexive.priority(preference));
        if controlling {
            builder.controlling(self.tie_breaker);
        } else {
            builder.controlled(self.tie_breaker);
        }
        if nominating {
            builder.use_candidate();
        }
        let payload = builder.finish(&peer.key);
        let backoff = self.config.retransmission * (1 << pair.attempts.min(10));
        pair.next_attempt = Some(now + backoff.min(self.config.retransmission_limit));
        pair.attempts = pair.attempts.saturating_add(1);
        let route = pair.route;
        self.transactions.add(Transaction {
            id,
            pair: index,
            sent: now,
            nominating,
            controlling,
        });
        self.send(route, payload);
    }

    fn send(&mut self, route: Route, payload: Vec<u8>) {
        self.transmits.push_back(Transmit { route, payload });
    }

    /// The pair of `route`, made if need be; `None` when the table is full of better ones.
    fn add_pair(&mut self, route: Route, kind: CandidateKind, priority: u32) -> Option<usize> {
        if let Some(index) = self.pairs.iter().position(|pair| pair.route == route) {
            return Some(index);
        }
        let pair = Pair {
            route,
            remote_kind: kind,
            local_priority: CandidateKind::Host.priority(self.plan.preference(route.local)),
            remote_priority: priority,
            state: PairState::Waiting,
            nominating: false,
            nominated_by_peer: false,
            attempts: 0,
            next_attempt: None,
            last_received: None,
        };
        if self.pairs.len() < MAX_PAIRS {
            self.pairs.push(pair);
            return Some(self.pairs.len() - 1);
        }
        let index = (0..self.pairs.len())
            .filter(|index| self.selected != Some(*index))
            .min_by_key(|index| {
                let pair = &self.pairs[*index];
                (pair.state != PairState::Failed, pair.last_received)
            })?;
        self.transactions.forget_pair(index);
        self.pairs[index] = pair;
        Some(index)
    }
}

/// An IPv4 address mapped into IPv6 is the IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn transaction_id() -> Result<TransactionId, RandomError> {
    random::bytes()
}
