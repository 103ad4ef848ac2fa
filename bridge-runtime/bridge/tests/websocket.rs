//! Bridge channels over WebSocket: admitted by password, carried both ways, ended with a reason.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use futures_util::{SinkExt as _, StreamExt as _};
use jitctl_bridge::ConferenceService as _;
use jitctl_wire::colibri2::{ConferenceModify, Endpoint};
use support::call::served;
use support::channel::{bridge, dial, end, endpoint, hear, status};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test(flavor = "multi_thread")]
async fn clients_talk_through_their_channels_until_they_are_replaced_or_expired() {
    let conferences = bridge().await;
    let first = endpoint(&conferences, "aaaaaaaa", true).await;
    let second = endpoint(&conferences, "bbbbbbbb", false).await;
    let mut a = dial(&first).await.unwrap();
    let mut b = dial(&second).await.unwrap();
    hear(&mut a, "ServerHello").await;
    hear(&mut b, "ServerHello").await;
    let message = r#"{"colibriClass":"EndpointMessage","to":"bbbbbbbb","msgPayload":{"n":1}}"#;
    a.send(Message::text(message)).await.unwrap();
    let heard = hear(&mut b, "EndpointMessage").await;
    assert!(heard.contains(r#""from":"aaaaaaaa""#), "{heard}");

    let mut again = dial(&first).await.unwrap();
    hear(&mut again, "ServerHello").await;
    assert_eq!(end(&mut a).await, (CloseCode::Normal, "replaced".into()));
    // The second of the two is heard; the first one's goodbye did not take its place.
    again.send(Message::text(message)).await.unwrap();
    hear(&mut b, "EndpointMessage").await;

    // Nonsense is counted and harms nobody.
    again.send(Message::text("{{{")).await.unwrap();
    again.send(Message::text(message)).await.unwrap();
    hear(&mut b, "EndpointMessage").await;

    let mut expiry = ConferenceModify::new("m");
    expiry.endpoints.push(Endpoint {
        expire: true,
        ..Endpoint::new("aaaaaaaa")
    });
    served(conferences.modify(expiry).await);
    assert_eq!(end(&mut again).await, (CloseCode::Away, "expired".into()));
    assert_eq!(status(dial(&first).await), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_and_long_messages_end_the_channel() {
    let conferences = bridge().await;
    let url = endpoint(&conferences, "aaaaaaaa", true).await;
    let (path, password) = url.split_once("?pwd=").unwrap();
    assert_eq!(password.len(), 24);
    for wrong in [
        format!("{path}?pwd=x"),
        path.to_owned(),
        format!("{path}?a=b&pwd={password}"),
        url.replace("aaaaaaaa", "bbbbbbbb"),
    ] {
        assert_eq!(status(dial(&wrong).await), 403, "{wrong}");
    }
    assert_eq!(status(dial(&url.replace("/b1/", "/b2/")).await), 404);
    let mut client = dial(&url).await.unwrap();
    hear(&mut client, "ServerHello").await;
    client
        .send(Message::text("x".repeat(70_000)))
        .await
        .unwrap();
    // With the reason, or with a reset that overtook it: what was not read is in the way.
    loop {
        let next = timeout(support::PATIENCE, client.next());
        match next.await.expect("the end in time") {
            Some(Ok(Message::Close(Some(frame)))) => {
                assert_eq!(frame.code, CloseCode::Size);
                break;
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break,
        }
    }
    let mut again = dial(&url).await.unwrap();
    hear(&mut again, "ServerHello").await;
}
