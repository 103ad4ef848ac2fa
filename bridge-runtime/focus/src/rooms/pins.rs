//! Rooms held to one version of bridges for a while, to try a new version with some rooms only,
//! or to one bridge, to try that bridge.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jitctl_wire::Jid;
use serde::{Deserialize, Serialize};

/// What a room is held to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedTo {
    /// Full version of the bridges.
    #[serde(default)]
    pub version: Option<String>,
    /// Nickname of the bridge in the brewery.
    #[serde(default)]
    pub bridge: Option<String>,
}

/// One pin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// What the room is held to.
    #[serde(flatten)]
    pub to: PinnedTo,
    /// When it ends, in seconds since 1970.
    pub until: u64,
}

/// Pins by room.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Pins(BTreeMap<Jid, Pin>);

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Pins {
    /// Pins a room, replacing an earlier pin.
    pub(super) fn set(&mut self, room: Jid, to: PinnedTo, lasts: Duration, now: SystemTime) {
        let until = seconds(now).saturating_add(lasts.as_secs());
        self.0.insert(room, Pin { to, until });
    }

    /// Takes a pin away; says whether there was one.
    pub(super) fn remove(&mut self, room: &Jid) -> bool {
        self.0.remove(room).is_some()
    }

    /// What a room is pinned to.
    pub(super) fn get(&self, room: &Jid, now: SystemTime) -> Option<&PinnedTo> {
        let pin = self.0.get(room)?;
        (pin.until > seconds(now)).then_some(&pin.to)
    }

    /// Those that hold, with the forgotten ones dropped.
    pub(super) fn list(&mut self, now: SystemTime) -> BTreeMap<Jid, Pin> {
        let now = seconds(now);
        self.0.retain(|_, pin| pin.until > now);
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_holds_for_its_time_and_can_be_taken_away() {
        let room: Jid = "a@conference.meet.test".parse().unwrap();
        let mut pins = Pins::default();
        let minute = Duration::from_secs(60);
        let to = PinnedTo {
            version: Some("2".to_owned()),
            bridge: None,
        };
        pins.set(room.clone(), to.clone(), minute, UNIX_EPOCH);
        assert_eq!(pins.get(&room, UNIX_EPOCH), Some(&to));
        assert_eq!(pins.get(&room, UNIX_EPOCH + minute), None);
        assert_eq!(pins.list(UNIX_EPOCH).len(), 1);
        assert!(pins.remove(&room) && !pins.remove(&room));
    }
}
