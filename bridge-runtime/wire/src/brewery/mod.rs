//! The brewery: statistics in the presence of a bridge, and what a focus reads of them.
//!
//! [`BridgeStats`] is everything a bridge publishes, typed. [`BridgeReport`] is the few keys a
//! focus acts upon, each of which may be absent. Presence without `<stats>` is of somebody else.

mod report;
mod stats;

pub use report::BridgeReport;
pub use stats::BridgeStats;
