//! End to end tests in the lab.
#![forbid(unsafe_code)]
