//! The desired state of each host, rendered from an inventory.
//!
//! [`desired`] holds the values that plans are made of. Rendering is pure: the same inventory,
//! overrides and release give the same bytes. Secrets never enter a rendered text: where a file
//! needs one it carries a [`desired::SecretName`] marker that only the executor fills in.
#![forbid(unsafe_code)]

pub mod desired;
