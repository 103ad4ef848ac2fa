//! All bridges, without I/O: presences, answers and a clock in; questions and events out.
//!
//! A bridge is lost when it leaves, or when nothing at all was heard of it for `dead_after`
//! although it was pinged: a wedged process keeps its connection, and a killed one may keep its
//! session for a while. Health checks (brewery protocol) only decide whether it is used.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Instant;

use jitctl_wire::brewery::BridgeReport;
use jitctl_wire::muc::Occupancy;
use jitctl_wire::{Jid, Presence, PresenceKind};

use super::bridge::{Bridge, Health};
use super::event::{BridgeEvent, LossReason};
use crate::config::BridgesConfig;

/// What the registry wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send a health check and report with [`BridgeRegistry::handle_health`].
    CheckHealth(Jid),
    /// Send a ping and report an answer with [`BridgeRegistry::handle_sign_of_life`].
    Ping(Jid),
    /// Send a ping to a real address and report an answer of the bridge itself with
    /// [`BridgeRegistry::handle_rival`].
    PingRival {
        /// Place in the brewery.
        occupant: Jid,
        /// The real address.
        address: Jid,
    },
    /// Tell everybody.
    Tell(BridgeEvent),
}

/// What came of a health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthAnswer {
    /// Passed.
    Healthy,
    /// No answer in time.
    Unanswered,
    /// The bridge says that it is ill.
    Ill(String),
    /// Any other error: says nothing about health, but the bridge lives.
    Odd,
}

/// All bridges.
#[derive(Debug)]
pub struct BridgeRegistry {
    config: BridgesConfig,
    /// Host that accounts of bridges must have.
    domain: String,
    own_nickname: String,
    bridges: BTreeMap<Jid, Bridge>,
    actions: VecDeque<Action>,
    /// Living addresses behind one nickname.
    rivals: HashMap<Jid, HashSet<Jid>>,
    clashes: HashSet<Jid>,
    impostors: HashSet<Jid>,
    next_tick: Option<Instant>,
    lost: u64,
}

impl BridgeRegistry {
    /// An empty registry. Bridges need accounts of `domain`; `own_nickname` is no bridge.
    pub fn new(config: BridgesConfig, domain: &str, own_nickname: &str) -> Self {
        Self {
            config,
            domain: domain.to_ascii_lowercase(),
            own_nickname: own_nickname.to_owned(),
            bridges: BTreeMap::new(),
            actions: VecDeque::new(),
            rivals: HashMap::new(),
            clashes: HashSet::new(),
            impostors: HashSet::new(),
            next_tick: None,
            lost: 0,
        }
    }

    /// The configuration.
    pub fn config(&self) -> &BridgesConfig {
        &self.config
    }

    /// Bridges that show signs of life, by occupant address.
    pub fn bridges(&self) -> impl Iterator<Item = &Bridge> {
        self.bridges.values().filter(|bridge| bridge.responsive)
    }

    /// One bridge, whether it shows signs of life or not.
    pub fn bridge(&self, occupant: &Jid) -> Option<&Bridge> {
        self.bridges.get(occupant)
    }

    /// Bridges lost since start without having said so before.
    pub fn lost_count(&self) -> u64 {
        self.lost
    }

    /// Whether several living bridges use this nickname.
    pub fn has_clash(&self, occupant: &Jid) -> bool {
        self.clashes.contains(occupant)
    }

    /// Notes that a participant was put on a bridge.
    pub fn note_participant(&mut self, occupant: &Jid, now: Instant) {
        if let Some(bridge) = self.bridges.get_mut(occupant) {
            bridge.note_participant(now);
        }
    }

    /// Notes a failure seen elsewhere, as of a colibri2 request: the bridge is avoided for a
    /// while.
    pub fn note_failure(&mut self, occupant: &Jid, now: Instant) {
        if let Some(bridge) = self.bridges.get_mut(occupant) {
            bridge.last_failure = Some(now);
        }
    }

