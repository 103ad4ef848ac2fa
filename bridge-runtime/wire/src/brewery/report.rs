//! The keys a focus reads out of a bridge's presence.

use crate::namespace::COLIBRI;
use crate::stanza::Presence;
use crate::xml::Element;

/// What a bridge says of itself. An absent key keeps what was known before; where nothing was
/// known, the methods' defaults hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BridgeReport {
    /// Load, 1.0 being full.
    pub stress_level: Option<f64>,
    /// Load that one more participant is expected to add.
    pub average_participant_stress: Option<f64>,
    /// No new conferences; never taken back.
    pub graceful_shutdown: Option<bool>,
    /// Going away now; never taken back.
    pub shutting_down: Option<bool>,
    /// To be used only when nothing else is left.
    pub drain: Option<bool>,
    /// Version without release.
    pub version: Option<String>,
    /// Release, appended to the version.
    pub release: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Its name among bridges; its presence means it can be linked to others.
    pub relay_id: Option<String>,
    /// Its own opinion of its health.
    pub healthy: Option<bool>,
    /// Endpoints it holds, for display.
    pub endpoints: Option<u64>,
}

impl BridgeReport {
    /// Reads the statistics of a presence; `None` when it carries none.
    pub fn of(presence: &Presence) -> Option<Self> {
        presence.child("stats", COLIBRI).map(Self::parse)
    }

    /// Reads a `<stats>`; values outside their type count as absent.
    pub fn parse(stats: &Element) -> Self {
        let mut report = Self::default();
        for stat in stats.children_named("stat", COLIBRI) {
            let (Some(name), Some(value)) = (stat.attribute("name"), stat.attribute("value"))
            else {
                continue;
            };
            report.set(name, value);
        }
        report
    }

    fn set(&mut self, name: &str, value: &str) {
        let number = || {
            value
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite())
        };
        let truth = || match value {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        let text = || (!value.is_empty()).then(|| value.to_owned());
        match name {
            "stress_level" => self.stress_level = number(),
            "average_participant_stress" => self.average_participant_stress = number(),
            "graceful_shutdown" => self.graceful_shutdown = truth(),
            "shutting_down" => self.shutting_down = truth(),
            "drain" => self.drain = truth(),
            "version" => self.version = text(),
            "release" => self.release = text(),
            "region" => self.region = text(),
            "relay_id" => self.relay_id = text(),
            "healthy" => self.healthy = truth(),
            "local_endpoints" => self.endpoints = value.parse().ok(),
            _ => {}
        }
    }

    /// `version` or `version-release`: equal on all bridges of a conference.
    pub fn full_version(&self) -> Option<String> {
        let version = self.version.as_ref()?;
        Some(match &self.release {
            Some(release) => format!("{version}-{release}"),
            None => version.clone(),
        })
    }
}
