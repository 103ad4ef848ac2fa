//! The focus' configuration: one TOML file, every key explained in `focus.reference.toml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jitctl_daemon::config::{self, ConfigError, parsed};
use jitctl_daemon::logging::LogConfig;
use jitctl_daemon::{CredentialError, Secret};
use jitctl_wire::Jid;
use jitctl_xmpp::{ClientConfig, Credentials, ServerAddress, Target, Trust};
use serde::Deserialize;

/// The reference configuration.
pub const REFERENCE: &str = include_str!("../focus.reference.toml");

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FocusConfig {
    /// The account.
    pub xmpp: XmppConfig,
    /// The component.
    pub component: ComponentConfig,
    /// Private HTTP.
    pub http: HttpConfig,
    /// Bridges.
    #[serde(default)]
    pub bridges: BridgesConfig,
    /// Conferences.
    #[serde(default)]
    pub conference: ConferenceConfig,
    /// Restarts.
    #[serde(default)]
    pub handover: HandoverConfig,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
}

/// `[xmpp]`.
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
    /// Host of the clients.
    pub client_domain: String,
    /// Service of the conference rooms.
    pub muc: String,
    /// The brewery.
    #[serde(deserialize_with = "parsed")]
    pub brewery: Jid,
    /// The authority.
    pub ca_file: PathBuf,
    /// Nickname in rooms.
    #[serde(default = "focus")]
    pub nickname: String,
}

fn focus() -> String {
    String::from("focus")
}

/// `[component]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentConfig {
    /// Component port of the server.
    #[serde(deserialize_with = "parsed")]
    pub address: ServerAddress,
    /// Its name.
    pub name: String,
    /// Secret as a credential.
    pub secret_credential: Option<String>,
    /// Secret as a file.
    pub secret_file: Option<PathBuf>,
}

/// `[conference]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConferenceConfig {
    /// In a secure domain: the host whose accounts open rooms.
    pub authenticated_domain: Option<String>,
    /// Whether data channels are offered; yes unless set.
    pub sctp: Option<bool>,
    /// Seconds until the session of somebody left alone is ended.
    pub single_participant_timeout_seconds: Option<u64>,
    /// Seconds the focus waits in a room for the first person.
    pub initial_timeout_seconds: Option<u64>,
    /// Whether the first person becomes moderator; yes unless set.
    pub auto_owner: Option<bool>,
    /// Whether SSRCs are rewritten for clients that ask for it; yes unless set.
    pub ssrc_rewriting: Option<bool>,
    /// From this many people on, later ones start with the microphone muted.
    pub start_audio_muted: Option<usize>,
    /// From this many people on, later ones start with the camera muted.
    pub start_video_muted: Option<usize>,
    /// People who may send sound at a time.
    pub max_audio_senders: Option<usize>,
    /// People who may send a picture at a time.
    pub max_video_senders: Option<usize>,
    /// SSRCs, and groups of them, that one person may announce.
    pub max_ssrcs_per_user: Option<usize>,
    /// By people in a conference: milliseconds that changes of sources are gathered.
    pub source_signaling_delays: BTreeMap<String, u64>,
}

impl ConferenceConfig {
    /// The settings of every conference.
    pub fn settings(&self) -> jitctl_conference::Settings {
        let defaults = jitctl_conference::Settings::default();
        let seconds = |value: Option<u64>, default| value.map_or(default, Duration::from_secs);
        jitctl_conference::Settings {
            sctp: self.sctp.unwrap_or(defaults.sctp),
            single_participant_timeout: seconds(
                self.single_participant_timeout_seconds,
                defaults.single_participant_timeout,
            ),
            initial_timeout: seconds(self.initial_timeout_seconds, defaults.initial_timeout),
            auto_owner: self.auto_owner.unwrap_or(defaults.auto_owner),
            ssrc_rewriting: self.ssrc_rewriting.unwrap_or(defaults.ssrc_rewriting),
            start_audio_muted: self.start_audio_muted,
            start_video_muted: self.start_video_muted,
            max_audio_senders: self.max_audio_senders.unwrap_or(defaults.max_audio_senders),
            max_video_senders: self.max_video_senders.unwrap_or(defaults.max_video_senders),
            max_ssrcs_per_user: self
                .max_ssrcs_per_user
                .unwrap_or(defaults.max_ssrcs_per_user),
            max_groups_per_user: self
                .max_ssrcs_per_user
                .unwrap_or(defaults.max_groups_per_user),
            source_delays: self.source_delays(),
            ..defaults
        }
    }

