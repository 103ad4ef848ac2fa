//! What one process of the focus leaves to the next, so that meetings outlive a restart.
//!
//! Clients end a meeting when the focus leaves their room. So a stopping focus does not leave: it
//! drops the connection without ending its session at the server (XEP-0198), which keeps the
//! place in every room for `smacks_hibernation_time`, and writes down what it knows. The next
//! process takes the session over and gets everything that was said meanwhile. The file is taken
//! once: it is worth nothing to a third process.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jitctl_wire::{Element, Jid};
use jitctl_xmpp::SavedSession;
use serde::{Deserialize, Serialize};

use crate::rooms::SavedRooms;

/// Grows when a focus could misread what an older or newer one left.
const FORMAT: u32 = 1;
const FILE: &str = "handover.json";

/// Everything the next process needs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Handover {
    format: u32,
    session: StoredSession,
    /// The last presence of each bridge; `None` when the brewery was not joined.
    pub(crate) brewery: Option<Vec<Element>>,
    /// The conferences.
    pub(crate) rooms: SavedRooms,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredSession {
    id: String,
    jid: Jid,
    received: u32,
    acknowledged: u32,
    unacknowledged: Vec<Element>,
}

impl Handover {
    pub(crate) fn new(
        session: SavedSession,
        brewery: Option<Vec<Element>>,
        rooms: SavedRooms,
    ) -> Self {
        Self {
            format: FORMAT,
            session: StoredSession {
                id: session.id,
                jid: session.jid,
                received: session.received,
                acknowledged: session.acknowledged,
                unacknowledged: session.unacknowledged,
            },
            brewery,
            rooms,
        }
    }

    /// The session at the server.
    pub(crate) fn session(&self) -> SavedSession {
        SavedSession {
            id: self.session.id.clone(),
            jid: self.session.jid.clone(),
            received: self.session.received,
            acknowledged: self.session.acknowledged,
            unacknowledged: self.session.unacknowledged.clone(),
        }
    }

    /// Takes what an earlier process left for this account, if anything.
    pub(crate) fn take(directory: &Path, account: &str) -> Option<Self> {
        let path = directory.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read what the last focus left");
                return None;
            }
        };
        // Also what cannot be used is gone: another start must not stumble over it again.
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot take what the last focus left");
            return None;
        }
        let handover: Self = match serde_json::from_slice(&text) {
            Ok(handover) => handover,
            Err(error) => {
                tracing::warn!(%error, "what the last focus left is not understood");
                return None;
            }
        };
        let is_ours = handover.format == FORMAT && handover.session.jid.bare() == account;
        if !is_ours {
            tracing::warn!(
                format = handover.format,
                account = handover.session.jid.bare(),
                "what the last focus left is for another version or account"
            );
        }
        is_ours.then_some(handover)
    }

    /// Leaves it to the next process; only the own user may read it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn leave(&self, directory: &Path) -> io::Result<()> {
        let path = directory.join(FILE);
        let fresh = directory.join(format!("{FILE}.new"));
        let _ = fs::remove_file(&fresh);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        file.write_all(&text)?;
        fs::rename(&fresh, &path)
    }
}

/// Where it is left: as configured, else where systemd keeps things of this service.
pub(crate) fn directory(configured: Option<&PathBuf>) -> Option<PathBuf> {
    configured.cloned().or_else(|| {
        let directories = std::env::var_os("RUNTIME_DIRECTORY")?;
        // systemd separates several by colons; ours comes first.
        let text = directories.to_str()?;
        text.split(':').next().map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left() -> Handover {
        let session = SavedSession {
            id: "resume-me".to_owned(),
            jid: "focus@auth.meet.test/focus".parse().unwrap(),
            received: 7,
            acknowledged: 5,
            unacknowledged: vec![Element::new("iq", jitctl_wire::namespace::CLIENT)],
        };
        Handover::new(session, Some(Vec::new()), SavedRooms::default())
    }

    #[test]
    fn it_is_private_and_taken_once_by_the_same_account_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert!(Handover::take(path, "focus@auth.meet.test").is_none());
        left().leave(path).unwrap();
        let mode = fs::metadata(path.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let taken = Handover::take(path, "focus@auth.meet.test").unwrap();
        assert_eq!(taken.session(), left().session());
        assert!(Handover::take(path, "focus@auth.meet.test").is_none());
        left().leave(path).unwrap();
        assert!(Handover::take(path, "focus-b@auth.meet.test").is_none());
        fs::write(path.join(FILE), "{\"format\":2}").unwrap();
        assert!(Handover::take(path, "focus@auth.meet.test").is_none());
        assert!(!path.join(FILE).exists());
    }
}
