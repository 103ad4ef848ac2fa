//! One login, watched closely: the core of the doctor's XMPP checks and of self-tests.

use std::net::SocketAddr;
use std::time::Duration;

use jitctl_wire::Jid;

use crate::client::machine;
use crate::credentials::Credentials;
use crate::failure::{Failure, Stage};
use crate::login::{LoginTrace, Socket, Target, log_in, log_in_over};

/// What came of a login.
#[derive(Debug, Clone)]
pub struct LoginOutcome {
    /// When each stage began, counted from the start; the last one is where it ended.
    pub stages: Vec<(Stage, Duration)>,
    /// How long it took altogether.
    pub elapsed: Duration,
    /// The address that was tried last.
    pub peer: Option<SocketAddr>,
    /// SASL mechanisms offered inside TLS.
    pub mechanisms: Vec<String>,
    /// Certificates as sent, leaf first, in DER; also those that were refused.
    pub certificate_chain: Vec<Vec<u8>>,
    /// Our address, or why not.
    pub result: Result<Jid, Failure>,
}

/// Logs in once, closes again and tells what was seen. Never longer than `deadline`; needs a
/// tokio runtime with I/O and time.
pub async fn probe_login(
    target: &Target,
    credentials: Credentials,
    deadline: Duration,
) -> LoginOutcome {
    probe(None, target, credentials, deadline).await
}

/// The same over a stream that is already open, such as a tunnel from another host; the address
/// in `target` is not used.
pub async fn probe_login_over(
    socket: Box<dyn Socket>,
    target: &Target,
    credentials: Credentials,
    deadline: Duration,
) -> LoginOutcome {
    probe(Some(socket), target, credentials, deadline).await
}

async fn probe(
    socket: Option<Box<dyn Socket>>,
    target: &Target,
    credentials: Credentials,
    deadline: Duration,
) -> LoginOutcome {
    let started = tokio::time::Instant::now();
    let mut trace = LoginTrace::new();
    let settings = machine::MachineSettings {
        domain: target.domain.clone(),
        credentials,
        resource: None,
        stream_management: false,
        acknowledge_confirmed_only: false,
        keepalive: Duration::from_secs(30),
        websocket: None,
    };
    let attempt = async {
        let machine = settings.build(None)?;
        let logged_in = match socket {
            Some(socket) => log_in_over(socket, target, machine, &mut trace).await,
            None => log_in(target, machine, &mut trace).await,
        };
        let mut session = logged_in.map_err(|(failure, _)| failure)?;
        machine::close(&mut session).await;
        Ok(session.jid)
    };
    let result = tokio::time::timeout(deadline, attempt).await;
    let result = result.unwrap_or_else(|_| {
        Err(Failure::Timeout {
            stage: trace.last_stage(),
            after: deadline,
        })
    });
    LoginOutcome {
        elapsed: started.elapsed(),
        stages: trace.stages,
        peer: trace.peer,
        mechanisms: trace.mechanisms,
        certificate_chain: trace.certificate_chain,
        result,
    }
}
