//! What is the same for every host of a site.

use std::num::NonZeroU32;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::Domain;

/// Settings of the whole site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The DNS name people open in the browser; also the XMPP domain.
    pub domain: Domain,
    /// Where the public certificate comes from.
    #[serde(default)]
    pub tls: Tls,
    /// Who may open a room.
    #[serde(default)]
    pub authentication: Authentication,
    /// How ports are opened and closed on the hosts.
    #[serde(default)]
    pub firewall: FirewallBackend,
    /// Which address of a MAIN host its bridges use for XMPP (5222/tcp).
    #[serde(default)]
    pub xmpp_via: XmppVia,
    /// What carries the messages between clients and bridges.
    #[serde(default)]
    pub bridge_channel: BridgeChannel,
    /// A TURN server for people behind strict firewalls.
    #[serde(default)]
    pub turn: Turn,
    /// Limits of meetings.
    #[serde(default)]
    pub meetings: Meetings,
    /// Which meeting page people get.
    #[serde(default)]
    pub web: Web,
}

/// Limits of meetings; what is not set is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Meetings {
    /// People in one room at a time.
    #[serde(default)]
    pub max_occupants: Option<NonZeroU32>,
    /// From this many people on, later ones start with the microphone muted.
    #[serde(default)]
    pub start_audio_muted: Option<NonZeroU32>,
    /// From this many people on, later ones start with the camera muted.
    #[serde(default)]
    pub start_video_muted: Option<NonZeroU32>,
}

/// Where the public certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Tls {
    /// The site's own certificate authority, made by `jitctl`; for labs and closed networks.
    #[default]
    PrivateCa,
    /// An ACME authority (RFC 8555), http-01 through the site's own web server.
    Acme {
        /// Where the authority sends expiry mail.
        email: String,
        /// The directory URL; the default is Let's Encrypt.
        #[serde(default)]
        directory: Option<String>,
    },
    /// Files on the machine that runs `jitctl`.
    Files {
        /// The certificate chain, PEM, leaf first.
        certificate: PathBuf,
        /// The private key, PEM.
        key: PathBuf,
    },
}

/// The meeting page that MAIN serves. All kinds read the same `config.js`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "source", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Web {
    /// The small page that comes with `jitctl`.
    #[default]
    Builtin,
    /// Jitsi Meet's own web app: the package `jitsi-meet-web` of an apt repository.
    JitsiApt {
        /// The repository's URL, such as `https://download.jitsi.org`.
        repository: String,
        /// Suite and component, or a path that ends in `/`.
        #[serde(default = "stable")]
        suite: String,
        /// The repository's signing key: a `BEGIN PGP PUBLIC KEY BLOCK` as text.
        key: String,
    },
    /// A folder on the machine that runs `jitctl`, with an `index.html`.
    Dir {
        /// The folder; a relative path counts from the inventory.
        path: PathBuf,
    },
}

fn stable() -> String {
    "stable/".to_owned()
}

/// Who may open a room.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    /// `open`: everybody; `secure_domain`: accounts open rooms, guests wait for them.
    #[serde(default)]
    pub mode: AuthenticationMode,
}

/// The two ways of admitting people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMode {
    /// Anybody opens rooms.
    #[default]
    Open,
    /// Accounts made with `jitctl user add` open rooms; guests wait.
    SecureDomain,
}

/// Which program keeps the packet filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FirewallBackend {
    /// Whatever is active on the host: ufw, firewalld, else nftables.
    #[default]
    Auto,
    /// A table of our own: `inet jitctl`.
    Nftables,
    /// Rules through `ufw`.
    Ufw,
    /// Rules through `firewall-cmd`.
    Firewalld,
    /// Hands off: the operator keeps the rules.
    None,
}

/// Which address of MAIN the bridges dial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum XmppVia {
    /// The private address when the bridge can reach it, else the public one.
    #[default]
    Auto,
    /// Always the private address.
    Private,
    /// Always the public address.
    Public,
}

/// What carries the bridge channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BridgeChannel {
    /// SCTP data channels: nothing to proxy.
    #[default]
    Sctp,
    /// WebSockets through MAIN's nginx, beside SCTP.
    Websocket,
}

/// The TURN server of the site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Whether MAIN hosts carry coturn.
    #[serde(default)]
    pub enabled: bool,
}
