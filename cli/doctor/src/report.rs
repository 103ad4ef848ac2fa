//! The outcome for machines, with a published schema.

use jitctl_inventory::names::HostName;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use crate::finding::Finding;

/// What `jitctl doctor --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Report {
    /// Version of this format.
    pub version: u32,
    /// Hosts that were looked at.
    pub hosts: Vec<HostName>,
    /// Hosts that could not be looked into.
    pub unseen: Vec<HostName>,
    /// How long it took, milliseconds.
    pub elapsed_ms: u64,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
}

/// The JSON Schema of [`Report`].
pub fn report_schema() -> Schema {
    schema_for!(Report)
}
