//! The bridge's configuration: one TOML file, every key explained in `bridge.reference.toml`.

mod conference;
mod media;

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jitctl_daemon::Secret;
use jitctl_daemon::config::{self, ConfigError, parsed};
use jitctl_daemon::logging::LogConfig;
use jitctl_wire::Jid;
use jitctl_xmpp::{Credentials, ServerAddress, Target, Trust};
use serde::Deserialize;

pub use conference::ConferenceLimits;
pub use media::{MappingConfig, MediaConfig};

/// The reference configuration.
pub const REFERENCE: &str = include_str!("../../bridge.reference.toml");

/// Name of a bridge in the brewery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nickname(String);

impl FromStr for Nickname {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (1..=64).contains(&text.len())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "`{text}` is no nickname: use 1 to 64 letters, digits, `.`, `_` and `-`"
        ))
    }
}

impl fmt::Display for Nickname {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Nickname {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BridgeConfig {
    /// Who this bridge is.
    pub identity: Identity,
    /// Where it announces itself.
    pub xmpp: Vec<XmppConfig>,
    /// Private HTTP.
    pub http: HttpConfig,
    /// Media.
    pub media: MediaConfig,
    /// What people get at most.
    #[serde(default)]
    pub conference: ConferenceLimits,
    /// Bridge channels over WebSocket.
    pub websocket: Option<WebSocketConfig>,
    /// Load.
    #[serde(default)]
    pub load: LoadConfig,
    /// Start and stop.
    #[serde(default)]
    pub operation: OperationConfig,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
}

/// `[identity]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Name in the brewery.
    #[serde(deserialize_with = "parsed")]
    pub nickname: Nickname,
    /// Region.
    pub region: Option<String>,
}

/// `[[xmpp]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XmppConfig {
    /// Server.
    #[serde(deserialize_with = "parsed")]
    pub address: ServerAddress,
    /// Host of the account, and name of the certificate.
    pub domain: String,
    /// Account.
    pub username: String,
    /// Password as a credential.
    pub password_credential: Option<String>,
    /// Password as a file.
    pub password_file: Option<PathBuf>,
    /// The room.
    #[serde(deserialize_with = "parsed")]
    pub brewery: Jid,
    /// The authority.
    pub ca_file: PathBuf,
    /// Resource, when not made up.
    pub resource: Option<String>,
}

/// `[http]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of the private server.
    pub private: SocketAddr,
    /// Whether conferences can be made over it.
    #[serde(default)]
    pub conferences: bool,
}

/// `[websocket]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocketConfig {
    /// Address of the server.
    pub listen: SocketAddr,
    /// Hosts, with ports where needed, that clients reach it under.
    pub domains: Vec<String>,
    /// Clients reach it through TLS.
    #[serde(default = "yes")]
    pub tls: bool,
    /// Name in paths, when not the nickname.
    pub server_id: Option<String>,
}

impl WebSocketConfig {
    /// The name of this bridge in paths.
    pub fn server_id<'c>(&'c self, nickname: &'c Nickname) -> &'c str {
        self.server_id.as_deref().unwrap_or(nickname.as_str())
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let fits = |domain: &String| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
            !domain.is_empty() && domain.chars().all(plain)
        };
        if self.domains.is_empty() || !self.domains.iter().all(fits) {
            return Err(ConfigError::invalid(
                path,
                "`websocket.domains` is empty or has one that is no host",
                "write the names clients know, such as [\"meet.example.org\"]",
            ));
        }
        if self.server_id.as_ref().is_some_and(String::is_empty) {
            return Err(ConfigError::invalid(
                path,
                "`websocket.server_id` is empty",
                "write a name, or leave it out: the nickname is used then",
            ));
        }
        Ok(())
    }
}

/// `[load]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoadConfig {
    /// Load of one more participant.
    pub average_participant_stress: f64,
    /// Packets a second, both ways, that count as full load.
    pub packets_per_second: f64,
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self {
            average_participant_stress: 0.01,
            packets_per_second: 200_000.0,
        }
    }
}

/// The longest wait for people to be moved away: systemd ends a stop after three hours.
const LONGEST_GRACE_SECONDS: u64 = 3 * 60 * 60;

/// `[operation]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationConfig {
    /// Start draining.
    pub initial_drain: bool,
    /// Seconds between presences.
    pub presence_interval_seconds: u64,
    /// Seconds for moving people away before the end.
    pub shutdown_grace_seconds: u64,
}

impl Default for OperationConfig {
    fn default() -> Self {
        Self {
            initial_drain: false,
            presence_interval_seconds: 5,
            shutdown_grace_seconds: 10,
        }
    }
}

