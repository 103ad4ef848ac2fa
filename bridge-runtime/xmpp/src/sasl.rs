//! SASL mechanisms (RFC 4422): SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, 7677), PLAIN, ANONYMOUS.
//!
//! PLAIN is only ever chosen inside TLS, because the stream offers nothing before TLS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use secrecy::ExposeSecret as _;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::credentials::Credentials;

/// More iterations than this are an attempt to keep us busy.
const MAXIMUM_ITERATIONS: u32 = 1_000_000;

/// A mechanism of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    ScramSha256,
    ScramSha1,
    Plain,
    Anonymous,
}

impl Mechanism {
    /// The strongest mechanism both sides have, for these credentials.
    pub(crate) fn choose(offered: &[String], credentials: &Credentials) -> Option<Self> {
        let usable: &[Self] = match credentials {
            Credentials::Password { .. } => &[Self::ScramSha256, Self::ScramSha1, Self::Plain],
            Credentials::Anonymous => &[Self::Anonymous],
            Credentials::Component { .. } => &[],
        };
        usable
            .iter()
            .copied()
            .find(|mechanism| offered.iter().any(|name| name == mechanism.name()))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::Plain => "PLAIN",
            Self::Anonymous => "ANONYMOUS",
        }
    }
}

/// Why an exchange cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaslError {
    /// The server broke the mechanism's rules.
    Protocol(&'static str),
    /// The server's signature is wrong.
    ServerNotAuthentic,
}

/// A running exchange.
pub(crate) struct Exchange {
    mechanism: Mechanism,
    credentials: Credentials,
    nonce: String,
    expected_signature: Option<Vec<u8>>,
}

impl Exchange {
    /// `nonce` must be fresh and random; only SCRAM uses it.
    pub(crate) fn new(mechanism: Mechanism, credentials: Credentials, nonce: String) -> Self {
        Self {
            mechanism,
            credentials,
            nonce,
            expected_signature: None,
        }
    }

    pub(crate) fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The initial response, in base64.
    pub(crate) fn initial_response(&self) -> String {
        let bytes = match (&self.credentials, self.mechanism) {
            (Credentials::Password { username, password }, Mechanism::Plain) => {
                format!("\0{username}\0{}", password.expose_secret()).into_bytes()
            }
            (Credentials::Password { .. }, _) => format!("n,,{}", self.first_bare()).into_bytes(),
            // An empty initial response is written `=` (RFC 6120 6.4.2).
            _ => return String::from("="),
        };
        STANDARD.encode(bytes)
    }

    /// Answers a challenge, both in base64.
    pub(crate) fn respond(&mut self, challenge: &str) -> Result<String, SaslError> {
        let challenge = decode(challenge)?;
        let response = match self.mechanism {
            Mechanism::ScramSha1 => self.scram_final::<Sha1Hash>(&challenge)?,
            Mechanism::ScramSha256 => self.scram_final::<Sha256Hash>(&challenge)?,
            Mechanism::Plain | Mechanism::Anonymous => String::new(),
        };
        Ok(STANDARD.encode(response))
    }

    /// Checks what comes with success, in base64.
    pub(crate) fn finish(&self, additional: &str) -> Result<(), SaslError> {
        match self.mechanism {
            Mechanism::Plain | Mechanism::Anonymous => Ok(()),
            Mechanism::ScramSha1 | Mechanism::ScramSha256 => {
                let message = decode(additional)?;
                let signature = attribute(&message, 'v')
                    .and_then(|text| STANDARD.decode(text).ok())
                    .ok_or(SaslError::ServerNotAuthentic)?;
                if self.expected_signature.as_ref() == Some(&signature) {
                    Ok(())
                } else {
                    Err(SaslError::ServerNotAuthentic)
                }
            }
        }
    }

    fn first_bare(&self) -> String {
        let username = match &self.credentials {
            Credentials::Password { username, .. } => username.as_str(),
            _ => "",
        };
        format!(
            "n={},r={}",
            username.replace('=', "=3D").replace(',', "=2C"),
            self.nonce
        )
    }

    fn scram_final<H: ScramHash>(&mut self, server_first: &str) -> Result<String, SaslError> {
        let Credentials::Password { password, .. } = &self.credentials else {
            return Err(SaslError::Protocol("challenge without a password"));
        };
        let missing = SaslError::Protocol("incomplete SCRAM challenge");
        let nonce = attribute(server_first, 'r').ok_or(missing)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(SaslError::Protocol("the SCRAM nonce is not ours"));
        }
        let salt = attribute(server_first, 's')
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or(missing)?;
        let iterations: u32 = attribute(server_first, 'i')
            .and_then(|text| text.parse().ok())
            .ok_or(missing)?;
        if iterations == 0 || iterations > MAXIMUM_ITERATIONS {
            return Err(SaslError::Protocol("SCRAM iteration count out of range"));
        }
        let without_proof = format!("c=biws,r={nonce}");
        let auth_message = format!("{},{server_first},{without_proof}", self.first_bare());
        let salted = H::pbkdf2(password.expose_secret().as_bytes(), &salt, iterations);
        let client_key = H::hmac(&salted, b"Client Key");
        let client_signature = H::hmac(&H::hash(&client_key), auth_message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&client_signature)
            .map(|(key, sign)| key ^ sign)
            .collect();
        let server_key = H::hmac(&salted, b"Server Key");
        self.expected_signature = Some(H::hmac(&server_key, auth_message.as_bytes()));
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }
}

