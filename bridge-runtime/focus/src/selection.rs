//! Which bridge a participant goes to: a pure function over what is known.
//!
//! Filters in order (brewery protocol): operational; not shutting down; the same full version as
//! the conference or its pin; without draining ones while others remain; without those in
//! graceful shutdown while others remain. Then the single-bridge strategy: a conference stays on
//! the bridge it has; a new one goes to the least loaded bridge of the participant's region, or
//! of all. Equal loads are broken by how many participants this focus already put there, so that
//! many small rooms spread evenly.

use std::cmp::Ordering;

use jitctl_wire::Jid;

/// A bridge as selection sees it.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of the protocol"
)]
pub struct Candidate {
    /// Identity.
    pub occupant: Jid,
    /// May be used.
    pub operational: bool,
    /// Going away.
    pub shutting_down: bool,
    /// Takes no new conferences.
    pub graceful_shutdown: bool,
    /// Only when nothing else is left.
    pub drain: bool,
    /// Full version.
    pub version: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Load, with participants too new to show in it.
    pub stress: f64,
    /// Participants this focus put on it, over all conferences.
    pub participants: u32,
}

/// What is to be placed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Placement<'a> {
    /// Region of the participant.
    pub region: Option<&'a str>,
    /// The bridge the conference is on.
    pub current: Option<&'a Jid>,
    /// Version the room is pinned to.
    pub pinned_version: Option<&'a str>,
    /// Nickname of the bridge the room is pinned to.
    pub pinned_bridge: Option<&'a str>,
}

/// No bridge can be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// There is none that works.
    #[error("no operational bridge")]
    NoneOperational,
    /// The conference's bridge does not work any more.
    #[error("the conference's bridge {0} is not operational")]
    CurrentNotOperational(Jid),
    /// None has the version the room is pinned to.
    #[error("no operational bridge of version {0}, to which the room is pinned")]
    NoneOfVersion(String),
    /// The one the room is pinned to does not work.
    #[error("bridge {0}, to which the room is pinned, is not operational")]
    PinnedNotOperational(String),
}

/// Chooses a bridge.
///
/// # Errors
/// Nothing suitable is left.
pub fn select<'c>(
    candidates: &'c [Candidate],
    placement: Placement<'_>,
) -> Result<&'c Candidate, SelectionError> {
    let mut left: Vec<&Candidate> = candidates
        .iter()
        .filter(|bridge| bridge.operational && !bridge.shutting_down)
        .collect();
    if let Some(current) = placement.current {
        return left
            .into_iter()
            .find(|bridge| bridge.occupant == *current)
            .ok_or_else(|| SelectionError::CurrentNotOperational(current.clone()));
    }
    if left.is_empty() {
        return Err(SelectionError::NoneOperational);
    }
    if let Some(pin) = placement.pinned_bridge {
        // Also a draining one: whoever asks for it by name wants to know how it is.
        return left
            .into_iter()
            .find(|bridge| bridge.occupant.resource() == Some(pin))
            .ok_or_else(|| SelectionError::PinnedNotOperational(pin.to_owned()));
    }
    if let Some(pin) = placement.pinned_version {
        left.retain(|bridge| bridge.version.as_deref() == Some(pin));
        if left.is_empty() {
            return Err(SelectionError::NoneOfVersion(pin.to_owned()));
        }
    }
    retain_if_any(&mut left, |bridge| !bridge.drain);
    retain_if_any(&mut left, |bridge| !bridge.graceful_shutdown);
    if let Some(region) = placement.region {
        retain_if_any(&mut left, |bridge| bridge.region.as_deref() == Some(region));
    }
    left.into_iter()
        .min_by(|a, b| by_load(a, b))
        .ok_or(SelectionError::NoneOperational)
}

/// Drops those that do not fit, unless none fits.
fn retain_if_any(bridges: &mut Vec<&Candidate>, fits: impl Fn(&Candidate) -> bool) {
    if bridges.iter().any(|bridge| fits(bridge)) {
        bridges.retain(|bridge| fits(bridge));
    }
}

