//! What a focus decides: who is invited to a meeting, over which bridge, and who hears of whom.
//!
//! [`Conference`] is one room. It takes stanzas, answers, bridge news and the time, and gives out
//! [`Output`]s; it owns no socket, no timer and no clock. The choice of a bridge is asked of a
//! [`BridgeSelector`], so that strategies and relays can change without touching this crate.
#![forbid(unsafe_code)]

mod conference;
mod features;
mod offer;
mod output;
mod rate;
mod selector;
mod settings;
mod sources;

pub use conference::{Conference, ConferenceView, ParticipantView, SavedConference};
pub use features::Features;
pub use offer::{CodecSettings, VideoCodec};
pub use output::{Answer, EndReason, Event, Output, RequestId};
pub use selector::{BridgeSelector, SelectedBridge, SelectionRequest};
pub use settings::{Entropy, Settings};
pub use sources::{SourceError, Sources};
