//! The modules for Prosody, spoken to as browsers do.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jitctl_testing::person::{Person, login, online};
use jitctl_testing::{
    CLIENT_DOMAIN, COMPONENT, COMPONENT_SECRET, FOCUS_PASSWORD, Prosody, SERVICE_DOMAIN, Setup,
};
use jitctl_wire::conference_request::ConferenceReply;
use jitctl_wire::disco::{DiscoInfo, info_query};
use jitctl_wire::namespace::{JITSI_MEET, MUC_USER};
use jitctl_wire::{Condition, Element, Iq, Presence, muc, ping};
use jitctl_xmpp::{Client, ClientConfig, ClientEvent, Credentials, IqError, ServerAddress, Target};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

const ROOM: &str = "standup@conference.meet.test";
const LOBBY: &str = "standup@lobby.meet.test";

fn setup() -> Setup {
    let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/files/main/prosody");
    Setup {
        extra: format!("plugin_paths = {{ \"{modules}\" }}\n"),
        of_clients: String::from(
            r#"  modules_enabled = { "jitctl_identities" }
  jitctl_components = {
    speakerstats = "speakerstats.meet.test";
    av_moderation = "avmoderation.meet.test";
    lobbyrooms = "lobby.meet.test";
  }"#,
        ),
        of_rooms: String::from(
            r#"  modules_enabled = { "jitctl_lobby"; "jitctl_max_occupants" }
  lobby_component = "lobby.meet.test"
  jitctl_max_occupants = 3
  jitctl_service_domain = "auth.meet.test""#,
        ),
        of_focus: String::from(r#"  modules_enabled = { "jitctl_focus_away" }"#),
        further_hosts: String::from(
            r#"Component "speakerstats.meet.test" "jitctl_speakerstats"
  muc_component = "conference.meet.test"
Component "avmoderation.meet.test" "jitctl_av_moderation"
  muc_component = "conference.meet.test"
Component "lobby.meet.test" "muc"
  storage = "memory"
  muc_room_locking = false
  muc_room_default_public_jids = true
"#,
        ),
        ..Setup::default()
    }
}

/// Whoever owns every room.
async fn focus(prosody: &Prosody) -> Person {
    let credentials = Credentials::Password {
        username: String::from("focus"),
        password: String::from(FOCUS_PASSWORD).into(),
    };
    let mut focus = Person::connect(login(prosody, SERVICE_DOMAIN, credentials)).await;
    focus.join(ROOM, "focus").await;
    let form = muc::show_addresses_form();
    focus.request(ROOM, form).await.unwrap();
    focus
}

/// A focus's component, connected.
async fn component_of_focus(prosody: &Prosody) -> (Client, UnboundedReceiver<ClientEvent>) {
    let target = Target {
        address: ServerAddress::new("127.0.0.1", prosody.component_port),
        domain: COMPONENT.to_owned(),
        trust: None,
    };
    let secret = COMPONENT_SECRET.to_owned().into();
    let credentials = Credentials::Component { secret };
    let (client, mut events) = Client::connect(ClientConfig::new(target, credentials));
    online(&mut events).await;
    (client, events)
}

async fn next_request(events: &mut UnboundedReceiver<ClientEvent>) -> Iq {
    loop {
        if let ClientEvent::Request(iq) = events.recv().await.unwrap() {
            return iq;
        }
    }
}

async fn make_owner(focus: &mut Person, person: &Person) {
    let item = format!(
        "<query xmlns='http://jabber.org/protocol/muc#admin'>\
         <item affiliation='owner' jid='{}'/></query>",
        person.jid.bare()
    );
    let query = Element::parse(&item).unwrap();
    focus.request(ROOM, query).await.unwrap();
}

async fn members_only(moderator: &mut Person, on: bool) {
    let value = if on { "1" } else { "0" };
    let form = muc::submit_room_form(&[
        ("muc#roomconfig_membersonly", value),
        ("muc#roomconfig_whois", "anyone"),
    ]);
    moderator.request(ROOM, form).await.unwrap();
}

fn nick(name: &str) -> Element {
    Element::new("nick", "http://jabber.org/protocol/nick").with_text(name)
}

/// A recorded stanza.
fn fixture(name: &str) -> Element {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../bridge-runtime/wire/tests/fixtures"
    );
    let text = std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let (_, stanza) = text.split_once("-->").unwrap();
    // The namespace of the stream, which a recorded stanza does not repeat.
    let message = "<message xmlns='jabber:client' ";
    Element::parse(&stanza.trim().replacen("<message ", message, 1)).unwrap()
}

