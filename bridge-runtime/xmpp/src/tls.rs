//! Trust in a server's certificate: a site's own authority, and the XMPP domain as name.
//!
//! Prosody's own certificates (`prosodyctl cert generate`) sign themselves and call themselves
//! authorities, which a server's must not (RFC 5280 section 4.2.1.9). One that stands byte for byte
//! in the file of trusted certificates is taken all the same, for its name and within its time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::failure::TlsFailure;

/// Where distributions keep the public authorities: Debian, Fedora, Alpine and macOS, SUSE.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// Certificates a server sent, leaf first.
pub(crate) type Chain = Arc<Mutex<Vec<Vec<u8>>>>;

/// The authorities a certificate must come from.
#[derive(Debug, Clone)]
pub struct Trust {
    verifier: Arc<WebPkiServerVerifier>,
    /// The certificates of a site's own file; none of the system's.
    pinned: Arc<Vec<CertificateDer<'static>>>,
}

/// The file of trusted authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be read.
    #[error("cannot read certificates from {path}: {detail}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or parser said.
        detail: String,
    },
    /// It holds no usable certificate.
    #[error("{path} holds no certificate: it must be a PEM file with the authority of the site")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Trust {
    /// Trusts the certificates of a PEM file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn from_pem_file(path: &Path) -> Result<Self, TrustError> {
        let pem = std::fs::read(path).map_err(|error| TrustError::Read {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        Self::from_pem(&pem, path)
    }

    /// Trusts the certificates of a PEM text; `path` is for messages.
    ///
    /// # Errors
    /// The text holds no certificate.
    pub fn from_pem(pem: &[u8], path: &Path) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        let mut pinned = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|certificate| {
                    pinned.push(certificate.clone());
                    roots.add(certificate).map_err(|error| error.to_string())
                });
            if let Err(detail) = added {
                return Err(TrustError::Read {
                    path: path.to_owned(),
                    detail,
                });
            }
        }
        Self::from_roots(roots, pinned, path)
    }

    /// Trusts the public authorities that this machine's distribution ships.
    ///
    /// # Errors
    /// There is no such file in any of the usual places, or it holds nothing usable.
    pub fn system() -> Result<Self, TrustError> {
        let path = SYSTEM_BUNDLES
            .iter()
            .map(Path::new)
            .find(|path| path.is_file())
            .unwrap_or(Path::new(SYSTEM_BUNDLES[0]));
        let pem = std::fs::read(path).map_err(|error| TrustError::Read {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        let mut roots = RootCertStore::empty();
        // Such a file may hold certificates of kinds that are not understood here.
        let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
        roots.add_parsable_certificates(certificates);
        Self::from_roots(roots, Vec::new(), path)
    }

    fn from_roots(
        roots: RootCertStore,
        pinned: Vec<CertificateDer<'static>>,
        path: &Path,
    ) -> Result<Self, TrustError> {
        if roots.is_empty() {
            return Err(TrustError::Empty {
                path: path.to_owned(),
            });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| TrustError::Empty {
                path: path.to_owned(),
            })?;
        Ok(Self {
            verifier,
            pinned: Arc::new(pinned),
        })
    }

    /// The configuration of one connection; what the server sends is noted in `chain`.
    pub(crate) fn client_config(&self, chain: Chain) -> Result<Arc<ClientConfig>, TlsFailure> {
        let recorder = ChainRecorder {
            trust: self.clone(),
            chain,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsFailure::Other(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(recorder))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// Notes the chain and leaves the judgement to the real verifier.
#[derive(Debug)]
struct ChainRecorder {
    trust: Trust,
    chain: Chain,
}

impl ChainRecorder {
    /// Whether a refusal is only for what the certificate calls itself, and it is one of the
    /// trusted ones itself. Its time is judged before that: [`CertificateError::Expired`] and the
    /// like never come here.
    fn is_pinned(
        &self,
        refusal: &rustls::Error,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> bool {
        matches!(
            refusal,
            rustls::Error::InvalidCertificate(CertificateError::Other(_))
        ) && self.trust.pinned.contains(certificate)
            && ParsedCertificate::try_from(certificate)
                .is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
    }
}

impl ServerCertVerifier for ChainRecorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Ok(mut chain) = self.chain.lock() {
            *chain = std::iter::once(end_entity)
                .chain(intermediates)
                .map(|certificate| certificate.to_vec())
                .collect();
        }
        let verdict = self.trust.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            Err(refusal) if self.is_pinned(&refusal, end_entity, server_name) => {
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust
            .verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.trust
            .verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.verifier.supported_verify_schemes()
    }
}

/// Tells certificate errors apart by what cures them.
pub(crate) fn classify(error: &std::io::Error, expected: &str) -> TlsFailure {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(inner) = inner else {
        return TlsFailure::Other(error.to_string());
    };
    match inner {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                TlsFailure::UnknownAuthority
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFailure::WrongName {
                    expected: expected.to_owned(),
                }
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsFailure::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsFailure::NotYetValid
            }
            other => TlsFailure::Other(format!("certificate: {other:?}")),
        },
        other => TlsFailure::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate as `prosodyctl cert generate` makes it: self-signed, an authority by its own
    /// word.
    fn prosodys_own(name: &str, last_year: i32) -> rcgen::Certificate {
        let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap()
    }

    fn judge(trusted: &rcgen::Certificate, sent: &rcgen::Certificate) -> bool {
        let trust = Trust::from_pem(trusted.pem().as_bytes(), Path::new("ca.crt")).unwrap();
        let recorder = ChainRecorder {
            trust,
            chain: Chain::default(),
        };
        let name = ServerName::try_from("auth.meet.test").unwrap();
        let verdict = recorder.verify_server_cert(sent.der(), &[], &name, &[], UnixTime::now());
        verdict.is_ok()
    }

    #[test]
    fn a_certificate_that_calls_itself_an_authority_is_taken_only_when_it_is_the_trusted_one() {
        let ours = prosodys_own("auth.meet.test", 2120);
        assert!(judge(&ours, &ours));
        assert!(!judge(&ours, &prosodys_own("auth.meet.test", 2120)));
        let elsewhere = prosodys_own("auth.other.test", 2120);
        assert!(!judge(&elsewhere, &elsewhere), "another name");
        let old = prosodys_own("auth.meet.test", 2021);
        assert!(!judge(&old, &old), "its time is over");
    }
}
