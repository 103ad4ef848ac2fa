//! Meetings of people at a real Prosody, with bridges that grant everything.

use jitctl_testing::person::{Person, login};
use jitctl_testing::{COMPONENT, Prosody, SERVICE_DOMAIN, Setup, wait_for};
use jitctl_wire::conference_request::ConferenceRequest;
use jitctl_wire::jingle::Action;
use jitctl_wire::{Condition, Element};
use jitctl_xmpp::{Credentials, IqError};
use serde_json::Value;

use crate::support::{Focus, ROOM, call, site};

#[tokio::test(flavor = "multi_thread")]
async fn rooms_are_asked_for_at_the_component_at_the_full_address_and_over_http() {
    let (prosody, focus, _bridges) = site(&["b1"]).await;
    let mut ann = Person::guest(&prosody).await;
    for (address, room) in [
        (COMPONENT, "one@conference.meet.test"),
        ("focus@auth.meet.test/focus", "two@conference.meet.test"),
    ] {
        let reply = ann.ask_once(address, room).await.unwrap();
        assert!(reply.ready, "{address}");
        assert_eq!(reply.room, room);
        assert_eq!(reply.focus_jid, "focus@auth.meet.test");
        assert_eq!(reply.properties["authentication"], "false");
    }
    let body = r#"{"room":"three@conference.meet.test","properties":{"startAudioMuted":1}}"#;
    let (status, reply) = focus.post("/conference-request/v1", body);
    assert_eq!(status, 200);
    assert!(
        reply.contains(r#""ready":true"#) && reply.contains("focusJid"),
        "{reply}"
    );
    let no_room = Element::new("conference", jitctl_wire::namespace::FOCUS);
    match ann.request(COMPONENT, no_room).await {
        Err(IqError::Refused(error)) => assert_eq!(error.condition, Condition::BadRequest),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_rooms_and_clients_can_be_read_and_nobody_is_asked_twice() {
    let (prosody, focus, _bridges) = site(&["b1"]).await;
    let body = format!(r#"{{"room":"{ROOM}","properties":{{"rtcstatsEnabled":true}}}}"#);
    assert_eq!(focus.post("/conference-request/v1", &body).0, 200);
    let (_ann, _ben) = call(&prosody).await;
    let page = |path: &str| -> Value { serde_json::from_str(&focus.get(path).1).unwrap() };
    let full = page("/debug/conferences-full");
    assert_eq!(full[0]["room"], ROOM);
    let state = &full[0]["state"];
    assert_eq!(
        state["participants"][1]["session"]["accepted"], true,
        "{state:#}"
    );
    assert_eq!(page("/debug?full=true")["conferences"], full);
    assert_eq!(page("/debug")["conferences"][0]["state"], Value::Null);
    let meeting = full[0]["meeting_id"].as_str().unwrap();
    assert_eq!(page("/rtcstats")[meeting]["room"], ROOM);

    // Ann's client said what Cleo's can do.
    let clients = page("/debug/xmpp-caps");
    let (node, features) = clients.as_object().unwrap().iter().next().unwrap();
    assert!(node.starts_with("https://jitsi.org/jitsi-meet#"), "{node}");
    assert!(
        features
            .as_array()
            .unwrap()
            .contains(&"http://jitsi.org/tcc".into())
    );
    let mut cleo = Person::guest(&prosody).await;
    cleo.join(ROOM, "cccc3333").await;
    let first = cleo
        .wait_for("a request", |stanza| {
            (stanza.name() == "iq").then(|| stanza.to_xml())
        })
        .await;
    assert!(first.contains("session-initiate"), "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_a_bridge_that_hangs_have_offers_of_another_though_its_connection_stays() {
    let (prosody, _focus, bridges) = site(&["b1", "b2"]).await;
    let (mut ann, mut ben) = call(&prosody).await;
    let used = usize::from(bridges[0].asked().is_empty());
    bridges[used].hang();
    for person in [&mut ann, &mut ben] {
        let ended = person.jingle(Action::SessionTerminate).await;
        assert_eq!(ended.reason.unwrap().text.as_deref(), Some("moving"));
        person.jingle(Action::SessionInitiate).await;
    }
    assert!(!bridges[1 - used].asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_moves_kicks_pins_and_ends() {
    let (prosody, focus, bridges) = site(&["b1", "b2"]).await;
    let (mut ann, mut ben) = call(&prosody).await;
    let used = usize::from(bridges[0].asked().is_empty());
    let (_, seen) = focus.get("/debug/conference/standup");
    let nickname = bridges[used].occupant.resource().unwrap().to_owned();
    assert!(seen.contains(&format!("\"{nickname}\":2")), "{seen}");

    let (status, answer) = focus.post("/rooms/standup/move", "");
    assert_eq!(
        (status, answer.as_str()),
        (200, r#"{"conferences":1,"movedEndpoints":2}"#)
    );
    ann.jingle(Action::SessionTerminate).await;
    let offer = ann.jingle(Action::SessionInitiate).await;
    ann.accept(&offer, 110).await;
    let other = bridges[1 - used].occupant.resource().unwrap().to_owned();
    let (status, answer) = focus.get(&format!(
        "/move-endpoints/move-fraction?bridge={other}&fraction=0.5"
    ));
    assert_eq!(
        (status, answer.as_str()),
        (200, r#"{"conferences":1,"movedEndpoints":2}"#)
    );
    assert_eq!(
        focus.get("/move-endpoints/move-endpoints?bridge=nobody").0,
        404
    );
    assert_eq!(
        focus
            .get("/move-endpoints/move-endpoint?conference=standup")
            .0,
        400
    );
    let metrics = focus.get("/metrics").1;
    for line in [
        "jitsi_jicofo_conferences_created_total 1",
        "jitsi_jicofo_participants_current 2",
        "jitsi_jicofo_bridge_endpoints_moved_total{jvb=",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }

    let pin =
        r#"{"conferenceId":"next@conference.meet.test","jvbVersion":"none","durationMinutes":5}"#;
    assert_eq!(focus.post("/pin", pin).0, 200);
    assert!(focus.get("/pin").1.contains("\"jvbVersion\":\"none\""));
    assert_eq!(
        focus.post("/pin/remove", r#"{"conferenceId":"next"}"#).0,
        200
    );
    assert_eq!(
        focus.post("/pin/remove", r#"{"conferenceId":"next"}"#).0,
        404
    );

    assert_eq!(focus.post("/rooms/standup/kick/bbbb2222", "").0, 200);
    ben.wait_for("being kicked", |stanza| {
        stanza.to_xml().contains("code='307'").then_some(())
    })
    .await;
    wait_for("the focus seeing it", || {
        (focus.post("/rooms/standup/kick/bbbb2222", "").0 == 404).then_some(())
    });
    assert_eq!(focus.post("/rooms/standup/end", "").0, 200);
    ann.wait_for("the end of the room", |stanza| {
        stanza.to_xml().contains("<destroy").then_some(())
    })
    .await;
    assert_eq!(focus.get("/debug/conferences").1, "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_secure_domain_guests_wait_for_a_host_whose_login_makes_them_moderator() {
    let setup = Setup {
        further_hosts: String::from(
            "VirtualHost \"guest.meet.test\"\n  authentication = \"anonymous\"\n",
        ),
        ..Setup::default()
    };
    let prosody = Prosody::start(&setup);
    // The accounts of the test server are those of its service host.
    let focus = Focus::start_with(
        &prosody,
        &format!("[conference]\nauthenticated_domain = \"{SERVICE_DOMAIN}\"\n"),
    );
    focus.wait_for_line(&["component connected"]);
    focus.wait_for_line(&["joined the brewery"]);
    let mut guest = Person::guest(&prosody).await;
    match guest.ask_once(COMPONENT, ROOM).await {
        Err(IqError::Refused(error)) => assert_eq!(error.condition, Condition::NotAuthorized),
        other => panic!("{other:?}"),
    }
    let request = |machine: &str, session: Option<&str>| ConferenceRequest {
        room: ROOM.parse().unwrap(),
        machine_uid: Some(machine.to_owned()),
        session_id: session.map(str::to_owned),
        properties: std::collections::BTreeMap::new(),
    };
    let credentials = Credentials::Password {
        username: String::from("jvb"),
        password: String::from(jitctl_testing::BRIDGE_PASSWORD).into(),
    };
    let mut host = Person::connect(login(&prosody, SERVICE_DOMAIN, credentials)).await;
    let answer = host
        .request(COMPONENT, request("m1", None).to_element())
        .await
        .unwrap()
        .unwrap();
    let session = answer.attribute("session-id").unwrap().to_owned();
    assert_eq!(answer.attribute("identity"), Some("jvb@auth.meet.test"));

    let stranger = request("m2", Some(&session)).to_element();
    match guest.request(COMPONENT, stranger).await {
        Err(IqError::Refused(error)) => assert_eq!(error.condition, Condition::NotAcceptable),
        other => panic!("{other:?}"),
    }
    guest
        .request(COMPONENT, request("m1", Some(&session)).to_element())
        .await
        .unwrap();
    guest.join(ROOM, "aaaa1111").await;
    guest
        .wait_for("becoming owner", |stanza| {
            let text = stanza.to_xml();
            (text.contains("/aaaa1111") && text.contains("affiliation='owner'")).then_some(())
        })
        .await;
}
