//! Selective forwarding core without I/O.
#![forbid(unsafe_code)]

pub mod rtp;
