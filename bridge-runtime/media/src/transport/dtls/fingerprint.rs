//! Certificate fingerprints (RFC 8122 section 5).

use std::fmt;
use std::str::FromStr;

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};

/// Hash functions accepted from peers, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashFunction {
    /// `sha-1`
    Sha1,
    /// `sha-256`, which this bridge announces.
    Sha256,
    /// `sha-384`
    Sha384,
    /// `sha-512`
    Sha512,
}

impl HashFunction {
    /// The textual name of RFC 8122.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
        }
    }
}

/// A fingerprint: hash function and value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    function: HashFunction,
    value: Vec<u8>,
}

/// Why a fingerprint is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// Not one of the functions of [`HashFunction`].
    #[error("fingerprint hash `{0}` is not supported: use sha-256")]
    Function(String),
    /// Not pairs of hexadecimal digits separated by colons, or of the wrong length.
    #[error("fingerprint is not {0} pairs of hexadecimal digits separated by colons")]
    Value(usize),
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    #[must_use]
    pub fn of(function: HashFunction, certificate: &[u8]) -> Self {
        Self {
            function,
            value: digest(function.algorithm(), certificate).as_ref().to_vec(),
        }
    }

    /// Reads the parts as signalled: the `hash` attribute and the text.
    ///
    /// # Errors
    /// [`FingerprintError`].
    pub fn parse(function: &str, value: &str) -> Result<Self, FingerprintError> {
        let function = match function.to_ascii_lowercase().as_str() {
            "sha-1" => HashFunction::Sha1,
            "sha-256" => HashFunction::Sha256,
            "sha-384" => HashFunction::Sha384,
            "sha-512" => HashFunction::Sha512,
            _ => {
                return Err(FingerprintError::Function(
                    function.chars().take(32).collect(),
                ));
            }
        };
        let length = function.algorithm().output_len();
        let error = || FingerprintError::Value(length);
        let value = value
            .trim()
            .split(':')
            .map(|pair| match pair.len() {
                2 if pair.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                    u8::from_str_radix(pair, 16).map_err(|_| error())
                }
                _ => Err(error()),
            })
            .collect::<Result<Vec<u8>, _>>()?;
        if value.len() == length {
            Ok(Self { function, value })
        } else {
            Err(error())
        }
    }

    /// The hash function.
    #[must_use]
    pub fn function(&self) -> HashFunction {
        self.function
    }

    /// The value as signalled: upper-case pairs separated by colons.
    #[must_use]
    pub fn value(&self) -> String {
        let pairs: Vec<String> = self
            .value
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        pairs.join(":")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.function.name(), self.value())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (function, value) = text.split_once(' ').unwrap_or((text, ""));
        Self::parse(function, value)
    }
}

/// Whether `certificate` has one of the fingerprints made with the strongest function present.
pub(super) fn matches_strongest(fingerprints: &[Fingerprint], certificate: &[u8]) -> bool {
    let Some(strongest) = fingerprints.iter().map(Fingerprint::function).max() else {
        return false;
    };
    let actual = Fingerprint::of(strongest, certificate);
    fingerprints.contains(&actual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back() {
        let fingerprint = Fingerprint::of(HashFunction::Sha256, b"certificate");
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint.clone()));
        assert_eq!(
            fingerprint.to_string().to_lowercase().parse(),
            Ok(fingerprint)
        );
    }

    #[test]
    fn malformed_text_is_refused() {
        for text in [
            "",
            "md5 00",
            "sha-256 00:11",
            "sha-1 zz",
            "sha-256",
            "sha-1 +1:00",
        ] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_strongest_function_decides() {
        let right = Fingerprint::of(HashFunction::Sha1, b"theirs");
        let wrong = Fingerprint::of(HashFunction::Sha512, b"another");
        assert!(matches_strongest(std::slice::from_ref(&right), b"theirs"));
        assert!(!matches_strongest(&[right.clone(), wrong], b"theirs"));
        let also = Fingerprint::of(HashFunction::Sha1, b"rolled over");
        assert!(matches_strongest(&[also, right], b"theirs"));
        assert!(!matches_strongest(&[], b"theirs"));
    }
}
