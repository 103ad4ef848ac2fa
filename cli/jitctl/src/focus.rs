//! What MAIN hosts' focuses say of rooms, asked over ssh on their private port.

use std::time::Duration;

use jitctl_transport::{Remote as _, Script, SshRemote, quote};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::site::Site;

/// The private port of the focus.
const BASE: &str = "http://127.0.0.1:8888";

/// One meeting, as its focus describes it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Room {
    /// The host whose focus runs it.
    #[serde(default)]
    pub(crate) host: String,
    #[serde(rename = "room")]
    pub(crate) address: String,
    pub(crate) meeting_id: String,
    pub(crate) participants: Vec<Person>,
    /// People by nickname of the bridge.
    pub(crate) bridges: std::collections::BTreeMap<String, u64>,
}

/// Somebody in a meeting.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Person {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) jid: String,
    pub(crate) bridge: Option<String>,
    /// `waiting`, `allocating`, `invited` or `active`.
    pub(crate) session: String,
    pub(crate) moderator: bool,
    #[serde(default)]
    pub(crate) sends_audio: bool,
    #[serde(default)]
    pub(crate) sends_video: bool,
}

/// One answer of a focus.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// A request with curl, or with perl where there is none; prints the status, then the body.
fn script(method: &str, path: &str) -> Script {
    let url = quote(&format!("{BASE}{path}"));
    let line = format!(
        r#"if command -v curl > /dev/null 2>&1; then
    curl -sS -m 20 -X {method} -w '\n%{{http_code}}' {url} || exit 7
else
    perl -MIO::Socket::INET -e '
        my ($method, $url) = @ARGV;
        my ($host, $port, $path) = $url =~ m{{^http://([^/:]+):(\d+)(/.*)$}} or exit 1;
        my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 5) or exit 7;
        print $socket "$method $path HTTP/1.0\r\nHost: $host\r\nContent-Length: 0\r\n\r\n";
        local $/; my ($head, $body) = split /\r\n\r\n/, <$socket>, 2;
        $head =~ m{{^HTTP/1.. (\d+)}} or exit 1;
        print "$body\n$1";' {method} {url}
fi"#
    );
    Script::new(
        format!("ask the focus: {method} {path}"),
        line,
        Duration::from_secs(30),
    )
}

fn answer(text: &str) -> Option<Answer> {
    let (body, status) = text
        .trim_end()
        .rsplit_once('\n')
        .unwrap_or(("", text.trim_end()));
    Some(Answer {
        status: status.trim().parse().ok()?,
        body: body.to_owned(),
    })
}

/// Asks the focus of one host.
pub(crate) async fn ask(remote: &SshRemote, method: &str, path: &str) -> Result<Answer, Failure> {
    let host = remote.host();
    let output = remote.run(script(method, path)).await?;
    if output.status == Some(7) {
        return Err(Failure::new(
            Exit::Failure,
            crate::failure::Problem::new(format!("the focus of {host} does not answer"))
                .help("look at `jitctl status` and `jitctl logs --unit jitctl-focus`"),
        ));
    }
    answer(&output.text()).ok_or_else(|| {
        Failure::other(
            format!("the focus of {host} gave no HTTP answer"),
            "look at `jitctl logs --unit jitctl-focus`",
        )
    })
}

/// The rooms of all focuses, by name.
pub(crate) async fn rooms(site: &Site) -> Result<Vec<Room>, Failure> {
    let mut all = Vec::new();
    for remote in site.remotes(&site.own_mains()?) {
        let said = ask(&remote, "GET", "/debug/conferences").await?;
        let rooms: Vec<Room> = serde_json::from_str(&said.body).map_err(|error| {
            Failure::other(
                format!(
                    "cannot read what the focus of {} says: {error}",
                    remote.host()
                ),
                "apply the version of this `jitctl` to the host: `jitctl apply`",
            )
        })?;
        all.extend(rooms.into_iter().map(|room| Room {
            host: remote.host().to_string(),
            ..room
        }));
    }
    all.sort_by(|a, b| (&a.address, &a.host).cmp(&(&b.address, &b.host)));
    Ok(all)
}

/// The rooms and people on each bridge, out of what a focus says at `/debug`.
pub(crate) fn load_of(debug: &Value, nickname: &str) -> Option<(u64, u64)> {
    let rooms = debug.get("conferences")?.as_array()?;
    let people = rooms
        .iter()
        .filter_map(|room| room.get("bridges")?.get(nickname)?.as_u64());
    Some(people.fold((0, 0), |(rooms, all), here| (rooms + 1, all + here)))
}

/// A name as a part of a path.
pub(crate) fn in_path(name: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_status() {
        let said = answer("[]\n200").unwrap();
        assert_eq!((said.status, said.body.as_str()), (200, "[]"));
        assert_eq!(answer("\n404\n").unwrap().status, 404);
        assert!(answer("nonsense").is_none());
    }

    #[test]
    fn people_are_counted_by_bridge() {
        let debug = serde_json::json!({"conferences": [
            {"room": "a@c", "bridges": {"b1": 2}},
            {"room": "b@c", "bridges": {"b1": 3, "b2": 1}},
        ]});
        assert_eq!(load_of(&debug, "b1"), Some((2, 5)));
        assert_eq!(load_of(&debug, "b9"), Some((0, 0)));
        assert_eq!(load_of(&serde_json::json!({}), "b1"), None);
    }

    #[test]
    fn names_are_safe_in_a_path() {
        assert_eq!(in_path("standup"), "standup");
        assert_eq!(in_path("a/../b?c d"), "a%2F..%2Fb%3Fc%20d");
    }
}
