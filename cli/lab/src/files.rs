//! Small helpers on files: whole-file writes that are never seen half done, and locks.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::LabError;

/// Makes `path` and its parents.
pub(crate) fn make_directory(path: &Path) -> Result<(), LabError> {
    fs::create_dir_all(path).map_err(LabError::file("make the directory", path))
}

pub(crate) fn read(path: &Path) -> Result<String, LabError> {
    fs::read_to_string(path).map_err(LabError::file("read", path))
}

/// Writes a file as a whole: readers see the old text or the new one.
pub(crate) fn replace(path: &Path, text: &[u8], mode: u32) -> Result<(), LabError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let temporary = Path::new(&temporary);
    let _ = fs::remove_file(temporary);
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(temporary)?;
        file.write_all(text)?;
        fs::rename(temporary, path)
    };
    write().map_err(LabError::file("write", path))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The last lines of a log, for an error's text.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Takes the exclusive lock at `path`, waiting for it; `on_wait` is called once if it must wait.
///
/// Whoever holds the lock may remove the file (`down` removes the whole directory), so a lock on
/// a file that is no longer at `path` is let go and taken anew.
pub(crate) fn lock(path: &Path, on_wait: impl FnOnce()) -> Result<File, LabError> {
    let mut on_wait = Some(on_wait);
    loop {
        if let Some(parent) = path.parent() {
            make_directory(parent)?;
        }
        let file = open_lock(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                if let Some(on_wait) = on_wait.take() {
                    on_wait();
                }
                file.lock().map_err(LabError::file("lock", path))?;
            }
            Err(TryLockError::Error(error)) => return Err(LabError::file("lock", path)(error)),
        }
        let ours = file.metadata().map_err(LabError::file("inspect", path))?;
        if fs::metadata(path).is_ok_and(|there| there.ino() == ours.ino()) {
            return Ok(file);
        }
    }
}

/// Takes the exclusive lock within `patience`, or gives `None`.
pub(crate) fn try_lock_for(path: &Path, patience: Duration) -> Result<Option<File>, LabError> {
    let file = open_lock(path)?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(LabError::file("lock", path)(error)),
        }
    }
}

/// Whether some process holds the lock at `path` exclusively.
pub(crate) fn is_locked(path: &Path) -> bool {
    // A shared probe does not disturb other probes; a holder that starts retries for a moment.
    File::open(path)
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn open_lock(path: &Path) -> Result<File, LabError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(LabError::file("open", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_seen_until_its_file_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/lock");
        let held = lock(&path, || panic!("nobody else holds it")).unwrap();
        assert!(is_locked(&path));
        assert!(try_lock_for(&path, Duration::ZERO).unwrap().is_none());
        drop(held);
        assert!(!is_locked(&path));
    }

    #[test]
    fn replacing_leaves_no_part_and_keeps_the_mode() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        replace(&path, b"one", 0o600).unwrap();
        replace(&path, b"two", 0o600).unwrap();
        assert_eq!(read(&path).unwrap(), "two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_tail_skips_empty_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "a\n\nb\nc\n\n").unwrap();
        assert_eq!(tail(&path, 2), "b\nc");
        assert_eq!(tail(&directory.path().join("none"), 2), "");
    }
}
