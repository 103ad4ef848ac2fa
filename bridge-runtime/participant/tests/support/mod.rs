//! A whole site on loopback: a real Prosody, our focus and bridges inside the test.

use std::sync::Arc;
use std::time::Duration;

use jitctl_bridge::{BridgeConfig, Connections, MediaConferences};
use jitctl_focus::{FocusConfig, Logins};
use jitctl_participant::{Entry, Site};
use jitctl_testing::{
    CLIENT_DOMAIN, Prosody, Setup, bridge_configuration, focus_configuration, free_port,
};
use jitctl_xmpp::{ServerAddress, Trust};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Prosody, focus and bridges; all end with this value.
pub(crate) struct World {
    pub(crate) prosody: Prosody,
    pub(crate) focus_port: u16,
    pub(crate) bridge_ports: Vec<u16>,
    tasks: Vec<JoinHandle<()>>,
    websocket_port: u16,
}

impl World {
    /// Starts all and waits until the focus counts every bridge.
    pub(crate) async fn start(bridges: usize) -> Self {
        let websocket_port = free_port();
        let setup = Setup {
            extra: format!(
                r#"modules_enabled = {{ "saslauth", "tls", "disco", "ping", "smacks", "posix", "websocket" }}
https_ports = {{ {websocket_port} }}
https_interfaces = {{ "127.0.0.1" }}
http_ports = {{ }}
https_ssl = {{ certificate = "{CLIENT_DOMAIN}.crt"; key = "{CLIENT_DOMAIN}.key" }}
http_default_host = "{CLIENT_DOMAIN}"
http_paths = {{ websocket = "/xmpp-websocket" }}
"#
            ),
            ..Setup::default()
        };
        let mut world = Self {
            prosody: Prosody::start(&setup),
            focus_port: free_port(),
            bridge_ports: Vec::new(),
            tasks: Vec::new(),
            websocket_port,
        };
        world.start_focus();
        for number in 1..=bridges {
            world.start_bridge(&format!("b{number}")).await;
        }
        world
            .until("the focus counts every bridge", async |world| {
                let statistics = world.focus("/stats").await;
                let connections = &world.focus("/debug").await["connections"];
                connections["account"]["joined"] == true
                    && connections["component"]["jid"].is_string()
                    && statistics["bridge_selector"]["operational_bridge_count"] == bridges
            })
            .await;
        world
    }

    /// How participants get in.
    pub(crate) fn site(&self, entry: Entry) -> Arc<Site> {
        let port = match entry {
            Entry::WebSocket => self.websocket_port,
            Entry::Xmpp => self.prosody.client_port,
        };
        Arc::new(Site {
            domain: CLIENT_DOMAIN.to_owned(),
            address: ServerAddress::new("127.0.0.1", port),
            trust: Trust::from_pem_file(&self.prosody.authority_file()).unwrap(),
            entry,
            request_path: None,
        })
    }

    /// A page of the focus.
    pub(crate) async fn focus(&self, path: &str) -> serde_json::Value {
        get(self.focus_port, path).await
    }

    /// Waits until something holds; fails after 20 s.
    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        for _ in 0..400 {
            if holds(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "{what}: did not come about\n{:#}",
            self.focus("/debug").await
        );
    }

    fn start_focus(&mut self) {
        let path = focus_configuration(&self.prosody, self.focus_port, "");
        let config = FocusConfig::load(&path).unwrap();
        let logins = Logins::prepare(&config, &path).unwrap();
        self.tasks.push(tokio::spawn(async move {
            jitctl_focus::run(config, logins, std::future::pending())
                .await
                .unwrap();
        }));
    }

    async fn start_bridge(&mut self, nickname: &str) {
        let port = free_port();
        let media = format!(
            "[media]\nport = {}\nloopback = true\nallowed_addresses = [\"127.0.0.1\"]\n\
             workers = 1\n[operation]\npresence_interval_seconds = 1\n",
            free_port()
        );
        let path = bridge_configuration(&self.prosody, nickname, port, &media);
        let config = BridgeConfig::load(&path).unwrap();
        let connections = Connections::prepare(&config, &path).unwrap();
        let media = MediaConferences::start(&config).await.unwrap();
        self.bridge_ports.push(port);
        self.tasks.push(tokio::spawn(async move {
            jitctl_bridge::run(config, connections, media, std::future::pending())
                .await
                .unwrap();
        }));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// A JSON page of a private HTTP server; null while there is none.
pub(crate) async fn get(port: u16, path: &str) -> serde_json::Value {
    let answer = async {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    };
    answer.await.unwrap_or_default()
}
