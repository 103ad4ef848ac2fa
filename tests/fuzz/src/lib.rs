//! Hostile input: every parser that a network reaches, and a conference under fire.
//!
//! [`targets::ALL`] is the table of parsers. Two drivers share it: `cargo test` with a bounded number
//! of mutations, and the program `fuzz` for as many as one likes, both on the stable toolchain and
//! repeatable. They start from the same corpus: what recorded peers sent, and what lies in
//! `corpus/`. [`siege`] aims at a conference.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a target fails by panicking; small numbers are drawn from large ones"
)]

pub mod corpus;
pub mod mutator;
pub mod siege;
pub mod targets;
