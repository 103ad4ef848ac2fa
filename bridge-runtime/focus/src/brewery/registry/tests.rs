//! Bridges come, fall silent, fall ill and leave, in virtual time.

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
        let mut registry = BridgeRegistry::new(BridgesConfig::default(), "auth.meet.test", "focus");
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
