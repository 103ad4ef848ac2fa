//! A bridge as the focus sees it: in the brewery, granting whatever is asked of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jitctl_wire::brewery::BridgeStats;
use jitctl_wire::colibri2::{
    ConferenceModified, ConferenceModify, Endpoint, MediaSource, Sctp, Transport,
};
use jitctl_wire::ice::IceUdpTransport;
use jitctl_wire::namespace::COLIBRI2;
use jitctl_wire::rtp::MediaKind;
use jitctl_wire::source::Source;
use jitctl_wire::{Element, Iq, Jid, Presence, muc};
use jitctl_xmpp::{Client, ClientEvent, Credentials};

use crate::person::{login, online};
use crate::{BREWERY, BRIDGE_PASSWORD, Prosody, SERVICE_DOMAIN};

/// A bridge without media.
#[derive(Debug)]
pub struct TestBridge {
    /// Its place in the brewery.
    pub occupant: Jid,
    client: Client,
    asked: Arc<Mutex<Vec<ConferenceModify>>>,
    task: tokio::task::JoinHandle<()>,
}

impl TestBridge {
    /// Logs in and joins the brewery.
    pub async fn start(prosody: &Prosody, nickname: &str) -> Self {
        let credentials = Credentials::Password {
            username: String::from("jvb"),
            password: String::from(BRIDGE_PASSWORD).into(),
        };
        let mut config = login(prosody, SERVICE_DOMAIN, credentials);
        config.resource = Some(nickname.to_owned());
        let (client, mut events) = Client::connect(config);
        online(&mut events).await;
        let occupant: Jid = format!("{BREWERY}/{nickname}").parse().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, sender, place) = (asked.clone(), client.clone(), occupant.clone());
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(2));
            loop {
                tokio::select! {
                    _ = ticks.tick() => sender.send(presence(&place)),
                    event = events.recv() => match event {
                        Some(ClientEvent::Request(iq)) => {
                            let answer = answer(&iq, &noted);
                            sender.send(answer.to_element());
                        }
                        Some(_) => {}
                        None => return,
                    },
                }
            }
        });
        Self {
            occupant,
            client,
            asked,
            task,
        }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<ConferenceModify> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    /// Keeps the connection, but does nothing any more.
    pub fn hang(&self) {
        self.task.abort();
    }

    /// Leaves.
    pub async fn stop(self) {
        self.task.abort();
        self.client.close().await;
    }
}

fn presence(place: &Jid) -> Element {
    let stats = BridgeStats {
        healthy: true,
        version: String::from("test"),
        region: Some(String::from("eu")),
        ..BridgeStats::default()
    };
    Presence::available(Some(place.clone()))
        .with_payload(muc::join_request(None))
        .with_payload(stats.to_element())
        .to_element()
}

fn answer(iq: &Iq, asked: &Mutex<Vec<ConferenceModify>>) -> Iq {
    let Some(payload) = iq
        .payload
        .as_ref()
        .filter(|it| it.is("conference-modify", COLIBRI2))
    else {
        // Pings and health checks.
        return iq.result(None);
    };
    let modify = ConferenceModify::parse(payload).expect("a request of colibri2");
    let modified = ConferenceModified {
        endpoints: modify
            .endpoints
            .iter()
            .filter(|one| one.create)
            .map(granted)
            .collect(),
        sources: modify.create.then(feedback),
        ..ConferenceModified::default()
    };
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(modify);
    iq.result(Some(modified.to_element()))
}

fn granted(asked: &Endpoint) -> Endpoint {
    let wants_sctp = asked
        .transport
        .as_ref()
        .is_some_and(|transport| transport.sctp.is_some());
    Endpoint {
        transport: Some(Transport {
            ice_udp: Some(IceUdpTransport {
                ufrag: Some(format!("u{}", asked.id)),
                pwd: Some(String::from("password")),
                ..IceUdpTransport::default()
            }),
            sctp: wants_sctp.then(|| Sctp {
                port: Some(5000),
                ..Sctp::default()
            }),
            ..Transport::default()
        }),
        ..Endpoint::new(asked.id.clone())
    }
}

fn feedback() -> Vec<MediaSource> {
    [
        (MediaKind::Audio, "jvb-a0", 11),
        (MediaKind::Video, "jvb-v0", 22),
    ]
    .map(|(kind, name, ssrc)| MediaSource {
        kind,
        id: String::from(name),
        synthetic: false,
        sources: vec![Source::new(ssrc, name)],
        groups: Vec::new(),
    })
    .into()
}
