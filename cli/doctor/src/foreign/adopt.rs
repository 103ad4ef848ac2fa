//! What `jitctl import` takes from such a host: how its bridges log in, and by which certificate
//! they know the server. Only what was tried and worked is taken.

use std::net::IpAddr;
use std::path::Path;

use jitctl_inventory::model::Foreign;
use jitctl_inventory::names::{Domain, MucNick};
use jitctl_xmpp::LoginOutcome;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::account;
use super::read::{ForeignHost, Kind, ServiceAccount};
use super::{ForeignSight, Tried};
use crate::examine_certificate;

/// What a bridge of ours needs to join.
#[derive(Debug)]
pub struct Adoption {
    /// The site's name.
    pub domain: Domain,
    /// The server as its own bridges use it.
    pub server: Foreign,
    /// The password of the bridges' account.
    pub password: SecretString,
    /// What the server is known by, PEM: its authority, or its own certificate when that signed
    /// itself.
    pub certificate: String,
    /// Addresses of the host, and those that the site's name leads to.
    pub addresses: Vec<IpAddr>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// Why nothing is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No file of Jitsi's is there.
    #[error("nothing of Jitsi was found: no file in /etc/jitsi, no docker-jitsi-meet folder")]
    Nothing,
    /// An apply of ours has been there.
    #[error("`jitctl` deployed this host itself")]
    Ours,
    /// Neither `DOMAIN-config.js` nor `PUBLIC_URL` says the site's name.
    #[error("the site's name is nowhere: no /etc/jitsi/meet/DOMAIN-config.js, no PUBLIC_URL")]
    NoDomain,
    /// No configuration of a bridge is there, or it names no password.
    #[error("no bridge's account was found: {place} names none with a password")]
    NoAccount {
        /// The file.
        place: String,
    },
    /// The configuration names no brewery.
    #[error("{place} names no room for bridges")]
    NoBrewery {
        /// The file.
        place: String,
    },
    /// The account cannot be tried.
    #[error("the XMPP server on {address} was not asked: {cause}")]
    NotAsked {
        /// Where it should be.
        address: String,
        /// Why.
        cause: &'static str,
    },
    /// The account does not work.
    #[error("`{account}` cannot log in: {cause}")]
    Login {
        /// The account.
        account: String,
        /// Why.
        cause: String,
    },
    /// The certificate as sent is in none of the server's files.
    #[error("the certificate that port {port} shows is in no file of Prosody's on that host")]
    Certificate {
        /// The port.
        port: u16,
    },
}

impl Refusal {
    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Nothing => {
                "name the MAIN host; a docker-jitsi-meet folder in no usual place with `--folder DIR`"
            }
            Self::Ours => "use the inventory that it was deployed from",
            Self::NoDomain => "name the host that carries the web page and Prosody",
            Self::NoAccount { .. } | Self::NoBrewery { .. } => {
                "copy `jvb.conf` of an existing bridge to that place on MAIN, then try again"
            }
            Self::NotAsked { .. } => {
                "Prosody must listen on that port of the host; with docker-jitsi-meet publish 5222 \
                 of the service `prosody`"
            }
            Self::Login { .. } => "`jitctl doctor --foreign HOST` says more, with the cure",
            Self::Certificate { .. } => {
                "find out who answers there; `prosodyctl cert generate` makes a fresh certificate"
            }
        }
    }
}

/// Takes what a bridge of ours needs.
///
/// # Errors
/// The host is none of those that are understood, or its own bridge could not log in either.
pub fn adopt(sight: &ForeignSight) -> Result<Adoption, Refusal> {
    let host = &sight.host;
    if host.kind == Kind::Nothing {
        return Err(Refusal::Nothing);
    }
    if host.ours {
        return Err(Refusal::Ours);
    }
    let domain = host.domain.as_ref().ok_or(Refusal::NoDomain)?;
    let place = match host.kind {
        Kind::Compose => ".env",
        _ => "/etc/jitsi/videobridge/jvb.conf",
    };
    let place = place.to_owned();
    let bridge = host.bridge.as_ref();
    let bridge = bridge.filter(|bridge| !bridge.password.expose_secret().is_empty());
    let Some(bridge) = bridge else {
        return Err(Refusal::NoAccount { place });
    };
    let brewery = bridge.brewery.clone();
    let brewery = brewery.ok_or(Refusal::NoBrewery { place })?;
    let outcome = outcome(sight, bridge)?;
    let certificate = certificate(host, bridge, outcome)?;
    let mut addresses = host.addresses.clone();
    addresses.extend(host.names.get(domain).into_iter().flatten());
    let mut seen = Vec::new();
    addresses.retain(|one| {
        let fresh = !one.is_loopback() && !seen.contains(one);
        seen.push(*one);
        fresh
    });
    Ok(Adoption {
        domain: Domain::new(domain),
        server: Foreign {
            domain: Domain::new(&bridge.domain),
            username: bridge.username.clone(),
            brewery,
            nicknames: bridge.nickname.iter().map(MucNick::new).collect(),
            folder: None,
        },
        password: bridge.password.clone(),
        notes: notes(host, bridge, &certificate, sight.now),
        certificate,
        addresses,
    })
}

