//! The whole program at a real Prosody, and a focus that asks it.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use jitctl_testing::{
    BREWERY, FOCUS_PASSWORD, Prosody, SERVICE_DOMAIN, bridge_configuration, free_port,
    http_request, wait_for,
};
use jitctl_wire::{Element, Iq, Jid, Presence, StanzaError, muc};
use jitctl_xmpp::{
    Client, ClientConfig, ClientEvent, Credentials, IqError, ServerAddress, Target, Trust,
};
use tokio::sync::mpsc::UnboundedReceiver;

/// Time for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running `jitctl-bridge`.
pub(crate) struct Program {
    child: Child,
    http_port: u16,
}

impl Program {
    /// Starts it with media on loopback and conferences over HTTP.
    pub(crate) fn start(prosody: &Prosody, websocket: bool) -> Self {
        let http_port = free_port();
        let channels = if websocket {
            let port = free_port();
            format!(
                "[websocket]\nlisten = \"127.0.0.1:{port}\"\ndomains = [\"127.0.0.1:{port}\"]\ntls = false\n"
            )
        } else {
            String::new()
        };
        let media = format!(
            "conferences = true\n[media]\nport = {}\nloopback = true\n\
             allowed_addresses = [\"127.0.0.1\"]\nworkers = 2\n{channels}",
            free_port()
        );
        let path = bridge_configuration(prosody, "b1", http_port, &media);
        let log = fs::File::create(prosody.path("bridge.log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_jitctl-bridge"))
            .arg("--config")
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the bridge");
        Self { child, http_port }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Asks it to stop, as systemd does.
    pub(crate) fn terminate(&self) {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.child.id().to_string()]);
        assert!(kill.status().expect("kill").success());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the bridge", || {
            self.child.try_wait().expect("a child")
        })
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path, "")
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        wait_for("the HTTP server of the bridge", || {
            http_request(self.http_port, method, path, body)
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A focus in the brewery.
pub(crate) struct Focus {
    client: Client,
    _events: UnboundedReceiver<ClientEvent>,
}

impl Focus {
    /// Joins the brewery and waits for the bridge.
    pub(crate) async fn join(prosody: &Prosody) -> Self {
        let trust = Trust::from_pem_file(&prosody.authority_file()).expect("an authority");
        let target = Target {
            address: format!("127.0.0.1:{}", prosody.client_port)
                .parse::<ServerAddress>()
                .expect("an address"),
            domain: SERVICE_DOMAIN.to_owned(),
            trust: Some(trust),
        };
        let credentials = Credentials::Password {
            username: "focus".to_owned(),
            password: FOCUS_PASSWORD.to_owned().into(),
        };
        let (client, mut events) = Client::connect(ClientConfig::new(target, credentials));
        let own: Jid = format!("{BREWERY}/focus").parse().expect("an address");
        let bridge = Self::bridge();
        let wait = async {
            while let Some(event) = events.recv().await {
                match event {
                    ClientEvent::Online { .. } => {
                        let presence = Presence::available(Some(own.clone()));
                        client.send(presence.with_payload(muc::join_request(None)).to_element());
                    }
                    ClientEvent::Stanza(stanza)
                        if stanza.attribute("from") == Some(bridge.as_str()) =>
                    {
                        return;
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the bridge in the brewery");
        Self {
            client,
            _events: events,
        }
    }

    fn bridge() -> Jid {
        format!("{BREWERY}/b1").parse().expect("an address")
    }

    /// Asks the bridge.
    pub(crate) async fn ask(&self, payload: Element) -> Result<Element, StanzaError> {
        let iq = Iq::get(Some(Self::bridge()), payload);
        match self.client.request(iq, PATIENCE).await {
            Ok(answer) => Ok(answer.expect("a payload")),
            Err(IqError::Refused(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }
}
