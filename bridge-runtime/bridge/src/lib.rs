//! The bridge: a selective forwarding unit for Jitsi.
//!
//! This crate is the edge: XMPP towards the focus, private HTTP, life cycle, and the sockets and
//! threads of media. [`MediaConferences`] serves conferences; [`run`] is the whole program after
//! its configuration is read.
// Denied by the workspace; only `media::batch` has an exception.
#![deny(unsafe_code)]

mod brewery;
pub mod conference;
pub mod conferences;
pub mod config;
mod dispatch;
mod http;
mod instance;
pub mod media;
mod metrics;
mod refusal;
pub mod rest;
mod run;
pub mod state;
pub mod websocket;

pub use conference::{
    ConferenceFuture, ConferenceResult, ConferenceService, DescriptionFuture, NoMedia,
};
pub use conferences::{MediaConferences, MediaError};
pub use config::BridgeConfig;
pub use run::{Connections, RunError, run};
