//! What a video source shows.

use serde::Serialize;

/// What a video source shows; decides ordering and layer selection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoType {
    /// A camera.
    #[default]
    Camera,
    /// A screen: sharpness before smoothness.
    Desktop,
    /// A screen with motion: treated as a camera when layers are chosen.
    DesktopHighFps,
    /// Nothing at present.
    None,
}

impl VideoType {
    /// Reads the name from signalling or the bridge channel, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let known = [
            ("camera", Self::Camera),
            ("desktop", Self::Desktop),
            ("desktop_high_fps", Self::DesktopHighFps),
            ("none", Self::None),
            ("disabled", Self::None),
        ];
        known
            .iter()
            .find(|(known_name, _)| known_name.eq_ignore_ascii_case(name))
            .map(|(_, video_type)| *video_type)
    }

    /// The name in SSRC maps on the bridge channel.
    pub const fn map_name(self) -> &'static str {
        match self {
            Self::Camera => "CAMERA",
            Self::Desktop => "DESKTOP",
            Self::DesktopHighFps => "DESKTOP_HIGH_FPS",
            Self::None => "NONE",
        }
    }

    /// Whether there is anything to see.
    pub const fn is_enabled(self) -> bool {
        !matches!(self, Self::None)
    }
}
