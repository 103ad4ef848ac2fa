//! Rooms from the first request to the last leave, without a network.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod announcements;
mod bridges;
mod crowd;
mod ice;
mod meetings;
mod moderation;
mod recorded;
mod restarts;
mod sources;
mod support;
