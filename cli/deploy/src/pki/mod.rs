//! The site's private certificate authority.
//!
//! The authority and its leaves live in the secrets store and are made once: a second run finds
//! them and changes nothing. A leaf is renewed when less than [`RENEW_BEFORE_DAYS`] are left, when
//! its names changed, or when another authority signed it. The authority's key never leaves the
//! operator's machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jitctl_inventory::model::{Site, Tls};
use jitctl_inventory::secrets::{SecretsError, Store};
use jitctl_templates::secrets as names;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::pem::parse_x509_pem;

/// A leaf with fewer days left is renewed.
pub const RENEW_BEFORE_DAYS: i64 = 30;
const LEAF_DAYS: u64 = 397;
const AUTHORITY_DAYS: u64 = 3650;
const DAY: Duration = Duration::from_secs(86_400);

/// What [`ensure`] made or renewed, by the name of its certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Issued(pub Vec<String>);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Making a key or certificate failed.
    #[error("cannot issue `{name}`: {cause}")]
    Issue {
        /// Which.
        name: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// What the store holds is no certificate.
    #[error("`{name}` in the secrets store is no certificate: {cause}")]
    Unreadable {
        /// Which.
        name: String,
        /// What is wrong.
        cause: String,
    },
    /// The operator's own certificate or key cannot be used.
    #[error("`{path}`: {cause}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong.
        cause: String,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] SecretsError),
}

/// What can be read in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    /// DNS names it is for.
    pub names: Vec<String>,
    /// Seconds since 1970 at which it ends.
    pub not_after: i64,
    /// Key identifier of its issuer, hexadecimal.
    pub authority: Option<String>,
    /// Its own key identifier.
    pub subject: Option<String>,
}

impl CertificateFacts {
    /// Whole days until it ends.
    pub fn days_left(&self, now: SystemTime) -> i64 {
        (self.not_after - seconds(now)) / 86_400
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Reads the first certificate of a PEM text.
///
/// # Errors
/// There is none.
pub fn read(name: &str, pem: &str) -> Result<CertificateFacts, PkiError> {
    let unreadable = |cause: String| PkiError::Unreadable {
        name: name.to_owned(),
        cause,
    };
    let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|error| unreadable(error.to_string()))?;
    let certificate = pem
        .parse_x509()
        .map_err(|error| unreadable(error.to_string()))?;
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| {
            let names = extension.value.general_names.iter();
            names
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some((*name).to_owned()),
                    _ => None,
                })
                .collect()
        })
        .unwrap_or_default();
    let mut facts = CertificateFacts {
        names,
        not_after: certificate.validity().not_after.timestamp(),
        authority: None,
        subject: None,
    };
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(identifier) => {
                let key = identifier.key_identifier.as_ref();
                facts.authority = key.map(|key| crate::resolved::hex(key.0));
            }
            ParsedExtension::SubjectKeyIdentifier(key) => {
                facts.subject = Some(crate::resolved::hex(key.0));
            }
            _ => {}
        }
    }
    Ok(facts)
}

/// Makes the store hold all certificates and keys that the site's hosts need.
///
/// # Errors
/// A certificate cannot be made or read, or the operator's own files cannot.
pub fn ensure(store: &mut Store, site: &Site, now: SystemTime) -> Result<Issued, PkiError> {
    let mut issued = Issued::default();
    let domain = site.domain.as_str();
    ensure_authority(store, domain, now, &mut issued)?;
    let service = format!("auth.{domain}");
    let leaf = Leaf {
        certificate: names::PKI_AUTH_CERT,
        key: names::PKI_AUTH_KEY,
        names: vec![service, domain.to_owned()],
    };
    leaf.ensure(store, now, &mut issued)?;
    if let Tls::Files { certificate, key } = &site.tls {
        adopt(
            store,
            names::PKI_WEB_CERT,
            certificate,
            "BEGIN CERTIFICATE",
            &mut issued,
        )?;
        adopt(store, names::PKI_WEB_KEY, key, "PRIVATE KEY", &mut issued)?;
    } else {
        let leaf = Leaf {
            certificate: names::PKI_WEB_CERT,
            key: names::PKI_WEB_KEY,
            names: vec![domain.to_owned()],
        };
        leaf.ensure(store, now, &mut issued)?;
    }
    Ok(issued)
}