/// The login of the bridges' account that worked.
fn outcome<'s>(
    sight: &'s ForeignSight,
    bridge: &ServiceAccount,
) -> Result<&'s LoginOutcome, Refusal> {
    let account = format!("{}@{}", bridge.username, bridge.domain);
    let refused = |cause: String| Refusal::Login {
        account: account.clone(),
        cause,
    };
    let record = bridge.record.as_deref();
    if record.and_then(|record| account::matches(record, bridge.password.expose_secret()))
        == Some(false)
    {
        return Err(refused(
            "Prosody's record of it was made with another password".to_owned(),
        ));
    }
    let not_asked = |cause| Refusal::NotAsked {
        address: format!("{}:{}", bridge.hostname, bridge.port),
        cause,
    };
    let same = |tried: &&Tried| {
        tried.account.username == bridge.username && tried.account.domain == bridge.domain
    };
    let tried = sight.logins.iter().find(same);
    let outcome = tried.and_then(|tried| tried.outcome.as_ref());
    let outcome = outcome.ok_or(not_asked("nobody listens there for bridges on other hosts"))?;
    match &outcome.result {
        Ok(_) => Ok(outcome),
        Err(failure) => Err(refused(failure.to_string())),
    }
}

/// The server's certificate as it stands in one of its own files: the authorities behind it, or
/// itself when there are none.
fn certificate(
    host: &ForeignHost,
    bridge: &ServiceAccount,
    outcome: &LoginOutcome,
) -> Result<String, Refusal> {
    let sent = outcome.certificate_chain.first();
    let unknown = Refusal::Certificate { port: bridge.port };
    let sent = sent.ok_or(unknown.clone())?;
    let is_certificate = |path: &str| Path::new(path).extension().is_some_and(|end| end == "crt");
    let files = host.files.iter().filter(|(path, _)| is_certificate(path));
    for (_, text) in files {
        let blocks = blocks(text.expose_secret());
        let Some((leaf, authorities)) = blocks.split_first() else {
            continue;
        };
        let is_sent = CertificateDer::from_pem_slice(leaf.as_bytes())
            .is_ok_and(|certificate| certificate.as_ref() == sent.as_slice());
        if is_sent {
            let trusted = if authorities.is_empty() {
                std::slice::from_ref(leaf)
            } else {
                authorities
            };
            return Ok(trusted.concat());
        }
    }
    Err(unknown)
}

/// The certificates of a PEM text, each with its frame and a final line break.
fn blocks(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    text.split(BEGIN)
        .skip(1)
        .filter_map(|rest| rest.split_once(END))
        .map(|(body, _)| format!("{BEGIN}{body}{END}\n"))
        .collect()
}

/// Fewer days than this are worth a note.
const SOON_DAYS: i64 = 60;

fn notes(host: &ForeignHost, bridge: &ServiceAccount, pem: &str, now: u64) -> Vec<String> {
    let mut notes = Vec::new();
    let mut sockets = host
        .listeners
        .iter()
        .filter(|one| one.protocol == "tcp" && one.port == bridge.port)
        .peekable();
    if sockets.peek().is_some() && sockets.all(crate::observe::host::Listener::is_local) {
        notes.push(format!(
            "Prosody listens for {}/tcp on loopback only: before a bridge on another host can \
             join, MAIN's `c2s_interfaces` must name an address that it reaches",
            bridge.port
        ));
    }
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).ok();
    let certificate = certificate.and_then(|der| examine_certificate(der.as_ref()));
    let days = certificate.map(|certificate| certificate.days_left(now));
    if let Some(days) = days.filter(|days| *days < SOON_DAYS) {
        notes.push(format!(
            "the certificate that bridges will trust ends in {days} days: import again once it is \
             renewed"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::read::read;

    fn sight(text: &str) -> ForeignSight {
        ForeignSight {
            host: read(text),
            logins: Vec::new(),
            chain: Vec::new(),
            stun: Vec::new(),
            now: 0,
        }
    }

    fn file(path: &str, text: &str) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        format!("{path}\t{text}\n")
    }

    #[test]
    fn what_is_no_jitsi_or_our_own_is_refused() {
        assert_eq!(adopt(&sight("")).unwrap_err(), Refusal::Nothing);
        let config = file("/etc/jitsi/meet/meet.test-config.js", "");
        let ours = format!("@@section files\n{config}@@section ours\nyes\n");
        assert_eq!(adopt(&sight(&ours)).unwrap_err(), Refusal::Ours);
        let without = format!("@@section files\n{config}");
        let refusal = adopt(&sight(&without)).unwrap_err();
        assert!(matches!(refusal, Refusal::NoAccount { .. }));
        assert!(!refusal.remedy().is_empty());
    }

    #[test]
    fn an_account_that_was_not_tried_is_not_taken() {
        let bridge = "videobridge.apis.xmpp-client.configs.shard { domain = auth.meet.test\n \
            username = jvb\n password = x\n muc_jids = \"JvbBrewery@internal.auth.meet.test\" }";
        let text = format!(
            "@@section files\n{}{}",
            file("/etc/jitsi/meet/meet.test-config.js", ""),
            file("/etc/jitsi/videobridge/jvb.conf", bridge)
        );
        let refusal = adopt(&sight(&text)).unwrap_err();
        assert!(matches!(refusal, Refusal::NotAsked { .. }), "{refusal}");
    }

    #[test]
    fn certificates_are_told_apart_in_a_file_with_words_between_them() {
        let text = "subject\n-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\nmore\n\
            -----BEGIN CERTIFICATE-----\nBB\n-----END CERTIFICATE-----\n";
        let found = blocks(text);
        assert_eq!(found.len(), 2);
        assert!(found[1].contains("BB") && !found[1].contains("AA"));
    }
}
