//! The layers of one source that come into question, and the steps between them.

use super::{MAXIMUM_OVERSENDING, VideoConstraints};
use crate::identifiers::SourceIndex;
use crate::source::{Layer, LayerIndex, VideoType};

/// Height up to which an on-stage camera goes before others get anything.
const PREFERRED_HEIGHT: i32 = 360;
/// Frame rate that layers above the preferred height must have.
const PREFERRED_FRAME_RATE: f32 = 30.0;

/// One source as a receiver might get it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which source.
    pub source: SourceIndex,
    /// Layers, lowest first.
    pub layers: Vec<Layer>,
    /// What the receiver gets so far. What lies above it has to fit with its peak.
    pub current: Option<LayerIndex>,
    /// What it shows.
    pub video_type: VideoType,
    /// Constraints, after last-N when allocating.
    pub constraints: VideoConstraints,
    /// Whether the receiver shows it in large.
    pub is_on_stage: bool,
}

impl Candidate {
    /// A layer at the rate that it has to fit with: a better one that only dips would have to go again
    /// as soon as it is back at its rate.
    fn priced(&self, layer: Layer) -> Layer {
        let bitrate = if Some(layer.index) > self.current {
            layer.peak
        } else {
            layer.bitrate
        };
        Layer { bitrate, ..layer }
    }
}

/// Layers that come into question and how far allocation has come.
#[derive(Clone, Debug)]
pub struct LayerChoices {
    layers: Vec<Layer>,
    target: Option<usize>,
    preferred: Option<usize>,
    /// Cheapest layer of the top height, up to which a desktop on stage may oversend.
    oversend: Option<usize>,
    is_on_stage: bool,
}

impl LayerChoices {
    /// Picks the layers of a candidate that its constraints admit.
    pub fn new(candidate: &Candidate) -> Self {
        if candidate.constraints.is_off() {
            return Self {
                layers: Vec::new(),
                target: None,
                preferred: None,
                oversend: None,
                is_on_stage: candidate.is_on_stage,
            };
        }
        let no_layer_active = candidate.layers.iter().all(|layer| layer.bitrate == 0);
        let active: Vec<Layer> = candidate
            .layers
            .iter()
            .filter(|layer| no_layer_active || layer.bitrate > 0)
            .map(|layer| candidate.priced(*layer))
            .collect();
        if candidate.video_type == VideoType::Desktop {
            Self::for_desktop(active, candidate)
        } else {
            Self::for_camera(active, candidate)
        }
    }

    fn for_camera(mut layers: Vec<Layer>, candidate: &Candidate) -> Self {
        let constraints = candidate.constraints;
        let is_large = constraints.max_height < 0 || constraints.max_height > 180;
        let (preferred_height, preferred_rate) = if is_large {
            (PREFERRED_HEIGHT, PREFERRED_FRAME_RATE)
        } else {
            (-1, -1.0)
        };
        let lowest = layers.iter().map(|layer| layer.height).min().unwrap_or(0);
        layers.retain(|layer| {
            layer.height == lowest
                || (constraints.admits_height(layer.height)
                    && (layer.height < preferred_height || layer.frame_rate >= preferred_rate))
        });
        let preferred = layers
            .iter()
            .rposition(|layer| !is_large || layer.height <= preferred_height)
            .or((!layers.is_empty()).then_some(0));
        Self {
            layers,
            target: None,
            preferred,
            oversend: None,
            is_on_stage: candidate.is_on_stage,
        }
    }

    fn for_desktop(mut layers: Vec<Layer>, candidate: &Candidate) -> Self {
        let constraints = candidate.constraints;
        let admits = |layer: &Layer| constraints.admits_height(layer.height);
        if layers.iter().any(admits) {
            layers.retain(admits);
        } else {
            let lowest = layers.iter().map(|layer| layer.height).min().unwrap_or(0);
            layers.retain(|layer| layer.height == lowest);
        }
        let top = layers.iter().map(|layer| layer.height).max().unwrap_or(0);
        let oversend = layers
            .iter()
            .enumerate()
            .filter(|(_, layer)| layer.height == top)
            .min_by_key(|(_, layer)| layer.bitrate)
            .map(|(index, _)| index)
            .filter(|_| candidate.is_on_stage);
        Self {
            preferred: layers.len().checked_sub(1),
            layers,
            target: None,
            oversend,
            is_on_stage: candidate.is_on_stage,
        }
    }

    /// Takes a step up within `remaining` bit/s; returns what it costs.
    pub fn improve(&mut self, remaining: i64, may_oversend: bool) -> i64 {
        let before = self.target_bitrate();
        let limit = remaining.saturating_add(before);
        match self.target {
            None if self.is_on_stage => self.boost(limit),
            _ => self.step(limit),
        }
        if let Some(target) = self.target {
            let bitrate = self.layers[target].bitrate;
            let free = self
                .layers
                .iter()
                .rposition(|layer| layer.bitrate <= bitrate);
            self.target = free.max(self.target);
        }
        if let Some(oversend) = self.oversend.filter(|_| may_oversend) {
            let extra = i64::try_from(MAXIMUM_OVERSENDING).unwrap_or(0);
            if self.target < Some(oversend) && self.cost(oversend) <= limit.saturating_add(extra) {
                self.target = Some(oversend);
            }
        }
        self.target_bitrate() - before
    }

    fn boost(&mut self, limit: i64) {
        let Some(preferred) = self.preferred else {
            return;
        };
        self.target = (0..=preferred)
            .rev()
            .find(|index| self.cost(*index) <= limit);
    }

    fn step(&mut self, limit: i64) {
        let next = self.target.map_or(0, |target| target + 1);
        if next < self.layers.len() && self.cost(next) <= limit {
            self.target = Some(next);
        }
    }

    fn cost(&self, index: usize) -> i64 {
        i64::try_from(self.layers[index].bitrate).unwrap_or(i64::MAX / 4)
    }

    fn target_bitrate(&self) -> i64 {
        self.target.map_or(0, |target| self.cost(target))
    }

    /// Whether the source shows well enough that others may get something.
    pub fn has_reached_preferred(&self) -> bool {
        self.target >= self.preferred
    }

    /// What allocation came to.
    pub fn target(&self) -> Option<Layer> {
        self.target.map(|target| self.layers[target])
    }

    /// The best layer in question.
    pub fn ideal(&self) -> Option<Layer> {
        self.layers.last().copied()
    }
}
