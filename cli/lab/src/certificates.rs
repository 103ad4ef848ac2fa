//! The lab's certificate authority, trusted by hosts and by the internet client.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::error::LabError;
use crate::files;
use crate::paths::LabPaths;

/// Makes the authority unless the lab has one.
pub(crate) fn ensure(paths: &LabPaths) -> Result<(), LabError> {
    if paths.ca_certificate().exists() && paths.ca_key().exists() {
        return Ok(());
    }
    let broken = |error: rcgen::Error| LabError::Certificate(error.to_string());
    let key = KeyPair::generate().map_err(broken)?;
    let mut parameters = CertificateParams::default();
    parameters
        .distinguished_name
        .push(DnType::CommonName, format!("jitctl lab {}", paths.name()));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Wide enough for every clock fault.
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2049, 1, 1);
    let certificate = parameters.self_signed(&key).map_err(broken)?;
    files::make_directory(&paths.state().join("ca"))?;
    files::replace(&paths.ca_key(), key.serialize_pem().as_bytes(), 0o600)?;
    files::replace(&paths.ca_certificate(), certificate.pem().as_bytes(), 0o644)
}
