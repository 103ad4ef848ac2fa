//! The bridge's configuration: one TOML file, every key explained in `bridge.reference.toml`.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jitctl_daemon::Secret;
use jitctl_daemon::config::{self, ConfigError, parsed};
use jitctl_daemon::logging::LogConfig;
use jitctl_media::transport::ice::Mapping;
use jitctl_wire::Jid;
use jitctl_xmpp::{Credentials, ServerAddress, Target, Trust};
use serde::Deserialize;

use crate::media::addresses::AddressFilter;

/// The reference configuration.
pub const REFERENCE: &str = include_str!("../bridge.reference.toml");

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

/// `[media]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are the file's keys")]
pub struct MediaConfig {
    /// UDP port.
    pub port: u16,
    /// Addresses clients reach this host under.
    #[serde(default)]
    pub public_addresses: Vec<IpAddr>,
    /// The same with more detail.
    #[serde(default)]
    pub mapping: Vec<MappingConfig>,
    /// Servers that tell the addresses clients reach this host under.
    #[serde(default)]
    pub stun_servers: Vec<String>,
    /// Tell private addresses.
    #[serde(default = "yes")]
    pub advertise_private: bool,
    /// Only these interfaces; empty for all.
    #[serde(default)]
    pub allowed_interfaces: Vec<String>,
    /// Never these interfaces.
    #[serde(default)]
    pub blocked_interfaces: Vec<String>,
    /// Only these addresses; empty for all.
    #[serde(default)]
    pub allowed_addresses: Vec<IpAddr>,
    /// Never these addresses.
    #[serde(default)]
    pub blocked_addresses: Vec<IpAddr>,
    /// IPv6 takes part.
    #[serde(default = "yes")]
    pub ipv6: bool,
    /// Link-local addresses take part.
    #[serde(default)]
    pub link_local: bool,
    /// Loopback takes part.
    #[serde(default)]
    pub loopback: bool,
    /// Threads; 0 for one a processor.
    #[serde(default)]
    pub workers: usize,
    /// What every user name fragment begins with.
    #[serde(default)]
    pub fragment_prefix: String,
    /// Runs of packets leave in one system call.
    #[serde(default = "yes")]
    pub segmentation: bool,
    /// How long packets of one receiver may wait for each other.
    #[serde(default)]
    pub coalesce_microseconds: u64,
}

/// `[[media.mapping]]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingConfig {
    /// Address of this host.
    pub local: IpAddr,
    /// Address clients reach it under.
    pub public: IpAddr,
    /// Port clients reach it under, when another.
    pub public_port: Option<u16>,
}

/// Most workers: what the fragments of clients can tell apart.
const MOST_WORKERS: usize = 256;

impl MediaConfig {
    /// Which addresses of the host take part.
    pub fn filter(&self) -> AddressFilter {
        AddressFilter {
            allowed_interfaces: self.allowed_interfaces.clone(),
            blocked_interfaces: self.blocked_interfaces.clone(),
            allowed_addresses: self.allowed_addresses.clone(),
            blocked_addresses: self.blocked_addresses.clone(),
            ipv6: self.ipv6,
            link_local: self.link_local,
            loopback: self.loopback,
        }
    }

    /// Addresses outside, as candidates tell them.
    pub fn mappings(&self) -> Vec<Mapping> {
        let anywhere = self.public_addresses.iter().map(|public| Mapping {
            local: None,
            public: *public,
            port: None,
        });
        let bound = self.mapping.iter().map(|mapping| Mapping {
            local: Some(mapping.local),
            public: mapping.public,
            port: mapping.public_port,
        });
        bound.chain(anywhere).collect()
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let invalid =
            |message: String, remedy: &str| Err(ConfigError::invalid(path, message, remedy));
        if self.port == 0 {
            return invalid(String::from("`media.port` is 0"), "the usual port is 10000");
        }
        let outside = self.mapping.iter().map(|mapping| &mapping.public);
        for public in self.public_addresses.iter().chain(outside) {
            if public.is_unspecified() || public.is_multicast() {
                return invalid(
                    format!("`{public}` is no address that clients can reach"),
                    "write the address of this host as the world sees it",
                );
            }
        }
        for mapping in &self.mapping {
            if mapping.public_port == Some(0) || mapping.local.is_ipv4() != mapping.public.is_ipv4()
            {
                return invalid(
                    format!(
                        "`[[media.mapping]]` from {} to {} has port 0 or mixes IPv4 and IPv6",
                        mapping.local, mapping.public
                    ),
                    "map an address to one of the same family, on a port from 1",
                );
            }
        }
        let is_server = |server: &String| {
            server.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            })
        };
        if let Some(server) = self.stun_servers.iter().find(|server| !is_server(server)) {
            return invalid(
                format!("`{server}` in `media.stun_servers` is no host with a port"),
                "write host:port, such as \"stun.example.org:3478\"",
            );
        }
        if self.workers > MOST_WORKERS {
            return invalid(
                format!("`media.workers` is above {MOST_WORKERS}"),
                "leave it out: one for each processor is best",
            );
        }
        let prefix = &self.fragment_prefix;
        if prefix.len() > 32 || !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return invalid(
                String::from("`media.fragment_prefix` is not up to 32 letters and digits"),
                "leave it out unless a balancer routes by it",
            );
        }
        if self.coalesce_microseconds > 10_000 {
            return invalid(
                String::from("`media.coalesce_microseconds` is above 10000"),
                "2000 is the most that people do not hear",
            );
        }
        Ok(())
    }

    /// Number of threads.
    pub fn workers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        match self.workers {
            0 => processors().min(MOST_WORKERS),
            workers => workers,
        }
    }
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
