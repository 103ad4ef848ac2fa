//! What became of every host.

use std::collections::BTreeMap;
use std::time::Duration;

use jitctl_inventory::names::HostName;
use serde::{Serialize, Serializer};

use super::HostError;

/// What became of one host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum HostOutcome {
    /// There was nothing to do.
    Unchanged,
    /// It has the desired state.
    Applied {
        /// The release it has now.
        release: u64,
        /// How many things changed.
        changes: usize,
        /// How long it took.
        duration: Duration,
    },
    /// It was left alone because of another host.
    Skipped {
        /// Why.
        because: String,
    },
    /// It failed.
    Failed {
        /// Why.
        #[serde(serialize_with = "in_words")]
        error: Box<HostError>,
    },
}

impl HostOutcome {
    pub(super) fn failed(error: HostError) -> Self {
        Self::Failed {
            error: Box::new(error),
        }
    }

    pub(super) fn skipped(because: &str) -> Self {
        Self::Skipped {
            because: because.to_owned(),
        }
    }

    /// Whether the host has its desired state now.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Applied { .. })
    }
}

fn in_words<S: Serializer>(error: &HostError, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Words<'a> {
        message: String,
        remedy: String,
        evidence: &'a [String],
        exit_code: i32,
    }
    Words {
        message: error.to_string(),
        remedy: error.remedy(),
        evidence: error.evidence(),
        exit_code: error.exit_code(),
    }
    .serialize(serializer)
}

/// What became of all hosts.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct ApplyReport {
    /// By host.
    pub hosts: BTreeMap<HostName, HostOutcome>,
}

impl ApplyReport {
    pub(super) fn set(&mut self, host: &HostName, outcome: HostOutcome) {
        self.hosts.insert(host.clone(), outcome);
    }

    /// Adds a host that could not even be asked for facts.
    pub fn add_failure(&mut self, host: HostName, error: HostError) {
        self.hosts.insert(host, HostOutcome::failed(error));
    }

    /// The exit code: the gravest of all hosts. A held lease outranks a red gate, for nothing was
    /// changed then; a red gate outranks an unreachable host.
    pub fn exit_code(&self) -> i32 {
        let codes: Vec<i32> = self
            .hosts
            .values()
            .filter_map(|outcome| match outcome {
                HostOutcome::Failed { error } => Some(error.exit_code()),
                _ => None,
            })
            .collect();
        let order = [6, 7, 1, 5];
        order
            .into_iter()
            .find(|code| codes.contains(code))
            .unwrap_or(0)
    }
}
