//! The WebSocket server of bridge channels: paths, passwords, frames (RFC 6455).
//!
//! A connection is admitted before it is upgraded. Everything is bounded: the length of a message,
//! what waits to be sent, how long a client may be silent or refuse to read. The messages
//! themselves are the conference's business.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::server::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jitctl_media::channel::MAXIMUM_MESSAGE_LENGTH;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::conferences::{Attached, Closing, MediaConferences, Outgoing};
use crate::refusal::Refusal;

/// Time between pings.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A client that is silent for this long, pongs included, is gone.
const IDLE: Duration = Duration::from_secs(60);
/// A client that does not take a message within this time is given up.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// Time for a connection to say what it wants.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a connection could not be taken: descriptors may be short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What every client gets first.
const SERVER_HELLO: &str = r#"{"colibriClass":"ServerHello"}"#;

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Serves bridge channels until dropped.
pub async fn serve(listener: TcpListener, conferences: Arc<MediaConferences>) {
    let router = Router::new()
        .route("/colibri-ws/{server}/{conference}/{endpoint}", get(accept))
        .with_state(conferences.clone());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(welcome(conferences.clone(), router.clone(), stream));
            }
            Err(error) => {
                tracing::warn!(%error, "a bridge channel cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection until it becomes a channel, is refused or says nothing.
async fn welcome(conferences: Arc<MediaConferences>, router: Router, stream: TcpStream) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_PATIENCE)
        // Who says no more is answered all the same, and counted.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    if connection.await.is_err_and(|error| error.is_timeout()) {
        conferences.refusals().count(Refusal::SlowRequest);
    }
}

async fn accept(
    State(conferences): State<Arc<MediaConferences>>,
    Path((server, conference, endpoint)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    mut request: Request,
) -> Response {
    let refusals = conferences.refusals();
    if conferences.channel_server() != Some(server.as_str()) {
        refusals.count(Refusal::NotAdmitted);
        return StatusCode::NOT_FOUND.into_response();
    }
    let Some(accepted) = accepted_key(request.version(), request.headers()) else {
        refusals.count(Refusal::NoUpgrade);
        return (StatusCode::UPGRADE_REQUIRED, "a WebSocket is spoken here\n").into_response();
    };
    // The password comes first or not at all.
    let password = query
        .as_deref()
        .and_then(|query| query.split('&').next()?.strip_prefix("pwd="))
        .unwrap_or_default();
    let Ok(attached) = conferences.attach(&conference, &endpoint, password).await else {
        refusals.count(Refusal::NotAdmitted);
        tracing::info!(conference, endpoint, "a bridge channel was refused");
        return StatusCode::FORBIDDEN.into_response();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(hold(conferences, attached, upgrade));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    response
}

/// The answer to the client's key, if the request is a WebSocket's (RFC 6455 section 4.2.1).
fn accepted_key(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let has = |name, token: &str| {
        let values = headers.get_all(name).into_iter();
        values
            .filter_map(|value: &HeaderValue| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    let fits = version >= Version::HTTP_11
        && has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| fits)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

/// A channel from its upgrade to its end.
async fn hold(conferences: Arc<MediaConferences>, mut attached: Attached, upgrade: OnUpgrade) {
    if let Ok(Ok(upgraded)) = timeout(SEND_PATIENCE, upgrade).await {
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAXIMUM_MESSAGE_LENGTH))
            .max_frame_size(Some(MAXIMUM_MESSAGE_LENGTH));
        let stream = TokioIo::new(upgraded);
        let mut socket = Socket::from_raw_socket(stream, Role::Server, Some(limits)).await;
        let closing = talk(&conferences, &mut attached, &mut socket).await;
        let _ = timeout(SEND_PATIENCE, socket.close(closing)).await;
    }
    conferences.detach(&attached).await;
}

/// Carries messages both ways; returns how to close.
async fn talk(
    conferences: &MediaConferences,
    attached: &mut Attached,
    socket: &mut Socket,
) -> Option<CloseFrame> {
    let refuse = |refusal, code, reason| {
        conferences.refusals().count(refusal);
        Some(close(code, reason))
    };
    let given_up = |sent| match sent {
        Sent::Slow => refuse(Refusal::Slow, CloseCode::Policy, "does not read"),
        Sent::Taken | Sent::Gone => None,
    };
    let sent = send(socket, Message::text(SERVER_HELLO)).await;
    if sent != Sent::Taken {
        return given_up(sent);
    }
    let mut pings = interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            outgoing = attached.next() => match outgoing {
                Some(Outgoing::Text(text)) => {
                    let sent = send(socket, Message::text(text)).await;
                    if sent != Sent::Taken {
                        return given_up(sent);
                    }
                }
                Some(Outgoing::Close(Closing::Replaced)) => {
                    return Some(close(CloseCode::Normal, "replaced"));
                }
                Some(Outgoing::Close(Closing::Expired)) => {
                    return Some(close(CloseCode::Away, "expired"));
                }
                None => return Some(close(CloseCode::Policy, "does not read")),
            },
            incoming = socket.next() => {
                heard = Instant::now();
                match incoming {
                    Some(Ok(Message::Text(text))) => {
                        conferences.receive(attached, text.as_str().to_owned()).await;
                    }
                    Some(Ok(Message::Binary(_))) => {
                        return refuse(Refusal::Binary, CloseCode::Unsupported, "text only");
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Err(Error::Capacity(_))) => {
                        return refuse(Refusal::TooLong, CloseCode::Size, "too long");
                    }
                    Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                        return None;
                    }
                    Some(Err(Error::Protocol(_) | Error::Utf8(_))) => {
                        return refuse(Refusal::Protocol, CloseCode::Protocol, "no WebSocket");
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                }
            },
            _ = pings.tick() => {
                if heard.elapsed() > IDLE {
                    conferences.refusals().count(Refusal::Silent);
                    return None;
                }
                let sent = send(socket, Message::Ping(Vec::new().into())).await;
                if sent != Sent::Taken {
                    return given_up(sent);
                }
            }
        }
    }
}

/// What became of a message to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// The kernel has it.
    Taken,
    /// The client does not read.
    Slow,
    /// There is no client any more.
    Gone,
}

async fn send(socket: &mut Socket, message: Message) -> Sent {
    match timeout(SEND_PATIENCE, socket.send(message)).await {
        Ok(Ok(())) => Sent::Taken,
        Ok(Err(_)) => Sent::Gone,
        Err(_) => Sent::Slow,
    }
}

fn close(code: CloseCode, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}
