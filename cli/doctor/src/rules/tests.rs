//! Whole observations in, first findings out.

use std::collections::BTreeMap;
use std::time::Duration;

use jitctl_inventory::model::Role;
use jitctl_transport::{ConnectFailure, RemoteError};
use jitctl_xmpp::{Failure, LoginOutcome, Stage, TlsFailure};

use super::*;
use crate::finding::Severity;
use crate::observe::host::{Disk, HostFacts, NameAnswer, Unit};
use crate::observe::{BridgeSeen, Certificate, FocusView, HostSight, Http, Login, WebSite};

const NOW: u64 = 1_800_000_000;

fn http(path: &'static str, code: u16) -> Http {
    Http {
        path,
        status: Ok(code),
        elapsed: Duration::ZERO,
    }
}

/// Breaks a healthy site.
type Break = fn(&mut Observation);

fn login(failure: Option<Failure>, stages: &[Stage]) -> Login {
    Login {
        address: "10.0.0.1:5222".into(),
        account: "jvb@auth.meet.test".into(),
        domain: "auth.meet.test".into(),
        brewery: Some("jvbbrewery@internal.auth.meet.test".into()),
        ended_at_once: false,
        outcome: Some(LoginOutcome {
            stages: stages
                .iter()
                .map(|stage| (*stage, Duration::ZERO))
                .collect(),
            elapsed: Duration::ZERO,
            peer: None,
            mechanisms: Vec::new(),
            certificate_chain: Vec::new(),
            result: match failure {
                Some(failure) => Err(failure),
                None => Ok("jvb@auth.meet.test/x".parse().unwrap()),
            },
        }),
        unusable: None,
    }
}

fn units(names: &[&str]) -> BTreeMap<String, Unit> {
    let active = Unit {
        load: "loaded".into(),
        active: "active".into(),
        sub: "running".into(),
        file: "enabled".into(),
        ..Unit::default()
    };
    names
        .iter()
        .map(|name| ((*name).to_owned(), active.clone()))
        .collect()
}

fn healthy() -> Observation {
    let main = HostSight {
        roles: vec![Role::Main],
        nickname: None,
        addresses: vec!["10.0.0.1".parse().unwrap()],
        facts: Ok(HostFacts {
            clock_offset_seconds: Some(0),
            disks: vec![Disk {
                mount: "/".into(),
                free: 9_000_000,
                used_percent: 40,
                inodes: false,
            }],
            names: [(
                "meet.test".to_owned(),
                NameAnswer::Found(vec!["10.0.0.1".parse().unwrap()]),
            )]
            .into(),
            units: units(&["prosody.service", "nginx.service", "jitctl-focus.service"]),
            ..HostFacts::default()
        }),
        bridge_logins: Vec::new(),
        focus_login: Some(login(None, &[Stage::Online])),
        web: Some(WebSite {
            tls_error: None,
            chain: vec![Certificate {
                names: vec!["meet.test".into()],
                issuer: "CN=site".into(),
                subject: "CN=meet.test".into(),
                not_before: 0,
                not_after: i64::try_from(NOW).unwrap() + 90 * 86_400,
                self_signed: false,
            }],
            page: Some(http("/", 200)),
            bosh: Some(http("/http-bind", 200)),
            websocket: Some(http("/xmpp-websocket", 101)),
        }),
        focus: Some(Ok(FocusView {
            brewery: Some("jvbbrewery@internal.auth.meet.test".into()),
            bridges: vec![BridgeSeen {
                nickname: "b1-aaaa".into(),
                real_jids: vec!["jvb@auth.meet.test/x".into()],
                version: Some("0.1.0".into()),
                operational: true,
                drain: false,
            }],
        })),
    };
    let bridge = HostSight {
        roles: vec![Role::Bridge],
        nickname: Some("b1-aaaa".into()),
        addresses: vec!["10.0.0.2".parse().unwrap()],
        facts: Ok(HostFacts {
            clock_offset_seconds: Some(1),
            units: units(&["jitctl-bridge.service"]),
            ..HostFacts::default()
        }),
        bridge_logins: vec![login(None, &[Stage::Online])],
        focus_login: None,
        web: None,
        focus: None,
    };
    Observation {
        domain: "meet.test".into(),
        now: NOW,
        hosts: [("main".into(), main), ("b1".into(), bridge)].into(),
        elapsed: Duration::ZERO,
    }
}

