//! What must hold after an apply, and the log lines that explain why it does not.
//!
//! All gates of a host are one script that polls on the host itself, so that waiting costs no
//! round trips. Bridges are counted on the MAIN hosts.

use std::time::Duration;

use jitctl_templates::desired::{Gate, Protocol};
use jitctl_transport::{Remote, RemoteError, Script, quote};
use serde::{Deserialize, Serialize};

use crate::steps::{EVIDENCE, line};

/// A gate that stayed red.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedGate {
    /// Which, in words.
    pub gate: String,
    /// What was seen instead and the log lines around it.
    pub evidence: Vec<String>,
}

const HTTP: &str = r#"http_get() {
    if command -v curl > /dev/null 2>&1; then
        curl -fsS -m 3 "$1" 2> /dev/null
    else
        perl -MIO::Socket::INET -e '
            my ($host, $port, $path) = $ARGV[0] =~ m{^http://([^/:]+):?(\d*)(/.*)?$} or exit 1;
            my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port || 80, Timeout => 3) or exit 1;
            print $socket "GET ".($path || "/")." HTTP/1.0\r\nHost: $host\r\n\r\n";
            local $/; my ($head, $body) = split /\r\n\r\n/, <$socket>, 2;
            exit 1 unless $head =~ m{^HTTP/1.. 200}; print $body;' "$1"
    fi
}
"#;

const FUNCTIONS: &str = r#"mkdir -p "$staging"
unit_active() { [ "$(systemctl show -p ActiveState --value "$1")" = active ]; }
remember() { systemctl show -p ActiveState -p NRestarts -p MainPID "$1" > "$staging/$1.seen"; }
# Active, and the same process as a moment ago: not in a restart loop.
unit_stays() {
    mv -f "$staging/$1.seen" "$staging/$1.before"
    remember "$1"
    cmp -s "$staging/$1.before" "$staging/$1.seen" && unit_active "$1"
}
listening() { ss -H -ln"$1" "sport = :$2" 2> /dev/null | grep -q .; }
http_ok() { http_get "$1" > /dev/null; }
# The bridge that runs now is in every brewery it is to be in.
joined() {
    http_get http://127.0.0.1:8080/debug > "$staging/joined" &&
        grep -q '"joined":true' "$staging/joined" && ! grep -q '"joined":false' "$staging/joined"
}
# A room's address gives a page, under the certificate that is in place.
page_served() {
    printf 'GET /jitctl-gate HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" |
        timeout 5 openssl s_client -quiet -connect 127.0.0.1:443 -servername "$1" -verify_hostname "$1" \
            -CAfile "$2" -partial_chain -no_check_time -verify_return_error 2> /dev/null |
        tr -d '\r' | sed '/^$/q' | tr '[:upper:]' '[:lower:]' > "$staging/page"
    grep -q '^http/1.1 200 ' "$staging/page" && grep -q '^content-type: text/html' "$staging/page"
}
end=$(($(date +%s) + limit))
gate() {
    title=$1 unit=$2; shift 2
    until "$@"; do
        if [ "$(date +%s)" -ge "$end" ]; then
            printf 'red\t%s\n' "$title"
            [ -z "$unit" ] || evidence "$unit" 2>&1
            exit 70
        fi
        sleep 0.2
    done
    printf 'green\t%s\n' "$title"
}
"#;

/// A gate in words.
pub fn describe(gate: &Gate) -> String {
    match gate {
        Gate::UnitActive(unit) => format!("{unit} is active"),
        Gate::Listening(protocol, port) => {
            format!("something listens on {port}/{}", protocol_word(*protocol))
        }
        Gate::HttpOk(url) => format!("{url} answers 200"),
        Gate::PageServed { domain, .. } => format!("https://{domain}/ROOM gives the page"),
        Gate::BridgeCounted(nick) => format!("the focus counts bridge {nick}"),
        Gate::BridgeJoined(nick) => format!("bridge {nick} is in the brewery"),
    }
}

fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// The unit whose log explains a red gate, as far as the gates themselves tell.
fn unit_behind(gate: &Gate, gates: &[Gate]) -> String {
    let known = |needle: &str| {
        gates.iter().find_map(|other| match other {
            Gate::UnitActive(unit) if unit.contains(needle) => Some(unit.clone()),
            _ => None,
        })
    };
    match gate {
        Gate::UnitActive(unit) => Some(unit.clone()),
        Gate::Listening(_, 5222 | 5280 | 5347) => known("prosody"),
        Gate::Listening(_, 8888) => known("focus"),
        Gate::Listening(_, 10000 | 8080) | Gate::BridgeCounted(_) | Gate::BridgeJoined(_) => {
            known("bridge")
        }
        Gate::HttpOk(url) if url.contains(":8888") => known("focus"),
        Gate::HttpOk(url) if url.contains(":8080") => known("bridge"),
        Gate::Listening(_, 80 | 443) | Gate::HttpOk(_) | Gate::PageServed { .. } => known("nginx"),
        Gate::Listening(..) => None,
    }
    .unwrap_or_default()
}

/// The script for the gates that a host can see by itself; nothing when there are none. Units among
/// `disturbed`, which this apply started, restarted or reloaded, must also stay as they are for a
/// moment: while the other gates are looked at, and a little longer.
pub fn script(
    gates: &[Gate],
    disturbed: &[&str],
    prologue: &str,
    limit: Duration,
) -> Option<Script> {
    let mut body = String::new();
    let (units, others): (Vec<_>, Vec<_>) = gates
        .iter()
        .partition(|gate| matches!(gate, Gate::UnitActive(_)));
    for gate in &units {
        body.push_str(&command(gate, gates));
    }
    for unit in disturbed {
        body.push_str(&line(&["remember", unit]));
    }
    for gate in &others {
        body.push_str(&command(gate, gates));
    }
    if !disturbed.is_empty() {
        body.push_str("sleep 0.3\n");
    }
    for unit in disturbed {
        let title = describe(&Gate::UnitActive((*unit).to_owned()));
        body.push_str(&line(&["gate", &title, unit, "unit_stays", unit]));
    }
    if body.is_empty() {
        return None;
    }
    let text = format!(
        "{prologue}limit={}\n{EVIDENCE}{HTTP}{FUNCTIONS}{body}",
        limit.as_secs()
    );
    let deadline = limit + Duration::from_secs(30);
    Some(Script::new("wait until it works", text, deadline))
}

/// The line of the script for one gate.
fn command(gate: &Gate, gates: &[Gate]) -> String {
    let title = describe(gate);
    let unit = unit_behind(gate, gates);
    let mut words = vec!["gate", title.as_str(), unit.as_str()];
    let port;
    match gate {
        Gate::UnitActive(unit) => words.extend(["unit_active", unit]),
        Gate::Listening(protocol, number) => {
            port = number.to_string();
            let letter = if *protocol == Protocol::Tcp { "t" } else { "u" };
            words.extend(["listening", letter, &port]);
        }
        Gate::HttpOk(url) => words.extend(["http_ok", url]),
        Gate::PageServed {
            domain,
            certificate,
        } => words.extend(["page_served", domain, certificate]),
        // The focus may still count the session that a restart ended: first the bridge itself is
        // to be in its brewery, then `wait_counted` asks the focus.
        Gate::BridgeCounted(_) | Gate::BridgeJoined(_) => words.push("joined"),
    }
    line(&words)
}

/// Exit status of the gate script when a gate stayed red.
pub(crate) const RED: i32 = 70;

/// Reads the output of [`script`].
pub fn read(output: &str) -> Option<RedGate> {
    let mut lines = output.lines().skip_while(|line| !line.starts_with("red\t"));
    let gate = lines.next()?.strip_prefix("red\t")?.to_owned();
    Some(RedGate {
        gate,
        evidence: lines.map(str::to_owned).collect(),
    })
}

