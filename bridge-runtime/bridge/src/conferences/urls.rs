//! Addresses of bridge channels over WebSocket.

use std::fmt::Write as _;

use jitctl_wire::ice::WebSocketAddress;

use crate::config::{Nickname, WebSocketConfig};

/// What the addresses of this bridge's channels begin with.
#[derive(Debug, Clone)]
pub(super) struct ChannelUrls {
    bases: Vec<String>,
    server: String,
}

impl ChannelUrls {
    /// `wss://DOMAIN/colibri-ws/SERVER` for each domain.
    pub(super) fn new(config: &WebSocketConfig, nickname: &Nickname) -> Self {
        let scheme = if config.tls { "wss" } else { "ws" };
        let server = config.server_id(nickname).to_owned();
        let bases = config
            .domains
            .iter()
            .map(|domain| format!("{scheme}://{domain}/colibri-ws/{}", escaped(&server)))
            .collect();
        Self { bases, server }
    }

    /// The name of this bridge in paths.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// The addresses of one endpoint.
    pub(super) fn addresses(
        &self,
        conference: &str,
        endpoint: &str,
        password: &str,
    ) -> Vec<WebSocketAddress> {
        let endpoint = escaped(endpoint);
        self.bases
            .iter()
            .map(|base| WebSocketAddress {
                url: format!("{base}/{conference}/{endpoint}?pwd={password}"),
                active: false,
            })
            .collect()
    }
}

/// A segment of a path (RFC 3986 section 3.3).
fn escaped(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_bridge_conference_endpoint_and_password() {
        let config = WebSocketConfig {
            listen: "127.0.0.1:9090".parse().unwrap(),
            domains: vec![String::from("meet.test"), String::from("other.test:8443")],
            tls: true,
            server_id: None,
        };
        let urls = ChannelUrls::new(&config, &"b1".parse().unwrap());
        let addresses = urls.addresses("1f", "a/b c", "secret");
        let found: Vec<&str> = addresses
            .iter()
            .map(|address| address.url.as_str())
            .collect();
        assert_eq!(
            found,
            [
                "wss://meet.test/colibri-ws/b1/1f/a%2Fb%20c?pwd=secret",
                "wss://other.test:8443/colibri-ws/b1/1f/a%2Fb%20c?pwd=secret",
            ]
        );
    }
}
