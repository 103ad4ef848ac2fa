//! The focus: conference control for Jitsi.
#![forbid(unsafe_code)]

fn main() {}
