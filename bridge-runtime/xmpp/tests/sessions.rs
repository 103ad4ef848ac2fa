//! Sessions at a real Prosody survive a lost connection and tell when they do not.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jitctl_testing::{BRIDGE_PASSWORD, Prosody, SERVICE_DOMAIN, Setup};
use jitctl_wire::{Condition, Element, Iq, Jid, namespace, ping};
use jitctl_xmpp::{
    Client, ClientConfig, ClientEvent, Credentials, IqError, ServerAddress, Target, Trust,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Passes connections on until told to cut them.
struct Wire {
    address: SocketAddr,
    cut: Arc<Notify>,
}

impl Wire {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = Arc::new(Notify::new());
        let cutting = cut.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let cutting = cutting.clone();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = cutting.notified() => {}
                    }
                });
            }
        });
        Self { address, cut }
    }
}

fn config(prosody: &Prosody, address: ServerAddress, resource: &str) -> ClientConfig {
    let target = Target {
        address,
        domain: String::from(SERVICE_DOMAIN),
        trust: Some(Trust::from_pem_file(&prosody.authority_file()).unwrap()),
    };
    let credentials = Credentials::Password {
        username: String::from("jvb"),
        password: String::from(BRIDGE_PASSWORD).into(),
    };
    let mut config = ClientConfig::new(target, credentials);
    config.resource = Some(resource.to_owned());
    config
}

async fn next_online(events: &mut UnboundedReceiver<ClientEvent>) -> (Jid, bool) {
    loop {
        let event = tokio::time::timeout(TIMEOUT, events.recv())
            .await
            .unwrap()
            .unwrap();
        if let ClientEvent::Online { jid, resumed } = event {
            return (jid, resumed);
        }
    }
}

fn message(to: &Jid, text: &str) -> Element {
    Element::new("message", namespace::CLIENT)
        .with("to", to.as_str())
        .with_child(Element::new("body", namespace::CLIENT).with_text(text))
}

#[tokio::test]
async fn a_cut_connection_is_resumed_without_losing_a_stanza_either_way() {
    let prosody = Prosody::start(&Setup::default());
    let wire = Wire::to(prosody.client_port).await;
    let through_wire = ServerAddress::new("127.0.0.1", wire.address.port());
    let straight = ServerAddress::new("127.0.0.1", prosody.client_port);
    let (cut, mut cut_events) = Client::connect(config(&prosody, through_wire, "cut"));
    let (steady, mut steady_events) = Client::connect(config(&prosody, straight, "steady"));
    let (cut_jid, _) = next_online(&mut cut_events).await;
    let (steady_jid, _) = next_online(&mut steady_events).await;

    wire.cut.notify_waiters();
    match tokio::time::timeout(TIMEOUT, cut_events.recv())
        .await
        .unwrap()
        .unwrap()
    {
        ClientEvent::Offline { resumable, .. } => assert!(resumable),
        other => panic!("{other:?}"),
    }
    for number in 0..20 {
        cut.send(message(&steady_jid, &format!("to steady {number}")));
        steady.send(message(&cut_jid, &format!("to cut {number}")));
    }
    let asked = cut.request(Iq::get(SERVICE_DOMAIN.parse().ok(), ping::ping()), TIMEOUT);
    let (jid, resumed) = next_online(&mut cut_events).await;
    assert!(resumed);
    assert_eq!(jid, cut_jid);
    assert_eq!(asked.await, Ok(None));
    assert_eq!(bodies(&mut steady_events, 20).await, expected("to steady"));
    assert_eq!(bodies(&mut cut_events, 20).await, expected("to cut"));
    cut.close().await;
    steady.close().await;
}

fn expected(prefix: &str) -> Vec<String> {
    (0..20).map(|number| format!("{prefix} {number}")).collect()
}

async fn bodies(events: &mut UnboundedReceiver<ClientEvent>, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < count {
        let event = tokio::time::timeout(TIMEOUT, events.recv())
            .await
            .unwrap()
            .unwrap();
        if let ClientEvent::Stanza(stanza) = event {
            found.extend(stanza.child("body", namespace::CLIENT).map(Element::text));
        }
    }
    found
}

