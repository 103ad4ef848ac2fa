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
mod tests {
    use std::time::Duration;

    use jitctl_wire::Element;

    use super::*;

    const BREWERY: &str = "jvbbrewery@internal.auth.meet.test";

    struct Fixture {
        registry: BridgeRegistry,
        start: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            let mut registry =
                BridgeRegistry::new(BridgesConfig::default(), "auth.meet.test", "focus");
            let start = Instant::now();
            registry.handle_online(start);
            Self { registry, start }
        }

        fn at(&self, milliseconds: u64) -> Instant {
            self.start + Duration::from_millis(milliseconds)
        }

        fn presence(&mut self, milliseconds: u64, nickname: &str, stats: &str, jids: &[&str]) {
            let items: String = jids
                .iter()
                .flat_map(|jid| ["<item jid='", *jid, "'/>"])
                .collect();
            let text = format!(
                "<presence from='{BREWERY}/{nickname}'>\
                 <stats xmlns='http://jitsi.org/protocol/colibri'>{stats}</stats>\
                 <x xmlns='http://jabber.org/protocol/muc#user'>{items}</x></presence>"
            );
            let presence = Presence::parse(&Element::parse(&text).unwrap()).unwrap();
            let now = self.at(milliseconds);
            self.registry.handle_presence(now, &presence);
        }

        fn actions(&mut self) -> Vec<Action> {
            std::iter::from_fn(|| self.registry.next_action()).collect()
        }

        fn events(&mut self) -> Vec<BridgeEvent> {
            self.actions()
                .into_iter()
                .filter_map(|action| match action {
                    Action::Tell(event) => Some(event),
                    _ => None,
                })
                .collect()
        }