fn decode(text: &str) -> Result<String, SaslError> {
    let text = if text == "=" { "" } else { text.trim() };
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| SaslError::Protocol("not base64"))?;
    String::from_utf8(bytes).map_err(|_| SaslError::Protocol("not UTF-8"))
}

fn attribute(message: &str, key: char) -> Option<&str> {
    message
        .split(',')
        .find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
}

/// What SCRAM needs of a hash function.
trait ScramHash {
    fn hash(data: &[u8]) -> Vec<u8>;
    fn hmac(key: &[u8], data: &[u8]) -> Vec<u8>;
    fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8>;
}

macro_rules! scram_hash {
    ($name:ident, $hash:ty, $length:literal) => {
        struct $name;

        impl ScramHash for $name {
            fn hash(data: &[u8]) -> Vec<u8> {
                <$hash>::digest(data).to_vec()
            }

            fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
                // HMAC takes keys of any length, so the error cannot occur.
                let Ok(mut mac) = Hmac::<$hash>::new_from_slice(key) else {
                    return Vec::new();
                };
                mac.update(data);
                mac.finalize().into_bytes().to_vec()
            }

            fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
                let mut out = vec![0; $length];
                pbkdf2::pbkdf2_hmac::<$hash>(password, salt, iterations, &mut out);
                out
            }
        }
    };
}

scram_hash!(Sha1Hash, Sha1, 20);
scram_hash!(Sha256Hash, Sha256, 32);

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(mechanism: Mechanism, nonce: &str) -> Exchange {
        let credentials = Credentials::Password {
            username: String::from("user"),
            password: String::from("pencil").into(),
        };
        Exchange::new(mechanism, credentials, nonce.to_owned())
    }

    #[test]
    fn the_examples_of_rfc_5802_and_7677_come_out() {
        let mut sha1 = exchange(Mechanism::ScramSha1, "fyko+d2lbbFgONRv9qkxdawL");
        assert_eq!(
            STANDARD.decode(sha1.initial_response()).unwrap(),
            b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"
        );
        let challenge = STANDARD
            .encode("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
        let response = STANDARD.decode(sha1.respond(&challenge).unwrap()).unwrap();
        assert_eq!(
            String::from_utf8(response).unwrap(),
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
        );
        assert_eq!(
            sha1.finish(&STANDARD.encode("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")),
            Ok(())
        );
        assert_eq!(
            sha1.finish(&STANDARD.encode("v=rmF9pqV8S7suAoZWja4dJRkFsKR=")),
            Err(SaslError::ServerNotAuthentic)
        );

        let mut sha256 = exchange(Mechanism::ScramSha256, "rOprNGfwEbeRWgbNEkqO");
        let challenge = STANDARD.encode(
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        );
        let response = STANDARD
            .decode(sha256.respond(&challenge).unwrap())
            .unwrap();
        assert!(
            String::from_utf8(response)
                .unwrap()
                .ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        );
    }

    #[test]
    fn a_servers_tricks_are_refused() {
        for challenge in [
            "r=other,s=QSXCR+Q6sek8bf92,i=4096",
            "r=fyko,s=QSXCR+Q6sek8bf92,i=4096",
            "r=fykoX,s=QSXCR+Q6sek8bf92,i=4000000000",
            "r=fykoX,s=QSXCR+Q6sek8bf92,i=0",
            "r=fykoX,i=4096",
            "",
        ] {
            let mut exchange = exchange(Mechanism::ScramSha1, "fyko");
            assert!(
                exchange.respond(&STANDARD.encode(challenge)).is_err(),
                "{challenge}"
            );
        }
        assert!(exchange(Mechanism::ScramSha1, "fyko").respond("!").is_err());
    }

    #[test]
    fn the_strongest_mechanism_is_chosen_and_anonymous_never_for_an_account() {
        let offered: Vec<String> = ["PLAIN", "SCRAM-SHA-1", "ANONYMOUS"]
            .map(str::to_owned)
            .to_vec();
        let account = &exchange(Mechanism::Plain, "").credentials;
        assert_eq!(
            Mechanism::choose(&offered, account),
            Some(Mechanism::ScramSha1)
        );
        assert_eq!(
            Mechanism::choose(&offered[..1], account),
            Some(Mechanism::Plain)
        );
        assert_eq!(Mechanism::choose(&offered[2..], account), None);
        let anonymous = Mechanism::choose(&offered, &Credentials::Anonymous);
        assert_eq!(anonymous, Some(Mechanism::Anonymous));
    }
}
