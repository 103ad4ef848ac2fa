//! The bridge's certificate and the handshake configurations made from it.

use std::sync::Arc;
use std::time::Duration;

use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::RingProvider;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::fingerprint::{Fingerprint, HashFunction};

const FLIGHT_INTERVAL: Duration = Duration::from_millis(700);
/// Handshake datagrams: what fits the smallest IPv6 path with room for headers.
const MTU: usize = 1200;

/// The certificate could not be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dtls certificate cannot be made: {0}")]
pub struct IdentityError(String);

/// A self-signed certificate (ECDSA P-256) shared by all endpoints. The edge makes a new one every
/// 24 hours; associations keep the one they began with.
pub struct Identity {
    fingerprint: Fingerprint,
    pub(super) server_gcm: Arc<HandshakeConfig>,
    pub(super) server_any: Arc<HandshakeConfig>,
    pub(super) client: Arc<HandshakeConfig>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Makes a key and a certificate.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn generate() -> Result<Self, IdentityError> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let failed = |error: rtc_shared::error::Error| IdentityError(error.to_string());
        let certificate =
            Certificate::generate_self_signed(vec!["jitctl".to_owned()], provider.crypto())
                .map_err(failed)?;
        let der = certificate
            .certificate
            .first()
            .ok_or_else(|| IdentityError("it is empty".to_owned()))?;
        let fingerprint = Fingerprint::of(HashFunction::Sha256, der);
        let build = |profiles: &[SrtpProtectionProfile], is_client: bool| {
            ConfigBuilder::default()
                .with_crypto_provider(Arc::clone(&provider))
                .with_certificates(vec![certificate.clone()])
                .with_cipher_suites(vec![
                    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
                    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
                ])
                .with_srtp_protection_profiles(profiles.to_vec())
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                // Certificates are self-signed: the fingerprint is checked by `Dtls` instead.
                .with_insecure_skip_verify(true)
                .with_flight_interval(FLIGHT_INTERVAL)
                .with_mtu(MTU)
                .build(is_client, None)
                .map(Arc::new)
                .map_err(failed)
        };
        let any = [
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        ];
        Ok(Self {
            fingerprint,
            server_gcm: build(&any[..1], false)?,
            server_any: build(&any, false)?,
            client: build(&any, true)?,
        })
    }

    /// The fingerprint to signal, sha-256.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}
