//! Prosody's own settings, what runs short, ports that others hold, bridge channels.

use super::*;
use crate::observe::Membership;
use crate::observe::probe::TurnOffer;

fn cases(cases: &[(&str, Break)]) {
    for (code, breaks) in cases {
        let mut observation = healthy();
        breaks(&mut observation);
        assert_eq!(codes(&observation), [*code]);
    }
}

fn web(observation: &mut Observation) -> &mut WebSite {
    sight(observation, "main").web.as_mut().unwrap()
}

fn channel(observation: &mut Observation, code: u16, content_type: Option<&str>) {
    let answer = &mut sight(observation, "main").channels[0].1;
    answer.status = Ok(code);
    answer.content_type = content_type.map(str::to_owned);
}

fn says(observation: &mut Observation, line: &str) {
    let text = facts(observation, "main").prosody.as_mut().unwrap();
    text.push_str(line);
}

fn offer(observation: &mut Observation, port: u16) {
    facts(observation, "main")
        .units
        .extend(units(&["coturn.service"]));
    let guest = sight(observation, "main").guest.as_mut().unwrap();
    guest.turn.push(TurnOffer {
        kind: "turn".into(),
        host: "meet.test".into(),
        port,
        transport: "udp".into(),
        username: String::new(),
        password: String::new().into(),
    });
}

#[test]
fn prosodys_own_troubles_have_their_codes() {
    cases(&[
        ("X13", |observation| {
            let server = &mut facts(observation, "main").server;
            server.insert("includes".into(), "0".into());
            view(observation).account.jid = None;
        }),
        ("X11", |observation| {
            let server = &mut facts(observation, "main").server;
            server.insert("version".into(), "13.0.1-1".into());
        }),
        ("X22", |observation| {
            says(observation, "c2s_interfaces = { \"10.0.0.99\" }\n");
            sight(observation, "b1").bridge_logins[0].ended_at_once = true;
        }),
        ("X20", |observation| {
            says(observation, "c2s_stanza_size_limit = 10 * 1024\n");
        }),
        ("W02", |observation| {
            web(observation).bosh = Some(http("/http-bind", 504));
            web(observation).websocket = Some(http("/xmpp-websocket", 504));
            unseen_by_focus(observation);
        }),
    ]);
}

#[test]
fn a_site_without_any_bridge_is_named_where_no_other_finding_says_why() {
    let mut observation = healthy();
    view(&mut observation).bridges[0].operational = false;
    assert_eq!(
        codes(&observation),
        ["B12"],
        "the bridge was looked at, too"
    );
    observation.hosts.remove(&"b1".into());
    assert_eq!(codes(&observation), ["B01"]);
}

#[test]
fn a_failed_request_for_a_certificate_is_no_service_that_is_down() {
    cases(&[("T03", |observation| {
        let unit = "jitctl-acme.service";
        let facts = facts(observation, "main");
        facts.units.extend(units(&[unit]));
        facts.units.get_mut(unit).unwrap().active = "failed".into();
        let limit = "too many certificates already issued".to_owned();
        facts.words.insert(unit.into(), vec![limit]);
    })]);
}

#[test]
fn what_runs_short_is_named() {
    cases(&[
        ("B11", |observation| {
            let kernel = &mut facts(observation, "b1").kernel;
            kernel.insert("MemTotal:".into(), "4000000".into());
            kernel.insert("MemAvailable:".into(), "90000".into());
        }),
        ("B11", |observation| {
            let unit = facts(observation, "b1")
                .units
                .get_mut("jitctl-bridge.service");
            let unit = unit.unwrap();
            unit.active = "failed".into();
            unit.result = "oom-kill".into();
            unseen_by_focus(observation);
        }),
        ("B10", |observation| {
            let unit = facts(observation, "b1")
                .units
                .get_mut("jitctl-bridge.service");
            unit.unwrap().tasks_max = Some(32);
        }),
        ("B16", |observation| {
            view(observation).bridges[0].stress = Some(0.93);
        }),
        ("B18", |observation| {
            let kernel = &mut facts(observation, "b1").kernel;
            kernel.insert("nf_conntrack_count".into(), "65000".into());
            kernel.insert("nf_conntrack_max".into(), "65536".into());
        }),
    ]);
}

#[test]
fn ports_that_others_hold_are_named() {
    cases(&[
        ("U02", |observation| {
            let facts = facts(observation, "main");
            facts
                .listeners
                .push(listener("tcp", "0.0.0.0", 443, "turnserver"));
            facts.units.get_mut("nginx.service").unwrap().active = "failed".into();
            web(observation).page = Some(http("/", 502));
        }),
        ("B08", |observation| {
            let facts = facts(observation, "b1");
            facts
                .listeners
                .push(listener("tcp", "127.0.0.1", 8080, "java"));
            facts.units.get_mut("jitctl-bridge.service").unwrap().active = "failed".into();
            unseen_by_focus(observation);
        }),
        ("U04", |observation| offer(observation, 3478)),
        ("U03", |observation| {
            offer(observation, 444);
            let facts = facts(observation, "main");
            facts
                .listeners
                .push(listener("udp", "0.0.0.0", 444, "turnserver"));
        }),
    ]);
}

#[test]
fn the_way_of_a_bridge_channel_is_told_apart() {
    cases(&[
        ("W04", |observation| {
            channel(observation, 200, Some("text/html"));
        }),
        ("W05", |observation| {
            channel(observation, 404, Some("text/plain"));
        }),
        ("W06", |observation| channel(observation, 404, None)),
        ("W06", |observation| {
            channel(observation, 502, Some("text/html"));
        }),
        ("W07", |observation| {
            channel(observation, 426, Some("text/plain"));
        }),
        ("W08", |observation| {
            facts(observation, "b1").bridge =
                Some("[websocket]\nlisten = \"0.0.0.0:9090\"\n".into());
        }),
        ("W09", |observation| {
            facts(observation, "b1").listeners.pop();
            channel(observation, 502, Some("text/html"));
        }),
        ("W12", |observation| {
            web(observation).plain = Some(http("/", 200));
        }),
        ("W11", |observation| web(observation).chain.truncate(1)),
    ]);
    let mut observation = healthy();
    web(&mut observation).chain.truncate(1);
    web(&mut observation).chain[0].logged = false;
    assert_eq!(codes(&observation), [""; 0], "a company's own authority");
}

#[test]
fn where_others_keep_main_the_bridge_is_asked_and_the_cure_is_an_import() {
    let mut observation = healthy();
    let main = sight(&mut observation, "main");
    main.expected = Expected {
        foreign: true,
        ..Expected::default()
    };
    main.focus = None;
    sight(&mut observation, "b1").rooms = Some(vec![Membership {
        brewery: "jvbbrewery@internal.auth.meet.test".into(),
        joined: false,
        trouble: Some("no password fits".into()),
    }]);
    assert_eq!(codes(&observation), ["X15"]);
    let failure = Failure::WrongPassword {
        username: "jvb".into(),
        domain: "auth.meet.test".into(),
    };
    let failed = login(Some(failure), &[Stage::Authenticate]);
    sight(&mut observation, "b1").bridge_logins = vec![failed];
    let findings = diagnose(&observation);
    assert_eq!(findings[0].code, "X01");
    assert!(
        findings[0].cure.starts_with("jitctl import main"),
        "{}",
        findings[0].cure
    );
    assert_eq!(findings[0].fix, None);
}
