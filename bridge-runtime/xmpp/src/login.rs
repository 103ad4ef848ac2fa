//! From a host name to a session: look-up, TCP, TLS around a [`Machine`], with a trace.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jitctl_wire::Jid;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::dns::ServerAddress;
use crate::failure::{Failure, Stage, TlsFailure};
use crate::stream::{Machine, Output};
use crate::tls::{Chain, Trust, classify};

/// Where to log in.
#[derive(Debug, Clone)]
pub struct Target {
    /// Host and port.
    pub address: ServerAddress,
    /// XMPP host of the account; also the name the certificate must have. For a component, its
    /// own name.
    pub domain: String,
    /// Trusted authorities; `None` only for components, that have no TLS.
    pub trust: Option<Trust>,
}

/// What was seen on the way.
#[derive(Debug, Clone)]
pub struct LoginTrace {
    started: Instant,
    /// When each stage began, counted from the start.
    pub stages: Vec<(Stage, Duration)>,
    /// The address that took the connection.
    pub peer: Option<SocketAddr>,
    /// SASL mechanisms offered inside TLS.
    pub mechanisms: Vec<String>,
    /// Certificates as sent, leaf first, in DER; also those that were refused.
    pub certificate_chain: Vec<Vec<u8>>,
}

impl LoginTrace {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            stages: Vec::new(),
            peer: None,
            mechanisms: Vec::new(),
            certificate_chain: Vec::new(),
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.stages.push((stage, self.started.elapsed()));
    }

    /// The stage reached last.
    pub fn last_stage(&self) -> Stage {
        self.stages
            .last()
            .map_or(Stage::Resolve, |(stage, _)| *stage)
    }
}

/// A connection, with or without TLS.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A session that is up.
pub(crate) struct Session {
    pub(crate) socket: Box<dyn Socket>,
    pub(crate) machine: Box<dyn Machine>,
    pub(crate) jid: Jid,
    pub(crate) resumed: bool,
}

/// Opens TLS to a target and nothing more, for what is asked beside the stream.
///
/// # Errors
/// The address cannot be reached, or its certificate is not to be trusted.
pub async fn open_tls(target: &Target) -> Result<Box<dyn Socket>, Failure> {
    let mut trace = LoginTrace::new();
    let tcp = connect(&target.address, &mut trace).await?;
    secure(target, Box::new(tcp), &mut trace).await
}

/// Logs in. On failure the machine comes back, for what it still holds.
pub(crate) async fn log_in(
    target: &Target,
    machine: Box<dyn Machine>,
    trace: &mut LoginTrace,
) -> Result<Session, (Failure, Box<dyn Machine>)> {
    let socket = match connect(&target.address, trace).await {
        Ok(socket) => socket,
        Err(failure) => return Err((failure, machine)),
    };
    log_in_over(Box::new(socket), target, machine, trace).await
}

/// Logs in over a stream that is already open.
pub(crate) async fn log_in_over(
    socket: Box<dyn Socket>,
    target: &Target,
    mut machine: Box<dyn Machine>,
    trace: &mut LoginTrace,
) -> Result<Session, (Failure, Box<dyn Machine>)> {
    machine.start(Instant::now());
    match negotiate(target, socket, machine.as_mut(), trace).await {
        Ok((socket, jid, resumed)) => Ok(Session {
            socket,
            machine,
            jid,
            resumed,
        }),
        Err(failure) => Err((failure, machine)),
    }
}

async fn connect(address: &ServerAddress, trace: &mut LoginTrace) -> Result<TcpStream, Failure> {
    trace.enter(Stage::Resolve);
    let candidates = address.resolve().await?;
    trace.enter(Stage::Connect);
    let mut last = Failure::NameNotFound {
        host: address.host().to_owned(),
        detail: String::from("none"),
    };
    for candidate in candidates {
        trace.peer = Some(candidate);
        match TcpStream::connect(candidate).await {
            Ok(socket) => {
                // Stanzas are small and each waits for an answer.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(error) => last = connect_failure(candidate, &error),
        }
    }
    Err(last)
}

fn connect_failure(address: SocketAddr, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused { address },
        _ => Failure::Unreachable {
            address,
            detail: error.to_string(),
        },
    }
}

type Online = (Box<dyn Socket>, Jid, bool);

async fn negotiate(
    target: &Target,
    tcp: Box<dyn Socket>,
    machine: &mut dyn Machine,
    trace: &mut LoginTrace,
) -> Result<Online, Failure> {
    let mut plain = Some(tcp);
    let mut socket: Option<Box<dyn Socket>> = None;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        while let Some(output) = machine.next_output() {
            match output {
                Output::Write(bytes) => {
                    let written = match (&mut socket, &mut plain) {
                        (Some(socket), _) => socket.write_all(&bytes).await,
                        (None, Some(plain)) => plain.write_all(&bytes).await,
                        (None, None) => Ok(()),
                    };
                    written.map_err(|_| Failure::Closed {
                        stage: trace.last_stage(),
                    })?;
                }
                Output::StartTls => {
                    let Some(tcp) = plain.take() else { continue };
                    socket = Some(secure(target, tcp, trace).await?);
                    machine.tls_established(Instant::now());
                }
                Output::Stage(stage) => trace.enter(stage),
                Output::Mechanisms(offered) => trace.mechanisms = offered,
                Output::Online { jid, resumed } => {
                    let socket = match (socket, plain) {
                        (Some(socket), _) => socket,
                        (None, Some(plain)) => plain,
                        (None, None) => {
                            return Err(Failure::Closed {
                                stage: Stage::Online,
                            });
                        }
                    };
                    return Ok((socket, jid, resumed));
                }
                // Nothing is for us before the session is up.
                Output::Stanza(_) => {}
                Output::Failed(failure) => return Err(failure),
            }
        }
        if let Some(socket) = &mut socket {
            socket.flush().await.map_err(|_| Failure::Closed {
                stage: trace.last_stage(),
            })?;
        }
        let read = match (&mut socket, &mut plain) {
            (Some(socket), _) => socket.read(&mut buffer).await,
            (None, Some(plain)) => plain.read(&mut buffer).await,
            (None, None) => Ok(0),
        };
        match read {
            Ok(count) if count > 0 => {
                machine.handle_bytes(Instant::now(), buffer.get(..count).unwrap_or_default());
            }
            _ => machine.handle_end(),
        }
    }
}

async fn secure(
    target: &Target,
    tcp: Box<dyn Socket>,
    trace: &mut LoginTrace,
) -> Result<Box<dyn Socket>, Failure> {
    let Some(trust) = &target.trust else {
        return Err(Failure::Tls(TlsFailure::UnknownAuthority));
    };
    let name = ServerName::try_from(target.domain.clone())
        .map_err(|error| Failure::Tls(TlsFailure::Other(error.to_string())))?;
    let chain: Chain = Arc::new(Mutex::new(Vec::new()));
    let config = trust.client_config(chain.clone()).map_err(Failure::Tls)?;
    let result = TlsConnector::from(config).connect(name, tcp).await;
    if let Ok(mut chain) = chain.lock() {
        trace.certificate_chain = std::mem::take(&mut *chain);
    }
    match result {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(Failure::Tls(classify(&error, &target.domain))),
    }
}
