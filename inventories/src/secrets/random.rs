//! Fresh values: 160 bits from the operating system, written in letters that need no quoting.

use secrecy::SecretString;
use zeroize::{Zeroize as _, Zeroizing};

/// The strength of a generated value in bits.
pub const VALUE_BITS: usize = 160;

/// Base 32 of RFC 4648 section 6 in lower case: no shell, URL, YAML or Lua gives any of these
/// characters a meaning.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The operating system gave no random bytes.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct RandomError(pub String);

/// Fills `bytes` from the operating system.
///
/// # Errors
/// The operating system refuses.
pub fn os_random(bytes: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(bytes).map_err(|error| RandomError(error.to_string()))
}

/// Makes a fresh value with bytes of `random`.
///
/// # Errors
/// Those of `random`.
pub fn generate(
    random: &mut dyn FnMut(&mut [u8]) -> Result<(), RandomError>,
) -> Result<SecretString, RandomError> {
    let mut bytes = Zeroizing::new([0_u8; VALUE_BITS / 8]);
    random(bytes.as_mut_slice())?;
    // Every five bytes are eight letters of five bits.
    let mut text = String::with_capacity(VALUE_BITS / 5);
    for chunk in bytes.chunks_exact(5) {
        let mut number = chunk
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        for position in (0..8).rev() {
            let index = usize::from(u8::try_from(number >> (position * 5) & 31).unwrap_or(0));
            text.push(char::from(ALPHABET[index]));
        }
        number.zeroize();
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn of(bytes: [u8; 20]) -> String {
        let mut random = |target: &mut [u8]| {
            target.copy_from_slice(&bytes);
            Ok(())
        };
        generate(&mut random).unwrap().expose_secret().to_owned()
    }

    #[test]
    fn letters_are_those_of_rfc_4648() {
        // RFC 4648 section 10: BASE32("fooba") = "MZXW6YTB".
        let bytes: [u8; 20] = b"foobafoobafoobafooba".to_owned();
        assert_eq!(of(bytes), "mzxw6ytb".repeat(4));
        assert_eq!(of([0xff; 20]), "7".repeat(32));
    }

    #[test]
    fn two_values_of_the_operating_system_differ() {
        let one = generate(&mut os_random).unwrap();
        let two = generate(&mut os_random).unwrap();
        assert_ne!(one.expose_secret(), two.expose_secret());
    }
}
