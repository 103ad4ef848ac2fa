//! How a site is reached by those who join its meetings.

use std::time::Duration;

use jitctl_xmpp::{ClientConfig, Credentials, ServerAddress, Target, Trust};

/// Path of the XMPP WebSocket behind nginx.
const WEBSOCKET_PATH: &str = "/xmpp-websocket";

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
}

impl Site {
    /// A site as browsers reach it: `wss://DOMAIN/xmpp-websocket`.
    pub fn public(domain: &str, trust: Trust) -> Self {
        Self {
            domain: domain.to_owned(),
            address: ServerAddress::new(domain, 443),
            trust,
            entry: Entry::WebSocket,
        }
    }

    /// The address of a room.
    pub fn room_address(&self, room: &str) -> String {
        format!("{room}@conference.{}", self.domain)
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        let target = Target {
            address: self.address.clone(),
            domain: self.domain.clone(),
            trust: Some(self.trust.clone()),
        };
        let mut config = ClientConfig::new(target, Credentials::Anonymous);
        config.keepalive = Duration::from_secs(20);
        config.websocket = match self.entry {
            Entry::WebSocket => Some(String::from(WEBSOCKET_PATH)),
            Entry::Xmpp => None,
        };
        config
    }
}
