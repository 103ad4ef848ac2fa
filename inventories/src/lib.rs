//! The inventory: one YAML file that describes a site and its hosts.
//!
//! [`model`] is the typed, versioned shape (its JSON Schema is published); loading keeps the place
//! of every value so that rules can point at `file:line:column`. This crate opens the files it is
//! told to open and nothing else: no network, no printing, no clock.
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod edit;
pub mod load;
pub mod model;
pub mod names;
pub mod rules;
pub mod scaffold;
pub mod secrets;
pub mod select;
mod shape;
mod tree;

pub use diagnostic::{Cause, Diagnostic, Place, Severity, Source};
pub use load::{Loaded, load, load_text};
pub use shape::{schema, schema_text};