impl OperationConfig {
    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        if !(1..=60).contains(&self.presence_interval_seconds) {
            return Err(ConfigError::invalid(
                path,
                "`operation.presence_interval_seconds` is not from 1 to 60",
                "leave it at 5: a focus counts a bridge as gone after 45 s",
            ));
        }
        if self.shutdown_grace_seconds > LONGEST_GRACE_SECONDS {
            return Err(ConfigError::invalid(
                path,
                format!("`operation.shutdown_grace_seconds` is above {LONGEST_GRACE_SECONDS}"),
                "leave it at 10, which is enough for a focus to move people elsewhere",
            ));
        }
        Ok(())
    }

    /// Time between presences.
    pub fn presence_interval(&self) -> Duration {
        Duration::from_secs(self.presence_interval_seconds)
    }

    /// Time for moving people away.
    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace_seconds)
    }
}

fn yes() -> bool {
    true
}

impl BridgeConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Whatever makes it unusable, with place and remedy.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config: Self = config::load(path)?;
        config.check(path)?;
        Ok(config)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let invalid =
            |message: String, remedy: &str| Err(ConfigError::invalid(path, message, remedy));
        if self.xmpp.is_empty() {
            return invalid(
                String::from("there is no `[[xmpp]]` section"),
                "add one for each MAIN host",
            );
        }
        let is_region = |region: &String| {
            (1..=64).contains(&region.len()) && !region.chars().any(char::is_control)
        };
        if self
            .identity
            .region
            .as_ref()
            .is_some_and(|region| !is_region(region))
        {
            return invalid(
                String::from("`identity.region` is empty, longer than 64 bytes or not printable"),
                "write the region as clients know it, such as \"eu\", or leave it out",
            );
        }
        self.media.check(path)?;
        self.conference.check(path)?;
        if let Some(websocket) = &self.websocket {
            websocket.check(path)?;
        }
        self.operation.check(path)?;
        let stress = self.load.average_participant_stress;
        if !(stress > 0.0 && stress <= 1.0) {
            return invalid(
                String::from("`load.average_participant_stress` is not above 0 and up to 1"),
                "the usual value is 0.01",
            );
        }
        if !(self.load.packets_per_second >= 1.0 && self.load.packets_per_second.is_finite()) {
            return invalid(
                String::from("`load.packets_per_second` is not 1 or more"),
                "leave it at its default, or measure what this host carries",
            );
        }
        let mut rooms = HashSet::new();
        for (index, xmpp) in self.xmpp.iter().enumerate() {
            let place = format!("[[xmpp]] number {}", index + 1);
            if !xmpp.brewery.is_bare() || xmpp.brewery.local().is_none() {
                return invalid(
                    format!("{place}: `brewery = \"{}\"` is no room", xmpp.brewery),
                    "write room@service, such as jvbbrewery@internal.auth.DOMAIN",
                );
            }
            if xmpp.domain.parse::<Jid>().is_err() {
                return invalid(
                    format!("{place}: `domain = \"{}\"` is no host", xmpp.domain),
                    "write the XMPP host of the account, such as auth.DOMAIN",
                );
            }
            let account = format!("{}@{}", xmpp.username, xmpp.domain).parse::<Jid>();
            if account.is_err() {
                return invalid(
                    format!("{place}: `username = \"{}\"` is no account", xmpp.username),
                    "write the part of the account's address before the @, such as jvb",
                );
            }
            if let (Ok(account), Some(resource)) = (&account, &xmpp.resource)
                && account.with_resource(resource).is_err()
            {
                return invalid(
                    format!("{place}: `resource = \"{resource}\"` is none"),
                    "leave it out: one is made up",
                );
            }
            if !rooms.insert((xmpp.address.to_string(), xmpp.brewery.clone())) {
                return invalid(
                    format!("{place}: the same address and brewery as an earlier section"),
                    "remove one of them",
                );
            }
            if let Err(error) = xmpp.secret() {
                return invalid(format!("{place}: {error}"), "see `--print-config`");
            }
        }
        Ok(())
    }
}

impl XmppConfig {
    /// Where the password comes from.
    ///
    /// # Errors
    /// Neither or both sources are configured.
    pub fn secret(&self) -> Result<Secret, jitctl_daemon::CredentialError> {
        Secret::from_config(
            "password",
            self.password_credential.as_ref(),
            self.password_file.as_ref(),
        )
    }

    /// Reads the authority and gives the target of the login.
    ///
    /// # Errors
    /// The authority cannot be read.
    pub fn target(&self, path: &Path) -> Result<Target, ConfigError> {
        let trust = Trust::from_pem_file(&self.ca_file).map_err(ConfigError::unusable(
            path,
            "put the site's authority there",
        ))?;
        Ok(Target {
            address: self.address.clone(),
            domain: self.domain.clone(),
            trust: Some(trust),
        })
    }

