//! What a look at the hosts tells, as a value and as two tables.

use std::collections::BTreeSet;

use jitctl_inventory::model::Role;
use jitctl_inventory::names::HostName;
use serde::Serialize;
use serde_json::Value;

use crate::exit::Exit;
use crate::focus::load_of;
use crate::printer::{Cell, Style, Tone, View, table};

/// One script for a host of any role; sections begin with `== NAME`.
pub(crate) const SCRIPT: &str = r#"
get() {
    if command -v curl > /dev/null 2>&1; then
        curl -fsS -m 3 "$1" 2> /dev/null
    else
        perl -MIO::Socket::INET -e '
            my ($host, $port, $path) = $ARGV[0] =~ m{^http://([^/:]+):(\d+)(/.*)$} or exit 1;
            my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 3) or exit 1;
            print $socket "GET $path HTTP/1.0\r\nHost: $host\r\n\r\n";
            local $/; my ($head, $body) = split /\r\n\r\n/, <$socket>, 2;
            exit 1 unless $head =~ m{^HTTP/1.. 200}; print $body;' "$1"
    fi
}
echo '== release'; grep -o '"release":[0-9]*' /etc/jitctl/manifest.json 2> /dev/null | head -n 1
echo '== units'
for unit in prosody nginx jitctl-focus jitctl-bridge coturn; do
    # Ours as of the last apply: a unit that the operator runs beside us is none of our business.
    grep -q "\"$unit.service\"" /etc/jitctl/manifest.json 2> /dev/null || continue
    printf '%s %s %s\n' "$unit" "$(systemctl show -p ActiveState --value "$unit.service")" \
        "$(systemctl show -p NRestarts --value "$unit.service")"
done
echo '== load'; cat /proc/loadavg
echo '== disk'; df -Pk /var | awk 'NR == 2 { print $5 }'
echo '== focus'; get http://127.0.0.1:8888/debug
echo; echo '== bridge'; get http://127.0.0.1:8080/colibri/stats
echo; echo '== joined'; get http://127.0.0.1:8080/debug | grep -o '"joined":[a-z]*' | sort -u
echo '== version'; get http://127.0.0.1:8080/about/version
echo; exit 0
"#;

/// Everything that a look tells.
#[derive(Debug, Serialize)]
pub(crate) struct SiteStatus {
    url: String,
    healthy: bool,
    hosts: Vec<HostStatus>,
    bridges: Vec<BridgeStatus>,
}

/// One host.
#[derive(Debug, Serialize)]
pub(crate) struct HostStatus {
    host: String,
    roles: BTreeSet<Role>,
    reachable: bool,
    /// Why it could not be reached.
    error: Option<String>,
    /// Whether others keep it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    foreign: bool,
    /// What was last applied.
    release: Option<u64>,
    units: Vec<Unit>,
    load: Option<f64>,
    disk_used: Option<String>,
    #[serde(skip)]
    focus: Option<Value>,
    #[serde(skip)]
    bridge: Option<Value>,
    /// Whether its bridge says that it is in every brewery.
    #[serde(skip)]
    joined: bool,
    #[serde(skip)]
    version: Option<String>,
}

/// One of our units.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Unit {
    name: String,
    active: bool,
    restarts: u32,
}

/// One bridge, as it says itself and as the focus says.
#[derive(Debug, Serialize)]
struct BridgeStatus {
    host: String,
    nickname: String,
    /// Whether a focus counts it among its operational bridges.
    operational: bool,
    version: Option<String>,
    region: Option<String>,
    stress: Option<f64>,
    conferences: Option<u64>,
    participants: Option<u64>,
}

impl HostStatus {
    /// A host that did not answer.
    pub(crate) fn away(name: &HostName, roles: &BTreeSet<Role>, error: String) -> Self {
        Self {
            host: name.to_string(),
            roles: roles.clone(),
            reachable: false,
            error: Some(error),
            foreign: false,
            release: None,
            units: Vec::new(),
            load: None,
            disk_used: None,
            focus: None,
            bridge: None,
            joined: false,
            version: None,
        }
    }

    /// A host from the output of [`SCRIPT`]. What is missing or odd there is left out here.
    pub(crate) fn read(name: &HostName, roles: &BTreeSet<Role>, text: &str) -> Self {
        let json = |title| serde_json::from_str(section(text, title)).ok();
        let version: Option<Value> = json("version");
        Self {
            reachable: true,
            error: None,
            release: section(text, "release")
                .rsplit(':')
                .next()
                .and_then(|number| number.trim().parse().ok()),
            units: section(text, "units").lines().filter_map(unit).collect(),
            load: section(text, "load")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok()),
            disk_used: Some(section(text, "disk").to_owned()).filter(|used| !used.is_empty()),
            focus: json("focus"),
            bridge: json("bridge"),
            joined: section(text, "joined") == "\"joined\":true",
            version: version.and_then(|value| value["version"].as_str().map(str::to_owned)),
            ..Self::away(name, roles, String::new())
        }
    }

    /// The same, kept by others: nothing was ever applied there.
    pub(crate) fn kept_by_others(self) -> Self {
        Self {
            foreign: true,
            ..self
        }
    }

    fn healthy(&self) -> bool {
        let ours = self.units.iter().all(|unit| unit.active) && self.release.is_some();
        self.reachable && (self.foreign || ours)
    }
}

