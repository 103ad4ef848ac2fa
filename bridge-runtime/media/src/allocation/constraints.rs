//! What a receiver asked for, as it accumulates over partial updates.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::channel::{ConstraintsMessage, ReceiverAudioSubscription, ReceiverVideoConstraints};

/// Limits on one video source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct VideoConstraints {
    /// Height in pixels; negative for no limit, 0 for off.
    pub max_height: i32,
    /// Frames per second; negative for no limit.
    pub max_frame_rate: f32,
}

impl VideoConstraints {
    /// Nothing.
    pub const OFF: Self = Self {
        max_height: 0,
        max_frame_rate: -1.0,
    };
    /// Everything.
    pub const UNLIMITED: Self = Self {
        max_height: -1,
        max_frame_rate: -1.0,
    };

    /// A limit on the height alone.
    pub const fn height(max_height: i32) -> Self {
        Self {
            max_height,
            max_frame_rate: -1.0,
        }
    }

    /// Whether nothing is wanted.
    pub const fn is_off(self) -> bool {
        self.max_height == 0
    }

    /// Whether `height` is within the limit.
    pub const fn admits_height(self, height: i32) -> bool {
        self.max_height < 0 || height <= self.max_height
    }

    /// The larger of two heights, where negative is the largest.
    pub const fn larger_height(one: i32, other: i32) -> i32 {
        if one < 0 || other < 0 {
            -1
        } else if one > other {
            one
        } else {
            other
        }
    }
}

impl From<ConstraintsMessage> for VideoConstraints {
    fn from(message: ConstraintsMessage) -> Self {
        Self {
            max_height: message.max_height.max(-1),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a frame rate needs no precision"
            )]
            max_frame_rate: message.max_frame_rate.unwrap_or(-1.0) as f32,
        }
    }
}

/// Everything a receiver asked for.
#[derive(Clone, Debug, Serialize)]
pub struct ReceiverSettings {
    /// Limit on the number of sources.
    pub last_n: Option<i32>,
    /// Sources that go before the rest.
    pub selected: Vec<String>,
    /// Sources that go first and in large.
    pub on_stage: Vec<String>,
    /// For sources without their own constraints.
    pub default_constraints: VideoConstraints,
    /// By source name.
    pub constraints: BTreeMap<String, VideoConstraints>,
    /// Overrides the estimate, bit/s.
    pub assumed_bandwidth: Option<u64>,
    /// Whether the client has ever said anything.
    pub was_updated: bool,
}

impl Default for ReceiverSettings {
    /// Before the first message no video is sent at all.
    fn default() -> Self {
        Self {
            last_n: None,
            selected: Vec::new(),
            on_stage: Vec::new(),
            default_constraints: VideoConstraints::OFF,
            constraints: BTreeMap::new(),
            assumed_bandwidth: None,
            was_updated: false,
        }
    }
}

impl ReceiverSettings {
    /// Applies a partial update; returns whether anything changed.
    pub fn update(&mut self, message: ReceiverVideoConstraints) -> bool {
        let before = self.clone();
        if let Some(last_n) = message.last_n {
            self.last_n = Some(last_n);
        }
        if let Some(selected) = message.selected_sources {
            self.selected = selected;
        }
        if let Some(on_stage) = message.on_stage_sources {
            self.on_stage = on_stage;
        }
        if let Some(default_constraints) = message.default_constraints {
            self.default_constraints = default_constraints.into();
        } else if !self.was_updated {
            self.default_constraints = VideoConstraints::height(180);
        }
        if let Some(constraints) = message.constraints {
            self.constraints = constraints
                .into_iter()
                .map(|(name, limit)| (name, limit.into()))
                .collect();
        }
        if let Some(assumed) = message.assumed_bandwidth_bps {
            self.assumed_bandwidth = u64::try_from(assumed).ok().filter(|bitrate| *bitrate > 0);
        }
        self.was_updated = true;
        before.last_n != self.last_n
            || before.selected != self.selected
            || before.on_stage != self.on_stage
            || before.default_constraints != self.default_constraints
            || before.constraints != self.constraints
            || before.assumed_bandwidth != self.assumed_bandwidth
    }

    /// Constraints of a source before last-N.
    pub fn constraints_of(&self, source: &str) -> VideoConstraints {
        self.constraints
            .get(source)
            .copied()
            .unwrap_or(self.default_constraints)
    }

    /// Whether a source is on stage.
    pub fn is_on_stage(&self, source: &str) -> bool {
        self.on_stage.iter().any(|name| name == source)
    }

    /// Rank of a source before speech order: on-stage ones in their order, selected ones, rest.
    pub fn rank(&self, source: &str) -> usize {
        if let Some(position) = self.on_stage.iter().position(|name| name == source) {
            return position;
        }
        if let Some(position) = self.selected.iter().position(|name| name == source) {
            return self.on_stage.len() + position;
        }
        self.on_stage.len() + self.selected.len()
    }
}

/// Which audio a receiver wants.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AudioSubscription {
    /// `None` until the client has said anything: then everything that is not synthetic.
    rules: Option<AudioRules>,
}

#[derive(Clone, Debug, Serialize)]
struct AudioRules {
    all: bool,
    include: BTreeSet<String>,
    exclude: BTreeSet<String>,
}

impl AudioSubscription {
    /// Applies a message, of the present or the older form.
    pub fn update(&mut self, message: ReceiverAudioSubscription) {
        let list: BTreeSet<String> = message.list.into_iter().flatten().collect();
        let mut rules = AudioRules {
            all: message.all.unwrap_or(false),
            include: message.include.into_iter().flatten().collect(),
            exclude: message.exclude.into_iter().flatten().collect(),
        };
        match message
            .mode
            .as_deref()
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("all") => rules.all = true,
            Some("none") => rules.all = false,
            Some("include") => rules.include.extend(list),
            Some("exclude") => {
                rules.all = true;
                rules.exclude.extend(list);
            }
            _ => {}
        }
        self.rules = Some(rules);
    }

    /// Whether a source is wanted: exclude beats include beats all; synthetic sources come only
    /// by include.
    pub fn wants(&self, source: &str, is_synthetic: bool) -> bool {
        let Some(rules) = &self.rules else {
            return !is_synthetic;
        };
        if rules.exclude.contains(source) {
            return false;
        }
        rules.include.contains(source) || (rules.all && !is_synthetic)
    }

    /// Whether a source is wanted by name, which lets it pass any loudness filter.
    pub fn includes(&self, source: &str) -> bool {
        self.rules
            .as_ref()
            .is_some_and(|rules| rules.include.contains(source) && !rules.exclude.contains(source))
    }
}
