//! The focus's own words: which bridges it counts.

use jitctl_transport::Remote;
use serde::Deserialize;

use super::PROBE;
use super::web::{exchange, status_line, within};
use crate::observe::{BridgeSeen, FocusView};

/// Longest answer that is read.
const LIMIT: usize = 4 << 20;

#[derive(Deserialize)]
struct Debug {
    #[serde(default)]
    brewery: Option<String>,
    #[serde(default)]
    bridges: Vec<Bridge>,
}

#[derive(Deserialize)]
struct Bridge {
    nickname: String,
    #[serde(default)]
    real_jids: Vec<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    operational: bool,
    #[serde(default)]
    drain: bool,
}

pub(super) async fn look(remote: &dyn Remote) -> Result<FocusView, String> {
    within(PROBE, ask(remote)).await
}

async fn ask(remote: &dyn Remote) -> Result<FocusView, String> {
    let port = jitctl_templates::ports::FOCUS_HTTP.number;
    let tunnel = remote
        .open_tunnel("127.0.0.1", port)
        .await
        .map_err(|error| error.to_string())?;
    let request = format!(
        "GET /debug HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: jitctl-doctor\r\n\
         Accept: application/json\r\nConnection: close\r\n\r\n"
    );
    let answer = exchange(&mut tunnel.into_inner(), request.as_bytes(), LIMIT).await?;
    let status = status_line(&answer)?;
    if status != 200 {
        return Err(format!("GET /debug answered {status}"));
    }
    let body = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map_or(0, |end| end + 4);
    parse(answer.get(body..).unwrap_or_default())
}

fn parse(body: &[u8]) -> Result<FocusView, String> {
    // The JSON starts at its brace whatever the transfer coding put before it.
    let start = body.iter().position(|byte| *byte == b'{').unwrap_or(0);
    let end = body
        .iter()
        .rposition(|byte| *byte == b'}')
        .map_or(body.len(), |end| end + 1);
    let json = body.get(start..end).unwrap_or_default();
    let debug: Debug =
        serde_json::from_slice(json).map_err(|error| format!("GET /debug: {error}"))?;
    let seen = |bridge: Bridge| BridgeSeen {
        nickname: bridge.nickname,
        real_jids: bridge.real_jids,
        version: bridge.version,
        operational: bridge.operational,
        drain: bridge.drain,
    };
    Ok(FocusView {
        brewery: debug.brewery,
        bridges: debug.bridges.into_iter().map(seen).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_are_read_and_unknown_fields_ignored() {
        let body = br#"{"brewery":"r@x","more":1,"bridges":[{"nickname":"b1","operational":true,
            "real_jids":["a","b"],"stress":0.1}]}"#;
        let view = parse(body).unwrap();
        assert_eq!(view.bridges[0].real_jids.len(), 2);
        assert!(view.bridges[0].operational);
        assert!(parse(b"nothing").is_err());
    }
}
