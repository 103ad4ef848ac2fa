//! Focus and bridges find, watch and lose each other at a real Prosody.

use std::time::Duration;

use crate::support::{Bridge, Focus};
use jitctl_testing::{BREWERY, CLIENT_DOMAIN, COMPONENT, Prosody, SERVICE_DOMAIN, Setup, wait_for};
use jitctl_wire::brewery::BridgeStats;
use jitctl_wire::colibri2::ConferenceModify;
use jitctl_wire::conference_request::ConferenceReply;
use jitctl_wire::disco::{DiscoInfo, info_query};
use jitctl_wire::{Condition, Element, Iq, Jid, Presence, muc};
use jitctl_xmpp::{
    Client, ClientConfig, ClientEvent, Credentials, IqError, ServerAddress, Target, Trust,
};
use tokio::sync::mpsc::UnboundedReceiver;

const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn two_bridges_are_added_and_a_killed_one_is_missed_before_its_session_ends() {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let mut first = Bridge::start(&prosody, "b1");
    let mut second = Bridge::start(&prosody, "b2");
    for nickname in ["nickname=b1", "nickname=b2"] {
        let line = focus.wait_for_line(&["Added new videobridge", nickname]);
        for part in [
            "version=0.1.0",
            "region=eu",
            "stress=0.",
            "jid=jvb@auth.meet.test/b",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
    wait_for("a healthy focus", || {
        (focus.get("/about/health") == (200, "OK".into())).then_some(())
    });
    let (_, debug) = focus.get("/debug");
    assert!(
        debug.contains("\"nickname\":\"b1\"") && debug.contains("\"drain\":false"),
        "{debug}"
    );
    wait_for("passed health checks", || {
        (focus
            .get("/debug")
            .1
            .matches("\"health\":\"healthy\"")
            .count()
            == 2)
            .then_some(())
    });
    let (_, metrics) = focus.get("/metrics");
    assert!(
        metrics.contains("jitsi_jicofo_bridge_selector_bridge_count_operational 2\n"),
        "{metrics}"
    );

    first.kill();
    let line = focus.wait_for_line(&["Lost videobridge", "nickname=b1"]);
    // Its session waits 15 s at the server: it is missed long before that ends.
    assert!(
        line.starts_with("WARN") && line.contains("no sign of life"),
        "{line}"
    );

    second.stop();
    let line = focus.wait_for_line(&["Lost videobridge", "nickname=b2"]);
    assert!(
        line.starts_with("INFO") && line.contains("reason=\"shut down\""),
        "{line}"
    );
    focus.wait_for_line(&["Videobridge shutting down", "nickname=b2"]);
    let (status, reason) = focus.get("/about/health");
    assert_eq!((status, reason.as_str()), (503, "no operational bridge"));
    assert!(focus.stop().success());
}

#[test]
fn a_nickname_used_twice_is_named_with_both_addresses() {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let _first = Bridge::start(&prosody, "same");
    focus.wait_for_line(&["Added new videobridge", "nickname=same"]);
    assert!(!focus.log().contains("Nickname clash"));
    let _second = Bridge::start(&prosody, "same");
    let line = focus.wait_for_line(&["ERROR", "Nickname clash", "nickname=same"]);
    assert_eq!(
        line.matches("jvb@auth.meet.test/same-").count(),
        2,
        "{line}"
    );
    assert!(focus.get("/debug").1.contains("\"nickname_clash\":true"));
}

#[test]
fn a_killed_bridge_that_comes_back_is_no_clash() {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let mut bridge = Bridge::start(&prosody, "b1");
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    bridge.kill();
    focus.wait_for_line(&["Lost videobridge", "nickname=b1"]);
    // Its session still waits for a resumption at the server.
    let _again = Bridge::start(&prosody, "b1");
    wait_for("the bridge again", || {
        (focus.log().matches("Added new videobridge").count() == 2).then_some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    assert!(!focus.log().contains("Nickname clash"), "{}", focus.log());
}

#[test]
fn a_killed_focus_that_comes_back_counts_the_bridges_again() {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let _bridge = Bridge::start(&prosody, "b1");
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    drop(focus);
    // The server still keeps the killed one's session, place in the room and component.
    let focus = Focus::start(&prosody);
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    wait_for("a healthy focus", || {
        (focus.get("/about/health").0 == 200).then_some(())
    });
}

#[test]
fn drain_and_shutdown_over_http_reach_the_focus() {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let bridge = Bridge::start(&prosody, "b1");
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    assert_eq!(
        bridge.request("GET", "/about/health", ""),
        (200, String::new())
    );
    assert_eq!(
        bridge.request("GET", "/colibri/drain", "").1,
        "{\"drain\":false}"
    );
    assert_eq!(bridge.request("POST", "/colibri/drain/enable", "").0, 200);
    focus.wait_for_line(&["Videobridge drains:", "nickname=b1"]);
    assert_eq!(bridge.request("POST", "/colibri/drain/disable", "").0, 200);
    focus.wait_for_line(&["Videobridge drains no more", "nickname=b1"]);
    let (_, stats) = bridge.request("GET", "/colibri/stats", "");
    for key in BridgeStats::KEYS {
        assert!(stats.contains(&format!("\"{key}\":")), "{key} in {stats}");
    }
    let (_, metrics) = bridge.request("GET", "/metrics", "");
    assert!(metrics.contains("jitsi_jvb_mucs_joined 1\n"), "{metrics}");
    assert_eq!(
        bridge.request("POST", "/colibri/shutdown", "nonsense").0,
        400
    );
    let graceful = "{\"graceful-shutdown\": \"true\"}";
    assert_eq!(bridge.request("POST", "/colibri/shutdown", graceful).0, 200);
    focus.wait_for_line(&["Lost videobridge", "nickname=b1", "shut down"]);
}

#[test]
fn focus_and_bridges_find_each_other_again_after_a_server_restart() {
    let mut prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let _bridge = Bridge::start(&prosody, "b1");
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    prosody.restart();
    focus.wait_for_line(&["Lost videobridge", "the focus lost its own connection"]);
    wait_for("the bridge again", || {
        (focus.log().matches("Added new videobridge").count() == 2).then_some(())
    });
    wait_for("a healthy focus", || {
        (focus.get("/about/health").0 == 200).then_some(())
    });
}

fn client(prosody: &Prosody, domain: &str, credentials: Credentials) -> ClientConfig {
    let target = Target {
        address: ServerAddress::new("127.0.0.1", prosody.client_port),
        domain: domain.to_owned(),
        trust: Some(Trust::from_pem_file(&prosody.authority_file()).unwrap()),
    };
    ClientConfig::new(target, credentials)
}

async fn online(events: &mut UnboundedReceiver<ClientEvent>) -> Jid {
    loop {
        match events.recv().await.unwrap() {
            ClientEvent::Online { jid, .. } => return jid,
            ClientEvent::Offline { failure, .. } => panic!("{failure}"),
            _ => {}
        }
    }
}

fn refusal(answer: Result<Option<Element>, IqError>) -> Condition {
    match answer {
        Err(IqError::Refused(error)) => error.condition,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anonymous_user_can_neither_pose_as_a_bridge_nor_command_one() {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let _bridge = Bridge::start(&prosody, "b1");
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    let (stranger, mut events) =
        Client::connect(client(&prosody, CLIENT_DOMAIN, Credentials::Anonymous));
    online(&mut events).await;
    let occupant: Jid = format!("{BREWERY}/stranger").parse().unwrap();
    let stats = BridgeStats {
        healthy: true,
        ..BridgeStats::default()
    };
    let presence = Presence::available(Some(occupant))
        .with_payload(stats.to_element())
        .with_payload(muc::join_request(None));
    stranger.send(presence.to_element());
    focus.wait_for_line(&["Ignored", "/stranger", "@meet.test/"]);
    assert!(!focus.log().contains("nickname=stranger"));
    let bridge: Jid = format!("{BREWERY}/b1").parse().unwrap();
    let mut modify = ConferenceModify::new("m1");
    modify.create = true;
    let request = Iq::set(Some(bridge), modify.to_element());
    let answer = stranger.request(request, TIMEOUT).await;
    assert_eq!(refusal(answer), Condition::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_without_media_says_so_and_the_component_opens_rooms() {
    let prosody = Prosody::start(&Setup::default());
    let focus = Focus::start(&prosody);
    let _bridge = Bridge::start(&prosody, "b1");
    focus.wait_for_line(&["Added new videobridge", "nickname=b1"]);
    focus.wait_for_line(&["component connected"]);
    let credentials = Credentials::Password {
        username: String::from("focus"),
        password: String::from(jitctl_testing::FOCUS_PASSWORD).into(),
    };
    let (tester, mut events) = Client::connect(client(&prosody, SERVICE_DOMAIN, credentials));
    online(&mut events).await;
    let occupant: Jid = format!("{BREWERY}/tester").parse().unwrap();
    let join = Presence::available(Some(occupant)).with_payload(muc::join_request(None));
    tester.send(join.to_element());
    let bridge: Jid = format!("{BREWERY}/b1").parse().unwrap();
    let mut modify = ConferenceModify::new("m1");
    modify.create = true;
    let request = Iq::get(Some(bridge.clone()), modify.to_element());
    let answer = tester.request(request, TIMEOUT).await;
    assert_eq!(refusal(answer), Condition::FeatureNotImplemented);
    let info = tester
        .request(Iq::get(Some(bridge), info_query()), TIMEOUT)
        .await
        .unwrap();
    let info = DiscoInfo::parse(&info.unwrap()).unwrap();
    assert!(
        info.has("http://jitsi.org/protocol/healthcheck"),
        "{info:?}"
    );

    let component: Jid = COMPONENT.parse().unwrap();
    let conference = Element::new("conference", jitctl_wire::namespace::FOCUS)
        .with("room", "r@conference.meet.test");
    let answer = tester
        .request(Iq::set(Some(component.clone()), conference), TIMEOUT)
        .await;
    let reply = ConferenceReply::parse(&answer.unwrap().unwrap()).unwrap();
    assert!(reply.ready, "the focus is in the room when it says so");
    assert_eq!(reply.focus_jid, "focus@auth.meet.test");
    let stranger_room =
        Element::new("conference", jitctl_wire::namespace::FOCUS).with("room", "r@elsewhere.test");
    let answer = tester
        .request(Iq::set(Some(component.clone()), stranger_room), TIMEOUT)
        .await;
    assert_eq!(refusal(answer), Condition::BadRequest);
    let info = tester
        .request(Iq::get(Some(component), info_query()), TIMEOUT)
        .await
        .unwrap();
    assert!(
        DiscoInfo::parse(&info.unwrap())
            .unwrap()
            .has("urn:xmpp:ping")
    );
    tester.close().await;
    focus.wait_until_listening();
}
