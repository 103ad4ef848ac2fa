//! Whole observations in, first findings out.

mod services;
mod ways_in;

use std::collections::BTreeMap;
use std::time::Duration;

use jitctl_inventory::model::Role;
use jitctl_transport::{ConnectFailure, RemoteError};
use jitctl_xmpp::{Failure, LoginOutcome, Stage, TlsFailure};

use super::*;
use crate::finding::Severity;
use crate::observe::host::{Disk, FileMode, HostFacts, Leak, Listener, NameAnswer, Process, Unit};
use crate::observe::probe::{Asked, MediaPort, Outside, Reach, TurnView, UdpAnswer};
use crate::observe::{
    BridgeSeen, Certificate, Connection, Expected, FocusView, GuestVisit, Health, HostSight, Http,
    Login, WebSite,
};

const NOW: u64 = 1_800_000_000;

fn http(path: &'static str, code: u16) -> Http {
    Http {
        path: path.to_owned(),
        status: Ok(code),
        content_type: None,
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
        credential: "",
        ended_at_once: false,
        accepts: Some(true),
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

const SECRET_FILE: &str = "/etc/jitctl/credentials/focus-xmpp-password";

fn connected() -> Connection {
    Connection {
        jid: Some("focus@auth.meet.test/x".into()),
        joined: true,
        trouble: None,
    }
}

fn listener(protocol: &str, address: &str, port: u16, process: &str) -> Listener {
    Listener {
        protocol: protocol.into(),
        address: address.into(),
        port,
        process: Some(process.into()),
    }
}

fn mode(mode: u32) -> FileMode {
    FileMode {
        mode,
        owner: "root".into(),
        group: "root".into(),
    }
}

fn units(names: &[&str]) -> BTreeMap<String, Unit> {
    let active = Unit {
        load: "loaded".into(),
        active: "active".into(),
        sub: "running".into(),
        file: "enabled".into(),
        main_process: 7,
        ..Unit::default()
    };
    names
        .iter()
        .map(|name| ((*name).to_owned(), active.clone()))
        .collect()
}

fn certificate() -> Certificate {
    Certificate {
        names: vec!["meet.test".into()],
        issuer: "CN=site".into(),
        subject: "CN=meet.test".into(),
        serial: "01".into(),
        not_before: 0,
        not_after: i64::try_from(NOW).unwrap() + 90 * 86_400,
        self_signed: false,
        logged: true,
    }
}

/// The media port of the healthy site's bridge.
const MEDIA: &str = "10.0.0.2:10000";

fn reach(from: Option<&str>, address: &str, answer: UdpAnswer) -> Reach {
    Reach {
        from: from.map(Into::into),
        address: address.parse().unwrap(),
        answer,
    }
}

fn answer() -> UdpAnswer {
    UdpAnswer::Answered("10.0.0.9:4242".parse().unwrap())
}

fn port(observation: &mut Observation) -> &mut MediaPort {
    sight(observation, "b1").media.as_mut().unwrap()
}

fn healthy() -> Observation {
    let main = HostSight {
        roles: vec![Role::Main],
        nickname: None,
        addresses: vec!["10.0.0.1".parse().unwrap()],
        public_addresses: Vec::new(),
        expected: Expected {
            hashes: [
                ("/etc/jitctl/firewall.nft".to_owned(), "ab".to_owned()),
                ("/etc/jitctl/focus.toml".to_owned(), "cd".to_owned()),
            ]
            .into(),
            private: [(SECRET_FILE.to_owned(), 0o600)].into(),
            closed: vec![5222, 8888],
            ..Expected::default()
        },
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
            listeners: vec![
                listener("tcp", "0.0.0.0", 5222, "lua5.4"),
                listener("tcp", "127.0.0.1", 8888, "jitctl-focus"),
            ],
            filter: Some("tcp dport 5222 counter packets 0 bytes 0 drop".into()),
            applied: [
                ("/etc/jitctl/firewall.nft".to_owned(), "ab".to_owned()),
                ("/etc/jitctl/focus.toml".to_owned(), "cd".to_owned()),
            ]
            .into(),
            modes: [(SECRET_FILE.to_owned(), mode(0o600))].into(),
            prosody: Some(
                "\nadmins = {\n\t\"jvb@auth.meet.test\";\n}\nlimits = {\n}\nunlimited_jids = admins\n"
                    .into(),
            ),
            ..HostFacts::default()
        }),
        bridge_logins: Vec::new(),
        focus_login: Some(login(None, &[Stage::Online])),
        web: Some(WebSite {
            tls_error: None,
            chain: vec![certificate(), certificate()],
            plain: Some(http("/", 301)),
            page: Some(http("/", 200)),
            bosh: Some(http("/http-bind", 200)),
            websocket: Some(http("/xmpp-websocket", 101)),
            settings: Some(http("/config.js", 200)),
        }),
        focus: Some(Ok(FocusView {
            brewery: Some("jvbbrewery@internal.auth.meet.test".into()),
            account: connected(),
            component: connected(),
            bridges: vec![BridgeSeen {
                nickname: "b1-aaaa".into(),
                real_jids: vec!["jvb@auth.meet.test/x".into()],
                version: Some("0.1.0".into()),
                operational: true,
                ..BridgeSeen::default()
            }],
        })),
        bridge_health: None,
        rooms: None,
        foreign: None,
        channels: vec![("b1".into(), http("/colibri-ws/b1-aaaa/jitctl-doctor/look", 403))],
        media: None,
        guest: Some(GuestVisit {
            logged_in: true,
            conference: Some(Ok(Asked::Granted { ready: true })),
            over_http: Some(Ok(200)),
            ..GuestVisit::default()
        }),
        turn: Some(TurnView {
            certificate: Some(certificate()),
            allocated: Some(Ok(())),
            ..TurnView::default()
        }),
    };
    let bridge = HostSight {
        roles: vec![Role::Bridge],
        nickname: Some("b1-aaaa".into()),
        addresses: vec!["10.0.0.2".parse().unwrap()],
        public_addresses: Vec::new(),
        expected: Expected {
            media_port: Some(10_000),
            channel_port: Some(9090),
            ..Expected::default()
        },
        facts: Ok(HostFacts {
            clock_offset_seconds: Some(1),
            units: units(&["jitctl-bridge.service"]),
            processes: [(
                7,
                Process {
                    state: "S".into(),
                    file_limit: Some(65_536),
                    open_files: Some(20),
                    threads: Some(9),
                },
            )]
            .into(),
            listeners: vec![
                listener("udp", "*", 10_000, "jitctl-bridge"),
                listener("tcp", "0.0.0.0", 9090, "jitctl-bridge"),
            ],
            bridge: Some(
                "[websocket]\nlisten = \"0.0.0.0:9090\"\ndomains = [\"meet.test\"]\n".into(),
            ),
            ..HostFacts::default()
        }),
        bridge_logins: vec![login(None, &[Stage::Online])],
        focus_login: None,
        web: None,
        focus: None,
        bridge_health: Some(Health {
            status: Ok(200),
            words: "OK".into(),
        }),
        rooms: None,
        foreign: None,
        channels: Vec::new(),
        media: Some(MediaPort {
            own: vec![MEDIA.parse().unwrap()],
            reaches: vec![
                reach(None, MEDIA, answer()),
                reach(Some("main"), MEDIA, answer()),
            ],
            ..MediaPort::default()
        }),
        guest: None,
        turn: None,
    };
    Observation {
        domain: "meet.test".into(),
        now: NOW,
        hosts: [("main".into(), main), ("b1".into(), bridge)].into(),
        outside: Outside {
            leaves: vec![certificate()],
            name: NameAnswer::Found(vec!["10.0.0.1".parse().unwrap()]),
        },
        elapsed: Duration::ZERO,
    }
}

