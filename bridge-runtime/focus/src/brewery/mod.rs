//! The brewery from the focus' side: which bridges there are, and how they are.
//!
//! [`BridgeRegistry`] decides without I/O; [`task`] joins the room, carries out what the registry
//! wants and writes what operators look for into the log.

mod bridge;
mod event;
mod registry;
pub(crate) mod task;

pub use bridge::{Bridge, Health};
pub use event::{BridgeEvent, BridgeSummary, LossReason};
pub use registry::{Action, BridgeRegistry, HealthAnswer};