fn sight<'o>(observation: &'o mut Observation, name: &str) -> &'o mut HostSight {
    observation.hosts.get_mut(&name.into()).unwrap()
}

fn facts<'o>(observation: &'o mut Observation, name: &str) -> &'o mut HostFacts {
    sight(observation, name).facts.as_mut().unwrap()
}

fn codes(observation: &Observation) -> Vec<&'static str> {
    diagnose(observation)
        .iter()
        .map(|finding| finding.code)
        .collect()
}

fn unseen_by_focus(observation: &mut Observation) {
    sight(observation, "main").focus = Some(Ok(FocusView::default()));
}

#[test]
fn a_healthy_site_has_no_finding() {
    assert_eq!(diagnose(&healthy()), []);
}

#[test]
fn each_way_a_login_fails_has_its_code_and_hides_what_follows() {
    let user = || ("jvb".to_owned(), "auth.meet.test".to_owned());
    let domain = || "auth.meet.test".to_owned();
    let cases: Vec<(Failure, &[Stage], &str)> = vec![
        (
            Failure::WrongPassword {
                username: user().0,
                domain: user().1,
            },
            &[Stage::Authenticate],
            "X01",
        ),
        (
            Failure::NoAccount {
                username: user().0,
                domain: user().1,
            },
            &[Stage::Authenticate],
            "X02",
        ),
        (
            Failure::HostUnknown { domain: domain() },
            &[Stage::Open],
            "X04",
        ),
        (
            Failure::OnlyAnonymous { domain: domain() },
            &[Stage::Authenticate],
            "X05",
        ),
        (
            Failure::Timeout {
                stage: Stage::Open,
                after: Duration::from_secs(4),
            },
            &[Stage::Open],
            "X07",
        ),
        (
            Failure::Timeout {
                stage: Stage::Tls,
                after: Duration::from_secs(4),
            },
            &[Stage::Open, Stage::Tls],
            "X08",
        ),
        (
            Failure::Tls(TlsFailure::UnknownAuthority),
            &[Stage::Tls],
            "X09",
        ),
        (Failure::Tls(TlsFailure::Expired), &[Stage::Tls], "X10"),
    ];
    for (failure, stages, code) in cases {
        let mut observation = healthy();
        sight(&mut observation, "b1").bridge_logins = vec![login(Some(failure.clone()), stages)];
        unseen_by_focus(&mut observation);
        assert_eq!(codes(&observation), [code], "{failure}");
    }
}

#[test]
fn a_stopped_server_is_the_root_of_what_bridges_and_the_web_see() {
    let mut observation = healthy();
    facts(&mut observation, "main")
        .units
        .get_mut("prosody.service")
        .unwrap()
        .active = "inactive".into();
    unseen_by_focus(&mut observation);
    sight(&mut observation, "b1").bridge_logins[0].ended_at_once = true;
    sight(&mut observation, "main").web.as_mut().unwrap().bosh = Some(http("/http-bind", 502));
    let findings = diagnose(&observation);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].code, "H09");
    assert!(findings[0].what.contains("prosody"));
}

#[test]
fn a_clash_of_nicknames_names_both_addresses() {
    let mut observation = healthy();
    let Some(Ok(view)) = &mut sight(&mut observation, "main").focus else {
        panic!("the healthy site has a focus")
    };
    view.bridges[0]
        .real_jids
        .push("jvb@auth.meet.test/y".into());
    let findings = diagnose(&observation);
    assert_eq!(findings[0].code, "X16");
    assert_eq!(findings[0].evidence.len(), 2);
}