fn sight<'o>(observation: &'o mut Observation, name: &str) -> &'o mut HostSight {
    observation.hosts.get_mut(&name.into()).unwrap()
}

fn facts<'o>(observation: &'o mut Observation, name: &str) -> &'o mut HostFacts {
    sight(observation, name).facts.as_mut().unwrap()
}

fn view(observation: &mut Observation) -> &mut FocusView {
    match &mut sight(observation, "main").focus {
        Some(Ok(view)) => view,
        _ => panic!("the healthy site has a focus"),
    }
}

fn codes(observation: &Observation) -> Vec<&'static str> {
    diagnose(observation)
        .iter()
        .map(|finding| finding.code)
        .collect()
}

fn unseen_by_focus(observation: &mut Observation) {
    view(observation).bridges.clear();
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
                stage: Stage::Open,
                after: Duration::from_secs(4),
            },
            &[Stage::Open],
            "X08",
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
        let mut failed = login(Some(failure.clone()), stages);
        failed.accepts = Some(code != "X07");
        sight(&mut observation, "b1").bridge_logins = vec![failed];
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
    let bridge = &mut view(&mut observation).bridges[0];
    bridge.real_jids.push("jvb@auth.meet.test/y".into());
    bridge.clash = true;
    let findings = diagnose(&observation);
    assert_eq!(findings[0].code, "X16");
    assert_eq!(findings[0].evidence.len(), 2);
}

