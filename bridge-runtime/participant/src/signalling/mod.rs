//! Signalling without I/O: offers, sources, the session and presence.

mod offer;
pub(crate) mod presence;
mod session;
mod sources;

pub(crate) use offer::{AUDIO_LEVEL, TRANSPORT_CC};
pub use offer::{MediaFormat, Offer, OfferError};
pub use session::{LocalTransport, Session, Step};
pub use sources::{Layer, LocalSources, RemoteSource, RemoteSources};
