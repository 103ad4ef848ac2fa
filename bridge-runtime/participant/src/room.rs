//! Into a room: login, conference request, join (XEP-0045), as the browser client does it.

use std::collections::BTreeMap;
use std::time::Duration;

use jitctl_wire::conference_request::{ConferenceReply, ConferenceRequest};
use jitctl_wire::muc::{Occupancy, STATUS_SELF};
use jitctl_wire::{Iq, Jid, Presence, PresenceKind};
use jitctl_xmpp::{Client, ClientEvent, IqError, open_tls, random_hex};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::signalling::presence;
use crate::site::Site;

/// Time for the whole way in.
const LIMIT: Duration = Duration::from_secs(20);
/// Time for the answer to a conference request.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
/// Longest answer to a conference request over HTTP.
const MAXIMUM_ANSWER: u64 = 64 * 1024;
/// Resource of the focus' occupant in every room.
const FOCUS: &str = "focus";

/// Why a room cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// The login failed.
    #[error("login: {0}")]
    Login(jitctl_xmpp::Failure),
    /// The focus refused, or did not answer.
    #[error("conference request to `{focus}`: {error}")]
    Request {
        /// The focus' address.
        focus: String,
        /// What happened.
        error: IqError,
    },
    /// The same over HTTP.
    #[error("conference request at `{path}`: {reason}")]
    HttpRequest {
        /// Path at the web server.
        path: String,
        /// What happened.
        reason: String,
    },
    /// The answer is of no use.
    #[error("conference request: {0}")]
    Answer(String),
    /// The room refused.
    #[error("joining `{room}`: {reason}")]
    Refused {
        /// The room.
        room: String,
        /// What it said.
        reason: String,
    },
    /// Nothing happened for too long.
    #[error("{waiting_for} did not come within {} s", LIMIT.as_secs())]
    Timeout {
        /// What was waited for.
        waiting_for: &'static str,
    },
    /// A name cannot be part of an address.
    #[error("`{0}` cannot be part of an address")]
    Name(String),
}

/// A joined room.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) client: Client,
    pub(crate) events: mpsc::UnboundedReceiver<ClientEvent>,
    /// Our occupant address; its resource is our endpoint identifier.
    pub(crate) occupant: Jid,
    /// Our real address.
    pub(crate) us: Jid,
    /// Occupant address of the focus.
    pub(crate) focus: Jid,
}

impl Room {
    /// Logs in, asks for the conference and joins.
    pub(crate) async fn join(site: &Site, room: &str, name: &str) -> Result<Self, RoomError> {
        let deadline = Instant::now() + LIMIT;
        let (client, mut events) = Client::connect(site.client_config());
        let us = online(&mut events, deadline).await?;
        let address = site.room_address(room);
        let room: Jid = address
            .parse()
            .map_err(|_| RoomError::Name(room.to_owned()))?;
        let focus_account = request(&client, site, &room, deadline).await?;
        let endpoint = match presence::endpoint_of(&us) {
            Some(endpoint) => endpoint,
            None => random_hex(8).map_err(|error| RoomError::Answer(error.to_string()))?,
        };
        let with = |resource: &str| {
            room.with_resource(resource)
                .map_err(|_| RoomError::Name(resource.to_owned()))
        };
        let joined = Self {
            occupant: with(&endpoint)?,
            focus: with(FOCUS)?,
            client,
            events,
            us,
        };
        joined.enter(name, &focus_account, deadline).await
    }

    async fn enter(
        mut self,
        name: &str,
        focus_account: &str,
        deadline: Instant,
    ) -> Result<Self, RoomError> {
        self.client
            .send(presence::join(self.occupant.clone(), name));
        let mut focus_seen = false;
        loop {
            let event = next(&mut self.events, deadline, "our own presence in the room").await?;
            let ClientEvent::Stanza(stanza) = event else {
                continue;
            };
            let Ok(presence) = Presence::parse(&stanza) else {
                continue;
            };
            if presence.from.as_ref() == Some(&self.focus) {
                // Clients trust nobody else's offers (the room shows real addresses).
                let real = Occupancy::of(&presence)
                    .unwrap_or_default()
                    .real_addresses();
                focus_seen = real.iter().any(|jid| jid.bare() == focus_account);
            }
            if presence.from.as_ref() != Some(&self.occupant) {
                continue;
            }
            if presence.kind == PresenceKind::Error {
                let reason = presence.error.map(|error| error.to_string());
                return Err(RoomError::Refused {
                    room: self.occupant.bare().to_owned(),
                    reason: reason.unwrap_or_default(),
                });
            }
            if Occupancy::of(&presence).is_some_and(|occupancy| occupancy.has(STATUS_SELF)) {
                break;
            }
        }
        if focus_seen {
            Ok(self)
        } else {
            Err(RoomError::Refused {
                room: self.occupant.bare().to_owned(),
                reason: format!("`{focus_account}` is not in it, or its address is hidden"),
            })
        }
    }
}

