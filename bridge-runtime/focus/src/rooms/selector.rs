//! The choice of a bridge for a conference: what the registry knows, put to the strategy.

use std::time::Instant;

use jitctl_conference::{BridgeSelector, SelectedBridge, SelectionRequest};
use jitctl_wire::Jid;

use super::book::Loads;
use super::pins::PinnedTo;
use crate::selection::{Placement, select};
use crate::state::FocusState;

/// Chooses among the bridges of the registry.
#[derive(Debug)]
pub(super) struct RegistrySelector<'r> {
    pub(super) state: &'r FocusState,
    pub(super) loads: &'r Loads,
    /// What the room is pinned to.
    pub(super) pinned: Option<&'r PinnedTo>,
}

impl BridgeSelector for RegistrySelector<'_> {
    fn select(&mut self, now: Instant, request: &SelectionRequest<'_>) -> Option<SelectedBridge> {
        let mut candidates = self.state.candidates(now);
        candidates.retain(|bridge| !request.excluded.contains(&bridge.occupant));
        for candidate in &mut candidates {
            let count = self.loads.on(&candidate.occupant);
            candidate.participants = u32::try_from(count).unwrap_or(u32::MAX);
        }
        // One bridge a conference: it stays where it is while that works.
        let current = request
            .in_use
            .iter()
            .map(|(bridge, _)| bridge)
            .find(|used| {
                candidates.iter().any(|bridge| {
                    bridge.occupant == **used && bridge.operational && !bridge.shutting_down
                })
            });
        let placement = Placement {
            region: request.region,
            current,
            pinned_version: self.pinned.and_then(|pin| pin.version.as_deref()),
            pinned_bridge: self.pinned.and_then(|pin| pin.bridge.as_deref()),
        };
        let chosen = select(&candidates, placement).ok()?;
        let selected = SelectedBridge {
            jid: chosen.occupant.clone(),
            region: chosen.region.clone(),
        };
        self.state.registry().note_participant(&selected.jid, now);
        Some(selected)
    }

    fn report_failure(&mut self, now: Instant, bridge: &Jid) {
        self.state.registry().note_failure(bridge, now);
    }

    fn report_shutdown(&mut self, now: Instant, bridge: &Jid) {
        // Its next presence says so too; until then it must not be chosen again.
        self.state.registry().note_failure(bridge, now);
    }
}
