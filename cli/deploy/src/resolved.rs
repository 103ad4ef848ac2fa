//! A desired host with the bytes that really go there.
//!
//! Holds secrets: no `Debug` of contents, never serialised. Plans are made from it but keep only
//! hashes and marker text.

use std::fmt;

use jitctl_templates::desired::{DesiredHost, RenderedFile, SecretName};
use sha2::{Digest, Sha256};

use crate::secrets::{self, MissingSecret, SecretValues};

/// A file with its bytes.
#[derive(Clone)]
pub struct ResolvedFile {
    /// The rendered file, with markers.
    pub file: RenderedFile,
    /// The bytes for the host.
    pub content: Vec<u8>,
    /// Their hash, in hexadecimal.
    pub sha256: String,
    /// The secrets inside.
    pub secrets: Vec<SecretName>,
}

impl fmt::Debug for ResolvedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvedFile")
            .field("path", &self.file.path)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

/// A host with all bytes known.
#[derive(Clone, Debug)]
pub struct ResolvedHost {
    /// What is desired.
    pub desired: DesiredHost,
    /// The files of `desired`, in the same order, with the files of its firewall at the end.
    pub files: Vec<ResolvedFile>,
}

impl ResolvedHost {
    /// Puts secrets into the texts of a host.
    ///
    /// # Errors
    /// A secret is missing.
    pub fn new(desired: DesiredHost, secrets: &dyn SecretValues) -> Result<Self, MissingSecret> {
        let files = desired
            .files
            .iter()
            .map(|file| ResolvedFile::new(file.clone(), secrets))
            .collect::<Result<_, _>>()?;
        Ok(Self { desired, files })
    }

    /// The file at a path.
    pub fn file(&self, path: &str) -> Option<&ResolvedFile> {
        self.files.iter().find(|file| file.file.path == path)
    }
}

impl ResolvedFile {
    /// Puts secrets into one text.
    ///
    /// # Errors
    /// A secret is missing.
    pub fn new(file: RenderedFile, secrets: &dyn SecretValues) -> Result<Self, MissingSecret> {
        let content = secrets::fill(&file.content, secrets)?.into_bytes();
        Ok(Self {
            sha256: sha256(&content),
            secrets: secrets::names_in(&file.content),
            content,
            file,
        })
    }
}

/// A hash in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
