//! The public site, by its name, on its own host: TLS chain, page, BOSH, WebSocket.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jitctl_inventory::names::HostName;
use jitctl_transport::{Remote, Stream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::SLOW_PROBE;
use crate::observe::{Certificate, Http, WebSite};

/// The list of signed certificate timestamps (RFC 6962 section 3.3).
const LOG_RECEIPTS: &str = "1.3.6.1.4.1.11129.2.4.2";

pub(super) const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: xmpp\r\n";

pub(super) async fn look(remote: &dyn Remote, domain: &str, limit: Duration) -> WebSite {
    let mut site = WebSite::default();
    match within(limit, secure(remote, domain)).await {
        Ok((_, chain)) => site.chain = chain,
        Err(words) => {
            site.tls_error = Some(words);
            return site;
        }
    }
    let close = "Connection: close\r\n";
    let (plain, page, bosh, websocket, settings) = tokio::join!(
        get_plain(remote, domain, limit),
        get(remote, domain, "/", close, limit),
        get(remote, domain, "/http-bind", close, limit),
        get(remote, domain, "/xmpp-websocket", WEBSOCKET, limit),
        get(remote, domain, "/config.js", close, limit),
    );
    site.plain = Some(plain);
    site.page = Some(page);
    site.bosh = Some(bosh);
    site.websocket = Some(websocket);
    site.settings = Some(settings);
    site
}

/// The bridge channel of each bridge (nickname): a handshake for a conference that is not there,
/// which the bridge itself refuses.
pub(super) async fn channels(
    remote: &dyn Remote,
    domain: &str,
    bridges: Vec<(HostName, String)>,
    limit: Duration,
) -> Vec<(HostName, Http)> {
    let asked = bridges.into_iter().map(|(name, nickname)| async move {
        let path = format!("/colibri-ws/{nickname}/jitctl-doctor/look");
        let answer = get(remote, domain, &path, WEBSOCKET, limit).await;
        (name, answer)
    });
    join_all(asked).await
}

/// One request on a connection of its own.
async fn get(
    remote: &dyn Remote,
    domain: &str,
    path: &str,
    headers: &str,
    limit: Duration,
) -> Http {
    let open = async { Ok(secure(remote, domain).await?.0) };
    Box::pin(ask(open, domain, path, headers, limit)).await
}

/// What people get who type the name without `https`.
async fn get_plain(remote: &dyn Remote, domain: &str, limit: Duration) -> Http {
    let open = async {
        let tunnel = remote.open_tunnel("127.0.0.1", 80).await;
        Ok(tunnel.map_err(|error| error.to_string())?.into_inner())
    };
    Box::pin(ask(open, domain, "/", "Connection: close\r\n", limit)).await
}

async fn ask<S: Stream>(
    open: impl Future<Output = Result<S, String>>,
    domain: &str,
    path: &str,
    headers: &str,
    limit: Duration,
) -> Http {
    let started = Instant::now();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {domain}\r\nUser-Agent: jitctl-doctor\r\n{headers}\r\n"
    );
    let exchange = async {
        let mut stream = open.await?;
        let head = exchange(&mut stream, request.as_bytes(), Until::EndOfHead).await?;
        Ok((status_line(&head)?, content_type(&head)))
    };
    let (status, content_type) = match within(limit, exchange).await {
        Ok((status, content_type)) => (Ok(status), content_type),
        Err(words) => (Err(words), None),
    };
    Http {
        path: path.to_owned(),
        status,
        content_type,
        elapsed: started.elapsed(),
    }
}

/// How much of an answer is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Its head, or 8 KiB.
    EndOfHead,
    /// Everything until the server closes, at most so many bytes.
    End(usize),
}

