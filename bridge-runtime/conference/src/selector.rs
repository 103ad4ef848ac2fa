//! The seam to whoever knows the bridges.

use std::time::Instant;

use jitctl_wire::Jid;

/// What a choice depends on.
#[derive(Debug, Clone)]
pub struct SelectionRequest<'r> {
    /// Region of the participant.
    pub region: Option<&'r str>,
    /// Bridges that already carry this conference, with how many of its participants.
    pub in_use: &'r [(Jid, usize)],
    /// Bridges that must not be chosen.
    pub excluded: &'r [Jid],
}

/// A chosen bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedBridge {
    /// Its occupant address in the brewery.
    pub jid: Jid,
    /// Its region.
    pub region: Option<String>,
}

/// Chooses bridges.
pub trait BridgeSelector {
    /// A bridge for one more participant, or `None` when none may be used.
    fn select(&mut self, now: Instant, request: &SelectionRequest<'_>) -> Option<SelectedBridge>;

    /// The bridge failed a request: it must not be chosen for a while.
    fn report_failure(&mut self, now: Instant, bridge: &Jid);

    /// The bridge says that it is about to go.
    fn report_shutdown(&mut self, now: Instant, bridge: &Jid);
}
