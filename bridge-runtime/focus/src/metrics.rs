//! Numbers under the names that dashboards know.

use std::collections::HashSet;
use std::time::Instant;

use jitctl_daemon::metrics::Metric;

use crate::rooms::RoomCounts;
use crate::state::FocusState;

/// Prefix of all names.
pub(crate) const PREFIX: &str = "jitsi_jicofo_";

/// How many bridges are how.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct BridgeCounts {
    pub(crate) all: u64,
    pub(crate) operational: u64,
    pub(crate) in_shutdown: u64,
    pub(crate) versions: u64,
    pub(crate) lost: u64,
}

impl BridgeCounts {
    pub(crate) fn of(state: &FocusState, now: Instant) -> Self {
        let registry = state.registry();
        let reset = registry.config().failure_reset();
        let mut counts = Self {
            lost: registry.lost_count(),
            ..Self::default()
        };
        let mut versions = HashSet::new();
        for bridge in registry.bridges() {
            counts.all += 1;
            counts.operational += u64::from(bridge.is_operational(now, reset));
            counts.in_shutdown += u64::from(bridge.graceful_shutdown || bridge.shutting_down);
            versions.extend(bridge.version.as_deref());
        }
        counts.versions = versions.len() as u64;
        counts
    }
}

/// All metrics of the focus.
#[expect(
    clippy::cast_precision_loss,
    reason = "collectors keep 64 bit floats anyway"
)]
pub(crate) fn metrics(state: &FocusState, rooms: &RoomCounts, now: Instant) -> Vec<Metric> {
    let counts = BridgeCounts::of(state, now);
    let connections = state.connections();
    let disconnects = connections.account.disconnects + connections.component.disconnects;
    let mut all = vec![
        Metric::truth(
            "healthy",
            "Conferences can be held.",
            state.check_health(now).is_ok(),
        ),
        Metric::count("threads", "Threads.", jitctl_daemon::threads()),
        Metric::gauge(
            "resident_bytes",
            "Memory in use.",
            jitctl_daemon::resident_bytes() as f64,
        ),
        Metric::counter("xmpp_disconnects", "XMPP connections lost.", disconnects),
        Metric::counter("bridge_selector_lost_bridges", "Bridges lost.", counts.lost),
        Metric::count("bridge_selector_bridge_count", "Bridges.", counts.all),
        Metric::count(
            "bridge_selector_bridge_count_operational",
            "Bridges that can be used.",
            counts.operational,
        ),
        Metric::count(
            "bridge_selector_bridge_count_in_shutdown",
            "Bridges on their way out.",
            counts.in_shutdown,
        ),
        Metric::count(
            "bridge_selector_bridge_version_count",
            "Different versions of bridges.",
            counts.versions,
        ),
    ];
    all.extend(room_metrics(rooms));
    let registry = state.registry();
    let labelled = |name, help, value: fn(&crate::brewery::Bridge) -> f64| {
        registry
            .bridges()
            .map(|bridge| {
                Metric::gauge(name, help, value(bridge)).with_label("jvb", bridge.nickname())
            })
            .collect::<Vec<_>>()
    };
    all.extend(labelled(
        "bridge_stress",
        "Load a bridge reports.",
        |bridge| bridge.stress,
    ));
    all.extend(labelled(
        "bridge_endpoints",
        "Endpoints a bridge reports.",
        |bridge| bridge.endpoints as f64,
    ));
    all
}

/// What happens in rooms.
fn room_metrics(rooms: &RoomCounts) -> Vec<Metric> {
    let whole = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let counter = Metric::counter;
    let gauge = |name, help, number| Metric::count(name, help, whole(number));
    let mut all = vec![
        counter("conferences_created", "Conferences opened.", rooms.created),
        counter(
            "conference_requests",
            "Requests for conferences.",
            rooms.requests,
        ),
        counter("participants", "People who joined.", rooms.joined),
        counter(
            "participants_moved",
            "People moved because their bridge went.",
            rooms.moved,
        ),
        counter(
            "participants_ice_failed",
            "Times that a client lost its connection to a bridge.",
            rooms.ice_failed,
        ),
        counter(
            "participants_restart_requested",
            "New sessions clients asked for.",
            rooms.restarts,
        ),
        counter(
            "bridges_removed",
            "Times that a bridge was taken out of a conference.",
            rooms.bridges_removed,
        ),
        counter(
            "ice_restarts_requested",
            "New ICE credentials clients asked for.",
            rooms.ice_restarts,
        ),
        counter(
            "ice_restarts_failed",
            "Those refused as too many.",
            rooms.ice_restarts_refused,
        ),
        gauge("conferences", "Conferences.", rooms.conferences),
        gauge(
            "participants_current",
            "People in conferences.",
            rooms.participants,
        ),
        gauge(
            "participants_pairs",
            "Pairs of people who meet.",
            rooms.pairs,
        ),
        gauge(
            "largest_conference",
            "People in the largest conference.",
            rooms.largest,
        ),
    ];
    all.extend(rooms.moved_by_request.iter().map(|(bridge, people)| {
        counter(
            "bridge_endpoints_moved",
            "People moved off a bridge by an operator.",
            *people,
        )
        .with_label("jvb", bridge.as_str())
    }));
    all
}