/// The script that waits on a MAIN host until its focus counts (or no longer counts) a bridge.
pub fn counted_script(nick: &str, present: bool, limit: Duration) -> Script {
    let (condition, word) = if present {
        ("bridge | grep -qF '\"operational\":true'", "does not count")
    } else {
        ("! bridge | grep -q .", "still counts")
    };
    let text = format!(
        r#"{HTTP}{EVIDENCE}nick={nick}; end=$(($(date +%s) + {limit}))
bridge() {{ printf '%s' "$body" | tr '{{' '\n' | grep -F "\"nickname\":\"$nick\""; }}
until body=$(http_get http://127.0.0.1:8888/debug) && {condition}; do
    if [ "$(date +%s)" -ge "$end" ]; then
        printf 'red\tthe focus {word} bridge %s\n' "$nick"
        evidence jitctl-focus.service 2>&1
        exit {RED}
    fi
    sleep 0.2
done
journalctl --no-pager -q -n 400 -o cat -u jitctl-focus.service 2> /dev/null | grep -F "$nick" | tail -n 1
exit 0
"#,
        nick = quote(nick),
        limit = limit.as_secs(),
    );
    let deadline = limit + Duration::from_secs(15);
    Script::new("ask the focus for its bridges", text, deadline)
}

/// Waits until the focus on a MAIN host counts a bridge, or no longer does. Gives the focus's own
/// log line about it.
///
/// # Errors
/// The host cannot be reached.
pub async fn wait_counted(
    main: &dyn Remote,
    nick: &str,
    present: bool,
    limit: Duration,
) -> Result<Result<String, RedGate>, RemoteError> {
    let output = main.run(counted_script(nick, present, limit)).await?;
    let text = output.text();
    if output.success() {
        return Ok(Ok(text.trim().to_owned()));
    }
    Ok(Err(read(&text).unwrap_or_else(|| RedGate {
        gate: describe(&Gate::BridgeCounted(nick.to_owned())),
        evidence: output.stderr.lines().map(str::to_owned).collect(),
    })))
}

/// The nicknames of the bridges that the focus on a MAIN host counts now; none when it does not
/// answer.
///
/// # Errors
/// The host cannot be reached.
pub async fn counted_now(main: &dyn Remote) -> Result<Vec<String>, RemoteError> {
    let text = format!(
        r#"{HTTP}http_get http://127.0.0.1:8888/debug | tr '{{' '\n' | grep -F '"operational":true' |
    sed -n 's/.*"nickname":"\([^"]*\)".*/\1/p'
"#
    );
    let deadline = Duration::from_secs(15);
    let script = Script::new("ask the focus for its bridges", text, deadline);
    let output = main.run(script).await?;
    Ok(output.text().lines().map(str::to_owned).collect())
}

/// What a focus that others keep says of its health, in words; nothing when it does not answer on
/// its usual port.
///
/// # Errors
/// The host cannot be reached.
pub async fn foreign_focus(main: &dyn Remote) -> Result<Option<String>, RemoteError> {
    let text = format!(
        "{HTTP}body=$(http_get http://127.0.0.1:8888/about/health) && printf 'ok %s\\n' \"$body\"\nexit 0\n"
    );
    let script = Script::new(
        "ask the focus for its health",
        text,
        Duration::from_secs(15),
    );
    let output = main.run(script).await?;
    let text = output.text();
    let first = text.lines().next().unwrap_or_default().trim();
    Ok((!first.is_empty()).then(|| first.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_red_gate_comes_with_its_evidence() {
        let red = read("green\ta\nred\tnginx.service is active\nstate: failed\nline\n").unwrap();
        assert_eq!(red.gate, "nginx.service is active");
        assert_eq!(red.evidence, ["state: failed", "line"]);
        assert_eq!(read("green\ta\n"), None);
    }

    #[test]
    fn the_log_of_the_unit_behind_a_port_is_shown() {
        let gates = [
            Gate::UnitActive("prosody.service".to_owned()),
            Gate::Listening(Protocol::Tcp, 5222),
        ];
        let text = script(&gates, &[], "", Duration::from_secs(5))
            .unwrap()
            .text;
        assert!(
            text.contains("gate 'something listens on 5222/tcp' prosody.service listening t 5222")
        );
        assert!(!text.contains("sleep 0.3"), "nothing was restarted");
    }

    #[test]
    fn what_was_restarted_is_looked_at_twice() {
        let gates = [
            Gate::UnitActive("a.service".to_owned()),
            Gate::UnitActive("b.service".to_owned()),
            Gate::Listening(Protocol::Tcp, 80),
        ];
        let script = script(&gates, &["b.service"], "", Duration::from_secs(5)).unwrap();
        let body = script
            .text
            .rsplit_once("green\\t%s\\n' \"$title\"\n}\n")
            .unwrap()
            .1;
        assert_eq!(
            body.lines().collect::<Vec<_>>(),
            [
                "gate 'a.service is active' a.service unit_active a.service",
                "gate 'b.service is active' b.service unit_active b.service",
                "remember b.service",
                "gate 'something listens on 80/tcp' '' listening t 80",
                "sleep 0.3",
                "gate 'b.service is active' b.service unit_stays b.service",
            ]
        );
    }
}