#[tokio::test]
async fn requests_are_answered_refused_or_fail_with_the_connection() {
    let mut prosody = Prosody::start(&Setup::default());
    let straight = ServerAddress::new("127.0.0.1", prosody.client_port);
    let (client, mut events) = Client::connect(config(&prosody, straight, "one"));
    let (own, _) = next_online(&mut events).await;
    let server: Option<Jid> = SERVICE_DOMAIN.parse().ok();
    let pong = client
        .request(Iq::get(server.clone(), ping::ping()), TIMEOUT)
        .await;
    assert_eq!(pong, Ok(None));
    let unknown = Element::new("query", "urn:nothing");
    match client.request(Iq::get(server, unknown), TIMEOUT).await {
        Err(IqError::Refused(error)) => {
            assert_eq!(error.condition, Condition::ServiceUnavailable);
        }
        other => panic!("{other:?}"),
    }

    // A request to ourselves comes in as one, and is answered through the same connection.
    let to_self = client.request(Iq::get(Some(own), Element::new("q", "urn:x")), TIMEOUT);
    match tokio::time::timeout(TIMEOUT, events.recv())
        .await
        .unwrap()
        .unwrap()
    {
        ClientEvent::Request(iq) => {
            client.send(iq.result(Some(Element::new("a", "urn:x"))).to_element());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(to_self.await, Ok(Some(Element::new("a", "urn:x"))));

    prosody.restart();
    let (_, resumed) = next_online(&mut events).await;
    assert!(!resumed);
    client.close().await;
    let refused = client.request(Iq::get(None, ping::ping()), TIMEOUT).await;
    assert_eq!(refused, Err(IqError::Offline));
}

#[tokio::test]
async fn a_second_login_with_the_same_resource_replaces_the_first_and_says_so() {
    let prosody = Prosody::start(&Setup::default());
    let straight = || ServerAddress::new("127.0.0.1", prosody.client_port);
    let (_first, mut first_events) = Client::connect(config(&prosody, straight(), "same"));
    next_online(&mut first_events).await;
    let (second, mut second_events) = Client::connect(config(&prosody, straight(), "same"));
    next_online(&mut second_events).await;
    match tokio::time::timeout(TIMEOUT, first_events.recv())
        .await
        .unwrap()
        .unwrap()
    {
        ClientEvent::Offline {
            failure, resumable, ..
        } => {
            assert_eq!(failure, jitctl_xmpp::Failure::Replaced);
            assert!(!resumable);
        }
        other => panic!("{other:?}"),
    }
    second.close().await;
}

#[tokio::test]
async fn another_connection_goes_on_with_a_detached_session_and_nothing_is_lost() {
    let prosody = Prosody::start(&Setup::default());
    let straight = || ServerAddress::new("127.0.0.1", prosody.client_port);
    let (first, mut events) = Client::connect(config(&prosody, straight(), "kept"));
    let (own, _) = next_online(&mut events).await;
    let (other, mut other_events) = Client::connect(config(&prosody, straight(), "other"));
    let (peer, _) = next_online(&mut other_events).await;

    first.send(message(&peer, "before"));
    first.stop_reading();
    while events.recv().await.is_some() {}
    first.send(message(&peer, "after the last event"));
    let session = first.detach().await.expect("Prosody resumes sessions");
    other.send(message(&own, "while nobody listened"));

    let mut resuming = config(&prosody, straight(), "kept");
    resuming.resume = Some(session);
    let (second, mut events) = Client::connect(resuming);
    assert_eq!(next_online(&mut events).await, (own, true));
    assert_eq!(
        bodies(&mut events, 1).await,
        ["while nobody listened".to_owned()]
    );
    second.send(message(&peer, "by the second"));
    assert_eq!(
        bodies(&mut other_events, 3).await,
        ["before", "after the last event", "by the second"]
    );
    second.close().await;
    other.close().await;
}