    fn source_delays(&self) -> Vec<(usize, Duration)> {
        let parsed = self
            .source_signaling_delays
            .iter()
            .filter_map(|(size, delay)| Some((size.parse().ok()?, Duration::from_millis(*delay))));
        parsed.collect()
    }
}

/// `[handover]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HandoverConfig {
    /// Where the focus writes its meetings down for the next; `$RUNTIME_DIRECTORY` unless set.
    pub directory: Option<PathBuf>,
}

/// `[http]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of the private server.
    pub private: SocketAddr,
}

/// `[bridges]`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BridgesConfig {
    /// Seconds between health checks.
    pub health_interval_seconds: u64,
    /// Milliseconds between pings.
    pub ping_interval_milliseconds: u64,
    /// Milliseconds of silence after which a bridge is lost.
    pub dead_after_milliseconds: u64,
    /// Seconds a failure is remembered.
    pub failure_reset_seconds: u64,
    /// Load of a full bridge.
    pub stress_threshold: f64,
    /// Load of one more participant.
    pub average_participant_stress: f64,
    /// Seconds until a participant shows in the reported load.
    pub participant_rampup_seconds: u64,
}

impl Default for BridgesConfig {
    fn default() -> Self {
        Self {
            health_interval_seconds: 10,
            ping_interval_milliseconds: 1000,
            dead_after_milliseconds: 2500,
            failure_reset_seconds: 60,
            stress_threshold: 0.8,
            average_participant_stress: 0.01,
            participant_rampup_seconds: 20,
        }
    }
}

impl BridgesConfig {
    /// Time between health checks.
    pub fn health_interval(&self) -> Duration {
        Duration::from_secs(self.health_interval_seconds)
    }

    /// Time between pings.
    pub fn ping_interval(&self) -> Duration {
        Duration::from_millis(self.ping_interval_milliseconds)
    }

    /// Silence after which a bridge is lost.
    pub fn dead_after(&self) -> Duration {
        Duration::from_millis(self.dead_after_milliseconds)
    }

    /// How long a failure is remembered.
    pub fn failure_reset(&self) -> Duration {
        Duration::from_secs(self.failure_reset_seconds)
    }

    /// Until a participant shows in the reported load.
    pub fn participant_rampup(&self) -> Duration {
        Duration::from_secs(self.participant_rampup_seconds)
    }
}

impl FocusConfig {
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
        for (key, host) in [
            ("xmpp.domain", &self.xmpp.domain),
            ("xmpp.client_domain", &self.xmpp.client_domain),
            ("xmpp.muc", &self.xmpp.muc),
            ("component.name", &self.component.name),
        ] {
            let is_host = host
                .parse::<Jid>()
                .is_ok_and(|jid| jid.local().is_none() && jid.resource().is_none());
            if !is_host {
                return invalid(
                    format!("`{key} = \"{host}\"` is no host"),
                    "write a host name without `@` and `/`",
                );
            }
        }
        if !self.xmpp.brewery.is_bare() || self.xmpp.brewery.local().is_none() {
            return invalid(
                format!("`xmpp.brewery = \"{}\"` is no room", self.xmpp.brewery),
                "write room@service, such as jvbbrewery@internal.auth.DOMAIN",
            );
        }
        let bridges = &self.bridges;
        if bridges.health_interval_seconds == 0 || bridges.ping_interval_milliseconds < 100 {
            return invalid(
                String::from("`bridges`: checks and pings need an interval"),
                "at least 1 s between health checks and 100 ms between pings",
            );
        }
        if bridges.dead_after_milliseconds < 2 * bridges.ping_interval_milliseconds {
            return invalid(
                String::from("`bridges.dead_after_milliseconds` is less than two ping intervals"),
                "one lost ping must not take a bridge away",
            );
        }
        if !(bridges.stress_threshold > 0.0 && bridges.average_participant_stress >= 0.0) {
            return invalid(
                String::from("`bridges`: the loads must be positive"),
                "the usual values are 0.8 and 0.01",
            );
        }
        let delays = &self.conference.source_signaling_delays;
        if let Some(size) = delays.keys().find(|size| size.parse::<usize>().is_err()) {
            return invalid(
                format!("`conference.source_signaling_delays`: `{size}` is no number of people"),
                "write people = milliseconds, such as { 50 = 200, 200 = 1000 }",
            );
        }
        for result in [self.xmpp.secret(), self.component.secret()] {
            if let Err(error) = result {
                return invalid(error.to_string(), "see `--print-config`");
            }
        }
        Ok(())
    }
}

