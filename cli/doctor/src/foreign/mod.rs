//! Hosts that other hands set up: a stock Debian Jitsi, or a docker-jitsi-meet folder.
//!
//! One read-only script, logins with the services' own credentials, and the public certificate.
//! Nothing is changed, and nothing of ours needs to be there.

mod account;
mod adopt;
mod hocon;
mod read;
mod rules;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jitctl_inventory::names::HostName;
use jitctl_transport::{Remote, RemoteError, Script};
use jitctl_xmpp::{
    Credentials, Failure, LoginOutcome, ServerAddress, Stage, Target, Trust, probe_login_over,
};
use secrecy::ExposeSecret as _;

pub use adopt::{Adoption, Refusal, adopt};
pub use read::{ForeignHost, Kind, OfBoth, Package, ServiceAccount};

use crate::discovery;
use crate::examine::{patience, secure};
use crate::finding::Finding;
use crate::fold::fold;
use crate::observe::Certificate;
use crate::observe::probe::UdpAnswer;
use crate::rules::unreachable;

const LOOK: &str = include_str!("look.sh");

/// What was seen of such a host.
#[derive(Debug)]
pub struct ForeignSight {
    /// What its files say.
    pub host: ForeignHost,
    /// Logins of its bridge and its focus.
    pub logins: Vec<Tried>,
    /// The public certificate as sent.
    pub chain: Vec<Certificate>,
    /// STUN servers with what the host got from them.
    pub stun: Vec<(String, UdpAnswer)>,
    /// Seconds since 1970, on this machine.
    pub now: u64,
}

/// A login that was tried.
#[derive(Debug)]
pub struct Tried {
    /// Whose.
    pub account: ServiceAccount,
    /// What came of it; nothing where the server cannot be asked from the host.
    pub outcome: Option<LoginOutcome>,
    /// Whether the connection ended before a byte came.
    pub ended_at_once: bool,
}

/// Looks once at a host; `folder` is that of `docker-compose.yml`, when it is in no usual place.
///
/// # Errors
/// Those of the connection.
pub async fn examine_foreign(
    remote: &dyn Remote,
    folder: Option<&str>,
) -> Result<ForeignSight, RemoteError> {
    let input = format!("{}\n", folder.unwrap_or_default());
    let script = Script::new("look at the host", LOOK, Duration::from_secs(10));
    let connect = Script::new("connect", "exit 0", Duration::from_secs(5));
    let started = Instant::now();
    remote.run(connect).await?;
    let asked = Instant::now();
    let output = remote.run(script.with_input(input.into_bytes())).await?;
    let limit = patience(asked.elapsed(), started.elapsed());
    let host = read::read(&output.text());
    let accounts = host.bridge.iter().chain(&host.focus);
    let logins = accounts.map(|account| log_in(remote, &host, account, limit));
    let certificate = async {
        match &host.domain {
            Some(domain) => tokio::time::timeout(limit, secure(remote, domain))
                .await
                .ok()
                .and_then(Result::ok)
                .map(|(_, chain)| chain),
            None => None,
        }
    };
    let (logins, chain, stun) = tokio::join!(
        futures_util::future::join_all(logins),
        certificate,
        discovery::ask(remote, host.asked_servers())
    );
    Ok(ForeignSight {
        logins,
        stun,
        chain: chain.unwrap_or_default(),
        now: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        host,
    })
}

/// Containers have a network of their own: what they call their server is the host's own port here,
/// if it is published; else the server's record has to do.
async fn log_in(
    remote: &dyn Remote,
    host: &ForeignHost,
    account: &ServiceAccount,
    limit: Duration,
) -> Tried {
    let mut tried = Tried {
        account: account.clone(),
        outcome: None,
        ended_at_once: false,
    };
    let port = account.port;
    let published = || {
        let mut sockets = host.listeners.iter();
        sockets.any(|one| one.protocol == "tcp" && one.port == port)
    };
    let server = match host.kind {
        Kind::Packages => account.hostname.as_str(),
        Kind::Compose if published() => "127.0.0.1",
        Kind::Compose | Kind::Nothing => return tried,
    };
    if account.password.expose_secret().is_empty() {
        return tried;
    }
    let pinned = format!("/certs/{}.crt", account.domain);
    let file = host.files.iter().find(|(path, _)| path.ends_with(&pinned));
    let trust = file.and_then(|(path, pem)| {
        Trust::from_pem(pem.expose_secret().as_bytes(), Path::new(path)).ok()
    });
    let Ok(address) = format!("{server}:{port}").parse::<ServerAddress>() else {
        return tried;
    };
    let Ok(tunnel) = remote.open_tunnel(server, port).await else {
        return tried;
    };
    let target = Target {
        address,
        domain: account.domain.clone(),
        trust,
    };
    let credentials = Credentials::Password {
        username: account.username.clone(),
        password: account.password.clone(),
    };
    let outcome =
        probe_login_over(Box::new(tunnel.into_inner()), &target, credentials, limit).await;
    tried.ended_at_once = match &outcome.result {
        Err(Failure::Closed { stage }) => *stage <= Stage::Open && outcome.mechanisms.is_empty(),
        _ => false,
    };
    tried.outcome = Some(outcome);
    tried
}

/// What is wrong on one host; nothing is folded yet.
pub(crate) fn findings(name: &HostName, sight: &ForeignSight) -> Vec<Finding> {
    rules::host(name, sight)
}

/// What is wrong, worst first; hosts that could not be looked into count too.
pub fn diagnose_foreign(
    looks: BTreeMap<HostName, Result<ForeignSight, RemoteError>>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sights = BTreeMap::new();
    for (name, look) in looks {
        match look {
            Ok(sight) => {
                findings.extend(rules::host(&name, &sight));
                sights.insert(name, sight);
            }
            Err(error) => findings.push(unreachable(&name, &error)),
        }
    }
    findings.extend(rules::nicknames(&sights));
    fold(findings, &BTreeSet::new())
}
