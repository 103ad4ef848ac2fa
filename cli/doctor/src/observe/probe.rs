//! What the probes saw: logins, certificates, answers of the web server.

use std::time::Duration;

use jitctl_xmpp::LoginOutcome;

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
    /// Start, seconds since 1970.
    pub not_before: i64,
    /// End, seconds since 1970.
    pub not_after: i64,
    /// Whether it signed itself.
    pub self_signed: bool,
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
    pub path: &'static str,
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
    /// GET /http-bind.
    pub bosh: Option<Http>,
    /// The WebSocket handshake.
    pub websocket: Option<Http>,
    /// GET /config.js.
    pub settings: Option<Http>,
}