async fn next(
    events: &mut mpsc::UnboundedReceiver<ClientEvent>,
    deadline: Instant,
    waiting_for: &'static str,
) -> Result<ClientEvent, RoomError> {
    match timeout_at(deadline, events.recv()).await {
        Ok(Some(event)) => Ok(event),
        Ok(None) | Err(_) => Err(RoomError::Timeout { waiting_for }),
    }
}

/// Waits for the login; the first failure ends it, for whoever watches wants to know.
async fn online(
    events: &mut mpsc::UnboundedReceiver<ClientEvent>,
    deadline: Instant,
) -> Result<Jid, RoomError> {
    loop {
        match next(events, deadline, "the login").await? {
            ClientEvent::Online { jid, .. } => return Ok(jid),
            ClientEvent::Offline { failure, .. } => return Err(RoomError::Login(failure)),
            _ => {}
        }
    }
}

/// Asks until the focus is in the room; answers with its bare real address.
async fn request(
    client: &Client,
    site: &Site,
    room: &Jid,
    deadline: Instant,
) -> Result<String, RoomError> {
    let focus = format!("{FOCUS}.{}", site.domain);
    let to: Jid = focus.parse().map_err(|_| RoomError::Name(focus))?;
    let request = ConferenceRequest {
        room: room.clone(),
        machine_uid: random_hex(32).ok(),
        session_id: None,
        properties: BTreeMap::from([
            (String::from("rtcstatsEnabled"), String::from("false")),
            (String::from("visitors-version"), String::from("1")),
        ]),
    };
    let mut pause = Duration::from_secs(1);
    loop {
        let reply = match &site.request_path {
            Some(path) => request_over_http(site, path, &request).await?,
            None => request_over_xmpp(client, &to, &request).await?,
        };
        if reply.focus_jid.is_empty() {
            return Err(RoomError::Answer(String::from(
                "the answer does not say who the focus is",
            )));
        }
        if reply.ready {
            return Ok(reply.focus_jid);
        }
        if Instant::now() + pause > deadline {
            return Err(RoomError::Timeout {
                waiting_for: "a focus that is ready",
            });
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

async fn request_over_xmpp(
    client: &Client,
    to: &Jid,
    request: &ConferenceRequest,
) -> Result<ConferenceReply, RoomError> {
    let iq = Iq::set(Some(to.clone()), request.to_element());
    let answer = client.request(iq, REQUEST_LIMIT).await;
    let answer = answer.map_err(|error| RoomError::Request {
        focus: to.to_string(),
        error,
    })?;
    answer
        .as_ref()
        .map(ConferenceReply::parse)
        .transpose()
        .map_err(|error| RoomError::Answer(error.to_string()))?
        .ok_or_else(|| RoomError::Answer(String::from("the answer is empty")))
}

/// The request as browsers make it where the site's `config.js` names a URL for it.
async fn request_over_http(
    site: &Site,
    path: &str,
    request: &ConferenceRequest,
) -> Result<ConferenceReply, RoomError> {
    let failure = |reason: String| RoomError::HttpRequest {
        path: path.to_owned(),
        reason,
    };
    let body = json!({
        "room": request.room.as_str(),
        "machineUid": request.machine_uid,
        "properties": request.properties,
    })
    .to_string();
    // HTTP/1.0, so that the answer ends with the connection and is not chunked.
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        site.domain,
        body.len()
    );
    let exchange = async {
        let mut socket = open_tls(&site.target())
            .await
            .map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        let exchanged = async {
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(body.as_bytes()).await?;
            socket.flush().await?;
            socket.take(MAXIMUM_ANSWER).read_to_end(&mut answer).await
        };
        // Servers may close without the farewell of TLS; what came counts.
        let result: std::io::Result<usize> = exchanged.await;
        match result {
            Err(error) if answer.is_empty() => Err(error.to_string()),
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
    };
    let answer = tokio::time::timeout(REQUEST_LIMIT, exchange)
        .await
        .map_err(|_| failure(String::from("no answer in time")))?
        .map_err(failure)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        let words = body.lines().next().unwrap_or_default();
        return Err(failure(format!("the answer is `{status}` {words}")));
    }
    serde_json::from_str(body).map_err(|error| failure(error.to_string()))
}
