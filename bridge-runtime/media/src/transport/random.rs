//! Random identifiers and credentials from the operating system's generator.

use ring::rand::{SecureRandom, SystemRandom};

/// The generator refused: nothing secure can be made without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's random generator failed: the bridge cannot make keys, restart it")]
pub struct RandomError;

pub(crate) fn bytes<const LENGTH: usize>() -> Result<[u8; LENGTH], RandomError> {
    let mut bytes = [0; LENGTH];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| RandomError)?;
    Ok(bytes)
}

/// `LENGTH` characters of `ice-char` (RFC 8839 section 5.4), five bits of randomness each.
pub(crate) fn ice_characters<const LENGTH: usize>() -> Result<String, RandomError> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    Ok(bytes::<LENGTH>()?
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect())
}
