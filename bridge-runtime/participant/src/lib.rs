//! A client without a browser: real XMPP, Jingle, ICE, DTLS, SRTP and bridge channel.
//!
//! [`Participant`] is one of them, [`call`] a call of two, [`load`] many rooms of many. Media and
//! transport come from the `webrtc` crate, so that what a deployment is checked with is
//! not its own code.
#![forbid(unsafe_code)]

mod call;
mod endpoint;
mod load;
mod media;
mod participant;
mod profile;
mod progress;
mod report;
mod room;
mod seat;
pub mod signalling;
mod site;

pub use call::{CallOptions, CallOutcome, LegTime, call};
pub use endpoint::EndpointError;
pub use load::{BridgeLoad, LoadOptions, LoadReport, LoadState, Spread, load};
pub use participant::Participant;
pub use profile::{Profile, Video};
pub use progress::{Leg, Progress, Trouble};
pub use report::{Report, SourceReport};
pub use room::RoomError;
pub use site::{Entry, Site};