        /// Lets time pass as the edge does, with answers for pings or without.
        fn run(&mut self, until: u64, answering: bool) -> Vec<(u64, BridgeEvent)> {
            let mut events = Vec::new();
            while let Some(due) = self
                .registry
                .next_timeout()
                .filter(|due| *due <= self.at(until))
            {
                self.registry.handle_timeout(due);
                while let Some(action) = self.registry.next_action() {
                    match action {
                        Action::Ping(occupant) if answering => {
                            self.registry.handle_sign_of_life(due, &occupant);
                        }
                        Action::Tell(event) => {
                            let at = due.duration_since(self.start).as_millis();
                            events.push((u64::try_from(at).unwrap(), event));
                        }
                        _ => {}
                    }
                }
            }
            events
        }
    }

    fn jid(nickname: &str) -> Jid {
        format!("{BREWERY}/{nickname}").parse().unwrap()
    }

    fn stat(name: &str, value: &str) -> String {
        format!("<stat xmlns='http://jitsi.org/protocol/colibri' name='{name}' value='{value}'/>")
    }

    #[test]
    fn a_silent_bridge_is_lost_after_two_and_a_half_seconds_and_added_when_it_answers() {
        let mut fixture = Fixture::new();
        fixture.presence(0, "b1", &stat("version", "1"), &["jvb@auth.meet.test/a"]);
        assert!(matches!(fixture.events()[..], [BridgeEvent::Added(_)]));
        assert_eq!(fixture.run(10_000, true), []);
        let lost = fixture.run(15_000, false);
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert_eq!(lost[0].0, 12_500);
        assert_eq!(lost[0].1.moves_participants(), Some(&jid("b1")));
        assert_eq!(fixture.registry.bridges().count(), 0);
        let now = fixture.at(16_000);
        fixture.registry.handle_sign_of_life(now, &jid("b1"));
        assert!(matches!(fixture.events()[..], [BridgeEvent::Added(_)]));
        assert_eq!(fixture.registry.bridges().count(), 1);
    }

    #[test]
    fn a_stalled_focus_blames_no_bridge() {
        let mut fixture = Fixture::new();
        fixture.presence(0, "b1", "", &[]);
        fixture.actions();
        let now = fixture.at(20_000);
        fixture.registry.handle_timeout(now);
        assert_eq!(fixture.events(), []);
        assert_eq!(fixture.registry.bridges().count(), 1);
    }

    #[test]
    fn drain_is_assumed_until_told_otherwise_and_shutdown_is_never_taken_back() {
        let mut fixture = Fixture::new();
        fixture.presence(0, "b1", "", &[]);
        assert!(fixture.registry.bridge(&jid("b1")).unwrap().drain);
        fixture.presence(1, "b1", &stat("drain", "false"), &[]);
        assert!(!fixture.registry.bridge(&jid("b1")).unwrap().drain);
        fixture.presence(2, "b1", &stat("shutting_down", "true"), &[]);
        fixture.presence(3, "b1", &stat("shutting_down", "false"), &[]);
        let bridge = fixture.registry.bridge(&jid("b1")).unwrap();
        assert!(bridge.shutting_down && !bridge.drain);
        let events = fixture.events();
        let downs = events
            .iter()
            .filter(|e| matches!(e, BridgeEvent::ShuttingDown(_)))
            .count();
        assert_eq!(downs, 1);
    }

    #[test]
    fn one_unanswered_check_is_retried_and_two_take_the_bridge_out_of_service_for_a_minute() {
        let mut fixture = Fixture::new();
        fixture.presence(0, "b1", "", &[]);
        fixture.actions();
        let reset = BridgesConfig::default().failure_reset();
        let bridge = jid("b1");
        let operational = |fixture: &Fixture, at| {
            let now = fixture.at(at);
            fixture
                .registry
                .bridge(&bridge)
                .unwrap()
                .is_operational(now, reset)
        };
        let answer = |fixture: &mut Fixture, at, answer| {
            let now = fixture.at(at);
            fixture.registry.handle_health(now, &jid("b1"), &answer);
        };
        answer(&mut fixture, 5_000, HealthAnswer::Unanswered);
        assert!(operational(&fixture, 5_000));
        assert_eq!(
            fixture.registry.bridge(&bridge).unwrap().next_check,
            fixture.at(10_000)
        );
        answer(&mut fixture, 15_000, HealthAnswer::Unanswered);
        assert!(!operational(&fixture, 15_000));
        assert_eq!(fixture.events(), []);
        answer(&mut fixture, 20_000, HealthAnswer::Healthy);
        assert!(!operational(&fixture, 74_999));
        assert!(operational(&fixture, 75_000));
        assert!(matches!(fixture.events()[..], [BridgeEvent::Recovered(_)]));
    }

    #[test]
    fn an_ill_bridge_loses_its_participants_once() {
        let mut fixture = Fixture::new();
        fixture.presence(0, "b1", "", &[]);
        fixture.actions();
        for at in [1_000, 11_000] {
            let now = fixture.at(at);
            let ill = HealthAnswer::Ill(String::from("no address"));
            fixture.registry.handle_health(now, &jid("b1"), &ill);
        }
        let events = fixture.events();
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0].moves_participants(), Some(&jid("b1")));
    }

    #[test]
    fn a_shared_nickname_is_a_clash_only_when_both_addresses_live() {
        let (a, b) = ("jvb@auth.meet.test/a", "jvb@auth.meet.test/b");
        let mut fixture = Fixture::new();
        fixture.presence(0, "b1", "", &[a, b]);
        let asked = fixture
            .actions()
            .iter()
            .filter(|action| matches!(action, Action::PingRival { .. }))
            .count();
        assert_eq!(asked, 2);
        fixture
            .registry
            .handle_rival(&jid("b1"), &a.parse().unwrap());
        fixture
            .registry
            .handle_rival(&jid("b1"), &a.parse().unwrap());
        assert_eq!(fixture.events(), []);
        fixture
            .registry
            .handle_rival(&jid("b1"), &b.parse().unwrap());
        let expected = BridgeEvent::NicknameClash {
            nickname: String::from("b1"),
            addresses: vec![a.parse().unwrap(), b.parse().unwrap()],
        };
        assert_eq!(fixture.events(), [expected]);
        fixture.presence(5_000, "b1", "", &[a, b]);
        assert_eq!(fixture.actions(), []);
        fixture.presence(6_000, "b1", "", &[a]);
        assert!(!fixture.registry.has_clash(&jid("b1")));
    }

    #[test]
    fn an_account_of_another_host_is_no_bridge() {
        let mut fixture = Fixture::new();
        fixture.presence(0, "b1", "", &["x@meet.test/y"]);
        assert!(matches!(
            fixture.events()[..],
            [BridgeEvent::Impostor { .. }]
        ));
        assert_eq!(fixture.registry.bridges().count(), 0);
    }

    #[test]
    fn a_lost_connection_of_the_focus_keeps_bridges_only_while_it_may_be_resumed() {
        let mut fixture = Fixture::new();
        fixture.presence(0, "b1", "", &[]);
        fixture.actions();
        fixture.registry.handle_offline(true);
        assert_eq!(fixture.registry.next_timeout(), None);
        assert_eq!(fixture.registry.bridges().count(), 1);
        fixture.registry.handle_offline(false);
        assert!(matches!(
            fixture.events()[..],
            [BridgeEvent::Lost(_, LossReason::OwnConnection)]
        ));
    }

    #[test]
    fn new_participants_count_until_they_show_in_the_reported_load() {
        let mut fixture = Fixture::new();
        fixture.presence(0, "b1", &stat("stress_level", "0.5"), &[]);
        let now = fixture.at(0);
        for _ in 0..10 {
            fixture.registry.note_participant(&jid("b1"), now);
        }
        let rampup = BridgesConfig::default().participant_rampup();
        let stress = |fixture: &Fixture, at| {
            let bridge = fixture.registry.bridge(&jid("b1")).unwrap();
            bridge.corrected_stress(fixture.at(at), rampup)
        };
        assert!((stress(&fixture, 19_999) - 0.6).abs() < 1e-9);
        assert!((stress(&fixture, 20_000) - 0.5).abs() < 1e-9);
    }
}
