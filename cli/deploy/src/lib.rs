//! From a desired state to a host that has it, and back.
//!
//! [`facts`] asks a host what it is, in one script. [`plan`] compares that with what is desired:
//! pure, and the only thing that [`executor`] ever carries out. [`steps`] turns a plan into one
//! script per phase, again pure. [`releases`] puts a host back, [`lease`] keeps two operators
//! apart, [`gates`] say whether the result works, [`firewall`] never locks the operator out.
//!
//! Nothing here prints, reads arguments or environment, or asks a question.
#![forbid(unsafe_code)]

/// Formats onto the end of a string, which cannot fail.
macro_rules! append {
    ($text:expr, $($argument:tt)*) => {{
        use std::fmt::Write as _;
        let _ = write!($text, $($argument)*);
    }};
}

pub mod accounts;
pub mod archive;
pub mod artifacts;
pub mod drain;
pub mod executor;
pub mod facts;
pub mod firewall;
pub mod gates;
pub mod layout;
pub mod lease;
pub mod manifest;
pub mod pki;
pub mod plan;
pub mod proof;
pub mod releases;
pub mod resolved;
pub mod rotate;
pub mod secrets;
pub mod settings;
pub mod steps;
pub mod users;

pub use artifacts::Artifacts;
pub use executor::{ApplyOptions, ApplyReport, Event, HostError, HostOutcome, apply, gather};
pub use facts::Facts;
pub use plan::{HostPlan, SitePlan};
pub use resolved::ResolvedHost;
pub use secrets::SecretValues;
