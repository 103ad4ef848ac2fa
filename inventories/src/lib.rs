//! The inventory: model, loading, rules, secrets store.
#![forbid(unsafe_code)]