/// The text below `== TITLE`, up to the next title.
fn section<'a>(text: &'a str, title: &str) -> &'a str {
    // The line break stays in front, so that an empty section ends at the next title.
    let Some((_, rest)) = text.split_once(&format!("== {title}")) else {
        return "";
    };
    rest.split("\n== ").next().unwrap_or_default().trim()
}

fn unit(line: &str) -> Option<Unit> {
    let mut words = line.split(' ');
    Some(Unit {
        name: words.next()?.to_owned(),
        active: words.next()? == "active",
        restarts: words
            .next()
            .and_then(|count| count.parse().ok())
            .unwrap_or(0),
    })
}

impl SiteStatus {
    /// Puts hosts and bridges (host name and nickname) together.
    pub(crate) fn new(domain: &str, hosts: Vec<HostStatus>, bridges: &[(String, String)]) -> Self {
        let bridges: Vec<BridgeStatus> = bridges
            .iter()
            .map(|(host, nickname)| BridgeStatus::new(host, nickname, &hosts))
            .collect();
        Self {
            url: format!("https://{domain}/"),
            healthy: hosts.iter().all(HostStatus::healthy)
                && bridges.iter().all(|bridge| bridge.operational),
            hosts,
            bridges,
        }
    }

    /// The exit code: unreachable hosts outrank unhealthy ones.
    pub(crate) fn exit(&self) -> Exit {
        if self.hosts.iter().any(|host| !host.reachable) {
            Exit::Connect
        } else if self.healthy {
            Exit::Success
        } else {
            Exit::Findings
        }
    }
}

impl BridgeStatus {
    fn new(host: &str, nickname: &str, hosts: &[HostStatus]) -> Self {
        let seen = hosts
            .iter()
            .filter_map(|host| host.focus.as_ref())
            .find_map(|focus| find(focus, nickname));
        // Several MAIN hosts may put meetings on one bridge.
        let loads = hosts
            .iter()
            .filter_map(|host| load_of(host.focus.as_ref()?, nickname));
        let load = loads.reduce(|(rooms, people), here| (rooms + here.0, people + here.1));
        let own = hosts.iter().find(|status| status.host == host);
        let stats = own.and_then(|host| host.bridge.as_ref());
        let text = |value: Option<&Value>, key: &str| {
            let value = value?.get(key)?;
            value.as_str().map(str::to_owned)
        };
        Self {
            host: host.to_owned(),
            nickname: nickname.to_owned(),
            operational: if hosts.iter().any(|host| host.foreign) {
                // Another focus than ours: the bridge's own word that it is in the brewery.
                own.is_some_and(|host| host.joined)
            } else {
                seen.and_then(|seen| seen.get("operational"))
                    .and_then(Value::as_bool)
                    .unwrap_or(false)
            },
            version: text(seen, "version").or_else(|| own.and_then(|host| host.version.clone())),
            region: text(seen, "region").or_else(|| text(stats, "region")),
            stress: seen
                .and_then(|seen| seen.get("stress"))
                .or_else(|| stats.and_then(|stats| stats.get("stress_level")))
                .and_then(Value::as_f64),
            conferences: load
                .map(|(rooms, _)| rooms)
                .or_else(|| stats.and_then(|stats| stats.get("conferences")?.as_u64())),
            participants: load
                .map(|(_, people)| people)
                .or_else(|| stats.and_then(|stats| stats.get("participants")?.as_u64())),
        }
    }
}

/// The object about a bridge, wherever the focus puts it: under a key that is the nickname or a
/// JID that ends with it, or with a `nickname` of its own.
fn find<'a>(value: &'a Value, nickname: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => {
            if map.get("nickname").and_then(Value::as_str) == Some(nickname) {
                return Some(value);
            }
            map.iter().find_map(|(key, inner)| {
                let named = key.rsplit('/').next() == Some(nickname) && inner.is_object();
                if named {
                    Some(inner)
                } else {
                    find(inner, nickname)
                }
            })
        }
        Value::Array(list) => list.iter().find_map(|inner| find(inner, nickname)),
        _ => None,
    }
}

