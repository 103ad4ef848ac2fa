//! Media ports, guests, TURN and names, as they are met from outside.

use super::*;
use crate::observe::probe::Counted;

/// Breaks a healthy TURN server.
type BreakTurn = fn(&mut TurnView);

#[test]
fn the_ways_to_a_media_port_are_told_apart() {
    // Blocked from outside only: the hosts of the site still get answers.
    let mut observation = healthy();
    port(&mut observation).reaches[0].answer = UdpAnswer::Silent;
    port(&mut observation).counted = Some(Counted {
        sent: 5,
        filter: Some(0),
        ..Counted::default()
    });
    let findings = diagnose(&observation);
    assert_eq!(codes(&observation), ["B05"]);
    assert!(findings[0].what.contains("from outside"));
    assert!(findings[0].cause.contains("do not reach the host"));
    // Blocked for everybody.
    port(&mut observation).reaches[1].answer = UdpAnswer::Silent;
    port(&mut observation).counted = Some(Counted {
        sent: 5,
        filter: Some(5),
        ..Counted::default()
    });
    let findings = diagnose(&observation);
    assert!(findings[0].what.contains("everybody") && findings[0].cause.contains("after ours"));
    // Nobody listens.
    facts(&mut observation, "b1")
        .listeners
        .retain(|one| one.protocol == "tcp");
    assert_eq!(codes(&observation), ["B23"]);
    // A mapping that leads elsewhere, while the bridge's own address answers.
    let mut observation = healthy();
    let mapped = "203.0.113.9:10000";
    port(&mut observation).mapped = vec![mapped.parse().unwrap()];
    port(&mut observation)
        .reaches
        .push(reach(None, mapped, UdpAnswer::Silent));
    assert_eq!(codes(&observation), ["B04"]);
    assert!(diagnose(&observation)[0].what.contains(mapped));
}

#[test]
fn silence_towards_a_machine_that_reaches_nothing_says_nothing() {
    let mut observation = healthy();
    observation.outside = Outside::default();
    port(&mut observation).reaches[0].answer = UdpAnswer::Silent;
    assert_eq!(diagnose(&observation), []);
    // But nobody at all gets an answer.
    port(&mut observation).reaches[1].answer = UdpAnswer::Silent;
    assert_eq!(codes(&observation), ["B05"]);
}

#[test]
fn a_bridge_with_private_addresses_beside_a_public_main_is_named() {
    let mut observation = healthy();
    sight(&mut observation, "main").public_addresses = vec!["203.0.113.5".parse().unwrap()];
    assert_eq!(codes(&observation), ["B02"]);
    sight(&mut observation, "b1").public_addresses = vec!["10.0.0.2".parse().unwrap()];
    assert_eq!(codes(&observation), [""; 0]);
}

#[test]
fn a_bridge_that_nobody_tells_its_address_is_named() {
    let mut observation = healthy();
    sight(&mut observation, "main").public_addresses = vec!["203.0.113.5".parse().unwrap()];
    let server = |answer| vec![("stun.x.test:3478".to_owned(), answer)];
    port(&mut observation).discovered = server(UdpAnswer::Silent);
    assert_eq!(codes(&observation), ["B03"]);
    assert!(diagnose(&observation)[0].cure.contains("of b1 in"));
    let told = UdpAnswer::Answered("203.0.113.9:4242".parse().unwrap());
    port(&mut observation).discovered = server(told);
    assert_eq!(codes(&observation), [""; 0]);
    // Where the server stands in the same private network, it tells what was known.
    port(&mut observation).discovered = server(answer());
    assert_eq!(codes(&observation), ["B02"]);
    // Whoever has an address needs no server.
    port(&mut observation).discovered = server(UdpAnswer::Silent);
    sight(&mut observation, "b1").public_addresses = vec!["10.0.0.2".parse().unwrap()];
    assert_eq!(codes(&observation), [""; 0]);
}

#[test]
fn bridges_that_do_not_reach_each_other_are_named() {
    let mut observation = healthy();
    port(&mut observation)
        .reaches
        .push(reach(Some("b2"), MEDIA, UdpAnswer::Silent));
    // `b2` carries no bridge: its view says nothing.
    assert_eq!(diagnose(&observation), []);
    let mut other = healthy();
    let other = other.hosts.remove(&"b1".into()).unwrap();
    let nickname = "b2-bbbb";
    observation.hosts.insert(
        "b2".into(),
        HostSight {
            nickname: Some(nickname.into()),
            ..other
        },
    );
    view(&mut observation).bridges.push(BridgeSeen {
        nickname: nickname.into(),
        version: Some("0.1.0".into()),
        operational: true,
        ..BridgeSeen::default()
    });
    assert_eq!(codes(&observation), ["R04"]);
}

#[test]
fn what_a_guest_meets_is_judged() {
    let guest = |observation: &mut Observation, visit: GuestVisit| {
        sight(observation, "main").guest = Some(visit);
    };
    let visit = healthy()
        .hosts
        .remove(&"main".into())
        .unwrap()
        .guest
        .unwrap();
    let mut observation = healthy();
    let refused = Asked::Refused("service-unavailable".into());
    let refused = GuestVisit {
        conference: Some(Ok(refused)),
        over_http: Some(Ok(502)),
        ..visit.clone()
    };
    guest(&mut observation, refused);
    assert_eq!(codes(&observation), ["X12"]);
    let away = GuestVisit {
        conference: Some(Ok(Asked::Granted { ready: false })),
        ..visit.clone()
    };
    guest(&mut observation, away);
    assert_eq!(codes(&observation), ["X12"]);
    let over_http = Some(Ok(404));
    guest(
        &mut observation,
        GuestVisit {
            over_http,
            ..visit.clone()
        },
    );
    assert_eq!(codes(&observation), ["W21"]);
    let outside = GuestVisit {
        logged_in: false,
        conference: None,
        trouble: Some("`meet.test` takes no guests".into()),
        ..visit
    };
    guest(&mut observation, outside);
    assert_eq!(codes(&observation), ["X23"]);
}

#[test]
fn faults_of_the_turn_server_have_their_codes() {
    let cases: [(&str, BreakTurn); 6] = [
        ("U01", |turn| turn.tls_error = Some("nobody answers".into())),
        ("T02", |turn| {
            let old = turn.certificate.as_mut().unwrap();
            old.serial = "00".into();
            old.not_after -= 86_400;
        }),
        ("U05", |turn| {
            turn.allocated = Some(Err("Allocate answered 401".into()));
        }),
        ("U05", |turn| {
            turn.allocated = None;
            turn.trouble = Some("Prosody hands out no TURN credentials".into());
        }),
        ("U07", |turn| turn.relays_to_itself = true),
        ("U06", |turn| {
            turn.refused_bridges = vec!["10.0.0.2".parse().unwrap()];
        }),
    ];
    for (code, breaks) in cases {
        let mut observation = healthy();
        breaks(sight(&mut observation, "main").turn.as_mut().unwrap());
        assert_eq!(codes(&observation), [code]);
    }
}

#[test]
fn a_name_that_leads_elsewhere_from_here_is_no_fault_of_a_host() {
    let mut observation = healthy();
    observation.outside.name = NameAnswer::Found(vec!["10.0.0.99".parse().unwrap()]);
    let findings = diagnose(&observation);
    assert_eq!((findings[0].code, &findings[0].host), ("D03", &None));
    observation.outside.name = NameAnswer::Unknown;
    assert_eq!(codes(&observation), ["D03"]);
    observation.outside.leaves.clear();
    assert_eq!(diagnose(&observation), []);
}
