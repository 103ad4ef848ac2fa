//! Takes secret values out of texts: logs, diffs, bundles.
//!
//! Finds a value as it is, line by line where it has several (a diff puts marks between them), and
//! inside base64 at any of the three alignments, as `Authorization` headers and SASL PLAIN carry
//! it. A value cut in two by the caller is not found: mask whole lines.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// Shorter pieces occur by chance in ordinary texts.
const SHORTEST: usize = 8;

/// Replaces every secret by `***NAME***`.
#[derive(Clone, Default)]
pub struct Masker {
    /// What to look for, longest first, with the name of the secret.
    needles: Vec<(Zeroizing<String>, String)>,
}

impl Masker {
    /// A masker of these values by name.
    pub fn new<'a>(values: impl IntoIterator<Item = (&'a str, &'a SecretString)>) -> Self {
        let mut needles = Vec::new();
        for (name, value) in values {
            for line in value.expose_secret().lines() {
                let line = line.trim();
                if line.len() < SHORTEST || line.starts_with("-----") {
                    continue;
                }
                needles.push((Zeroizing::new(line.to_owned()), name.to_owned()));
                for encoded in base64_cores(line) {
                    needles.push((encoded, name.to_owned()));
                }
            }
        }
        needles.sort_by_key(|(needle, _)| std::cmp::Reverse(needle.len()));
        Self { needles }
    }

    /// The text without secrets.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        for (needle, name) in &self.needles {
            if masked.contains(needle.as_str()) {
                masked = Cow::Owned(masked.replace(needle.as_str(), &format!("***{name}***")));
            }
        }
        masked
    }

    /// The names of the secrets that `text` shows.
    pub fn found_in<'s>(&'s self, text: &str) -> Vec<&'s str> {
        let mut names: Vec<&str> = self
            .needles
            .iter()
            .filter(|(needle, _)| text.contains(needle.as_str()))
            .map(|(_, name)| name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masker")
            .field("needles", &self.needles.len())
            .finish()
    }
}

/// The part of the base64 of any text around `value` that depends on `value` alone, for each of the
/// three positions that it can have in a group of three bytes.
fn base64_cores(value: &str) -> Vec<Zeroizing<String>> {
    let mut cores = Vec::new();
    for before in 0..3_usize {
        let padded = Zeroizing::new([vec![0; before], value.as_bytes().to_vec()].concat());
        let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(padded.as_slice()));
        // Letters that share bits with the bytes before or after are not part of the core.
        let start = (before * 8).div_ceil(6);
        let end = padded.len() * 8 / 6;
        if let Some(core) = encoded.get(start..end)
            && core.len() >= SHORTEST
        {
            cores.push(Zeroizing::new(core.to_owned()));
        }
    }
    cores
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(value: &str) -> Masker {
        Masker::new([("turn", &SecretString::from(value))])
    }

    #[test]
    fn a_value_is_masked_wherever_it_stands() {
        let masker = masker("mzxw6ytbmzxw6ytb");
        assert_eq!(masker.mask("x=mzxw6ytbmzxw6ytb;"), "x=***turn***;");
        assert!(matches!(masker.mask("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_value_inside_base64_is_masked_at_every_alignment() {
        let value = "mzxw6ytbmzxw6ytbmzxw6ytbmzxw6ytb";
        let masker = masker(value);
        for user in ["a", "ab", "abc"] {
            let encoded = STANDARD_NO_PAD.encode(format!("\0{user}\0{value}"));
            assert_eq!(masker.found_in(&encoded), ["turn"], "{user}");
            assert!(masker.mask(&encoded).contains("***turn***"));
        }
    }

    #[test]
    fn every_line_of_a_key_is_masked_but_not_its_frame() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEHBG0w\n-----END PRIVATE KEY-----\n";
        let masked = masker(key).mask(&key.replace('\n', "\n+")).into_owned();
        assert_eq!(
            masked,
            "-----BEGIN PRIVATE KEY-----\n+***turn***\n+***turn***\n+-----END PRIVATE KEY-----\n+"
        );
    }

    #[test]
    fn debug_shows_no_value() {
        assert!(!format!("{:?}", masker("mzxw6ytbmzxw6ytb")).contains("mzxw"));
    }
}
