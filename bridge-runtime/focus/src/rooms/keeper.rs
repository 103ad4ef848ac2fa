//! What has to be written down of the rooms, so that meetings outlive this process.
//!
//! Whoever changes something notes it here; a moment later the account is asked for a checkpoint,
//! and when that comes through the same queue as everything before it, all that was noted is
//! written with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use jitctl_conference::Conference;
use jitctl_wire::{Element, Jid, Presence, PresenceKind};
use jitctl_xmpp::SavedSession;
use serde::Serialize;

use super::logins::Logins;
use super::pins::Pins;
use super::task::Room;
use crate::handover::{Commit, Journal, key};

/// What happens within this time is written down together.
const TOGETHER: Duration = Duration::from_millis(100);

/// The journal, if one is kept, and what of now is not in it yet.
#[derive(Debug)]
pub(super) struct Keeper {
    journal: Option<Journal>,
    /// The last presence of everybody in the brewery.
    brewery: BTreeMap<Jid, Element>,
    rooms_changed: BTreeSet<Jid>,
    brewery_changed: BTreeSet<Jid>,
    logins_changed: bool,
    pins_changed: bool,
    due: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(journal: Option<Journal>) -> Self {
        Self {
            journal,
            brewery: BTreeMap::new(),
            rooms_changed: BTreeSet::new(),
            brewery_changed: BTreeSet::new(),
            logins_changed: true,
            pins_changed: true,
            due: None,
        }
    }

    /// When to ask for a checkpoint.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A checkpoint is asked for.
    pub(super) fn asked(&mut self) {
        self.due = None;
    }

    /// Something happened.
    pub(super) fn note(&mut self) {
        if self.journal.is_some() {
            self.due.get_or_insert_with(|| Instant::now() + TOGETHER);
        }
    }

    /// Something about a room changed; perhaps there is none any more.
    pub(super) fn note_room(&mut self, room: &Jid) {
        if self.journal.is_some() && !self.rooms_changed.contains(room) {
            self.rooms_changed.insert(room.clone());
        }
        self.note();
    }

    /// The logins changed.
    pub(super) fn note_logins(&mut self) {
        self.logins_changed = true;
        self.note();
    }

    /// The pins changed.
    pub(super) fn note_pins(&mut self) {
        self.pins_changed = true;
        self.note();
    }

    /// Somebody in the brewery spoke or left.
    pub(super) fn note_brewery(&mut self, presence: &Presence) {
        let Some(from) = presence.from.clone() else {
            return;
        };
        match presence.kind {
            PresenceKind::Available => {
                self.brewery.insert(from.clone(), presence.to_element());
            }
            PresenceKind::Unavailable => {
                self.brewery.remove(&from);
            }
            PresenceKind::Error | PresenceKind::Other => return,
        }
        self.brewery_changed.insert(from);
        self.note();
    }

    /// A new session is in no brewery.
    pub(super) fn forget_brewery(&mut self) {
        let gone = std::mem::take(&mut self.brewery);
        self.brewery_changed.extend(gone.into_keys());
        self.note();
    }

    /// Writes everything down, as what was when the session was like this.
    pub(super) fn write(
        &mut self,
        session: &SavedSession,
        rooms: &HashMap<Jid, Room>,
        logins: &Logins,
        pins: &Pins,
    ) {
        let Some(mut journal) = self.finish(rooms, logins, pins) else {
            return;
        };
        if let Err(error) = journal.commit(&Commit::new(session, false)) {
            tracing::warn!(%error, "cannot write meetings down: they end if the focus is killed now");
            // The file is gone: the next one starts with everything.
            self.rooms_changed.extend(rooms.keys().cloned());
            self.brewery_changed.extend(self.brewery.keys().cloned());
            self.logins_changed = true;
            self.pins_changed = true;
        }
        self.journal = Some(journal);
    }

    /// The journal with everything noted, for a last commit.
    pub(super) fn finish(
        &mut self,
        rooms: &HashMap<Jid, Room>,
        logins: &Logins,
        pins: &Pins,
    ) -> Option<Journal> {
        let mut journal = self.journal.take()?;
        for name in std::mem::take(&mut self.rooms_changed) {
            let room = rooms.get(&name).map(|room| &room.conference);
            put(
                &mut journal,
                key::ROOM,
                &name,
                room.and_then(Conference::save),
            );
        }
        for occupant in std::mem::take(&mut self.brewery_changed) {
            let presence = self.brewery.get(&occupant);
            put(&mut journal, key::BRIDGE, &occupant, presence);
        }
        if std::mem::take(&mut self.logins_changed) {
            journal.set(key::LOGINS, logins);
        }
        if std::mem::take(&mut self.pins_changed) {
            journal.set(key::PINS, pins);
        }
        Some(journal)
    }
}

fn put(journal: &mut Journal, prefix: &str, address: &Jid, value: Option<impl Serialize>) {
    let key = format!("{prefix}{address}");
    match value {
        Some(value) => journal.set(&key, &value),
        None => journal.remove(&key),
    }
}
