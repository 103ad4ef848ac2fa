//! Checks that name the cause and the cure.
//!
//! [`examine`] looks once at every host in parallel — one read-only script each, and probes that
//! speak the real protocols from where it matters — and gives an [`Observation`]. Pure rules turn
//! it into [`Finding`]s, each a row of the [`catalogue`]; findings that only follow from another
//! are folded under it. Nothing here changes a host: cures are words, and [`Fix`] values that the
//! caller may carry out. [`foreign`] does the same for sites that other hands set up.
#![forbid(unsafe_code)]

pub mod catalogue;
mod discovery;
mod examine;
pub(crate) use examine::examine_certificate;
mod finding;
mod fold;
pub mod foreign;
pub mod observe;
mod report;
mod rules;

pub use examine::{Examination, Patient, Stage, Watcher, examine};
pub use finding::{Finding, Fix, Severity};
pub use observe::Observation;
pub use report::{Report, report_schema};
pub use rules::diagnose;