#[test]
fn different_breweries_are_told_from_other_absences() {
    let mut observation = healthy();
    sight(&mut observation, "main").focus = Some(Ok(FocusView {
        brewery: Some("other@internal.auth.meet.test".into()),
        bridges: Vec::new(),
    }));
    let findings = diagnose(&observation);
    assert_eq!(findings[0].code, "X15");
    assert_eq!(findings[0].cause, "the brewery rooms differ");
}

#[test]
fn ssh_trouble_is_told_apart() {
    for (failure, code) in [
        (ConnectFailure::ChangedHostKey, "H01"),
        (ConnectFailure::Sudo, "H02"),
        (ConnectFailure::AuthenticationRefused, "H03"),
        (ConnectFailure::Timeout, "H04"),
        (ConnectFailure::UnknownHostKey, "H05"),
    ] {
        let mut observation = healthy();
        sight(&mut observation, "b1").facts = Err(RemoteError::Connect {
            host: "b1".into(),
            failure,
            cause: "words".into(),
            remedy: "remedy".into(),
        });
        sight(&mut observation, "b1").bridge_logins.clear();
        assert_eq!(codes(&observation), [code]);
    }
}

#[test]
fn host_faults_have_their_codes() {
    let cases: [(&str, Break); 6] = [
        ("H08", |observation| {
            facts(observation, "b1").clock_offset_seconds = Some(-600);
        }),
        ("H06", |observation| {
            facts(observation, "main").disks[0].used_percent = 100;
        }),
        ("H07", |observation| {
            facts(observation, "main")
                .packages
                .push(("iF".into(), "nginx".into()));
        }),
        ("H10", |observation| {
            let unit = facts(observation, "b1")
                .units
                .get_mut("jitctl-bridge.service")
                .unwrap();
            unit.load = "masked".into();
            unit.active = "inactive".into();
            unseen_by_focus(observation);
        }),
        ("B20", |observation| {
            let unit = facts(observation, "b1")
                .units
                .get_mut("jitctl-bridge.service")
                .unwrap();
            unit.active = "failed".into();
            unit.exit_status = 78;
            unseen_by_focus(observation);
        }),
        ("D02", |observation| {
            facts(observation, "b1")
                .names
                .insert("meet.test".into(), NameAnswer::Silent);
        }),
    ];
    for (code, breaks) in cases {
        let mut observation = healthy();
        breaks(&mut observation);
        assert_eq!(codes(&observation), [code]);
    }
}

#[test]
fn certificates_are_judged_by_name_and_date() {
    let mut observation = healthy();
    let leaf = |observation: &mut Observation, days: i64| {
        let chain = &mut sight(observation, "main").web.as_mut().unwrap().chain;
        chain[0].not_after = i64::try_from(NOW).unwrap() + days * 86_400;
    };
    leaf(&mut observation, 15);
    assert_eq!(diagnose(&observation)[0].severity, Severity::Warning);
    leaf(&mut observation, -2);
    let findings = diagnose(&observation);
    assert_eq!(
        (findings[0].code, findings[0].severity),
        ("T01", Severity::Error)
    );
    leaf(&mut observation, 90);
    sight(&mut observation, "main").web.as_mut().unwrap().chain[0].names = vec!["x.test".into()];
    assert_eq!(codes(&observation), ["T04"]);
}

#[test]
fn two_faults_are_both_named() {
    let mut observation = healthy();
    facts(&mut observation, "main").clock_offset_seconds = Some(600);
    sight(&mut observation, "main")
        .web
        .as_mut()
        .unwrap()
        .websocket = Some(http("/xmpp-websocket", 200));
    let mut found = codes(&observation);
    found.sort_unstable();
    assert_eq!(found, ["H08", "W03"]);
}
