//! A throw-away authority and the certificates it issues.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

/// Whether a certificate is in its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Valid.
    Now,
    /// Over for years.
    Past,
    /// Not for years to come.
    Future,
}

/// A throw-away authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Authority")
    }
}

impl Authority {
    /// A new authority.
    pub fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(parameters, key).expect("a certificate");
        Self { issuer }
    }

    /// Its certificate.
    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// Certificate and key for a host, both in PEM.
    pub fn issue(&self, host: &str, validity: Validity) -> (String, String) {
        let mut parameters = CertificateParams::new(vec![host.to_owned()]).expect("a host name");
        match validity {
            Validity::Now => {}
            Validity::Past => {
                parameters.not_before = date_time_ymd(2001, 1, 1);
                parameters.not_after = date_time_ymd(2002, 1, 1);
            }
            Validity::Future => {
                parameters.not_before = date_time_ymd(2090, 1, 1);
                parameters.not_after = date_time_ymd(2091, 1, 1);
            }
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters
            .signed_by(&key, &self.issuer)
            .expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}
