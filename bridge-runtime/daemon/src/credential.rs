//! Secrets from systemd credentials or from files of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A credential that systemd loads (`LoadCredential=`), by name.
    Credential(String),
    /// A file of its own, readable by nobody else.
    File(PathBuf),
}

/// A secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Neither or both sources are configured.
    #[error("give either `{0}_credential` or `{0}_file`")]
    Ambiguous(&'static str),
    /// The credential's name is none.
    #[error("`{0}` is no name of a credential")]
    BadName(String),
    /// There is no credentials directory.
    #[error(
        "credential `{0}` cannot be read: CREDENTIALS_DIRECTORY is not set; start through systemd with `LoadCredential={0}:PATH`, or configure a file instead"
    )]
    NoDirectory(String),
    /// The file cannot be read.
    #[error("cannot read {path}: {detail}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// Others can read the file.
    #[error("{path} can be read by others (mode {mode:o}): `chmod 600 {path}`")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is nothing in it.
    #[error("{path} is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Secret {
    /// Exactly one of the two sources; `key` is the stem of the configuration keys.
    ///
    /// # Errors
    /// Neither or both.
    pub fn from_config(
        key: &'static str,
        credential: Option<&String>,
        file: Option<&PathBuf>,
    ) -> Result<Self, CredentialError> {
        match (credential, file) {
            (Some(name), None) => Ok(Self::Credential(name.clone())),
            (None, Some(path)) => Ok(Self::File(path.clone())),
            _ => Err(CredentialError::Ambiguous(key)),
        }
    }

    /// Reads the secret; a line end after it does not belong to it.
    ///
    /// # Errors
    /// The secret cannot be read, is empty, or lies open.
    pub fn read(&self) -> Result<SecretString, CredentialError> {
        match self {
            Self::Credential(name) => {
                let plain = !name.is_empty() && !name.contains('/') && name != "..";
                if !plain {
                    return Err(CredentialError::BadName(name.clone()));
                }
                let directory = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .ok_or_else(|| CredentialError::NoDirectory(name.clone()))?;
                // systemd guards the directory itself.
                read_text(&Path::new(&directory).join(name))
            }
            Self::File(path) => {
                check_mode(path)?;
                read_text(path)
            }
        }
    }
}

fn check_mode(path: &Path) -> Result<(), CredentialError> {
    let metadata = fs::metadata(path).map_err(|error| read_error(path, &error))?;
    let mode = metadata.permissions().mode() & 0o777;
    let for_others = mode & 0o077;
    if for_others != 0 {
        return Err(CredentialError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

fn read_text(path: &Path) -> Result<SecretString, CredentialError> {
    let mut text = fs::read_to_string(path).map_err(|error| read_error(path, &error))?;
    let kept = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(kept);
    if text.is_empty() {
        return Err(CredentialError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(text.into())
}

fn read_error(path: &Path, error: &std::io::Error) -> CredentialError {
    CredentialError::Read {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_file_is_read_without_its_line_end_and_refused_when_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, "s3cret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let secret = Secret::File(path.clone());
        assert_eq!(secret.read().unwrap().expose_secret(), "s3cret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            secret.read(),
            Err(CredentialError::TooOpen { mode: 0o644, .. })
        ));
        fs::write(&path, "\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(secret.read(), Err(CredentialError::Empty { .. })));
        assert!(Secret::Credential(String::from("../x")).read().is_err());
    }
}
