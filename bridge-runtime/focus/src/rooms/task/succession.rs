//! From one process of the focus to the next: what is taken up, written down and left.

use std::time::Instant;

use jitctl_conference::Conference;
use jitctl_wire::Presence;
use jitctl_xmpp::SavedSession;

use super::{Room, Task, entropy};
use crate::handover::{Handover, Journal};

/// How an earlier process ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    Stopped,
    Killed,
}

impl Task {
    /// Takes up what an earlier process left; its conferences go on with its session.
    pub(in crate::rooms) fn restore(&mut self, left: Handover) {
        let now = Instant::now();
        self.logins = left.rooms.logins;
        self.pins = left.rooms.pins;
        self.restored = Some(if left.orderly {
            Ended::Stopped
        } else {
            Ended::Killed
        });
        for presence in &left.brewery {
            if let Ok(presence) = Presence::parse(presence) {
                self.keeper.note_brewery(&presence);
            }
        }
        for saved in left.rooms.conferences {
            let name = saved.room().clone();
            match Conference::restore(now, saved, self.settings(), entropy()) {
                Ok(conference) => {
                    let waiting = Vec::new();
                    self.loads.set(&name, conference.bridge_loads());
                    self.keeper.note_room(&name);
                    self.rooms.insert(
                        name,
                        Room {
                            conference,
                            waiting,
                        },
                    );
                }
                Err(error) => tracing::warn!(room = %name, %error, "conference not taken up"),
            }
        }
        tracing::info!(conferences = self.rooms.len(), "took up conferences");
    }

    /// The session of an earlier process goes on, and so do its conferences.
    pub(super) fn go_on(&mut self, ended: Ended) {
        for room in self.room_names() {
            self.with_room(&room, |conference, now, bridges| match ended {
                Ended::Stopped => conference.resume(now, bridges),
                Ended::Killed => conference.recover(now, bridges),
            });
        }
    }

    pub(super) fn ask_checkpoint(&mut self) {
        self.keeper.asked();
        // Without a connection there is nothing new; the next one brings something to note.
        if let Some((client, _)) = &self.account {
            client.checkpoint();
        }
    }

    /// Everything that came before is handled: a process that takes over needs none of it again.
    pub(super) fn write_down(&mut self, session: SavedSession) {
        self.keeper
            .write(&session, &self.rooms, &self.logins, &self.pins);
        if let Some((client, _)) = &self.account {
            client.confirm(session);
        }
    }

    /// Everything for the next process. Nobody is told that anything ends.
    pub(super) fn suspend(&mut self) -> Option<Journal> {
        let journal = self.keeper.finish(&self.rooms, &self.logins, &self.pins);
        for (name, room) in std::mem::take(&mut self.rooms) {
            self.answer_all(&name, room.waiting, false);
        }
        self.suspended = true;
        self.account = None;
        journal
    }
}
