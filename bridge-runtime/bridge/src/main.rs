//! The bridge: a selective forwarding unit for Jitsi.
#![forbid(unsafe_code)]

fn main() {}
