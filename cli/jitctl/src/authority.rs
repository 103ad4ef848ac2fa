//! The site's own certificate authority and the certificates it issues.
//!
//! Made once, on the operator's machine, and kept with the secrets; the authority's key never
//! leaves it. Bridges and the focus verify Prosody against this authority (RFC 6120 section 13.7).

use jiff::{Span, Zoned};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use secrecy::{ExposeSecret as _, SecretString};

/// How long the authority is valid, in years.
const AUTHORITY_YEARS: i64 = 20;
/// How long a certificate that it issues is valid, in years; `doctor` warns before it ends.
const LEAF_YEARS: i64 = 2;

/// A certificate with its key, PEM.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) certificate: SecretString,
    pub(crate) key: SecretString,
}

/// Makes the authority of a site.
pub(crate) fn create(domain: &str) -> Result<Issued, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut parameters = valid_for(AUTHORITY_YEARS, CertificateParams::default());
    parameters
        .distinguished_name
        .push(DnType::CommonName, format!("jitctl authority of {domain}"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = parameters.self_signed(&key)?;
    Ok(Issued {
        certificate: SecretString::from(certificate.pem()),
        key: SecretString::from(key.serialize_pem()),
    })
}

/// Issues a server certificate for DNS names, the first of which is its subject.
pub(crate) fn issue(authority: &Issued, names: &[String]) -> Result<Issued, rcgen::Error> {
    let signer = KeyPair::from_pem(authority.key.expose_secret())?;
    let issuer = Issuer::from_ca_cert_pem(authority.certificate.expose_secret(), signer)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut parameters = valid_for(LEAF_YEARS, CertificateParams::new(names.to_vec())?);
    if let Some(name) = names.first() {
        parameters
            .distinguished_name
            .push(DnType::CommonName, name.as_str());
    }
    parameters.use_authority_key_identifier_extension = true;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = parameters.signed_by(&key, &issuer)?;
    Ok(Issued {
        certificate: SecretString::from(certificate.pem()),
        key: SecretString::from(key.serialize_pem()),
    })
}

/// From yesterday, for clocks that are behind, to the same day some years later.
fn valid_for(years: i64, mut parameters: CertificateParams) -> CertificateParams {
    let today = Zoned::now().date();
    let start = today.yesterday().unwrap_or(today);
    let end = today
        .checked_add(Span::new().years(years))
        .unwrap_or(jiff::civil::Date::MAX);
    let day = |date: jiff::civil::Date| {
        let month = u8::try_from(date.month()).unwrap_or(1);
        // The 29th of February may not exist at the other end.
        let day = u8::try_from(date.day()).unwrap_or(1).min(28);
        date_time_ymd(i32::from(date.year()), month, day)
    };
    parameters.not_before = day(start);
    parameters.not_after = day(end);
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::{create, issue};

    #[test]
    fn an_issued_certificate_names_its_hosts_and_is_not_the_authority() {
        let authority = create("meet.test").unwrap();
        let leaf = issue(&authority, &["auth.meet.test".into(), "meet.test".into()]).unwrap();
        assert!(
            leaf.certificate
                .expose_secret()
                .contains("BEGIN CERTIFICATE")
        );
        assert!(leaf.key.expose_secret().contains("PRIVATE KEY"));
        assert_ne!(
            leaf.certificate.expose_secret(),
            authority.certificate.expose_secret()
        );
    }
}
