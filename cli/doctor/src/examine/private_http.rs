//! The private HTTP of focus and bridge, asked on their own hosts.

use std::time::{Duration, Instant};

use jitctl_transport::Remote;
use serde::Deserialize;

use super::web::{Until, exchange, status_line, within};
use crate::observe::{BridgeSeen, Connection, FocusView, Health, Membership};

/// Longest answer that is read.
const LIMIT: usize = 4 << 20;

#[derive(Deserialize)]
struct Debug {
    #[serde(default)]
    connections: Connections,
    #[serde(default)]
    bridges: Vec<BridgeSeen>,
}

#[derive(Default, Deserialize)]
struct Connections {
    #[serde(default)]
    account: Connection,
    #[serde(default)]
    component: Connection,
}

/// How long a focus that lost Prosody a moment ago may take to come back by itself: one that just
/// restarts is no finding.
const COMING_BACK: Duration = Duration::from_secs(2);
/// How often it is asked meanwhile.
const AGAIN: Duration = Duration::from_millis(400);

/// The focus's own words, once it is connected and in the brewery, or when that takes too long.
pub(super) async fn focus(
    remote: &dyn Remote,
    brewery: Option<String>,
    limit: Duration,
) -> Result<FocusView, String> {
    let end = Instant::now() + COMING_BACK;
    loop {
        let view = focus_now(remote, brewery.clone(), limit).await?;
        let there = view.account.joined && view.component.jid.is_some();
        if there || Instant::now() > end {
            return Ok(view);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn focus_now(
    remote: &dyn Remote,
    brewery: Option<String>,
    limit: Duration,
) -> Result<FocusView, String> {
    let port = jitctl_templates::ports::FOCUS_HTTP.number;
    let (status, body) = within(limit, get(remote, port, "/debug")).await?;
    if status != 200 {
        return Err(format!("GET /debug answered {status}"));
    }
    Ok(FocusView {
        brewery,
        ..parse(&body)?
    })
}

/// The bridge's own health.
pub(super) async fn bridge(remote: &dyn Remote, limit: Duration) -> Health {
    let port = jitctl_templates::ports::BRIDGE_HTTP.number;
    match within(limit, get(remote, port, "/about/health")).await {
        Ok((status, body)) => Health {
            status: Ok(status),
            words: String::from_utf8_lossy(body.get(..body.len().min(300)).unwrap_or_default())
                .trim()
                .to_owned(),
        },
        Err(words) => Health {
            status: Err(words),
            words: String::new(),
        },
    }
}

/// The bridge's own word on its breweries.
pub(super) async fn rooms(remote: &dyn Remote, limit: Duration) -> Result<Vec<Membership>, String> {
    #[derive(Deserialize)]
    struct Debug {
        connections: Vec<Membership>,
    }
    let port = jitctl_templates::ports::BRIDGE_HTTP.number;
    let (_, body) = within(limit, get(remote, port, "/debug")).await?;
    let debug: Debug = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Ok(debug.connections)
}

async fn get(remote: &dyn Remote, port: u16, path: &str) -> Result<(u16, Vec<u8>), String> {
    let tunnel = remote
        .open_tunnel("127.0.0.1", port)
        .await
        .map_err(|error| error.to_string())?;
    // HTTP/1.0: no chunks, and the server closes.
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: jitctl-doctor\r\n\r\n"
    );
    let until = Until::End(LIMIT);
    let mut answer = exchange(&mut tunnel.into_inner(), request.as_bytes(), until).await?;
    let status = status_line(&answer)?;
    let body = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(answer.len(), |end| end + 4);
    Ok((status, answer.split_off(body)))
}

fn parse(body: &[u8]) -> Result<FocusView, String> {
    let debug: Debug =
        serde_json::from_slice(body).map_err(|error| format!("GET /debug: {error}"))?;
    Ok(FocusView {
        brewery: None,
        account: debug.connections.account,
        component: debug.connections.component,
        bridges: debug.bridges,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_are_read_and_unknown_fields_ignored() {
        let body = br#"{"version":"1","connections":{"account":{"jid":"focus@x/y","joined":true,
            "trouble":null,"disconnects":0},"component":{"jid":null,"joined":false,
            "trouble":"refused","disconnects":2}},"bridges":[{"nickname":"b1","operational":true,
            "jids":["a","b"],"nickname_clash":true,"stress":0.1,"version":null}]}"#;
        let view = parse(body).unwrap();
        assert_eq!(view.bridges[0].real_jids.len(), 2);
        assert!(view.bridges[0].operational && view.bridges[0].clash);
        assert!(view.account.joined);
        assert_eq!(view.component.trouble.as_deref(), Some("refused"));
        assert!(parse(b"nothing").is_err());
    }
}
