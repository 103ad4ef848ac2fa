//! A Jitsi Meet of your own that grows from one server to many.
#![forbid(unsafe_code)]

fn main() {}
