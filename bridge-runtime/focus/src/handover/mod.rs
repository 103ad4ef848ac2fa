//! What one process of the focus leaves to the next, so that meetings outlive a restart.
//!
//! Clients end a meeting when the focus leaves their room. So a focus that ends does not leave: its
//! session stays at the server (XEP-0198), which keeps the place in every room for
//! `smacks_hibernation_time`, and the next process takes it over and gets everything that was said
//! meanwhile. What it needs to know is written down all the time, not only at a stop: to the server
//! only such stanzas are acknowledged as a killed process's successor need not see. The file is
//! taken once, so a room that kills the focus does so once.

mod journal;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jitctl_wire::{Element, Jid};
use jitctl_xmpp::SavedSession;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use journal::Journal;

use crate::rooms::SavedRooms;

/// Grows when a focus could misread what an older or newer one left.
const FORMAT: u32 = 2;
const FILE: &str = "handover";

/// Keys of the journal; those that end with a space go on with an address.
pub(crate) mod key {
    /// A conference.
    pub(crate) const ROOM: &str = "room ";
    /// The last presence of somebody in the brewery, the focus itself included.
    pub(crate) const BRIDGE: &str = "bridge ";
    /// Logins that outlive their connection.
    pub(crate) const LOGINS: &str = "logins";
    /// Rooms held to bridges.
    pub(crate) const PINS: &str = "pins";
}

/// Everything the next process needs.
#[derive(Debug)]
pub(crate) struct Handover {
    /// The session at the server.
    pub(crate) session: SavedSession,
    /// The process stopped; it was not killed.
    pub(crate) orderly: bool,
    /// The last presences of the brewery, our own too; none when it was not joined.
    pub(crate) brewery: Vec<Element>,
    /// The conferences.
    pub(crate) rooms: SavedRooms,
}

/// The word that ends each commit.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Commit {
    format: u32,
    orderly: bool,
    id: String,
    jid: Jid,
    received: u32,
    acknowledged: u32,
    unacknowledged: Vec<Element>,
}

impl Commit {
    /// The session as it was after all that the journal tells of.
    pub(crate) fn new(session: &SavedSession, orderly: bool) -> Self {
        Self {
            format: FORMAT,
            orderly,
            id: session.id.clone(),
            jid: session.jid.clone(),
            received: session.received,
            acknowledged: session.acknowledged,
            unacknowledged: session.unacknowledged.clone(),
        }
    }
}

/// A journal in this directory.
pub(crate) fn journal(directory: &Path) -> Journal {
    Journal::new(directory.join(FILE))
}

impl Handover {
    /// Takes what an earlier process left for this account, if anything.
    pub(crate) fn take(directory: &Path, account: &str) -> Option<Self> {
        let path = directory.join(FILE);
        let contents = match journal::read(&path) {
            Ok(contents) => contents,
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
        let commit: Commit = parse("commit", contents.commit()?)?;
        if commit.format != FORMAT || commit.jid.bare() != account {
            tracing::warn!(
                format = commit.format,
                account = commit.jid.bare(),
                "what the last focus left is for another version or account"
            );
            return None;
        }
        let one = |key| contents.starting(key).next().map(|(_, json)| json);
        Some(Self {
            orderly: commit.orderly,
            brewery: all(contents.starting(key::BRIDGE)),
            rooms: SavedRooms {
                conferences: all(contents.starting(key::ROOM)),
                logins: one(key::LOGINS)
                    .and_then(|json| parse(key::LOGINS, json))
                    .unwrap_or_default(),
                pins: one(key::PINS)
                    .and_then(|json| parse(key::PINS, json))
                    .unwrap_or_default(),
            },
            session: SavedSession {
                id: commit.id,
                jid: commit.jid,
                received: commit.received,
                acknowledged: commit.acknowledged,
                unacknowledged: commit.unacknowledged,
            },
        })
    }
}

fn all<'a, T: DeserializeOwned>(values: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<T> {
    values.filter_map(|(key, json)| parse(key, json)).collect()
}

fn parse<T: DeserializeOwned>(key: &str, json: &str) -> Option<T> {
    serde_json::from_str(json)
        .inspect_err(|error| {
            tracing::warn!(key, %error, "what the last focus left is not understood");
        })
        .ok()
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

    fn leave(directory: &Path, format: u32) -> SavedSession {
        let session = SavedSession {
            id: "resume-me".to_owned(),
            jid: "focus@auth.meet.test/focus".parse().unwrap(),
            received: 7,
            acknowledged: 5,
            unacknowledged: vec![Element::new("iq", jitctl_wire::namespace::CLIENT)],
        };
        let mut journal = journal(directory);
        let presence = Element::new("presence", jitctl_wire::namespace::CLIENT);
        journal.set("bridge brewery@x/b1", &presence);
        let commit = Commit {
            format,
            ..Commit::new(&session, false)
        };
        journal.commit(&commit).unwrap();
        session
    }

    #[test]
    fn it_is_taken_once_by_the_same_account_and_version_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let ours = "focus@auth.meet.test";
        assert!(Handover::take(path, ours).is_none());
        let session = leave(path, FORMAT);
        let taken = Handover::take(path, ours).unwrap();
        assert_eq!(taken.session, session);
        assert_eq!((taken.brewery.len(), taken.orderly), (1, false));
        assert!(Handover::take(path, ours).is_none());
        leave(path, FORMAT);
        assert!(Handover::take(path, "focus-b@auth.meet.test").is_none());
        leave(path, FORMAT + 1);
        assert!(Handover::take(path, ours).is_none());
        assert!(!path.join(FILE).exists());
    }
}