    /// The next thing to do, until `None`.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn tell(&mut self, event: BridgeEvent) {
        self.actions.push_back(Action::Tell(event));
    }

    /// A presence of the brewery.
    pub fn handle_presence(&mut self, now: Instant, presence: &Presence) {
        let Some(from) = &presence.from else { return };
        if from
            .resource()
            .is_none_or(|nickname| nickname == self.own_nickname)
        {
            return;
        }
        match presence.kind {
            PresenceKind::Available => self.handle_available(now, from, presence),
            PresenceKind::Unavailable => self.handle_unavailable(from),
            PresenceKind::Error | PresenceKind::Other => {}
        }
    }

    fn handle_available(&mut self, now: Instant, from: &Jid, presence: &Presence) {
        let Some(report) = BridgeReport::of(presence) else {
            return;
        };
        let addresses = Occupancy::of(presence).unwrap_or_default().real_addresses();
        if addresses
            .iter()
            .any(|address| address.domain() != self.domain)
        {
            if self.impostors.insert(from.clone()) {
                self.tell(BridgeEvent::Impostor {
                    occupant: from.clone(),
                    addresses,
                });
            }
            return;
        }
        let is_new = !self.bridges.contains_key(from);
        let bridge = self
            .bridges
            .entry(from.clone())
            .or_insert_with(|| Bridge::new(from.clone(), now, &self.config));
        let (drain, graceful, shutting_down) =
            (bridge.drain, bridge.graceful_shutdown, bridge.shutting_down);
        bridge.update(&report);
        bridge.addresses.clone_from(&addresses);
        bridge.last_presence = now;
        let summary = bridge.summary();
        let changes = [
            (bridge.shutting_down && !shutting_down)
                .then(|| BridgeEvent::ShuttingDown(summary.clone())),
            (bridge.graceful_shutdown && !graceful)
                .then(|| BridgeEvent::GracefulShutdown(summary.clone())),
            (!is_new && bridge.drain != drain)
                .then(|| BridgeEvent::Drain(summary.clone(), bridge.drain)),
        ];
        if is_new {
            self.tell(BridgeEvent::Added(summary));
            self.check_health(now, from);
        }
        for event in changes.into_iter().flatten() {
            self.tell(event);
        }
        self.handle_sign_of_life(now, from);
        self.look_for_rivals(from, &addresses);
    }

    fn handle_unavailable(&mut self, from: &Jid) {
        self.impostors.remove(from);
        self.rivals.remove(from);
        self.clashes.remove(from);
        let Some(bridge) = self.bridges.remove(from) else {
            return;
        };
        if bridge.responsive {
            let reason = if bridge.shutting_down {
                LossReason::ShutDown
            } else {
                LossReason::Left
            };
            self.lose(&bridge, reason);
        }
    }

    fn lose(&mut self, bridge: &Bridge, reason: LossReason) {
        if reason != LossReason::ShutDown {
            self.lost += 1;
        }
        self.tell(BridgeEvent::Lost(bridge.summary(), reason));
    }

    /// Several real addresses: ask each whether it lives, once.
    fn look_for_rivals(&mut self, occupant: &Jid, addresses: &[Jid]) {
        if addresses.len() < 2 {
            self.rivals.remove(occupant);
            self.clashes.remove(occupant);
            return;
        }
        if self.clashes.contains(occupant) {
            return;
        }
        // Asked again with every presence: one of them may only be slow.
        for address in addresses {
            self.actions.push_back(Action::PingRival {
                occupant: occupant.clone(),
                address: address.clone(),
            });
        }
    }

    /// A real address behind a shared nickname answered by itself.
    pub fn handle_rival(&mut self, occupant: &Jid, address: &Jid) {
        let Some(bridge) = self.bridges.get(occupant) else {
            return;
        };
        let current = bridge.addresses.clone();
        if !current.contains(address) {
            return;
        }
        let living = self.rivals.entry(occupant.clone()).or_default();
        living.insert(address.clone());
        living.retain(|address| current.contains(address));
        if living.len() < 2 || !self.clashes.insert(occupant.clone()) {
            return;
        }
        let mut addresses: Vec<Jid> = self
            .rivals
            .get(occupant)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        addresses.sort();
        let nickname = occupant.resource().unwrap_or_default().to_owned();
        self.tell(BridgeEvent::NicknameClash {
            nickname,
            addresses,
        });
    }

    /// Anything came from the bridge itself.
    pub fn handle_sign_of_life(&mut self, now: Instant, occupant: &Jid) {
        let Some(bridge) = self.bridges.get_mut(occupant) else {
            return;
        };
        bridge.last_heard = now;
        if bridge.responsive {
            return;
        }
        bridge.responsive = true;
        let summary = bridge.summary();
        self.tell(BridgeEvent::Added(summary));
    }

    /// What came of a health check.
    pub fn handle_health(&mut self, now: Instant, occupant: &Jid, answer: &HealthAnswer) {
        let config = self.config;
        let Some(bridge) = self.bridges.get_mut(occupant) else {
            return;
        };
        let before = bridge.health.clone();
        let mut event = None;
        match answer {
            HealthAnswer::Healthy | HealthAnswer::Odd => bridge.unanswered_checks = 0,
            HealthAnswer::Unanswered => bridge.unanswered_checks += 1,
            HealthAnswer::Ill(_) => {}
        }
        match answer {
            HealthAnswer::Healthy => bridge.health = Health::Healthy,
            HealthAnswer::Odd => {}
            HealthAnswer::Unanswered if bridge.unanswered_checks < 2 => {
                // One retry after half the interval.
                bridge.next_check = now + config.health_interval() / 2;
            }
            HealthAnswer::Unanswered => {
                bridge.health = Health::TimedOut;
                bridge.last_failure = Some(now);
            }
            HealthAnswer::Ill(reason) => {
                bridge.health = Health::Failed(reason.clone());
                bridge.last_failure = Some(now);
            }
        }
        match (&before, &bridge.health) {
            (Health::Failed(_) | Health::TimedOut, Health::Healthy) => {
                event = Some(BridgeEvent::Recovered(bridge.summary()));
            }
            (Health::Failed(_), Health::Failed(_)) => {}
            (_, Health::Failed(reason)) => {
                event = Some(BridgeEvent::Failed(bridge.summary(), reason.clone()));
            }
            _ => {}
        }
        if let Some(event) = event {
            self.tell(event);
        }
        if *answer != HealthAnswer::Unanswered {
            self.handle_sign_of_life(now, occupant);
        }
    }

    fn check_health(&mut self, now: Instant, occupant: &Jid) {
        let interval = self.config.health_interval();
        if let Some(bridge) = self.bridges.get_mut(occupant) {
            bridge.next_check = now + interval;
            self.actions
                .push_back(Action::CheckHealth(occupant.clone()));
        }
    }

    /// The focus is connected: pinging starts, and nobody is blamed for the time before.
    pub fn handle_online(&mut self, now: Instant) {
        for bridge in self.bridges.values_mut() {
            bridge.last_heard = now;
        }
        self.next_tick = Some(now + self.config.ping_interval());
    }

    /// The focus is not connected. While the session may be resumed bridges are kept.
    pub fn handle_offline(&mut self, resumable: bool) {
        self.next_tick = None;
        if resumable {
            return;
        }
        self.rivals.clear();
        self.clashes.clear();
        self.impostors.clear();
        for bridge in std::mem::take(&mut self.bridges).into_values() {
            if bridge.responsive {
                self.lose(&bridge, LossReason::OwnConnection);
            }
        }
    }

    /// When [`BridgeRegistry::handle_timeout`] wants to be called: at the next round of pings, or
    /// when the silence of a bridge has lasted long enough.
    pub fn next_timeout(&self) -> Option<Instant> {
        let tick = self.next_tick?;
        let dead_after = self.config.dead_after();
        self.bridges()
            .map(|bridge| bridge.last_heard + dead_after)
            .chain([tick])
            .min()
    }

    /// Pings, checks and looks for the dead.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(due) = self.next_timeout().filter(|due| *due <= now) else {
            return;
        };
        let late = now.duration_since(due);
        if late > self.config.ping_interval() / 2 {
            // When we could not run ourselves, answers wait unread: that is not their silence.
            for bridge in self.bridges.values_mut() {
                bridge.last_heard += late;
            }
        }
        self.look_for_the_silent(now);
        if self.next_tick.is_some_and(|tick| tick <= now) {
            self.next_tick = Some(now + self.config.ping_interval());
            self.ask_everybody(now);
        }
    }

    fn look_for_the_silent(&mut self, now: Instant) {
        let dead_after = self.config.dead_after();
        let mut silent = Vec::new();
        for bridge in self.bridges.values_mut() {
            let silence = now.saturating_duration_since(bridge.last_heard);
            if bridge.responsive && silence >= dead_after {
                bridge.responsive = false;
                silent.push((bridge.clone(), silence));
            }
        }
        for (bridge, silence) in silent {
            self.lose(&bridge, LossReason::Silent(silence));
        }
    }

    fn ask_everybody(&mut self, now: Instant) {
        let rampup = self.config.participant_rampup();
        let mut due_checks = Vec::new();
        for bridge in self.bridges.values_mut() {
            bridge.forget_old_participants(now, rampup);
            self.actions
                .push_back(Action::Ping(bridge.occupant.clone()));
            if bridge.next_check <= now {
                due_checks.push(bridge.occupant.clone());
            }
        }
        for occupant in due_checks {
            self.check_health(now, &occupant);
        }
    }
}

#[cfg(test)]
mod tests;