/// Sends a request and reads the answer.
pub(super) async fn exchange<S: Stream>(
    stream: &mut S,
    request: &[u8],
    until: Until,
) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("the connection broke: {error}");
    stream.write_all(request).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let limit = match until {
        Until::EndOfHead => 8 << 10,
        Until::End(limit) => limit,
    };
    while answer.len() < limit {
        let count = match stream.read(&mut buffer).await {
            Ok(0) => break,
            Ok(count) => count,
            // Many servers close TLS without a farewell.
            Err(_) if !answer.is_empty() => break,
            Err(error) => return Err(failed(error)),
        };
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if until == Until::EndOfHead && answer.windows(4).any(|four| four == b"\r\n\r\n") {
            break;
        }
    }
    if answer.is_empty() {
        return Err("the connection ended without an answer".to_owned());
    }
    Ok(answer)
}

pub(super) fn status_line(answer: &[u8]) -> Result<u16, String> {
    let text = String::from_utf8_lossy(answer.get(..answer.len().min(64)).unwrap_or_default());
    text.split(' ')
        .nth(1)
        .filter(|_| text.starts_with("HTTP/"))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| "the answer is not HTTP".to_owned())
}

fn content_type(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    text.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-type")
            .then(|| value.trim().to_owned())
    })
}

pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let late = || Err(format!("no answer within {} s", limit.as_secs()));
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| late())
}

/// A TLS connection to the web server on the host itself.
pub(crate) async fn secure(
    remote: &dyn Remote,
    domain: &str,
) -> Result<(impl Stream, Vec<Certificate>), String> {
    secure_on(remote, domain, 443).await
}

/// The same to another port.
pub(super) async fn secure_on(
    remote: &dyn Remote,
    domain: &str,
    port: u16,
) -> Result<(impl Stream, Vec<Certificate>), String> {
    let tunnel = remote
        .open_tunnel("127.0.0.1", port)
        .await
        .map_err(|error| error.to_string())?;
    secure_over(tunnel.into_inner(), domain, port).await
}

/// TLS over an open stream; notes the chain and judges nothing: the rules do that.
pub(super) async fn secure_over<S: Stream>(
    stream: S,
    domain: &str,
    port: u16,
) -> Result<(impl Stream, Vec<Certificate>), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = Arc::new(Mutex::new(Vec::new()));
    let observer = Observer {
        chain: chain.clone(),
        provider: provider.clone(),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(observer))
        .with_no_client_auth();
    let name = ServerName::try_from(domain.to_owned()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(config));
    let handshake = async {
        let connected = connector.connect(name, stream).await;
        connected.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => format!("nobody answers on port {port}"),
            _ => format!("TLS on port {port}: {error}"),
        })
    };
    // Callers have shorter limits; this one ends a handshake that nobody waits for.
    let stream = within(SLOW_PROBE, handshake).await?;
    let seen = chain.lock().map(|chain| chain.clone()).unwrap_or_default();
    Ok((
        stream,
        seen.iter().filter_map(|der| certificate(der)).collect(),
    ))
}

/// What a certificate says.
pub(crate) fn certificate(der: &[u8]) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let names = alternative.map(|extension| {
        let names = extension.value.general_names.iter();
        names
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            })
            .collect()
    });
    Some(Certificate {
        names: names.unwrap_or_default(),
        issuer: parsed.issuer().to_string(),
        subject: parsed.subject().to_string(),
        serial: parsed.raw_serial_as_string(),
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
        self_signed: parsed.issuer() == parsed.subject(),
        logged: parsed
            .extensions()
            .iter()
            .any(|extension| extension.oid.to_id_string() == LOG_RECEIPTS),
    })
}

/// Accepts every certificate and notes it. Used to look, never to send anything secret.
#[derive(Debug)]
struct Observer {
    chain: Arc<Mutex<Vec<Vec<u8>>>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Observer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Ok(mut chain) = self.chain.lock() {
            *chain = std::iter::once(end_entity)
                .chain(intermediates)
                .map(|certificate| certificate.to_vec())
                .collect();
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
