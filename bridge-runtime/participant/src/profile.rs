//! What a participant is to do.

/// A camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Video {
    /// 1, or 3 for simulcast.
    pub layers: u8,
    /// All layers together, in kbit/s.
    pub kilobits: u32,
}

/// A participant's behaviour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Display name.
    pub name: String,
    /// Sends Opus.
    pub audio: bool,
    /// Its packets say that somebody speaks; otherwise that nobody does.
    pub speaking: bool,
    /// Sends VP8.
    pub video: Option<Video>,
    /// Highest picture it wants to see, in lines.
    pub receive_height: u32,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: String::from("jitctl"),
            audio: true,
            speaking: false,
            video: None,
            receive_height: 720,
        }
    }
}
