//! The focus at a real Prosody: bridges, meetings, restarts.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod brewery;
mod meetings;
mod restart;
mod support;
