//! A folder of the operator's as one archive (POSIX.1-2017 `pax`, format "ustar"), the same bytes
//! for the same files: sorted, without times and owners.
//!
//! Regular files only; a link to a file counts as the file, a link to a folder is left out, so that
//! no circle can be walked.

use std::path::{Path, PathBuf};

/// A page is megabytes; more is a folder named by mistake.
const LARGEST_BYTES: u64 = 256 * 1024 * 1024;
const BLOCK: usize = 512;

/// Why a folder cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file or folder cannot be read.
    #[error("cannot read `{path}`: {cause}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// The format has room for 255 bytes of path, 100 of them for the last part.
    #[error("the path `{path}` is too long, or not UTF-8")]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// The folder is no page.
    #[error(
        "`{path}` holds more than 256 MiB, or no `index.html`; `web.path` names the folder of a page"
    )]
    NoPage {
        /// Which.
        path: PathBuf,
    },
}

/// Packs a folder that holds an `index.html`.
///
/// # Errors
/// See [`ArchiveError`].
pub fn pack_page(folder: &Path) -> Result<Vec<u8>, ArchiveError> {
    let mut names = Vec::new();
    list(folder, Path::new(""), &mut names)?;
    names.sort();
    let mut archive = Vec::new();
    let mut total = 0;
    for name in &names {
        let path = folder.join(name);
        let metadata = std::fs::metadata(&path).map_err(|cause| read(&path, cause))?;
        total += metadata.len();
        if total > LARGEST_BYTES {
            return Err(ArchiveError::NoPage {
                path: folder.to_owned(),
            });
        }
        let content = std::fs::read(&path).map_err(|cause| read(&path, cause))?;
        let header = header(name, content.len()).ok_or(ArchiveError::Name { path })?;
        archive.extend_from_slice(&header);
        archive.extend_from_slice(&content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    if !names.iter().any(|name| name == Path::new("index.html")) {
        return Err(ArchiveError::NoPage {
            path: folder.to_owned(),
        });
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    Ok(archive)
}

fn read(path: &Path, cause: std::io::Error) -> ArchiveError {
    ArchiveError::Read {
        path: path.to_owned(),
        cause,
    }
}

fn list(folder: &Path, below: &Path, names: &mut Vec<PathBuf>) -> Result<(), ArchiveError> {
    let here = folder.join(below);
    let entries = std::fs::read_dir(&here).map_err(|cause| read(&here, cause))?;
    for entry in entries {
        let entry = entry.map_err(|cause| read(&here, cause))?;
        let kind = entry.file_type().map_err(|cause| read(&here, cause))?;
        let name = below.join(entry.file_name());
        if kind.is_dir() {
            list(folder, &name, names)?;
        } else if entry.path().is_file() {
            names.push(name);
        }
    }
    Ok(())
}

/// A header block: name, mode 0644, size, checksum, and the name's front where it is long.
fn header(name: &Path, size: usize) -> Option<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let (prefix, last) = split(name.to_str()?)?;
    put(&mut block, 0, last.as_bytes());
    put(&mut block, 100, b"0000644\0");
    put(&mut block, 108, b"0000000\0");
    put(&mut block, 116, b"0000000\0");
    put(&mut block, 124, format!("{size:011o}\0").as_bytes());
    put(&mut block, 136, b"00000000000\0");
    put(&mut block, 148, b"        ");
    put(&mut block, 156, b"0");
    put(&mut block, 257, b"ustar\x0000");
    put(&mut block, 345, prefix.as_bytes());
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
    Some(block)
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    if let Some(place) = block.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= 100 {
        return Some(("", name));
    }
    name.match_indices('/')
        .map(|(at, _)| (&name[..at], &name[at + 1..]))
        .find(|(prefix, last)| prefix.len() <= 155 && last.len() <= 100)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn page() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("libs").join("a".repeat(90));
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(folder.path().join("index.html"), "<p>page</p>").unwrap();
        std::fs::write(deep.join("b".repeat(40)), vec![7; 1500]).unwrap();
        std::fs::write(folder.path().join("empty.txt"), "").unwrap();
        folder
    }

    #[test]
    fn tar_reads_back_what_was_packed() {
        let folder = page();
        let archive = pack_page(folder.path()).unwrap();
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("page.tar");
        std::fs::write(&file, &archive).unwrap();
        let unpacked = out.path().join("page");
        std::fs::create_dir(&unpacked).unwrap();
        let tar = Command::new("tar")
            .arg("-xf")
            .arg(&file)
            .arg("-C")
            .arg(&unpacked)
            .output()
            .unwrap();
        assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
        let same = Command::new("diff")
            .arg("-r")
            .arg(folder.path())
            .arg(&unpacked)
            .output()
            .unwrap();
        assert!(same.status.success(), "{same:?}");
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let (one, other) = (page(), page());
        assert_eq!(
            pack_page(one.path()).unwrap(),
            pack_page(other.path()).unwrap()
        );
    }

    #[test]
    fn a_folder_without_a_page_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        assert!(matches!(
            pack_page(folder.path()),
            Err(ArchiveError::NoPage { .. })
        ));
        assert!(matches!(
            pack_page(Path::new("/nowhere/at/all")),
            Err(ArchiveError::Read { .. })
        ));
    }
}
