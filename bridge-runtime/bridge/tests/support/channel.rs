//! Bridge channels over WebSocket: the bridge that serves them and clients that dial them.

use std::sync::Arc;

use futures_util::StreamExt as _;
use jitctl_bridge::config::WebSocketConfig;
use jitctl_bridge::{ConferenceService as _, MediaConferences, websocket};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::PATIENCE;
use super::call::{config, creation, served};

/// A client's end.
pub(crate) type Client = WebSocketStream<TcpStream>;

/// A bridge that serves channels.
pub(crate) async fn bridge() -> Arc<MediaConferences> {
    // Connections get these buffers from it: little is under way to a client that does not read.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(64 * 1024).expect("a size");
    let free = "127.0.0.1:0".parse().expect("an address");
    socket.bind(free).expect("on loopback");
    let listener = socket.listen(64).expect("a listener");
    let address = listener.local_addr().expect("on loopback");
    let mut config = config(2);
    config.websocket = Some(WebSocketConfig {
        listen: address,
        domains: vec![address.to_string()],
        tls: false,
        server_id: None,
    });
    let conferences = MediaConferences::start(&config).await.expect("on loopback");
    tokio::spawn(websocket::serve(listener, conferences.clone()));
    conferences
}

/// Creates an endpoint and gives the address of its channel.
pub(crate) async fn endpoint(conferences: &MediaConferences, id: &str, is_first: bool) -> String {
    let answer = served(conferences.modify(creation("m", id, is_first)).await);
    let transport = answer.endpoints[0].transport.clone().expect("a transport");
    let [address] = transport
        .ice_udp
        .expect("an ICE transport")
        .web_sockets
        .try_into()
        .expect("one address");
    assert!(!address.active);
    address.url
}

/// Opens a channel.
pub(crate) async fn dial(url: &str) -> Result<Client, Error> {
    let request = url.into_client_request()?;
    let host = request.uri().authority().expect("a host").to_string();
    let stream = TcpStream::connect(host).await.expect("a listener");
    client_async(request, stream)
        .await
        .map(|(client, _)| client)
}

/// The next message.
pub(crate) async fn next(client: &mut Client) -> Message {
    let next = timeout(PATIENCE, client.next());
    next.await
        .expect("a message in time")
        .expect("no end")
        .expect("a message")
}

/// The next text that contains `wanted`.
pub(crate) async fn hear(client: &mut Client, wanted: &str) -> String {
    loop {
        if let Message::Text(text) = next(client).await
            && text.contains(wanted)
        {
            return text.as_str().to_owned();
        }
    }
}

/// How the channel was closed.
pub(crate) async fn end(client: &mut Client) -> (CloseCode, String) {
    loop {
        if let Message::Close(Some(frame)) = next(client).await {
            return (frame.code, frame.reason.as_str().to_owned());
        }
    }
}

/// The status of a refused request.
pub(crate) fn status(result: Result<Client, Error>) -> u16 {
    match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}
