//! Real Debian hosts on one machine.
#![forbid(unsafe_code)]
