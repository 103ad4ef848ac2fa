//! The focus: conference control for Jitsi.
//!
//! [`brewery`] knows the bridges, [`selection`] chooses among them, [`rooms`] holds the conferences,
//! that clients ask for at the component or over HTTP. [`run`] is the whole program after its
//! configuration is read.
#![forbid(unsafe_code)]

pub mod brewery;
mod component;
pub mod config;
mod handover;
mod http;
mod metrics;
pub mod requests;
pub mod rooms;
mod run;
pub mod selection;
pub mod state;

pub use config::FocusConfig;
pub use requests::Conferences;
pub use run::{Logins, RunError, run};
