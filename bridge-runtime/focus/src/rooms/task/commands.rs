//! What operators ask for: kick, invite again, move, pin, end, count, describe.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jitctl_wire::Jid;
use serde_json::Value;

use super::{Room, Task};
use crate::rooms::{Command, RoomCounts, describe};

impl Task {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Kick {
                room,
                participant,
                done,
            } => {
                let kicked = self.with_room(&room, |conference, _, _| {
                    conference.kick(&participant, "removed by the operator")
                });
                let _ = done.send(kicked.unwrap_or(false));
            }
            Command::Reinvite {
                room,
                participant,
                done,
            } => {
                let invited = self.with_room(&room, |conference, now, bridges| {
                    conference.reinvite_participant(now, &participant, bridges)
                });
                let _ = done.send(invited.unwrap_or(false));
            }
            Command::Move { share, done } => {
                let _ = done.send(self.move_away(&share));
            }
            Command::Pin {
                room,
                to,
                lasts,
                done,
            } => {
                self.pins.set(room, to, lasts, SystemTime::now());
                self.keeper.note_pins();
                let _ = done.send(());
            }
            Command::Unpin { room, done } => {
                let removed = self.pins.remove(&room);
                self.keeper.note_pins();
                let _ = done.send(removed);
            }
            Command::Pins { done } => {
                let _ = done.send(self.pins.list(SystemTime::now()));
            }
            Command::End { room, done } => {
                let ended = self.with_room(&room, |conference, _, _| {
                    conference.destroy("ended by the operator");
                });
                let _ = done.send(ended.is_some());
            }
            Command::Count { done } => {
                let _ = done.send(self.count());
            }
            Command::Describe { room, full, done } => {
                let _ = done.send(self.describe(room.as_ref(), full));
            }
            Command::DescribeCapabilities { done } => {
                let _ = done.send(self.capabilities.describe());
            }
        }
    }

    fn describe(&self, room: Option<&Jid>, full: bool) -> Value {
        if let Some(room) = room {
            let known = self.rooms.get(room);
            return known.map_or(Value::Null, |room| {
                describe::conference(&room.conference, full)
            });
        }
        let sorted: BTreeMap<&Jid, &Room> = self.rooms.iter().collect();
        let described = sorted
            .into_values()
            .map(|room| describe::conference(&room.conference, full));
        described.collect()
    }

    /// The bridge of this nickname or occupant address, if it is known.
    pub(in crate::rooms) fn bridge_called(&self, name: &str) -> Option<Jid> {
        let registry = self.state.registry();
        registry
            .bridges()
            .find(|bridge| bridge.nickname() == name || bridge.occupant.as_str() == name)
            .map(|bridge| bridge.occupant.clone())
    }

    fn count(&self) -> RoomCounts {
        let mut totals = self.totals.clone();
        totals.conferences = self.rooms.len();
        for room in self.rooms.values() {
            let size = room.conference.participant_count();
            totals.participants += size;
            totals.pairs += size * size.saturating_sub(1) / 2;
            totals.largest = totals.largest.max(size);
            let bucket = size.min(totals.sizes.len() - 1);
            if let Some(count) = totals.sizes.get_mut(bucket) {
                *count += 1;
            }
        }
        totals
    }
}
