//! Moving people to other bridges by an operator's wish.
//!
//! A conference lives on one bridge, so people move with their whole conference: a wish for some
//! is met by conferences that hold at least as many, the largest first.

use std::collections::BTreeMap;

use jitctl_wire::Jid;

use super::task::Task;

/// Which people are to leave their bridge.
#[derive(Debug, Clone, PartialEq)]
pub enum Share {
    /// Those in one room, when it is on `bridge` or on any.
    Room {
        /// Room, bare address.
        room: Jid,
        /// Somebody who has to be in it.
        participant: Option<String>,
        /// Nickname or occupant address of the bridge to leave.
        bridge: Option<String>,
    },
    /// So many of those on a bridge.
    Some {
        /// Nickname or occupant address.
        bridge: String,
        /// At least so many.
        people: usize,
    },
    /// A part of those on a bridge.
    Fraction {
        /// Nickname or occupant address.
        bridge: String,
        /// From 0 to 1.
        part: f64,
    },
}

/// Who was moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// People.
    pub people: usize,
    /// Their conferences.
    pub conferences: usize,
}

fn is_called(bridge: &Jid, name: &str) -> bool {
    bridge.as_str() == name || bridge.resource() == Some(name)
}

impl Task {
    /// Moves people; `None` when the room, the person or the bridge is not there.
    pub(super) fn move_away(&mut self, share: &Share) -> Option<Moved> {
        match share {
            Share::Room {
                room,
                participant,
                bridge,
            } => self.move_room(room, participant.as_deref(), bridge.as_deref()),
            Share::Some { bridge, people } => self.move_from(bridge, |_| *people),
            Share::Fraction { bridge, part } => self.move_from(bridge, |all| share_of(all, *part)),
        }
    }

    fn move_room(
        &mut self,
        room: &Jid,
        participant: Option<&str>,
        bridge: Option<&str>,
    ) -> Option<Moved> {
        let view = self.rooms.get(room)?.conference.view();
        if let Some(participant) = participant {
            view.participants
                .iter()
                .find(|someone| someone.id == participant)?;
        }
        let left = match bridge {
            Some(name) => {
                let found = view.bridges.iter().find(|(used, _)| is_called(used, name));
                Some(found?.0.clone())
            }
            None => None,
        };
        let bridges: Vec<Jid> = match left {
            Some(left) => vec![left],
            None => view.bridges.into_iter().map(|(bridge, _)| bridge).collect(),
        };
        let mut moved = Moved::default();
        for bridge in &bridges {
            self.move_off(room, bridge, &mut moved);
        }
        Some(moved)
    }

    fn move_from(&mut self, name: &str, wanted: impl Fn(usize) -> usize) -> Option<Moved> {
        let (bridge, mut rooms) = self.people_on(name)?;
        let wanted = wanted(rooms.values().sum());
        let mut moved = Moved::default();
        while moved.people < wanted {
            let largest = rooms
                .iter()
                .max_by_key(|(_, people)| **people)
                .map(|(room, _)| room.clone());
            let Some(room) = largest else { break };
            rooms.remove(&room);
            self.move_off(&room, &bridge, &mut moved);
        }
        Some(moved)
    }

    fn move_off(&mut self, room: &Jid, bridge: &Jid, moved: &mut Moved) {
        let people = self
            .with_room(room, |conference, now, bridges| {
                conference.move_away(now, Some(bridge), bridges)
            })
            .unwrap_or_default();
        if people == 0 {
            return;
        }
        moved.people += people;
        moved.conferences += 1;
        let nickname = bridge.resource().unwrap_or_default().to_owned();
        let total = self.totals.moved_by_request.entry(nickname).or_default();
        *total += u64::try_from(people).unwrap_or_default();
    }

    /// The rooms on a bridge with their people there; `None` when no such bridge is known.
    fn people_on(&self, name: &str) -> Option<(Jid, BTreeMap<Jid, usize>)> {
        let mut bridge = self.bridge_called(name);
        let mut rooms = BTreeMap::new();
        for (room, known) in &self.rooms {
            for (used, people) in known.conference.bridge_loads() {
                if is_called(&used, name) {
                    rooms.insert(room.clone(), people);
                    bridge = Some(used);
                }
            }
        }
        Some((bridge?, rooms))
    }
}

/// How many of `all` a part of them is, rounded up.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "people on one bridge are few, and the part is between 0 and 1"
)]
fn share_of(all: usize, part: f64) -> usize {
    (all as f64 * part.clamp(0.0, 1.0)).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_people_is_rounded_up() {
        assert_eq!(share_of(10, 0.1), 1);
        assert_eq!(share_of(3, 0.5), 2);
        assert_eq!(share_of(0, 0.5), 0);
        assert_eq!(share_of(3, 7.0), 3);
    }

    #[test]
    fn a_bridge_is_called_by_nickname_or_address() {
        let bridge: Jid = "jvbbrewery@internal.auth.meet.test/b1".parse().unwrap();
        assert!(is_called(&bridge, "b1"));
        assert!(is_called(&bridge, "jvbbrewery@internal.auth.meet.test/b1"));
        assert!(!is_called(&bridge, "b2"));
    }
}
