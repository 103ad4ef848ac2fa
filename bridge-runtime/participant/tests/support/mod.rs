//! A whole site on loopback: a real Prosody, our focus and bridges inside the test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jitctl_bridge::{BridgeConfig, Connections, MediaConferences};
use jitctl_focus::{FocusConfig, Logins};
use jitctl_participant::{Entry, Site};
use jitctl_testing::{
    BREWERY, BRIDGE_PASSWORD, CLIENT_DOMAIN, COMPONENT, COMPONENT_SECRET, FOCUS_PASSWORD, Prosody,
    SERVICE_DOMAIN, Setup, free_port,
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
        let prosody = &self.prosody;
        let config = format!(
            r#"[xmpp]
address = "127.0.0.1:{}"
domain = "{SERVICE_DOMAIN}"
username = "focus"
password_file = "{}"
client_domain = "{CLIENT_DOMAIN}"
muc = "conference.{CLIENT_DOMAIN}"
brewery = "{BREWERY}"
ca_file = "{}"
[component]
address = "127.0.0.1:{}"
name = "{COMPONENT}"
secret_file = "{}"
[http]
private = "127.0.0.1:{}"
"#,
            prosody.client_port,
            secret(prosody, "focus-password", FOCUS_PASSWORD).display(),
            prosody.authority_file().display(),
            prosody.component_port,
            secret(prosody, "component-secret", COMPONENT_SECRET).display(),
            self.focus_port,
        );
        let path = prosody.path("focus.toml");
        fs::write(&path, config).unwrap();
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
        let config = format!(
            r#"[identity]
nickname = "{nickname}"
[[xmpp]]
address = "127.0.0.1:{}"
domain = "{SERVICE_DOMAIN}"
username = "jvb"
password_file = "{}"
brewery = "{BREWERY}"
ca_file = "{}"
[http]
private = "127.0.0.1:{port}"
[media]
port = {}
loopback = true
allowed_addresses = ["127.0.0.1"]
workers = 1
[operation]
presence_interval_seconds = 1
"#,
            self.prosody.client_port,
            secret(&self.prosody, "bridge-password", BRIDGE_PASSWORD).display(),
            self.prosody.authority_file().display(),
            free_port(),
        );
        let path = self.prosody.path(&format!("{nickname}.toml"));
        fs::write(&path, config).unwrap();
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

fn secret(prosody: &Prosody, name: &str, value: &str) -> PathBuf {
    let path = prosody.path(name);
    fs::write(&path, value).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
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
