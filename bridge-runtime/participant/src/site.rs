//! How a site is reached by those who join its meetings.

use std::time::Duration;

use jitctl_xmpp::{ClientConfig, Credentials, ServerAddress, Target, Trust};

/// Path of the XMPP WebSocket behind nginx.
const WEBSOCKET_PATH: &str = "/xmpp-websocket";

/// Path of conference requests behind nginx.
const REQUEST_PATH: &str = "/conference-request/v1";

/// Which door to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The WebSocket that browsers use, through the web server.
    WebSocket,
    /// XMPP over TCP, as where no web server is.
    Xmpp,
}

/// A site.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its DNS name; also the XMPP host of anonymous clients.
    pub domain: String,
    /// Where to connect to.
    pub address: ServerAddress,
    /// What its certificate must come from.
    pub trust: Trust,
    /// Which door to take.
    pub entry: Entry,
    /// Path of conference requests over HTTP at the same address, as browsers make them; asked
    /// over XMPP without one.
    pub request_path: Option<String>,
}

impl Site {
    /// A site as browsers reach it: `wss://DOMAIN/xmpp-websocket`.
    pub fn public(domain: &str, trust: Trust) -> Self {
        Self {
            domain: domain.to_owned(),
            address: ServerAddress::new(domain, 443),
            trust,
            entry: Entry::WebSocket,
            request_path: None,
        }
    }

    /// The same site, asked for conferences over HTTP.
    #[must_use]
    pub fn asked_over_http(&self) -> Self {
        Self {
            request_path: Some(String::from(REQUEST_PATH)),
            ..self.clone()
        }
    }

    /// The address of a room.
    pub fn room_address(&self, room: &str) -> String {
        format!("{room}@conference.{}", self.domain)
    }

    pub(crate) fn target(&self) -> Target {
        Target {
            address: self.address.clone(),
            domain: self.domain.clone(),
            trust: Some(self.trust.clone()),
        }
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new(self.target(), Credentials::Anonymous);
        config.keepalive = Duration::from_secs(20);
        config.websocket = match self.entry {
            Entry::WebSocket => Some(String::from(WEBSOCKET_PATH)),
            Entry::Xmpp => None,
        };
        config
    }
}
