//! The store encrypted with age: recipients may be public, the identity is a person's own.

use std::io::{Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::error::SecretsError;
use super::file::{Links, read_private};

/// Who can open the file: the recipients listed in a file, else the owner of the identity.
pub(super) fn seal(
    text: &str,
    target: &Path,
    recipients: &Path,
    identity: Option<&Path>,
) -> Result<Vec<u8>, SecretsError> {
    let fail = |path: &Path, reason: String| SecretsError::Seal {
        path: path.to_path_buf(),
        reason,
    };
    let listed = match std::fs::read_to_string(recipients) {
        Ok(list) => parse_recipients(&list).map_err(|line| {
            fail(
                recipients,
                format!("line {line} is no age recipient (`age1…`)"),
            )
        })?,
        Err(_) => Vec::new(),
    };
    let chosen: Vec<Box<dyn age::Recipient + Send>> = match (listed.is_empty(), identity) {
        (false, _) => listed,
        (true, Some(identity)) => identities(identity)?
            .to_recipients()
            .map_err(|error| fail(identity, error.to_string()))?,
        (true, None) => {
            return Err(SecretsError::NoRecipient {
                path: recipients.to_path_buf(),
            });
        }
    };
    let borrowed = chosen.iter().map(|one| one.as_ref() as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(borrowed)
        .map_err(|error| fail(target, error.to_string()))?;
    let mut sealed = Vec::new();
    encryptor
        .wrap_output(&mut sealed)
        .and_then(|mut writer| {
            writer.write_all(text.as_bytes())?;
            writer.finish()
        })
        .map_err(|error| fail(target, error.to_string()))?;
    Ok(sealed)
}

/// The text inside `sealed`.
pub(super) fn unseal(
    sealed: &[u8],
    path: &Path,
    identity: Option<&Path>,
) -> Result<Zeroizing<String>, SecretsError> {
    let fail = |reason: String| SecretsError::Seal {
        path: path.to_path_buf(),
        reason,
    };
    let Some(identity) = identity else {
        return Err(SecretsError::NoIdentity {
            path: path.to_path_buf(),
        });
    };
    let keys = identities(identity)?
        .into_identities()
        .map_err(|error| fail(error.to_string()))?;
    let decryptor = age::Decryptor::new(sealed).map_err(|error| fail(error.to_string()))?;
    let mut reader = decryptor
        .decrypt(keys.iter().map(|key| key.as_ref() as &dyn age::Identity))
        .map_err(|error| fail(error.to_string()))?;
    let mut text = Zeroizing::new(String::new());
    reader
        .read_to_string(&mut text)
        .map_err(|error| fail(error.to_string()))?;
    Ok(text)
}

fn identities(path: &Path) -> Result<age::IdentityFile<age::NoCallbacks>, SecretsError> {
    let bytes = read_private(path, Links::Follow)?;
    age::IdentityFile::from_buffer(bytes.as_slice()).map_err(|error| SecretsError::Seal {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}

/// The recipients of a list, or the number of the line that is none.
fn parse_recipients(list: &str) -> Result<Vec<Box<dyn age::Recipient + Send>>, usize> {
    let mut recipients: Vec<Box<dyn age::Recipient + Send>> = Vec::new();
    for (index, line) in list.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let recipient: age::x25519::Recipient = line.parse().map_err(|_| index + 1)?;
        recipients.push(Box::new(recipient));
    }
    Ok(recipients)
}
