//! Our own programs as files on the operator's machine.
//!
//! A folder `DIR/ARCH/jitctl-{bridge,focus}` with `DIR/ARCH/SHA256SUMS` (or one `DIR/SHA256SUMS`
//! with `ARCH/NAME` paths); what runs everywhere, the meeting page as an archive, is in `DIR/any`.
//! The sums are checked when a program is read, so that a damaged file
//! never reaches a host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::resolved::sha256;

/// Stands for every architecture.
const ANY: &str = "any";

/// One program for one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// `jitctl-bridge` or `jitctl-focus`.
    pub name: String,
    /// Its file here.
    pub path: PathBuf,
    /// Its hash after `SHA256SUMS`.
    pub sha256: String,
    /// The bytes, where they were made here and lie in no file.
    made: Option<Arc<[u8]>>,
}

/// All programs of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifacts {
    version: String,
    programs: BTreeMap<(String, String), Artifact>,
}

/// Why a program cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A file or folder cannot be read.
    #[error("cannot read `{path}`: {cause}; build the programs first")]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        cause: String,
    },
    /// A file is not the one that the list of sums means.
    #[error("`{path}` does not have the checksum of its SHA256SUMS; build or fetch it again")]
    Checksum {
        /// Which file.
        path: PathBuf,
    },
    /// There is no such program for the architecture.
    #[error("there is no `{name}` for {arch}; there is one for: {available}")]
    Missing {
        /// Which program.
        name: String,
        /// Which architecture.
        arch: String,
        /// What there is.
        available: String,
    },
}

impl Artifacts {
    /// Reads the lists of sums below a folder; the programs themselves are not read.
    ///
    /// # Errors
    /// The folder or a list cannot be read.
    pub fn open(folder: &Path, version: &str) -> Result<Self, ArtifactError> {
        let mut artifacts = Self {
            version: version.to_owned(),
            programs: BTreeMap::new(),
        };
        artifacts.add_list(folder, None)?;
        let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
        for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
            let arch = entry.file_name().to_string_lossy().into_owned();
            artifacts.add_list(&entry.path(), Some(&arch))?;
        }
        Ok(artifacts)
    }

    fn add_list(&mut self, folder: &Path, arch: Option<&str>) -> Result<(), ArtifactError> {
        let list = folder.join("SHA256SUMS");
        if !list.exists() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&list).map_err(|error| unreadable(&list, &error))?;
        for line in text.lines() {
            let Some((sum, path)) = line.split_once(char::is_whitespace) else {
                continue;
            };
            let path = path.trim_start_matches([' ', '*']).trim_start_matches("./");
            let (own_arch, name) = match (path.rsplit_once('/'), arch) {
                (Some((arch, name)), None) => (arch, name),
                (None, Some(arch)) => (arch, path),
                _ => continue,
            };
            self.programs.insert(
                (own_arch.to_owned(), name.to_owned()),
                Artifact {
                    name: name.to_owned(),
                    path: folder.join(path),
                    sha256: sum.to_ascii_lowercase(),
                    made: None,
                },
            );
        }
        Ok(())
    }

    /// Takes the operator's own page, packed, in place of the one that comes with `jitctl`.
    pub fn replace_page(&mut self, folder: &Path, archive: Vec<u8>) {
        let name = "jitctl-web".to_owned();
        self.programs.insert(
            (ANY.to_owned(), name.clone()),
            Artifact {
                name,
                path: folder.to_owned(),
                sha256: sha256(&archive),
                made: Some(archive.into()),
            },
        );
    }

    /// The version of all programs.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The program for an architecture as `uname -m` names it.
    ///
    /// # Errors
    /// There is none.
    pub fn program(&self, arch: &str, name: &str) -> Result<&Artifact, ArtifactError> {
        let of = |arch: &str| self.programs.get(&(arch.to_owned(), name.to_owned()));
        of(arch)
            .or_else(|| of(ANY))
            .ok_or_else(|| ArtifactError::Missing {
                name: name.to_owned(),
                arch: arch.to_owned(),
                available: self
                    .programs
                    .keys()
                    .filter(|(_, other)| other == name)
                    .map(|(arch, _)| arch.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}

impl Artifact {
    /// The bytes, checked.
    ///
    /// # Errors
    /// The file cannot be read or is not the one that was meant.
    pub fn read(&self) -> Result<Vec<u8>, ArtifactError> {
        if let Some(made) = &self.made {
            return Ok(made.to_vec());
        }
        let bytes = std::fs::read(&self.path).map_err(|error| unreadable(&self.path, &error))?;
        if sha256(&bytes) == self.sha256 {
            Ok(bytes)
        } else {
            Err(ArtifactError::Checksum {
                path: self.path.clone(),
            })
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ArtifactError {
    ArtifactError::Read {
        path: path.to_owned(),
        cause: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_gets_the_program_of_its_architecture() {
        let folder = tempfile::tempdir().unwrap();
        for arch in ["x86_64", "aarch64"] {
            let list = folder.path().join(arch);
            std::fs::create_dir(&list).unwrap();
            std::fs::write(list.join("jitctl-bridge"), arch).unwrap();
            let sums = format!("{}  jitctl-bridge\n", sha256(arch.as_bytes()));
            std::fs::write(list.join("SHA256SUMS"), sums).unwrap();
        }
        let artifacts = Artifacts::open(folder.path(), "0.1.0").unwrap();
        for arch in ["x86_64", "aarch64"] {
            let program = artifacts.program(arch, "jitctl-bridge").unwrap();
            assert_eq!(program.read().unwrap(), arch.as_bytes());
        }
    }

    #[test]
    fn a_program_with_another_checksum_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let arch = folder.path().join("x86_64");
        std::fs::create_dir(&arch).unwrap();
        std::fs::write(arch.join("jitctl-focus"), b"program").unwrap();
        let sums = format!("{}  jitctl-focus\n", sha256(b"program"));
        std::fs::write(arch.join("SHA256SUMS"), sums).unwrap();
        let artifacts = Artifacts::open(folder.path(), "0.1.0").unwrap();
        let program = artifacts.program("x86_64", "jitctl-focus").unwrap();
        assert_eq!(program.read().unwrap(), b"program");
        std::fs::write(arch.join("jitctl-focus"), b"other").unwrap();
        assert!(matches!(
            program.read(),
            Err(ArtifactError::Checksum { .. })
        ));
        let error = artifacts.program("riscv64", "jitctl-focus").unwrap_err();
        assert!(error.to_string().contains("x86_64"));
    }
}
