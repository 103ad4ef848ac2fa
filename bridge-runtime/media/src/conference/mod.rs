//! The conference: endpoints, their sources, and who receives what.

pub mod egress;

pub use egress::{DiscardEgress, Egress};
