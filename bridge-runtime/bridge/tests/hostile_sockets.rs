//! What clients may do to the WebSocket server: it is refused, counted, and nobody else notices.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "small numbers are drawn from large ones"
)]

#[path = "../../../tests/fuzz/src/mutator.rs"]
#[allow(unreachable_pub, reason = "a module of another crate")]
mod mutator;
mod support;

use std::time::Duration;

use futures_util::SinkExt as _;
use jitctl_bridge::MediaConferences;
use mutator::Mutator;
use support::channel::{Client, bridge, dial, endpoint, hear};
use support::{counted, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const GREETING: &str = r#"{"colibriClass":"EndpointMessage","to":"bbbbbbbb","msgPayload":{"n":1}}"#;

/// Two who talk to each other.
async fn bystanders(conferences: &MediaConferences) -> [Client; 2] {
    let first = endpoint(conferences, "aaaaaaaa", true).await;
    let second = endpoint(conferences, "bbbbbbbb", false).await;
    [dial(&first).await.unwrap(), dial(&second).await.unwrap()]
}

async fn greet([a, b]: &mut [Client; 2]) {
    a.send(Message::text(GREETING)).await.unwrap();
    hear(b, "EndpointMessage").await;
}

/// A long message for `to`.
fn flood(to: &str) -> Message {
    let padding = "x".repeat(60_000);
    Message::text(format!(
        r#"{{"colibriClass":"EndpointMessage","to":"{to}","msgPayload":{{"p":"{padding}"}}}}"#
    ))
}

/// The request that opens the channel at `url`, and where to send it.
fn request(url: &str) -> (String, String) {
    let (host, path) = url.strip_prefix("ws://").unwrap().split_once('/').unwrap();
    let request = format!(
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    (host.to_owned(), request)
}

/// Sends `bytes`, says no more, and reads to the end.
async fn knock(host: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(host).await.unwrap();
    // The server may hang up before it has read all.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(support::PATIENCE, end)
        .await
        .expect("the server ends what the client ended");
}

/// A masked frame (RFC 6455 section 5.2) with a mask of zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16;
    let mut frame = vec![0x80 | opcode, 0x80 | 0x7e];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn mutated_requests_and_frames_are_refused_counted_and_not_noticed() {
    let conferences = bridge().await;
    let mut bystanders = bystanders(&conferences).await;
    let url = endpoint(&conferences, "cccccccc", false).await;
    let (host, request) = request(&url);
    let mut mutator = Mutator::new(1);
    for _ in 0..150 {
        knock(&host, &mutator.mutated(request.as_bytes(), b"\r\n: ")).await;
    }
    knock(&host, request.replace("pwd=", "pwd=x").as_bytes()).await;
    knock(
        &host,
        request.replace("Version: 13", "Version: 8").as_bytes(),
    )
    .await;
    greet(&mut bystanders).await;
    let text = frame(1, GREETING.as_bytes());
    for _ in 0..150 {
        let sent = [request.as_bytes(), &mutator.mutated(&text, &text)].concat();
        knock(&host, &sent).await;
    }
    let long = frame(1, &vec![b'x'; 65_535]).repeat(2);
    for frames in [frame(2, b"x"), frame(3, b"x"), frame(1, &[0xff]), long] {
        // The second frame of the long one is no end of it: fragments are joined.
        let mut frames = frames;
        if frames.len() > 70_000 {
            frames[0] &= 0x7f;
            frames[65_543] &= 0xf0;
        }
        knock(&host, &[request.as_bytes(), &frames].concat()).await;
    }
    greet(&mut bystanders).await;
    for reason in [
        "websocket_no_upgrade",
        "websocket_not_admitted",
        "websocket_binary",
        "websocket_protocol",
        "websocket_too_long",
    ] {
        eventually(reason, || (counted(&conferences, reason) > 0).then_some(())).await;
    }
    eventually("refused messages", || {
        (counted(&conferences, "refused_message") > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_loses_its_channel_and_nobody_waits_for_it() {
    let conferences = bridge().await;
    let mut bystanders = bystanders(&conferences).await;
    let url = endpoint(&conferences, "cccccccc", false).await;
    let _never_read = dial(&url).await.unwrap();
    let mut sent = 0;
    while counted(&conferences, "websocket_queue_full") == 0 {
        bystanders[0].send(flood("cccccccc")).await.unwrap();
        sent += 1;
        assert!(sent < 2000, "somebody buffers without end");
    }
    greet(&mut bystanders).await;
}

/// A channel that is dialled and never read again; its side of the connection holds little.
async fn dial_and_never_read(url: &str) -> Client {
    let request = url.into_client_request().unwrap();
    let address = request.uri().authority().unwrap().as_str().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    client_async(request, stream).await.unwrap().0
}

/// Lets `step` pass on the paused clock, again and again, until `reason` is counted.
async fn wait_in_virtual_time(conferences: &MediaConferences, reason: &str, step: Duration) {
    tokio::time::pause();
    for _ in 0..100 {
        if counted(conferences, reason) > 0 {
            tokio::time::resume();
            return;
        }
        tokio::time::advance(step).await;
        tokio::task::yield_now().await;
    }
    panic!("{reason} was not counted");
}

#[tokio::test]
async fn a_connection_that_does_not_say_what_it_wants_is_ended() {
    let conferences = bridge().await;
    let mut bystanders = bystanders(&conferences).await;
    let url = endpoint(&conferences, "cccccccc", false).await;
    let (host, request) = request(&url);
    let mut streams = Vec::new();
    for said in ["", &request[..request.len() / 2]] {
        let mut stream = TcpStream::connect(&host).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    greet(&mut bystanders).await;
    wait_in_virtual_time(
        &conferences,
        "websocket_slow_request",
        Duration::from_secs(11),
    )
    .await;
    for mut stream in streams {
        let mut answer = Vec::new();
        let end = tokio::time::timeout(support::PATIENCE, stream.read_to_end(&mut answer));
        let _ = end.await.expect("the server ends it");
    }
    assert_eq!(counted(&conferences, "websocket_slow_request"), 2);
    greet(&mut bystanders).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_loses_its_channel() {
    let conferences = bridge().await;
    let mut bystanders = bystanders(&conferences).await;
    let url = endpoint(&conferences, "cccccccc", false).await;
    let _silent = dial_and_never_read(&url).await;
    greet(&mut bystanders).await;
    wait_in_virtual_time(&conferences, "websocket_silent", Duration::from_secs(16)).await;
}

#[tokio::test]
async fn a_client_that_takes_one_message_too_slowly_loses_its_channel() {
    let conferences = bridge().await;
    let mut bystanders = bystanders(&conferences).await;
    let url = endpoint(&conferences, "cccccccc", false).await;
    let _slow = dial_and_never_read(&url).await;
    // More than the sockets hold, fewer than may wait in the queue.
    for _ in 0..12 {
        bystanders[0].send(flood("cccccccc")).await.unwrap();
    }
    greet(&mut bystanders).await;
    wait_in_virtual_time(&conferences, "websocket_slow", Duration::from_secs(11)).await;
    assert_eq!(counted(&conferences, "websocket_queue_full"), 0);
    greet(&mut bystanders).await;
}
