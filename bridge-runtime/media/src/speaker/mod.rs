//! Who speaks: dominant speaker, loudest speakers, and what silence need not be forwarded.
//!
//! Input is the level of RFC 6464 per packet; nothing here decodes audio.

mod dominant;
mod loudest;
mod order;
mod silence;

pub use dominant::{DominantSpeaker, SpeakerChange};
pub use loudest::Loudest;
pub use order::SpeechOrder;
pub use silence::SilenceFilter;

/// Loudness of a packet from its audio level byte (RFC 6464: -dBov, 127 is silence): 0 to 127,
/// larger is louder.
pub const fn loudness(level_byte: u8) -> u8 {
    127 - (level_byte & 0x7f)
}
