//! What the probes saw: logins, certificates, answers of the web server.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jitctl_xmpp::LoginOutcome;
use secrecy::SecretString;

/// One login with a service's own credentials, from its own host.
#[derive(Clone, Debug)]
pub struct Login {
    /// The address dialled.
    pub address: String,
    /// The account, `user@domain`.
    pub account: String,
    /// The domain, also the certificate's name.
    pub domain: String,
    /// The brewery room that the service is configured for.
    pub brewery: Option<String>,
    /// The file that its password stands in.
    pub credential: &'static str,
    /// Whether the connection ended before a single byte came.
    pub ended_at_once: bool,
    /// Whether the port takes connections from there; nothing when that was not found out.
    pub accepts: Option<bool>,
    /// What came of it; `None` when the configuration on the host cannot be used.
    pub outcome: Option<LoginOutcome>,
    /// Why the configuration cannot be used.
    pub unusable: Option<String>,
}

/// A certificate as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Names it is for.
    pub names: Vec<String>,
    /// Issuer, as text.
    pub issuer: String,
    /// Subject, as text.
    pub subject: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Start, seconds since 1970.
    pub not_before: i64,
    /// End, seconds since 1970.
    pub not_after: i64,
    /// Whether it signed itself.
    pub self_signed: bool,
    /// Whether it carries receipts of public logs (RFC 6962 section 3.3), as those of public
    /// authorities do and those of companies' own do not.
    pub logged: bool,
}

impl Certificate {
    /// Whole days until it ends; negative when it has.
    pub fn days_left(&self, now: u64) -> i64 {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        (self.not_after - now).div_euclid(86_400)
    }

    /// Whether it is for this name.
    pub fn is_for(&self, name: &str) -> bool {
        self.names.iter().any(|own| {
            own.eq_ignore_ascii_case(name)
                || own.strip_prefix("*.").is_some_and(|rest| {
                    name.split_once('.')
                        .is_some_and(|(_, parent)| parent == rest)
                })
        })
    }
}

/// An HTTP answer, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// The path asked for.
    pub path: String,
    /// Status code, or what went wrong.
    pub status: Result<u16, String>,
    /// Content type of the answer.
    pub content_type: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Http {
    /// The answer as a line of evidence.
    pub fn evidence(&self) -> String {
        match &self.status {
            Ok(code) => {
                let kind = self.content_type.as_deref().unwrap_or("no content type");
                format!("GET {} answered {code} ({kind})", self.path)
            }
            Err(words) => format!("GET {}: {words}", self.path),
        }
    }
}

/// The web site as seen on its own host, by its public name.
#[derive(Clone, Debug, Default)]
pub struct WebSite {
    /// Why TLS did not come up.
    pub tls_error: Option<String>,
    /// The chain as sent, leaf first.
    pub chain: Vec<Certificate>,
    /// GET /.
    pub page: Option<Http>,
    /// GET / without TLS, on port 80.
    pub plain: Option<Http>,
    /// GET /http-bind.
    pub bosh: Option<Http>,
    /// The WebSocket handshake.
    pub websocket: Option<Http>,
    /// GET /config.js.
    pub settings: Option<Http>,
}

/// What a person without an account meets.
#[derive(Clone, Debug, Default)]
pub struct GuestVisit {
    /// Whether the anonymous login worked.
    pub logged_in: bool,
    /// The answer to a conference request over XMPP, or why there is none.
    pub conference: Option<Result<Asked, String>>,
    /// The status of the same request over HTTP.
    pub over_http: Option<Result<u16, String>>,
    /// STUN and TURN services that the server names.
    pub turn: Vec<TurnOffer>,
    /// What ended the visit early.
    pub trouble: Option<String>,
}

/// An answer to a conference request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The focus has the room, or soon will.
    Granted {
        /// Whether it is there already.
        ready: bool,
    },
    /// Only accounts open rooms here.
    LoginWanted,
    /// The words of the error.
    Refused(String),
}

/// A service as handed out (XEP-0215).
#[derive(Clone, Debug)]
pub struct TurnOffer {
    /// `stun`, `turn` or `turns`.
    pub kind: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `udp` or `tcp`.
    pub transport: String,
    /// Time-limited name.
    pub username: String,
    /// Its password.
    pub password: SecretString,
}

/// A TURN server.
#[derive(Clone, Debug, Default)]
pub struct TurnView {
    /// The leaf on the TLS port.
    pub certificate: Option<Certificate>,
    /// Why TLS did not come up.
    pub tls_error: Option<String>,
    /// Whether the credentials that people get make a relay.
    pub allocated: Option<Result<(), String>>,
    /// Whether it would relay to its own loopback.
    pub relays_to_itself: bool,
    /// Bridges that it refuses to relay to.
    pub refused_bridges: Vec<IpAddr>,
    /// What ended the look early.
    pub trouble: Option<String>,
}

/// What came back from a media port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UdpAnswer {
    /// A Binding answer: the asker's address as the bridge sees it.
    Answered(SocketAddr),
    /// An ICMP error: nobody listens there.
    Refused,
    /// Nothing.
    Silent,
    /// The asker has no way there.
    NoWay,
}

/// One asker, one address of a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The host that asked; nothing for the operator's machine.
    pub from: Option<jitctl_inventory::names::HostName>,
    /// The address asked.
    pub address: SocketAddr,
    /// What came.
    pub answer: UdpAnswer,
}

/// How a bridge's media port is reached.
#[derive(Clone, Debug, Default)]
pub struct MediaPort {
    /// Static mappings that the bridge advertises.
    pub mapped: Vec<SocketAddr>,
    /// Addresses of its own that it advertises.
    pub own: Vec<SocketAddr>,
    /// STUN servers that it asks for more, as `host:port`.
    pub servers: Vec<String>,
    /// What they told its host.
    pub discovered: Vec<(String, UdpAnswer)>,
    /// Who got what.
    pub reaches: Vec<Reach>,
    /// Counters on the bridge around more datagrams, when some stayed without an answer.
    pub counted: Option<Counted>,
}

/// What the bridge's host counted while datagrams were sent to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many were sent.
    pub sent: u64,
    /// How many our table of the packet filter saw; nothing when it counts none.
    pub filter: Option<u64>,
    /// How many the kernel handed to programs, of all ports.
    pub delivered: u64,
    /// How many came for ports that nobody listens on.
    pub unclaimed: u64,
}

/// The site from this machine, past ssh.
#[derive(Clone, Debug)]
pub struct Outside {
    /// Leaf certificates of the web servers at MAIN's addresses, called directly.
    pub leaves: Vec<Certificate>,
    /// What this machine's name server says of the site.
    pub name: crate::observe::host::NameAnswer,
}

impl Default for Outside {
    fn default() -> Self {
        Self {
            leaves: Vec::new(),
            name: crate::observe::host::NameAnswer::Unknown,
        }
    }
}
