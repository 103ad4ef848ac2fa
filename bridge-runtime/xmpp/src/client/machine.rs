//! Which stream a configuration means, and its orderly end.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::credentials::Credentials;
use crate::failure::Failure;
use crate::login::Session;
use crate::stream::{ClientStream, ComponentStream, Machine, Output, Resumption, StreamSettings};

/// What a stream of either kind needs to know.
#[derive(Debug, Clone)]
pub(crate) struct MachineSettings {
    pub(crate) domain: String,
    pub(crate) credentials: Credentials,
    pub(crate) resource: Option<String>,
    pub(crate) stream_management: bool,
    pub(crate) acknowledge_confirmed_only: bool,
    pub(crate) keepalive: Duration,
    pub(crate) websocket: Option<String>,
}

impl MachineSettings {
    pub(crate) fn build(
        &self,
        resumption: Option<Resumption>,
    ) -> Result<Box<dyn Machine>, Failure> {
        if let Credentials::Component { secret } = &self.credentials {
            let name = self.domain.parse().map_err(|_| Failure::HostUnknown {
                domain: self.domain.clone(),
            })?;
            return Ok(Box::new(ComponentStream::new(
                name,
                secret.clone(),
                self.keepalive,
            )));
        }
        let settings = StreamSettings {
            domain: self.domain.clone(),
            credentials: self.credentials.clone(),
            resource: self.resource.clone(),
            stream_management: self.stream_management,
            acknowledge_confirmed_only: self.acknowledge_confirmed_only,
            keepalive: self.keepalive,
            websocket: self.websocket.clone(),
        };
        Ok(Box::new(ClientStream::new(settings, resumption)))
    }
}

/// Closes the stream and the connection; gives up after a second.
pub(crate) async fn close(session: &mut Session) {
    session.machine.close();
    let mut bytes = Vec::new();
    while let Some(output) = session.machine.next_output() {
        if let Output::Write(more) = output {
            bytes.extend_from_slice(&more);
        }
    }
    let farewell = async {
        session.socket.write_all(&bytes).await?;
        session.socket.shutdown().await
    };
    // The session is over either way.
    let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
}