fn by_load(a: &Candidate, b: &Candidate) -> Ordering {
    // Differences below a hundredth are noise of measuring.
    let rounded = |stress: f64| (stress * 100.0).round();
    rounded(a.stress)
        .total_cmp(&rounded(b.stress))
        .then_with(|| a.participants.cmp(&b.participants))
        .then_with(|| a.occupant.cmp(&b.occupant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(name: &str) -> Candidate {
        Candidate {
            occupant: format!("brewery@internal.auth.meet.test/{name}")
                .parse()
                .unwrap(),
            operational: true,
            shutting_down: false,
            graceful_shutdown: false,
            drain: false,
            version: Some(String::from("1")),
            region: None,
            stress: 0.0,
            participants: 0,
        }
    }

    fn chosen(candidates: &[Candidate], placement: Placement<'_>) -> String {
        let bridge = select(candidates, placement).unwrap();
        bridge.occupant.resource().unwrap().to_owned()
    }

    #[test]
    fn the_least_loaded_of_the_region_wins_and_then_the_least_loaded_of_all() {
        let near = Candidate {
            region: Some(String::from("eu")),
            stress: 0.5,
            ..bridge("near")
        };
        let far = Candidate {
            region: Some(String::from("us")),
            stress: 0.1,
            ..bridge("far")
        };
        let all = [near, far];
        let placement = |region| Placement {
            region,
            ..Placement::default()
        };
        assert_eq!(chosen(&all, placement(Some("eu"))), "near");
        assert_eq!(chosen(&all, placement(Some("asia"))), "far");
        assert_eq!(chosen(&all, placement(None)), "far");
    }

    #[test]
    fn draining_and_leaving_bridges_are_used_only_when_nothing_else_is_left() {
        let drain = Candidate {
            drain: true,
            ..bridge("drain")
        };
        let graceful = Candidate {
            graceful_shutdown: true,
            ..bridge("graceful")
        };
        let busy = Candidate {
            stress: 0.9,
            ..bridge("busy")
        };
        let gone = Candidate {
            shutting_down: true,
            ..bridge("gone")
        };
        let ill = Candidate {
            operational: false,
            ..bridge("ill")
        };
        let none = Placement::default();
        let all = [
            drain.clone(),
            graceful.clone(),
            busy,
            gone.clone(),
            ill.clone(),
        ];
        assert_eq!(chosen(&all, none), "busy");
        assert_eq!(chosen(&[drain.clone(), graceful], none), "graceful");
        assert_eq!(chosen(&[drain, gone.clone()], none), "drain");
        assert_eq!(
            select(&[gone, ill], none),
            Err(SelectionError::NoneOperational)
        );
    }

    #[test]
    fn a_conference_stays_on_its_bridge_or_fails() {
        let busy = Candidate {
            stress: 2.0,
            drain: true,
            ..bridge("busy")
        };
        let all = [busy.clone(), bridge("idle")];
        let placement = Placement {
            current: Some(&busy.occupant),
            ..Placement::default()
        };
        assert_eq!(chosen(&all, placement), "busy");
        assert_eq!(
            select(&all[1..], placement),
            Err(SelectionError::CurrentNotOperational(busy.occupant.clone()))
        );
    }

    #[test]
    fn a_room_pinned_to_a_bridge_is_on_it_or_nowhere() {
        let busy = Candidate {
            stress: 0.9,
            ..bridge("b1")
        };
        let candidates = [busy, bridge("b2")];
        let placement = |nickname| Placement {
            pinned_bridge: Some(nickname),
            ..Placement::default()
        };
        let chosen = select(&candidates, placement("b1")).unwrap();
        assert_eq!(chosen.occupant.resource(), Some("b1"));
        assert!(select(&candidates, placement("b3")).is_err());
    }

    #[test]
    fn a_pinned_version_is_kept() {
        let new = Candidate {
            version: Some(String::from("2")),
            stress: 0.7,
            ..bridge("new")
        };
        let all = [bridge("old"), new];
        let pin = |version| Placement {
            pinned_version: Some(version),
            ..Placement::default()
        };
        assert_eq!(chosen(&all, pin("2")), "new");
        assert_eq!(
            select(&all, pin("3")),
            Err(SelectionError::NoneOfVersion(String::from("3")))
        );
    }

    #[test]
    fn many_small_rooms_spread_evenly_over_idle_bridges() {
        let mut all = [bridge("a"), bridge("b")];
        for _ in 0..40 {
            let name = chosen(&all, Placement::default());
            for candidate in &mut all {
                if candidate.occupant.resource() == Some(name.as_str()) {
                    candidate.participants += 3;
                }
            }
        }
        assert_eq!((all[0].participants, all[1].participants), (60, 60));
    }
}
