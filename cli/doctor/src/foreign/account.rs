//! Prosody's own record of an account, held against a password: what a login would find out, for
//! servers that cannot be asked (RFC 5802, SCRAM-SHA-1).

use hmac::{Hmac, Mac as _};
use sha1::{Digest as _, Sha1};

/// Whether the record in `text` (a file of `accounts/`) is of this password; nothing when it
/// cannot be told.
pub(super) fn matches(text: &str, password: &str) -> Option<bool> {
    if let Some(plain) = field(text, "password") {
        return Some(plain == password);
    }
    let stored = field(text, "stored_key")?;
    let salt = field(text, "salt")?;
    let rounds: u32 = field(text, "iteration_count")?.parse().ok()?;
    if rounds > 100_000 {
        return None;
    }
    let mut salted = [0_u8; 20];
    pbkdf2::pbkdf2::<Hmac<Sha1>>(password.as_bytes(), salt.as_bytes(), rounds, &mut salted).ok()?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&salted).ok()?;
    mac.update(b"Client Key");
    let key = Sha1::digest(mac.finalize().into_bytes());
    let hex: String = key
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat();
    Some(hex.eq_ignore_ascii_case(stored))
}

/// `["name"] = "value";` or `["name"] = 10000;`
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("[\"{name}\"]"))?;
    let (_, rest) = rest.split_once('=')?;
    let rest = rest.trim_start();
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map(|(value, _)| value),
        None => rest.split([';', ',', '\n']).next().map(str::trim),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    /// Made by Prosody 0.12.3 for the password `pencil`.
    const RECORD: &str = include_str!("../../tests/fixtures/jvb.dat");

    #[test]
    fn a_record_of_prosody_tells_passwords_apart() {
        assert_eq!(matches(RECORD, "pencil"), Some(true));
        assert_eq!(matches(RECORD, "pencils"), Some(false));
        assert_eq!(
            matches("return {\n\t[\"password\"] = \"x\";\n};", "x"),
            Some(true)
        );
        assert_eq!(matches("nothing", "x"), None);
    }
}
