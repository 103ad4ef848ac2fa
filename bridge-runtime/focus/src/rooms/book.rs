//! Deadlines of many conferences, and what each puts on bridges.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use jitctl_wire::Jid;

/// One deadline a room, the next one first.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    due: BTreeSet<(Instant, Jid)>,
    of: HashMap<Jid, Instant>,
}

impl Deadlines {
    /// Sets or clears a room's deadline.
    pub(super) fn set(&mut self, room: &Jid, at: Option<Instant>) {
        if let Some(old) = self.of.remove(room) {
            self.due.remove(&(old, room.clone()));
        }
        if let Some(at) = at {
            self.of.insert(room.clone(), at);
            self.due.insert((at, room.clone()));
        }
    }

    /// The next deadline of all.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes a room whose deadline has passed.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Jid> {
        let (at, room) = self.due.first()?.clone();
        if at > now {
            return None;
        }
        self.set(&room, None);
        Some(room)
    }
}

/// Participants on each bridge, over all conferences.
#[derive(Debug, Default)]
pub(super) struct Loads {
    total: HashMap<Jid, usize>,
    of_room: HashMap<Jid, Vec<(Jid, usize)>>,
}

impl Loads {
    /// Notes what a room has on bridges now.
    pub(super) fn set(&mut self, room: &Jid, loads: Vec<(Jid, usize)>) {
        for (bridge, count) in self.of_room.remove(room).into_iter().flatten() {
            if let Some(total) = self.total.get_mut(&bridge) {
                *total = total.saturating_sub(count);
            }
        }
        self.total.retain(|_, count| *count > 0);
        for (bridge, count) in &loads {
            *self.total.entry(bridge.clone()).or_default() += count;
        }
        if !loads.is_empty() {
            self.of_room.insert(room.clone(), loads);
        }
    }

    /// Participants on a bridge.
    pub(super) fn on(&self, bridge: &Jid) -> usize {
        self.total.get(bridge).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    #[test]
    fn the_earliest_deadline_comes_first_and_a_new_one_replaces_the_old() {
        let now = Instant::now();
        let mut deadlines = Deadlines::default();
        deadlines.set(&jid("a@c"), Some(now + Duration::from_secs(5)));
        deadlines.set(&jid("b@c"), Some(now + Duration::from_secs(2)));
        deadlines.set(&jid("b@c"), Some(now + Duration::from_secs(9)));
        assert_eq!(deadlines.next(), Some(now + Duration::from_secs(5)));
        assert_eq!(deadlines.take_due(now), None);
        assert_eq!(
            deadlines.take_due(now + Duration::from_secs(6)),
            Some(jid("a@c"))
        );
        deadlines.set(&jid("b@c"), None);
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn loads_are_summed_over_rooms_and_replaced_by_room() {
        let mut loads = Loads::default();
        loads.set(&jid("a@c"), vec![(jid("b@x/1"), 2)]);
        loads.set(&jid("b@c"), vec![(jid("b@x/1"), 3)]);
        assert_eq!(loads.on(&jid("b@x/1")), 5);
        loads.set(&jid("a@c"), vec![(jid("b@x/2"), 2)]);
        assert_eq!((loads.on(&jid("b@x/1")), loads.on(&jid("b@x/2"))), (3, 2));
        loads.set(&jid("b@c"), Vec::new());
        assert_eq!(loads.on(&jid("b@x/1")), 0);
    }
}
