//! What the focus knows of one bridge.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jitctl_wire::Jid;
use jitctl_wire::brewery::BridgeReport;

use super::event::BridgeSummary;
use crate::config::BridgesConfig;

/// Result of the last health checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// No check is done yet.
    Unknown,
    /// The last check passed.
    Healthy,
    /// Two checks in a row went unanswered.
    TimedOut,
    /// The bridge says that it is ill.
    Failed(String),
}

/// One bridge.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of the protocol"
)]
pub struct Bridge {
    /// Place in the brewery; the bridge's identity.
    pub occupant: Jid,
    /// Real addresses; several mean a shared nickname or a session that is not over yet.
    pub addresses: Vec<Jid>,
    /// Full version.
    pub version: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Name among linked bridges.
    pub relay_id: Option<String>,
    /// Reported load.
    pub stress: f64,
    /// Load of one more participant.
    pub participant_stress: f64,
    /// Endpoints it reports.
    pub endpoints: u64,
    /// Used only when nothing else is left; true until told otherwise.
    pub drain: bool,
    /// No new conferences; never taken back.
    pub graceful_shutdown: bool,
    /// Going away; never taken back.
    pub shutting_down: bool,
    /// Its own opinion of its health.
    pub says_healthy: Option<bool>,
    /// Health checks.
    pub health: Health,
    /// Whether it shows signs of life.
    pub responsive: bool,
    /// When its last presence came.
    pub last_presence: Instant,
    pub(super) last_heard: Instant,
    pub(super) last_failure: Option<Instant>,
    pub(super) next_check: Instant,
    pub(super) unanswered_checks: u32,
    recent_participants: VecDeque<Instant>,
}

impl Bridge {
    pub(super) fn new(occupant: Jid, now: Instant, config: &BridgesConfig) -> Self {
        Self {
            occupant,
            addresses: Vec::new(),
            version: None,
            region: None,
            relay_id: None,
            stress: 0.0,
            participant_stress: config.average_participant_stress,
            endpoints: 0,
            drain: true,
            graceful_shutdown: false,
            shutting_down: false,
            says_healthy: None,
            health: Health::Unknown,
            responsive: true,
            last_presence: now,
            last_heard: now,
            last_failure: None,
            next_check: now,
            unanswered_checks: 0,
            recent_participants: VecDeque::new(),
        }
    }

    pub(super) fn update(&mut self, report: &BridgeReport) {
        if let Some(stress) = report.stress_level {
            self.stress = stress;
        }
        if let Some(stress) = report.average_participant_stress {
            self.participant_stress = stress;
        }
        if let Some(endpoints) = report.endpoints {
            self.endpoints = endpoints;
        }
        if let Some(drain) = report.drain {
            self.drain = drain;
        }
        self.graceful_shutdown |= report.graceful_shutdown.unwrap_or(false);
        self.shutting_down |= report.shutting_down.unwrap_or(false);
        self.says_healthy = report.healthy.or(self.says_healthy);
        self.version = report.full_version().or(self.version.take());
        self.region = report.region.clone().or(self.region.take());
        self.relay_id = report.relay_id.clone().or(self.relay_id.take());
    }

    /// Whether conferences may be put on it.
    pub fn is_operational(&self, now: Instant, failure_reset: Duration) -> bool {
        let recently_failed = self
            .last_failure
            .is_some_and(|at| now.duration_since(at) < failure_reset);
        let well = matches!(self.health, Health::Unknown | Health::Healthy);
        self.responsive && well && !recently_failed && !self.shutting_down
    }

    /// Notes that a participant was put on it: the reported load lags behind.
    pub fn note_participant(&mut self, now: Instant) {
        self.recent_participants.push_back(now);
    }

    /// Reported load plus that of participants too new to show in it.
    pub fn corrected_stress(&self, now: Instant, rampup: Duration) -> f64 {
        let recent = self
            .recent_participants
            .iter()
            .filter(|at| now.duration_since(**at) < rampup)
            .count();
        let recent = u32::try_from(recent).unwrap_or(u32::MAX);
        self.stress + f64::from(recent) * self.participant_stress
    }

    pub(super) fn forget_old_participants(&mut self, now: Instant, rampup: Duration) {
        while self
            .recent_participants
            .front()
            .is_some_and(|at| now.duration_since(*at) >= rampup)
        {
            self.recent_participants.pop_front();
        }
    }

    /// Who it is at this moment.
    pub fn summary(&self) -> BridgeSummary {
        BridgeSummary {
            occupant: self.occupant.clone(),
            version: self.version.clone(),
            region: self.region.clone(),
            stress: self.stress,
            addresses: self.addresses.clone(),
        }
    }

    /// Its nickname.
    pub fn nickname(&self) -> &str {
        self.occupant.resource().unwrap_or_default()
    }
}