    /// Reads the password.
    ///
    /// # Errors
    /// It cannot be read, is empty, or lies open.
    pub fn credentials(&self, path: &Path) -> Result<Credentials, ConfigError> {
        let password =
            self.secret()
                .and_then(|secret| secret.read())
                .map_err(ConfigError::unusable(
                    path,
                    "provide the password of the account",
                ))?;
        Ok(Credentials::Password {
            username: self.username.clone(),
            password,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: &str, to: &str) -> Result<BridgeConfig, String> {
        assert!(REFERENCE.contains(change), "{change}");
        let text = REFERENCE.replace(change, to);
        let path = Path::new("bridge.toml");
        let config: BridgeConfig = config::read(&text, path).map_err(|error| error.to_string())?;
        config.check(path).map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn the_reference_is_valid_and_its_commented_values_are_the_defaults() {
        let plain = with("\n", "\n").unwrap();
        let uncommented: Vec<&str> = REFERENCE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') && !rest.starts_with("password_file") => rest,
                _ => line,
            })
            .collect();
        let full: BridgeConfig = config::read(&uncommented.join("\n"), Path::new("x")).unwrap();
        assert_eq!(
            format!("{:?}", plain.operation),
            format!("{:?}", full.operation)
        );
        assert_eq!(format!("{:?}", plain.load), format!("{:?}", full.load));
        let without_example = MediaConfig {
            mapping: Vec::new(),
            ..full.media.clone()
        };
        assert_eq!(format!("{:?}", plain.media), format!("{without_example:?}"));
        assert_eq!(plain.log, full.log);
        // The limits that are shown are examples: there are none by default.
        assert_eq!(plain.conference, ConferenceLimits::default());
        assert!(full.conference.last_n.is_some() && full.conference.loudest.is_some());
        assert_eq!(
            full.conference.video_streams,
            plain.conference.video_streams
        );
        assert_eq!(
            full.conference.audio_streams,
            plain.conference.audio_streams
        );
        let shown = format!("{full:?}");
        let keys = shown
            .split([' ', '{'])
            .filter_map(|word| word.strip_suffix(':'));
        for key in keys {
            assert!(REFERENCE.contains(key), "`{key}` is not explained");
        }
    }

    #[test]
    fn wrong_values_are_refused_with_a_remedy() {
        for (change, to, expected) in [
            (
                "nickname = \"b1-3fa9\"",
                "nickname = \"b 1\"",
                "is no nickname",
            ),
            (
                "\"10.77.0.11:5222\"",
                "\"10.77.0.11\"",
                "is not `host:port`",
            ),
            ("jvbbrewery@", "", "is no room"),
            ("port = 10000", "port = 0", "`media.port` is 0"),
            (
                "#stun_servers = []",
                "stun_servers = [\"stun.example.org\"]",
                "is no host with a port",
            ),
            ("region =", "regoin =", "unknown field `regoin`"),
            (
                "#password_file",
                "password_file",
                "either `password_credential` or",
            ),
            (
                "#presence_interval_seconds = 5",
                "presence_interval_seconds = 0",
                "from 1 to 60",
            ),
            ("[\"203.0.113.7\"]", "[\"203.0.113.700\"]", "bridge.toml:"),
            (
                "#shutdown_grace_seconds = 10",
                "shutdown_grace_seconds = 9223372036854775807",
                "above 10800",
            ),
            ("#level = \"info\"", "level = \"warning\"", "is no level"),
            ("#loudest = 3", "loudest = 0", "`conference.loudest` is 0"),
            (
                "#video_streams = 50",
                "video_streams = 100000",
                "`conference.video_streams` or",
            ),
            (
                "#last_n_by_size = ",
                "last_n_by_size = [{ participants = 5, last_n = 1 }, { participants = 5, last_n = 2 }]\n# ",
                "twice",
            ),
            ("region = \"eu\"", "region = \"\\u0007\"", "not printable"),
            ("username = \"jvb\"", "username = \"\"", "is no account"),
            (
                "#resource = \"b1\"",
                "resource = \"\"",
                "`resource = \"\"` is none",
            ),
            (
                "#packets_per_second = 200000.0",
                "packets_per_second = nan",
                "is not 1 or more",
            ),
            (
                "#[websocket]",
                "[websocket]\nlisten = \"0.0.0.0:9090\"\ndomains = [\"a b\"]",
                "has one that is no host",
            ),
            (
                "#[websocket]",
                "[websocket]\nlisten = \"0.0.0.0:9090\"\ndomains = [\"a\"]\nserver_id = \"\"",
                "`websocket.server_id` is empty",
            ),
        ] {
            let error = with(change, to).unwrap_err();
            assert!(
                error.contains(expected) && error.contains("help:"),
                "{error}"
            );
        }
    }
}
