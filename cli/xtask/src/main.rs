//! Development tasks: set-up, demo, tests, schema.
#![forbid(unsafe_code)]

fn main() {}
