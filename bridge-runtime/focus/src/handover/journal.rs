//! A file of keys and values that another process can read whenever this one ends.
//!
//! Changes are appended, and count once [`Journal::commit`] has written them all with one call:
//! a process that is killed in the middle leaves the commit before. Now and then the file is
//! written anew with what still holds. It lives in memory (`/run`), so nothing is synced to a disk.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The key that ends a commit.
const COMMIT: &str = "commit";
/// What a removed key has for a value.
const GONE: &str = "null";
/// A smaller file is not worth writing anew.
const SMALLEST_REWRITE: usize = 1 << 20;
/// How many times larger than what holds the file may become.
const MOST_GROWTH: usize = 4;

/// The file, and what the next commit puts into it.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Option<File>,
    /// Lines of the next commit.
    lines: String,
    length: usize,
    rewrite_at: usize,
}

impl Journal {
    /// A new journal; the first commit creates the file.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            lines: String::new(),
            length: 0,
            rewrite_at: SMALLEST_REWRITE,
        }
    }

    /// Sets a value with the next commit. Keys have neither tabs nor line ends.
    pub(crate) fn set(&mut self, key: &str, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(json) => self.line(key, &json),
            Err(error) => tracing::warn!(key, %error, "cannot be written down"),
        }
    }

    /// Removes a key with the next commit.
    pub(crate) fn remove(&mut self, key: &str) {
        self.line(key, GONE);
    }

    fn line(&mut self, key: &str, json: &str) {
        for part in [key, "\t", json, "\n"] {
            self.lines.push_str(part);
        }
    }

    /// Makes everything count that was set and removed, and `value` as the word about all of it.
    ///
    /// # Errors
    /// The file cannot be written; it is gone then, because half of a truth misleads.
    pub(crate) fn commit(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.set(COMMIT, value);
        let lines = std::mem::take(&mut self.lines);
        let written = self.append(&lines);
        if written.is_err() {
            self.file = None;
            let _ = fs::remove_file(&self.path);
        }
        written
    }

    fn append(&mut self, lines: &str) -> io::Result<()> {
        let Some(file) = self.file.as_mut() else {
            return self.write_anew(lines);
        };
        file.write_all(lines.as_bytes())?;
        self.length += lines.len();
        if self.length < self.rewrite_at {
            return Ok(());
        }
        let mut held = read(&self.path)?.values;
        let commit = held.remove_entry(COMMIT);
        let mut lines = String::new();
        // What stands after the commit would not count.
        for (key, json) in held.into_iter().chain(commit) {
            lines.extend([key.as_str(), "\t", json.as_str(), "\n"]);
        }
        self.write_anew(&lines)
    }

    /// Replaces the file with one that only the own user may read.
    fn write_anew(&mut self, lines: &str) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let _ = fs::remove_file(&fresh);
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(lines.as_bytes())?;
        fs::rename(&fresh, &self.path)?;
        self.file = Some(file);
        self.length = lines.len();
        self.rewrite_at = SMALLEST_REWRITE.max(MOST_GROWTH * lines.len());
        Ok(())
    }
}

/// What a journal says: JSON by key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// With the commit's own value under [`COMMIT`].
    values: BTreeMap<String, String>,
}

impl Contents {
    /// The value of the last commit.
    pub(crate) fn commit(&self) -> Option<&str> {
        self.values.get(COMMIT).map(String::as_str)
    }

    /// The values whose keys start so, by the rest of the key.
    pub(crate) fn starting<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values
            .iter()
            .filter_map(move |(key, json)| Some((key.strip_prefix(prefix)?, json.as_str())))
    }
}

/// Reads what was committed; what came after the last commit is nothing.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<Contents> {
    let text = fs::read(path)?;
    let text = String::from_utf8_lossy(&text);
    let mut contents = Contents::default();
    let mut pending: Vec<(&str, &str)> = Vec::new();
    for line in text.split_inclusive('\n') {
        // A line without its end is one that was being written.
        let Some((key, json)) = line
            .strip_suffix('\n')
            .and_then(|line| line.split_once('\t'))
        else {
            continue;
        };
        pending.push((key, json));
        if key != COMMIT {
            continue;
        }
        for (key, json) in pending.drain(..) {
            if json == GONE {
                contents.values.remove(key);
            } else {
                contents.values.insert(key.to_owned(), json.to_owned());
            }
        }
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &Path) -> Vec<(String, String)> {
        let own = |(key, json): (&str, &str)| (key.to_owned(), json.to_owned());
        read(path).unwrap().starting("").map(own).collect()
    }

    #[test]
    fn only_what_was_committed_holds_and_nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = Journal::new(path.clone());
        assert!(read(&path).is_err());
        journal.set("room a", &1);
        journal.set("room b", &2);
        journal.commit(&"first").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        journal.remove("room a");
        journal.set("room b", &3);
        assert_eq!(read(&path).unwrap().starting("room ").count(), 2);
        journal.commit(&"second").unwrap();
        let contents = read(&path).unwrap();
        assert_eq!(contents.commit(), Some("\"second\""));
        assert_eq!(contents.starting("room ").collect::<Vec<_>>(), [("b", "3")]);

        // Killed while it wrote the third.
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"room c\t4\nroom b\t5\ncommit\t\"thi")
            .unwrap();
        assert_eq!(read(&path).unwrap(), contents);
    }

    #[test]
    fn a_file_that_grew_is_written_anew_with_what_holds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = Journal::new(path.clone());
        let large = "x".repeat(SMALLEST_REWRITE / 4);
        let mut longest = 0;
        for round in 0..10 {
            journal.set("large", &large);
            journal.commit(&round).unwrap();
            longest = longest.max(fs::metadata(&path).unwrap().len());
        }
        assert!(longest < 2 * SMALLEST_REWRITE as u64, "{longest}");
        let values = found(&path);
        assert_eq!(values[0], ("commit".to_owned(), "9".to_owned()));
        assert_eq!(values.len(), 2);
    }

    #[test]
    fn a_journal_that_can_not_be_written_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing/journal");
        let mut journal = Journal::new(path.clone());
        assert!(journal.commit(&1).is_err());
        fs::create_dir(path.parent().unwrap()).unwrap();
        assert!(journal.commit(&1).is_ok());
    }
}