/// What clients read of a component in an answer to disco: its attributes, in order.
fn component(info: &Element, kind: &str) -> Vec<(String, String)> {
    let identity = info
        .children()
        .find(|child| child.name() == "identity" && child.attribute("type") == Some(kind))
        .unwrap_or_else(|| panic!("{kind} in {}", info.to_xml()));
    let mut attributes: Vec<(String, String)> = identity
        .attributes()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    attributes.sort();
    attributes
}

/// The nickname of a presence from a room.
fn presence_of(stanza: &Element, room: &str) -> Option<(String, Presence)> {
    let presence = Presence::parse(stanza).ok()?;
    let from = presence.from.clone()?;
    (from.bare() == room).then(|| (from.resource().unwrap_or_default().to_owned(), presence))
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_find_the_components_in_disco() {
    let prosody = Prosody::start(&setup());
    let mut ann = Person::guest(&prosody).await;
    let info = ann
        .send_iq(Iq::get(CLIENT_DOMAIN.parse().ok(), info_query()))
        .await
        .unwrap()
        .unwrap();
    // What the recorded servers say of the same components, to a client and to the focus.
    for recorded in ["63-avmoderation-json.xml", "64-avmoderation-to-jicofo.xml"] {
        let recorded = fixture(recorded);
        let recorded = recorded.children().next().unwrap();
        for kind in ["speakerstats", "av_moderation", "lobbyrooms"] {
            assert_eq!(component(&info, kind), component(recorded, kind));
        }
    }
    let node = info_query().with("node", "lobbyrooms");
    let info = ann
        .send_iq(Iq::get("lobby.meet.test".parse().ok(), node))
        .await
        .unwrap()
        .unwrap();
    let info = DiscoInfo::parse(&info).unwrap();
    assert!(info.has("http://jitsi.org/protocol/lobbyrooms"));
}

#[tokio::test(flavor = "multi_thread")]
async fn speaking_times_are_told_to_newcomers_also_of_those_who_left() {
    let prosody = Prosody::start(&setup());
    let _focus = focus(&prosody).await;
    let mut ann = Person::guest(&prosody).await;
    let mut ben = Person::guest(&prosody).await;
    ann.knock(ROOM, "aaaa1111", &[nick("Ann")]);
    ben.join(ROOM, "bbbb2222").await;
    let speaks = |silence: &str| {
        Element::new("speakerstats", JITSI_MEET)
            .with("room", ROOM)
            .with("silence", silence.to_owned())
    };
    let recorded = fixture("66-speakerstats.xml");
    let mut said = recorded.children().next().unwrap().clone();
    said.set("room", ROOM);
    ann.tell(recorded.attribute("to").unwrap(), said);
    tokio::time::sleep(std::time::Duration::from_millis(120)).await;
    ben.tell("speakerstats.meet.test", speaks("false"));
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    ann.leave();
    let mut cleo = Person::guest(&prosody).await;
    cleo.knock(ROOM, "cccc3333", &[]);
    let told: Value = serde_json::from_str(&cleo.json_message("speakerstats").await).unwrap();
    assert_eq!(told["type"], "speakerstats");
    let ann = &told["users"]["aaaa1111"];
    assert_eq!(ann["displayName"], "Ann");
    assert!(
        ann["totalDominantSpeakerTime"].as_u64().unwrap() >= 100,
        "{told}"
    );
    assert_eq!(ann["isDominantSpeaker"], false);
    let ben = &told["users"]["bbbb2222"];
    assert!(
        ben["totalDominantSpeakerTime"].as_u64().unwrap() >= 40,
        "{told}"
    );
    assert_eq!(ben["isDominantSpeaker"], true);
    assert!(told["users"].get("focus").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn moderators_hold_microphones_and_give_leave() {
    let prosody = Prosody::start(&setup());
    let mut focus = focus(&prosody).await;
    let mut ann = Person::guest(&prosody).await;
    let mut ben = Person::guest(&prosody).await;
    ann.join(ROOM, "aaaa1111").await;
    ben.join(ROOM, "bbbb2222").await;
    let order = |name: &'static str, value: &str| {
        Element::new("av_moderation", jitctl_wire::namespace::CLIENT)
            .with("mediaType", "audio")
            .with(name, value.to_owned())
    };
    // Not a moderator yet: nothing happens.
    ann.tell("avmoderation.meet.test", order("enable", "true"));
    ann.settle().await;
    make_owner(&mut focus, &ann).await;
    ann.wait_for("becoming owner", |stanza| {
        stanza
            .to_xml()
            .contains("affiliation='owner'")
            .then_some(())
    })
    .await;
    ben.settle().await;
    assert!(!format!("{:?}", ben.all_seen().await).contains("av_moderation"));
    let recorded = fixture("62-avmoderation-enable.xml");
    let recorded_order = recorded.children().next().unwrap().clone();
    ann.tell(recorded.attribute("to").unwrap(), recorded_order);
    for person in [&mut ann, &mut ben, &mut focus] {
        let told: Value = serde_json::from_str(&person.json_message("enabled").await).unwrap();
        assert_eq!(
            told,
            serde_json::json!({
                "type": "av_moderation", "enabled": true, "mediaType": "audio", "room": ROOM,
                "actor": format!("{ROOM}/aaaa1111"),
            })
        );
    }
    let ben_there = format!("{ROOM}/bbbb2222");
    ann.tell(
        "avmoderation.meet.test",
        order("jidToWhitelist", &ben_there),
    );
    for moderator in [&mut ann, &mut focus] {
        let told = moderator.json_message(&ben_there).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["whitelists"]["audio"], serde_json::json!([ben_there]));
    }
    let told: Value = serde_json::from_str(&ben.json_message("approved").await).unwrap();
    assert_eq!(
        (&told["approved"], &told["mediaType"]),
        (&true.into(), &"audio".into())
    );
    // Who comes later is told; leave can be taken back, and all of it switched off.
    let mut cleo = Person::guest(&prosody).await;
    cleo.knock(ROOM, "cccc3333", &[]);
    cleo.json_message("\"enabled\":true").await;
    ann.tell(
        "avmoderation.meet.test",
        order("jidToBlacklist", &ben_there),
    );
    ben.json_message("\"removed\":true").await;
    ann.tell("avmoderation.meet.test", order("enable", "false"));
    for person in [&mut ben, &mut cleo, &mut focus] {
        person.json_message("\"enabled\":false").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lobby_holds_people_until_they_are_invited_refused_or_it_ends() {
    let prosody = Prosody::start(&setup());
    let mut focus = focus(&prosody).await;
    let mut ann = Person::guest(&prosody).await;
    let mut ben = Person::guest(&prosody).await;
    ann.join(ROOM, "aaaa1111").await;
    ben.join(ROOM, "bbbb2222").await;
    make_owner(&mut focus, &ann).await;
    ann.wait_for("becoming owner", |stanza| {
        stanza
            .to_xml()
            .contains("affiliation='owner'")
            .then_some(())
    })
    .await;
    members_only(&mut ann, true).await;
    ben.json_message("LOBBY-ENABLED").await;
    let info = ann
        .send_iq(Iq::get(ROOM.parse().ok(), info_query()))
        .await
        .unwrap()
        .unwrap()
        .to_xml();
    assert!(
        info.contains("muc_membersonly") && info.contains(LOBBY),
        "{info}"
    );
    ann.join(LOBBY, "aaaa1111").await;

    // Two knock; both are told where to wait, and do not see each other there.
    let mut cleo = Person::guest(&prosody).await;
    let mut dora = Person::guest(&prosody).await;
    for (person, id, name) in [
        (&mut cleo, "cccc3333", "Cleo"),
        (&mut dora, "dddd4444", "Dora"),
    ] {
        person.knock(ROOM, id, &[]);
        person
            .wait_for("where to wait", |stanza| {
                let error = stanza.child("error", jitctl_wire::namespace::CLIENT)?;
                assert!(error.to_xml().contains("registration-required"));
                let lobby = error.child("lobbyroom", JITSI_MEET)?.text();
                assert_eq!(lobby, LOBBY);
                Some(())
            })
            .await;
        person.knock(LOBBY, id, &[nick(name)]);
        let told = ann
            .wait_for("somebody waiting", |stanza| {
                presence_of(stanza, LOBBY).filter(|(nick, _)| nick == id)
            })
            .await;
        assert!(
            told.1
                .child("x", MUC_USER)
                .unwrap()
                .to_xml()
                .contains("jid=")
        );
    }
    dora.wait_for("the own presence", |stanza| {
        let (nick, _) = presence_of(stanza, LOBBY)?;
        assert_ne!(nick, "cccc3333", "who waits sees moderators only");
        (nick == "dddd4444").then_some(())
    })
    .await;

    // One is let in, the other refused.
    let invite = format!(
        "<x xmlns='{MUC_USER}'><invite to='{}'/><invite to='nobody@meet.test/x'/></x>",
        cleo.jid
    );
    ann.tell(ROOM, Element::parse(&invite).unwrap());
    cleo.wait_for("the invitation", |stanza| {
        stanza
            .child("x", MUC_USER)?
            .child("invite", MUC_USER)
            .map(|_| ())
    })
    .await;
    ben.json_message("LOBBY-ACCESS-GRANTED").await;
    cleo.join(ROOM, "cccc3333").await;
    let kick = "<query xmlns='http://jabber.org/protocol/muc#admin'>\
                <item nick='dddd4444' role='none'/></query>";
    ann.request(LOBBY, Element::parse(kick).unwrap())
        .await
        .unwrap();
    dora.wait_for("being refused", |stanza| {
        stanza.to_xml().contains("code='307'").then_some(())
    })
    .await;
    ben.json_message("LOBBY-ACCESS-DENIED").await;

    // Switched off, whoever waits is sent to the meeting.
    dora.knock(LOBBY, "dddd4444", &[]);
    dora.settle().await;
    members_only(&mut ann, false).await;
    dora.wait_for("the end of the lobby", |stanza| {
        let text = stanza.to_xml();
        (text.contains("<destroy") && text.contains(ROOM)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_room_takes_nobody_more() {
    let prosody = Prosody::start(&setup());
    let _focus = focus(&prosody).await;
    let mut people = Vec::new();
    for id in ["aaaa1111", "bbbb2222", "cccc3333"] {
        let mut person = Person::guest(&prosody).await;
        person.join(ROOM, id).await;
        people.push(person);
    }
    let mut late = Person::guest(&prosody).await;
    late.knock(ROOM, "dddd4444", &[]);
    late.wait_for("being refused", |stanza| {
        stanza
            .to_xml()
            .contains("service-unavailable")
            .then_some(())
    })
    .await;
    people[0].leave();
    people[0].settle().await;
    late.join(ROOM, "dddd4444").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_room_while_the_focus_is_away_is_told_to_ask_again() {
    let prosody = Prosody::start(&setup());
    let mut ann = Person::guest(&prosody).await;
    let told = ann.ask_once(COMPONENT, ROOM).await.unwrap();
    assert_eq!((told.ready, told.room.as_str()), (false, ROOM));
    match ann.request(COMPONENT, ping::ping()).await {
        Err(IqError::Refused(error)) => {
            assert_eq!(error.condition, Condition::RemoteServerTimeout);
        }
        other => panic!("{other:?}"),
    }

    let (focus, mut asked) = component_of_focus(&prosody).await;
    let answers = async {
        let request = next_request(&mut asked).await;
        let ready = ConferenceReply {
            room: ROOM.to_owned(),
            ready: true,
            focus_jid: String::from("focus@auth.meet.test"),
            session_id: None,
            identity: None,
            properties: std::collections::BTreeMap::new(),
        };
        focus.send(request.result(Some(ready.to_element())).to_element());
    };
    let (told, ()) = tokio::join!(ann.ask_once(COMPONENT, ROOM), answers);
    assert!(told.unwrap().ready);

    // It goes with one request unanswered: that one alone is answered for it.
    let goes = async {
        next_request(&mut asked).await;
        focus.close().await;
    };
    let (told, ()) = tokio::join!(ann.ask_once(COMPONENT, ROOM), goes);
    assert!(!told.unwrap().ready);
    ann.settle().await;
    assert_eq!(ann.all_seen().await, []);
}
