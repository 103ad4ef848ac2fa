//! Desired state of a host, rendered from an inventory.
#![forbid(unsafe_code)]
