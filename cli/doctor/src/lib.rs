//! Checks that name the cause and the cure.
#![forbid(unsafe_code)]
