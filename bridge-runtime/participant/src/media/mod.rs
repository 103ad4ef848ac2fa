//! Media without codecs: streams shaped as browsers send them.

mod pacer;
pub(crate) mod vp8;

pub(crate) use pacer::{Pacer, Planned, TICK};