/// Takes a file of the operator's into the store when it is not there yet.
fn adopt(
    store: &mut Store,
    name: &'static str,
    path: &std::path::Path,
    mark: &str,
    issued: &mut Issued,
) -> Result<(), PkiError> {
    let wrong = |cause: String| PkiError::File {
        path: path.display().to_string(),
        cause,
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    if !text.contains(mark) {
        return Err(wrong(format!(
            "there is no `{mark}` in it; give a PEM file"
        )));
    }
    if store
        .value(name)
        .is_none_or(|known| known.expose_secret() != text)
    {
        store.reissue(name, text.into())?;
        issued.0.push(name.to_owned());
    }
    Ok(())
}

fn ensure_authority(
    store: &mut Store,
    domain: &str,
    now: SystemTime,
    issued: &mut Issued,
) -> Result<(), PkiError> {
    let name = names::PKI_CA_CERT;
    if store.value(names::PKI_CA_KEY).is_some()
        && let Some(pem) = store.value(name)
        && read(name, pem.expose_secret())?.days_left(now) > RENEW_BEFORE_DAYS
    {
        return Ok(());
    }
    let failed = |error: rcgen::Error| PkiError::Issue {
        name,
        cause: error.to_string(),
    };
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = authority_parameters(domain, now)
        .self_signed(&key)
        .map_err(failed)?;
    store.reissue(names::PKI_CA_KEY, key.serialize_pem().into())?;
    store.reissue(name, certificate.pem().into())?;
    issued.0.push(name.to_owned());
    Ok(())
}

fn authority_parameters(domain: &str, now: SystemTime) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
        .distinguished_name
        .push(DnType::CommonName, format!("jitctl authority of {domain}"));
    set_validity(&mut parameters, now, AUTHORITY_DAYS);
    parameters
}

fn set_validity(parameters: &mut CertificateParams, now: SystemTime, days: u64) {
    // A day back, for hosts whose clock is behind.
    parameters.not_before = (now - DAY).into();
    parameters.not_after = (now + DAY * u32::try_from(days).unwrap_or(u32::MAX)).into();
}

/// A certificate that the authority signs.
struct Leaf {
    certificate: &'static str,
    key: &'static str,
    names: Vec<String>,
}

impl Leaf {
    fn ensure(
        &self,
        store: &mut Store,
        now: SystemTime,
        issued: &mut Issued,
    ) -> Result<(), PkiError> {
        let authority = pem(store, names::PKI_CA_CERT)?;
        if self.is_good(store, &authority, now)? {
            return Ok(());
        }
        let failed = |error: rcgen::Error| PkiError::Issue {
            name: self.certificate,
            cause: error.to_string(),
        };
        let authority_key = pem(store, names::PKI_CA_KEY)?;
        let authority_key = KeyPair::from_pem(authority_key.expose_secret()).map_err(failed)?;
        let authority_issuer =
            Issuer::from_ca_cert_pem(authority.expose_secret(), authority_key).map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let mut parameters = CertificateParams::new(self.names.clone()).map_err(failed)?;
        let first = self.names.first().cloned().unwrap_or_default();
        parameters
            .distinguished_name
            .push(DnType::CommonName, first);
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        set_validity(&mut parameters, now, LEAF_DAYS);
        let certificate = parameters
            .signed_by(&key, &authority_issuer)
            .map_err(failed)?;
        store.reissue(self.key, key.serialize_pem().into())?;
        store.reissue(self.certificate, certificate.pem().into())?;
        issued.0.push(self.certificate.to_owned());
        Ok(())
    }

    fn is_good(
        &self,
        store: &Store,
        authority: &SecretString,
        now: SystemTime,
    ) -> Result<bool, PkiError> {
        let (Some(certificate), Some(_)) = (store.value(self.certificate), store.value(self.key))
        else {
            return Ok(false);
        };
        let leaf = read(self.certificate, certificate.expose_secret())?;
        let authority = read(names::PKI_CA_CERT, authority.expose_secret())?;
        Ok(leaf.days_left(now) > RENEW_BEFORE_DAYS
            && leaf.names == self.names
            && leaf.authority.is_some()
            && leaf.authority == authority.subject)
    }
}

fn pem(store: &Store, name: &str) -> Result<SecretString, PkiError> {
    store
        .value(name)
        .cloned()
        .ok_or_else(|| PkiError::Unreadable {
            name: name.to_owned(),
            cause: "it is missing".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(domain: &str) -> Site {
        serde_json::from_value(serde_json::json!({ "domain": domain })).unwrap()
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn certificates_are_made_once() {
        let mut store = Store::default();
        let first = ensure(&mut store, &site("meet.test"), now()).unwrap();
        assert_eq!(first.0, ["pki-ca-cert", "pki-auth-cert", "pki-web-cert"]);
        let second = ensure(&mut store, &site("meet.test"), now() + DAY).unwrap();
        assert_eq!(second, Issued::default());
        let leaf = read(
            "x",
            pem(&store, names::PKI_AUTH_CERT).unwrap().expose_secret(),
        )
        .unwrap();
        assert_eq!(leaf.names, ["auth.meet.test", "meet.test"]);
        assert_eq!(leaf.days_left(now()), 397);
    }

    #[test]
    fn leaves_are_renewed_before_they_end_and_the_authority_stays() {
        let mut store = Store::default();
        ensure(&mut store, &site("meet.test"), now()).unwrap();
        let late = now() + DAY * 368;
        let renewed = ensure(&mut store, &site("meet.test"), late).unwrap();
        assert_eq!(renewed.0, ["pki-auth-cert", "pki-web-cert"]);
    }

    #[test]
    fn another_domain_needs_other_leaves() {
        let mut store = Store::default();
        ensure(&mut store, &site("meet.test"), now()).unwrap();
        let renewed = ensure(&mut store, &site("other.test"), now()).unwrap();
        assert_eq!(renewed.0, ["pki-auth-cert", "pki-web-cert"]);
    }
}
