//! The file on the operator's machine: private, written whole or not at all, one writer at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use super::error::SecretsError;
use super::store::Store;
use super::{seal, text};

/// Names that belong into `.gitignore` beside the inventory.
pub const IGNORED_BY_GIT: [&str; 3] = ["secrets.yaml", ".secrets.yaml*.new", ".secrets.lock"];

/// Where the secrets of a site are.
#[derive(Clone, Debug)]
pub struct Location {
    /// The folder of the inventory.
    pub folder: PathBuf,
    /// The age identity of the person who runs `jitctl`, for an encrypted store.
    pub identity: Option<PathBuf>,
}

impl Location {
    /// Beside the inventory file.
    pub fn beside(inventory: &Path, identity: Option<PathBuf>) -> Self {
        let folder = match inventory.parent() {
            Some(folder) if folder != Path::new("") => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        Self { folder, identity }
    }

    /// The file without encryption.
    pub fn plain(&self) -> PathBuf {
        self.folder.join("secrets.yaml")
    }

    /// The encrypted file.
    pub fn sealed(&self) -> PathBuf {
        self.folder.join("secrets.yaml.age")
    }

    /// The list of age recipients; with it a new store is encrypted from the start.
    pub fn recipients(&self) -> PathBuf {
        self.folder.join("secrets.recipients")
    }

    /// The file that exists, or that would be made, and whether it is encrypted.
    ///
    /// # Errors
    /// Both forms exist.
    pub fn current(&self) -> Result<(PathBuf, bool), SecretsError> {
        let (plain, sealed) = (self.plain(), self.sealed());
        match (exists(&plain), exists(&sealed)) {
            (true, true) => Err(SecretsError::Ambiguous { plain, sealed }),
            (false, true) => Ok((sealed, true)),
            (false, false) if exists(&self.recipients()) => Ok((sealed, true)),
            (_, false) => Ok((plain, false)),
        }
    }
}

/// Reads the store.
///
/// # Errors
/// It is missing, could be read by others, or is no store.
pub fn open(location: &Location) -> Result<Store, SecretsError> {
    let (path, sealed) = location.current()?;
    if !exists(&path) {
        return Err(SecretsError::Missing { path });
    }
    let bytes = read_private(&path, Links::Refuse)?;
    let content = if sealed {
        seal::unseal(&bytes, &path, location.identity.as_deref())?
    } else {
        let content = std::str::from_utf8(&bytes);
        let content = content.map_err(|_| malformed(&path, 1, "not UTF-8 text"))?;
        Zeroizing::new(content.to_owned())
    };
    text::parse(&content).map_err(|error| {
        let before = content.get(..error.offset).unwrap_or(&content);
        malformed(&path, before.matches('\n').count() + 1, &error.reason)
    })
}

/// Changes the store under a lock: reads it (or starts an empty one), lets `change` work on it, and
/// writes it when it differs. When `change` fails nothing is written.
///
/// # Errors
/// Those of [`open`] except a missing file, those of `change`, another writer, the file system.
pub fn edit<T, E: From<SecretsError>>(
    location: &Location,
    change: impl FnOnce(&mut Store) -> Result<T, E>,
) -> Result<T, E> {
    let _lock = lock(location)?;
    let (path, sealed) = location.current()?;
    let present = exists(&path);
    let mut store = if present {
        open(location)?
    } else {
        Store::default()
    };
    let before = text::write(&store);
    let result = change(&mut store)?;
    let after = text::write(&store);
    if !present || before != after {
        write(location, &path, sealed, &after)?;
    }
    Ok(result)
}

/// Turns a plain store into an encrypted one and removes the plain file.
///
/// # Errors
/// There is no plain store, no recipient, or the file system refuses.
pub fn encrypt(location: &Location) -> Result<(), SecretsError> {
    let _lock = lock(location)?;
    let plain = location.plain();
    let (path, sealed) = location.current()?;
    if sealed && exists(&path) {
        return Ok(());
    }
    let store = open(location)?;
    write(location, &location.sealed(), true, &text::write(&store))?;
    fs::remove_file(&plain).map_err(io_error(&plain, "removed"))
}

fn write(location: &Location, path: &Path, sealed: bool, text: &str) -> Result<(), SecretsError> {
    let bytes = if sealed {
        Zeroizing::new(seal::seal(
            text,
            path,
            &location.recipients(),
            location.identity.as_deref(),
        )?)
    } else {
        Zeroizing::new(text.as_bytes().to_vec())
    };
    replace(path, &bytes).map_err(io_error(path, "written"))
}

/// Same folder, mode 0600 from the first byte, on the disk before it takes the name.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let temporary = path.with_file_name(format!(".{name}.new"));
    // Left behind by a writer that was killed; the lock says that no other one is at work.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
        return written;
    }
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Whether a link may lead to a private file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// Never: the store is replaced by a rename, which would cut the link.
    Refuse,
    /// Yes: people keep their identity where they like.
    Follow,
}

/// The content of a file that nobody else can read or change.
pub(super) fn read_private(path: &Path, links: Links) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    // Without blocking, in case somebody put a pipe there.
    let mut flags = OFlag::O_NONBLOCK;
    if links == Links::Refuse {
        flags |= OFlag::O_NOFOLLOW;
    }
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path);
    let mut file = match opened {
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            return Err(SecretsError::NotAFile {
                path: path.to_path_buf(),
            });
        }
        other => other.map_err(io_error(path, "read"))?,
    };
    // Of the opened file, so that it cannot be exchanged between the look and the reading.
    let data = file.metadata().map_err(io_error(path, "read"))?;
    if !data.is_file() {
        return Err(SecretsError::NotAFile {
            path: path.to_path_buf(),
        });
    }
    let me = nix::unistd::geteuid().as_raw();
    judge(path, data.mode() & 0o7777, data.uid(), me)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes)
        .map_err(io_error(path, "read"))?;
    Ok(bytes)
}

/// Whether a file with this mode and owner is private to `me`.
fn judge(path: &Path, mode: u32, owner: u32, me: u32) -> Result<(), SecretsError> {
    let path = || path.to_path_buf();
    if owner != me {
        return Err(SecretsError::Owner {
            path: path(),
            owner,
            me,
        });
    }
    if mode & 0o077 != 0 {
        return Err(SecretsError::Mode { path: path(), mode });
    }
    Ok(())
}

/// Held until dropped; the system releases it when the program dies.
fn lock(location: &Location) -> Result<File, SecretsError> {
    let path = location.folder.join(".secrets.lock");
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io_error(&path, "locked"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SecretsError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(SecretsError::Io {
            path,
            verb: "locked",
            source,
        }),
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn malformed(path: &Path, line: usize, reason: &str) -> SecretsError {
    SecretsError::Malformed {
        path: path.to_path_buf(),
        line,
        reason: reason.to_owned(),
    }
}

fn io_error(path: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> SecretsError {
    let path = path.to_path_buf();
    move |source| SecretsError::Io { path, verb, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_private_file_of_mine_passes() {
        let path = Path::new("secrets.yaml");
        assert!(judge(path, 0o600, 7, 7).is_ok());
        assert!(judge(path, 0o400, 7, 7).is_ok());
        assert!(matches!(
            judge(path, 0o600, 8, 7),
            Err(SecretsError::Owner {
                owner: 8,
                me: 7,
                ..
            })
        ));
        for mode in [0o640, 0o604, 0o610, 0o777] {
            assert!(matches!(
                judge(path, mode, 7, 7),
                Err(SecretsError::Mode { .. })
            ));
        }
    }
}