impl View for SiteStatus {
    fn human(&self, style: Style) -> String {
        let hosts = self.hosts.iter().map(host_row).collect();
        let bridges = self.bridges.iter().map(bridge_row).collect();
        let mut parts = vec![table(
            style,
            &[
                "host", "roles", "state", "release", "services", "load", "disk",
            ],
            hosts,
        )];
        if !self.bridges.is_empty() {
            parts.push(table(
                style,
                &[
                    "bridge", "host", "focus", "version", "region", "stress", "rooms", "people",
                ],
                bridges,
            ));
        }
        parts.push(self.url.clone());
        parts.join("\n\n")
    }
}

fn host_row(host: &HostStatus) -> Vec<Cell> {
    let roles: Vec<&str> = host
        .roles
        .iter()
        .map(|role| match role {
            Role::Main => "main",
            Role::Bridge => "bridge",
        })
        .collect();
    let state = match (host.reachable, host.healthy()) {
        (false, _) => Cell::toned("unreachable", Tone::Bad),
        (true, true) => Cell::toned("up", Tone::Good),
        (true, false) => Cell::toned("unhealthy", Tone::Bad),
    };
    let services: Vec<String> = host
        .units
        .iter()
        .map(|unit| match (unit.active, unit.restarts) {
            (true, 0) => unit.name.clone(),
            (true, restarts) => format!("{} ({restarts} restarts)", unit.name),
            (false, _) => format!("{} DOWN", unit.name),
        })
        .collect();
    vec![
        host.host.as_str().into(),
        roles.join(", ").into(),
        state,
        dash(host.release),
        services.join(", ").into(),
        dash(host.load),
        dash(host.disk_used.as_ref()),
    ]
}

fn bridge_row(bridge: &BridgeStatus) -> Vec<Cell> {
    let counted = if bridge.operational {
        Cell::toned("counted", Tone::Good)
    } else {
        Cell::toned("not counted", Tone::Bad)
    };
    vec![
        bridge.nickname.as_str().into(),
        bridge.host.as_str().into(),
        counted,
        dash(bridge.version.as_ref()),
        dash(bridge.region.as_ref()),
        dash(bridge.stress.map(|stress| format!("{stress:.2}"))),
        dash(bridge.conferences),
        dash(bridge.participants),
    ]
}

fn dash<T: ToString>(value: Option<T>) -> Cell {
    value
        .map_or_else(|| "-".to_owned(), |value| value.to_string())
        .into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jitctl_inventory::model::Role;

    use super::{HostStatus, SiteStatus};
    use crate::exit::Exit;
    use crate::printer::{Style, View as _};

    const MAIN: &str = "== release\n\"release\":4\n== units\nprosody active 0\njitctl-focus active 1\n== load\n0.50 0.2 0.1 1/99 1\n== disk\n42%\n== focus\n{\"bridge_selector\":{\"bridges\":{\"jvbbrewery@internal.auth.meet.test/b1-3fa9\":{\"operational\":true,\"version\":\"0.1.0\",\"region\":\"eu\",\"stress\":0.25}}}}\n\n== bridge\n\n== version\n\n";
    const BRIDGE: &str = "== release\n\"release\":2\n== units\njitctl-bridge active 0\n== load\n1.00 1 1 1/9 1\n== disk\n7%\n== focus\n\n== bridge\n{\"stress_level\":0.3,\"conferences\":2,\"participants\":5}\n\n== version\n{\"version\":\"0.1.0\"}\n";

    fn site(bridge: HostStatus) -> SiteStatus {
        let main = HostStatus::read(&"m1".into(), &BTreeSet::from([Role::Main]), MAIN);
        SiteStatus::new(
            "meet.test",
            vec![main, bridge],
            &[("b1".into(), "b1-3fa9".into())],
        )
    }

    #[test]
    fn a_bridge_is_shown_as_the_focus_and_as_it_itself_says() {
        let bridge = HostStatus::read(&"b1".into(), &BTreeSet::from([Role::Bridge]), BRIDGE);
        let site = site(bridge);
        assert_eq!(site.exit(), Exit::Success);
        insta::assert_snapshot!(site.human(Style::PLAIN));
    }

    #[test]
    fn an_unreachable_host_is_named_and_gives_its_exit_code() {
        let away = HostStatus::away(&"b1".into(), &BTreeSet::new(), "no route".into());
        let site = site(away);
        assert_eq!(site.exit(), Exit::Connect);
        assert!(site.human(Style::PLAIN).contains("unreachable"));
    }

    #[test]
    fn nonsense_from_a_host_is_no_health() {
        let odd = HostStatus::read(
            &"b1".into(),
            &BTreeSet::new(),
            "== units\nx\n== release\nno",
        );
        assert_eq!(site(odd).exit(), Exit::Findings);
    }
}
