//! XMPP accounts as Prosody's `internal_hashed` keeps them (RFC 5802, SCRAM-SHA-1).
//!
//! The keys are computed here and written as a file, so that a password never travels to the host
//! at all and drift is found without knowing any password there. Prosody reads the file at every
//! login: nothing needs a reload.

use std::fmt::Write;
use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2, rand};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::layout::PROSODY_DATA;
use crate::resolved::hex;

/// Prosody 0.12's own count.
const ITERATIONS: u32 = 10_000;
/// A count beyond this would stall a plan: such a file is treated as drift.
const MOST_ITERATIONS: u32 = 1_000_000;

/// What an account's file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The salt, as text.
    pub salt: String,
    /// PBKDF2 rounds.
    pub iterations: u32,
    /// `StoredKey` of RFC 5802 section 3, hexadecimal.
    pub stored_key: String,
    /// `ServerKey`, hexadecimal.
    pub server_key: String,
}

/// The system's random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

impl Credential {
    /// The credential of a password with a new salt.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn create(password: &SecretString) -> Result<Self, NoRandomness> {
        let random: [u8; 16] = rand::generate(&rand::SystemRandom::new())
            .map_err(|_| NoRandomness)?
            .expose();
        Ok(Self::with_salt(password, &hex(&random), ITERATIONS))
    }

    fn with_salt(password: &SecretString, salt: &str, iterations: u32) -> Self {
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        let mut salted = [0_u8; digest::SHA1_OUTPUT_LEN];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA1,
            rounds,
            salt.as_bytes(),
            password.expose_secret().as_bytes(),
            &mut salted,
        );
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        let stored = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, client_key.as_ref());
        let server = hmac::sign(&key, b"Server Key");
        Self {
            salt: salt.to_owned(),
            iterations,
            stored_key: hex(stored.as_ref()),
            server_key: hex(server.as_ref()),
        }
    }

    /// Whether the stored keys are those of this password.
    pub fn matches(&self, password: &SecretString) -> bool {
        self.iterations <= MOST_ITERATIONS
            && Self::with_salt(password, &self.salt, self.iterations) == *self
    }

    /// The text of Prosody's file.
    pub fn to_lua(&self) -> String {
        format!(
            "return {{\n\t[\"iteration_count\"] = {};\n\t[\"salt\"] = \"{}\";\n\t[\"server_key\"] = \"{}\";\n\t[\"stored_key\"] = \"{}\";\n}};\n",
            self.iterations, self.salt, self.server_key, self.stored_key
        )
    }

    /// Reads Prosody's file; nothing when it holds no SCRAM keys.
    pub fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let (_, rest) = text.split_once(&format!("[\"{name}\"]"))?;
            let value = rest.trim_start().strip_prefix('=')?.trim_start();
            let end = value.find([';', '\n']).unwrap_or(value.len());
            Some(value.get(..end)?.trim().trim_matches('"').to_owned())
        };
        Some(Self {
            salt: field("salt")?,
            iterations: field("iteration_count")?.parse().ok()?,
            stored_key: field("stored_key")?,
            server_key: field("server_key")?,
        })
    }
}

/// The file of an account.
pub fn account_path(domain: &str, user: &str) -> String {
    format!("{}/{}.dat", accounts_folder(domain), encode(user))
}

/// The folder of all accounts of an XMPP host.
pub fn accounts_folder(domain: &str) -> String {
    format!("{PROSODY_DATA}/{}/accounts", encode(domain))
}

/// Prosody's way of making a file name: everything but letters and digits as `%xx`.
pub fn encode(name: &str) -> String {
    name.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02x}");
        }
        encoded
    })
}

/// The name behind a file name of Prosody's.
pub fn decode(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some(first) = rest.bytes().next() {
        let escaped = (first == b'%')
            .then(|| rest.get(1..3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = escaped {
            bytes.push(byte);
            rest = rest.get(3..).unwrap_or_default();
        } else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            bytes.extend_from_slice(rest.get(..length).unwrap_or_default().as_bytes());
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_keys_are_those_of_the_example_in_rfc_5802() {
        // Password and iterations of RFC 5802 section 5; Prosody's salt is text, so the example's
        // salt is given as its bytes cannot be: the vector here is RFC 6070's first SHA-1 case.
        let credential = Credential::with_salt(&"password".to_owned().into(), "salt", 4096);
        let again = Credential::with_salt(&"password".to_owned().into(), "salt", 4096);
        assert_eq!(credential, again);
        let mut derived = [0_u8; 20];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA1,
            NonZeroU32::new(4096).unwrap(),
            b"salt",
            b"password",
            &mut derived,
        );
        assert_eq!(hex(&derived), "4b007901b765489abead49d926f721d065a429c1");
    }

    #[test]
    fn a_file_of_prosody_is_understood() {
        // Written by `prosodyctl register` of Prosody 0.12.3.
        let text = include_str!("../tests/fixtures/prosody-account.dat");
        let credential = Credential::parse(text).unwrap();
        assert!(credential.matches(&"correct horse".to_owned().into()));
        assert!(!credential.matches(&"wrong".to_owned().into()));
    }

    #[test]
    fn a_written_file_is_read_back() {
        let password = "hunter2".to_owned().into();
        let credential = Credential::create(&password).unwrap();
        let text = credential.to_lua();
        assert!(!text.contains("hunter2"));
        assert!(Credential::parse(&text).unwrap().matches(&password));
    }

    #[test]
    fn a_file_without_keys_is_no_credential() {
        assert_eq!(
            Credential::parse("return { [\"password\"] = \"x\"; };"),
            None
        );
        assert_eq!(Credential::parse(""), None);
    }

    #[test]
    fn names_become_the_files_that_prosody_uses() {
        assert_eq!(
            account_path("auth.my-meet.test", "jvb-b"),
            "/var/lib/prosody/auth%2emy%2dmeet%2etest/accounts/jvb%2db.dat"
        );
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(name in ".{0,30}") {
            prop_assert_eq!(decode(&encode(&name)), name);
        }

        #[test]
        fn any_text_is_parsed_without_panic(text in ".{0,200}") {
            let _ = Credential::parse(&text);
            let _ = decode(&text);
        }
    }
}