impl XmppConfig {
    fn secret(&self) -> Result<Secret, CredentialError> {
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

    /// The whole login, with its password read.
    ///
    /// # Errors
    /// The authority or the password cannot be read.
    pub fn client(&self, path: &Path) -> Result<ClientConfig, ConfigError> {
        let password =
            self.secret()
                .and_then(|secret| secret.read())
                .map_err(ConfigError::unusable(
                    path,
                    "provide the password of the account",
                ))?;
        let credentials = Credentials::Password {
            username: self.username.clone(),
            password,
        };
        let mut client = ClientConfig::new(self.target(path)?, credentials);
        // Clients recognise the focus by its bare address; a fixed resource lets a restarted
        // focus replace a session that is not over yet.
        client.resource = Some(self.nickname.clone());
        Ok(client)
    }
}

impl ComponentConfig {
    fn secret(&self) -> Result<Secret, CredentialError> {
        Secret::from_config(
            "secret",
            self.secret_credential.as_ref(),
            self.secret_file.as_ref(),
        )
    }

    /// The whole login, with its secret read.
    ///
    /// # Errors
    /// The secret cannot be read.
    pub fn client(&self, path: &Path) -> Result<ClientConfig, ConfigError> {
        let secret =
            self.secret()
                .and_then(|secret| secret.read())
                .map_err(ConfigError::unusable(
                    path,
                    "provide the component's secret",
                ))?;
        let target = Target {
            address: self.address.clone(),
            domain: self.name.clone(),
            trust: None,
        };
        Ok(ClientConfig::new(target, Credentials::Component { secret }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: &str, to: &str) -> Result<FocusConfig, String> {
        assert!(REFERENCE.contains(change), "{change}");
        let text = REFERENCE.replace(change, to);
        let path = Path::new("focus.toml");
        let config: FocusConfig = config::read(&text, path).map_err(|error| error.to_string())?;
        config.check(path).map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn the_reference_is_valid_and_its_commented_values_are_the_defaults() {
        let plain = with("\n", "\n").unwrap();
        let uncommented: Vec<&str> = REFERENCE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') && !rest.contains("_file") => rest,
                _ => line,
            })
            .collect();
        let full: FocusConfig = config::read(&uncommented.join("\n"), Path::new("x")).unwrap();
        assert_eq!(plain.bridges, full.bridges);
        assert_eq!(plain.log, full.log);
        assert_eq!(plain.xmpp.nickname, full.xmpp.nickname);
    }

    #[test]
    fn wrong_values_are_refused_with_a_remedy() {
        for (change, to, expected) in [
            ("\"127.0.0.1:5222\"", "\"127.0.0.1\"", "is not `host:port`"),
            ("jvbbrewery@", "", "is no room"),
            ("muc = \"", "muc = \"a@", "is no host"),
            (
                "client_domain",
                "clientdomain",
                "unknown field `clientdomain`",
            ),
            (
                "#secret_file",
                "secret_file",
                "either `secret_credential` or",
            ),
            (
                "#source_signaling_delays = { 50",
                "source_signaling_delays = { many",
                "no number of people",
            ),
            (
                "#dead_after_milliseconds = 2500",
                "dead_after_milliseconds = 1500",
                "two ping",
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
