//! Packages on disk, shared by all labs of the user and kept from one to the next.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::request::Target;
use crate::error::LabError;
use crate::files;
use crate::holder::locked;

/// A part older than this was left by a killed lab.
const STALE_PART: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    locks: Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>,
}

/// One file of a package server, cached or not yet.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    /// Held by whoever fetches or sends the file.
    pub(super) lock: Arc<Mutex<()>>,
}

impl Store {
    pub(super) fn open(directory: PathBuf) -> Result<Self, LabError> {
        files::make_directory(&directory)?;
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let is_part = entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "part");
            let age = entry
                .metadata()
                .and_then(|data| data.modified())
                .map(|time| time.elapsed());
            if is_part && matches!(age, Ok(Ok(age)) if age > STALE_PART) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self {
            directory,
            locks: Mutex::default(),
        })
    }

    pub(super) fn entry(&self, target: &Target) -> Entry {
        let digest = files::hexadecimal(&Sha256::digest(target.uri())[..16]);
        let base = target.path.rsplit('/').next().unwrap_or_default();
        let readable: String = base
            .chars()
            .filter(|character| character.is_ascii_alphanumeric() || "._-%".contains(*character))
            .take(80)
            .collect();
        let path = self.directory.join(format!("{digest}-{readable}"));
        let lock = Arc::clone(locked(&self.locks).entry(path.clone()).or_default());
        Entry { path, lock }
    }
}

impl Entry {
    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// When the server last changed the file, in its own words.
    pub(super) fn last_modified(&self) -> Option<String> {
        fs::read_to_string(self.stamp())
            .ok()
            .filter(|_| self.exists())
    }

    /// Takes `length` bytes (or all there are) as the file's new content.
    pub(super) fn fill(
        &self,
        content: &mut impl Read,
        length: Option<u64>,
        last_modified: Option<&str>,
    ) -> io::Result<()> {
        // Labs side by side share the directory: a name of our own.
        let part = self.path.with_extension(format!(
            "{}-{:?}.part",
            std::process::id(),
            std::thread::current().id()
        ));
        let mut store = || {
            let mut file = File::create(&part)?;
            let got = io::copy(&mut content.take(length.unwrap_or(u64::MAX)), &mut file)?;
            if length.is_some_and(|length| length != got) {
                return Err(io::Error::other("the server's answer ended early"));
            }
            match last_modified {
                Some(time) => fs::write(self.stamp(), time)?,
                None => drop(fs::remove_file(self.stamp())),
            }
            fs::rename(&part, &self.path)
        };
        store().inspect_err(|_| drop(fs::remove_file(&part)))
    }

    /// Sends the file as a whole answer.
    pub(super) fn send(&self, client: &TcpStream, with_body: bool) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        let mut head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n");
        if let Some(time) = self.last_modified() {
            head.push_str("Last-Modified: ");
            head.push_str(time.trim());
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        let mut client = client;
        client.write_all(head.as_bytes())?;
        if with_body {
            io::copy(&mut file, &mut client)?;
        }
        Ok(())
    }

    fn stamp(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".modified");
        name.into()
    }
}