#[test]
fn different_breweries_are_told_from_other_absences() {
    let mut observation = healthy();
    unseen_by_focus(&mut observation);
    view(&mut observation).brewery = Some("other@internal.auth.meet.test".into());
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
        (ConnectFailure::Dns, "H05"),
        (ConnectFailure::UnknownHostKey, "H12"),
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

#[test]
fn faults_of_bridges_have_their_codes() {
    let cases: [(&str, Break); 9] = [
        ("B07", |observation| {
            facts(observation, "b1").listeners = vec![listener("udp", "0.0.0.0", 10_000, "perl")];
            facts(observation, "b1")
                .units
                .get_mut("jitctl-bridge.service")
                .unwrap()
                .active = "failed".into();
            unseen_by_focus(observation);
        }),
        ("B22", |observation| {
            sight(observation, "b1").bridge_health = Some(Health {
                status: Err("no answer within 4 s".into()),
                words: String::new(),
            });
            facts(observation, "b1")
                .processes
                .get_mut(&7)
                .unwrap()
                .state = "T".into();
            view(observation).bridges[0].operational = false;
        }),
        ("B13", |observation| {
            sight(observation, "b1").bridge_health = Some(Health {
                status: Ok(500),
                words: "No valid IP addresses available for harvesting.".into(),
            });
            view(observation).bridges[0].operational = false;
        }),
        ("B12", |observation| {
            view(observation).bridges[0].operational = false;
        }),
        ("B14", |observation| {
            view(observation).bridges[0].drain = true;
        }),
        ("B09", |observation| {
            let processes = &mut facts(observation, "b1").processes;
            processes.get_mut(&7).unwrap().file_limit = Some(256);
        }),
        ("B17", |observation| {
            facts(observation, "b1").kernel = [
                ("rmem_max".to_owned(), "212992".to_owned()),
                ("container".to_owned(), "none".to_owned()),
            ]
            .into();
        }),
        ("B17", |observation| {
            facts(observation, "b1").buffers = vec![(10_000, 131_072)];
        }),
        ("R02", |observation| {
            view(observation).bridges.push(BridgeSeen {
                nickname: "other".into(),
                version: Some("0.0.9".into()),
                operational: true,
                ..BridgeSeen::default()
            });
        }),
    ];
    for (code, breaks) in cases {
        let mut observation = healthy();
        breaks(&mut observation);
        assert_eq!(codes(&observation), [code]);
    }
}

#[test]
fn what_must_be_closed_is_watched() {
    let cases: [(&str, Break); 5] = [
        ("P01", |observation| {
            facts(observation, "main")
                .modes
                .insert(SECRET_FILE.into(), mode(0o644));
        }),
        ("P02", |observation| {
            facts(observation, "main").leaks.push(Leak {
                credential: SECRET_FILE.into(),
                process: 4242,
                program: "curl".into(),
            });
        }),
        ("P03", |observation| {
            facts(observation, "main").filter = None;
        }),
        ("P04", |observation| {
            facts(observation, "main").listeners[1].address = "0.0.0.0".into();
        }),
        ("X17", |observation| {
            facts(observation, "main").prosody = Some("limits = {\n-- unlimited_jids = 1".into());
        }),
    ];
    for (code, breaks) in cases {
        let mut observation = healthy();
        breaks(&mut observation);
        assert_eq!(codes(&observation), [code]);
    }
    let mut observation = healthy();
    cases[1].1(&mut observation);
    assert!(diagnose(&observation)[0].cure.contains("kill 4242"));
}

#[test]
fn the_connections_of_the_focus_are_told_apart() {
    let mut observation = healthy();
    view(&mut observation).account.joined = false;
    unseen_by_focus(&mut observation);
    assert_eq!(codes(&observation), ["X14"]);
    let mut observation = healthy();
    facts(&mut observation, "main").prosody =
        Some("\nadmins = {\n-- \"jvb@auth.meet.test\";\n}\n".into());
    assert_eq!(codes(&observation), ["X14"]);
    let mut observation = healthy();
    view(&mut observation).component = Connection::default();
    assert_eq!(codes(&observation), ["X12"]);
}

#[test]
fn an_edited_file_and_an_edited_inventory_are_told_apart() {
    let mut observation = healthy();
    facts(&mut observation, "main")
        .edited
        .push("/etc/jitctl/focus.toml".into());
    assert_eq!(codes(&observation), ["H11"]);
    let mut observation = healthy();
    facts(&mut observation, "main")
        .applied
        .insert("/etc/jitctl/focus.toml".into(), "other".into());
    assert_eq!(codes(&observation), ["H13"]);
    facts(&mut observation, "main").applied.clear();
    assert_eq!(codes(&observation), ["H14"]);
}

#[test]
fn sockets_of_main_say_why_a_connection_is_refused() {
    let mut observation = healthy();
    sight(&mut observation, "b1").bridge_logins[0].ended_at_once = true;
    assert!(diagnose(&observation)[0].cause.contains("rejects"));
    facts(&mut observation, "main").listeners[0].address = "127.0.0.1".into();
    assert!(diagnose(&observation)[0].cause.contains("loopback"));
    facts(&mut observation, "main").listeners.clear();
    assert!(diagnose(&observation)[0].cause.contains("no program"));
}

#[test]
fn the_page_in_place_of_a_location_is_named() {
    let page = |path| Http {
        content_type: Some("text/html".into()),
        ..http(path, 200)
    };
    let mut observation = healthy();
    let web = sight(&mut observation, "main").web.as_mut().unwrap();
    web.websocket = Some(page("/xmpp-websocket"));
    let findings = diagnose(&observation);
    assert_eq!(findings[0].code, "W03");
    assert!(findings[0].evidence[0].contains("falls to the page"));
    let web = sight(&mut observation, "main").web.as_mut().unwrap();
    web.websocket = Some(http("/xmpp-websocket", 101));
    web.settings = Some(page("/config.js"));
    assert_eq!(codes(&observation), ["W10"]);
}
