//! Layers of one video source, with their measured rates.
#![expect(clippy::cast_precision_loss, reason = "bit rates fit the mantissa")]

use std::time::{Duration, Instant};

use serde::Serialize;

use super::RateMeter;

/// Most simulcast encodings of a source.
pub const MAXIMUM_ENCODINGS: usize = 4;
/// Most spatial layers of one encoding that are told apart.
const SPATIAL: usize = 4;
/// Most temporal layers that are told apart.
const TEMPORAL: usize = 4;
/// Most layers of one source.
pub const MAXIMUM_LAYERS: usize = MAXIMUM_ENCODINGS * SPATIAL * TEMPORAL;

/// Height assumed for the lowest encoding until the stream tells better.
const LOWEST_HEIGHT: i32 = 180;
/// Frame rate assumed for all temporal layers together.
const FULL_FRAME_RATE: f32 = 30.0;
/// A rate that was seen counts for half after this time. Encoders dip for a second; a
/// receiver that is given a layer for what it was in a dip drowns when it is over.
const HALF_LIFE: Duration = Duration::from_secs(4);

/// Names one layer; ordered by quality within one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LayerIndex {
    /// Simulcast encoding, lowest first.
    pub encoding: u8,
    /// Spatial layer within the encoding.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
}

/// A layer as allocation sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Layer {
    /// Which one.
    pub index: LayerIndex,
    /// Height in pixels.
    pub height: i32,
    /// Frames per second.
    pub frame_rate: f32,
    /// Measured rate of all a receiver of this layer gets, in bit/s; zero when inactive.
    pub bitrate: u64,
    /// What the rate is or lately was, in bit/s: what a receiver has to expect who changes to it.
    pub peak: u64,
}

/// The largest rate of late; older ones fade.
#[derive(Clone, Copy, Debug)]
struct Peak {
    bitrate: u64,
    at: Option<Instant>,
}

impl Peak {
    const NONE: Self = Self {
        bitrate: 0,
        at: None,
    };

    /// Takes the present rate, and gives the one to expect.
    fn hold(&mut self, now: Instant, bitrate: u64) -> u64 {
        let elapsed = self
            .at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let left = (-elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        let lately = if bitrate > 0 {
            self.bitrate as f64 * left
        } else {
            0.0
        };
        self.bitrate = bitrate.max(lately as u64);
        self.at = Some(now);
        self.bitrate
    }
}

/// Measures the layers of one encoding.
#[derive(Debug)]
pub struct LayerMeter {
    meters: [[Option<Box<RateMeter>>; TEMPORAL]; SPATIAL],
    spatial_layers: u8,
    temporal_layers: u8,
    heights: [u16; SPATIAL],
    /// Of the cumulative rates.
    peaks: [[Peak; TEMPORAL]; SPATIAL],
}

impl LayerMeter {
    /// Starts with one spatial and three temporal layers assumed.
    pub const fn new() -> Self {
        Self {
            meters: [const { [const { None }; TEMPORAL] }; SPATIAL],
            spatial_layers: 1,
            temporal_layers: 1,
            heights: [0; SPATIAL],
            peaks: [const { [const { Peak::NONE }; TEMPORAL] }; SPATIAL],
        }
    }

    /// Counts a packet; allocates when a layer is seen for the first time. Returns whether it
    /// was.
    pub fn add(&mut self, now: Instant, spatial: u8, temporal: u8, bytes: usize) -> bool {
        let spatial = usize::from(spatial).min(SPATIAL - 1);
        let temporal = usize::from(temporal).min(TEMPORAL - 1);
        let is_new = self.meters[spatial][temporal].is_none();
        self.meters[spatial][temporal]
            .get_or_insert_with(|| Box::new(RateMeter::new(now)))
            .add(now, bytes);
        self.spatial_layers = self.spatial_layers.max(spatial as u8 + 1);
        self.temporal_layers = self.temporal_layers.max(temporal as u8 + 1);
        is_new
    }

    /// Takes the heights a stream states for its spatial layers. Returns whether they are news.
    pub fn set_heights(&mut self, heights: impl Iterator<Item = u16>, layers: u8) -> bool {
        let layers = usize::from(layers).clamp(1, SPATIAL);
        let mut changed = usize::from(self.spatial_layers) != layers;
        self.spatial_layers = layers as u8;
        for (known, height) in self.heights.iter_mut().zip(heights).take(layers) {
            changed |= *known != height;
            *known = height;
        }
        changed
    }

    /// Takes the lines a stream of one spatial layer tells. More than its place among the
    /// encodings implies do not count: clients ask for places.
    pub fn set_lines(&mut self, lines: u16, encoding: u8, encodings: u8) -> bool {
        let known = std::mem::take(&mut self.heights[0]);
        let place = u16::try_from(self.height(encoding, encodings, 0)).unwrap_or(u16::MAX);
        self.heights[0] = lines.min(place);
        self.heights[0] != known
    }

    /// Rate of everything in this encoding, bit/s.
    pub fn bitrate(&mut self, now: Instant) -> u64 {
        self.meters
            .iter_mut()
            .flatten()
            .flatten()
            .map(|meter| meter.bitrate(now))
            .sum()
    }

    /// Appends the layers of this encoding to `layers`, lowest first, with cumulative rates.
    /// `encodings` is the number of encodings of the source.
    pub fn collect(&mut self, now: Instant, encoding: u8, encodings: u8, layers: &mut Vec<Layer>) {
        let mut rates = [[0_u64; TEMPORAL]; SPATIAL];
        for (rates, meters) in rates.iter_mut().zip(&mut self.meters) {
            for (rate, meter) in rates.iter_mut().zip(meters) {
                *rate = meter.as_mut().map_or(0, |meter| meter.bitrate(now));
            }
        }
        for spatial in 0..usize::from(self.spatial_layers) {
            let is_active = rates[spatial].iter().any(|rate| *rate > 0);
            for temporal in 0..usize::from(self.temporal_layers) {
                let sum: u64 = rates[..=spatial]
                    .iter()
                    .flat_map(|rates| &rates[..=temporal])
                    .sum();
                // A spatial layer nobody sends is no choice, whatever lies below it.
                let bitrate = if is_active { sum } else { 0 };
                let peak = self.peaks[spatial][temporal].hold(now, bitrate);
                let shift = i32::from(self.temporal_layers) - 1 - temporal as i32;
                layers.push(Layer {
                    index: LayerIndex {
                        encoding,
                        spatial: spatial as u8,
                        temporal: temporal as u8,
                    },
                    height: self.height(encoding, encodings, spatial),
                    frame_rate: FULL_FRAME_RATE / 2_f32.powi(shift),
                    bitrate,
                    peak,
                });
            }
        }
    }

    fn height(&self, encoding: u8, encodings: u8, spatial: usize) -> i32 {
        if self.heights[spatial] > 0 {
            return i32::from(self.heights[spatial]);
        }
        if encodings > 1 {
            return LOWEST_HEIGHT << (u32::from(encoding) + spatial as u32);
        }
        // One encoding that says nothing about its size: spatial layers end at 720 lines.
        (LOWEST_HEIGHT * 4) >> (u32::from(self.spatial_layers) - 1 - spatial as u32)
    }
}

impl Default for LayerMeter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_fades_and_goes_with_its_layer() {
        let start = Instant::now();
        let mut peak = Peak::NONE;
        assert_eq!(peak.hold(start, 800), 800);
        assert_eq!(peak.hold(start + HALF_LIFE, 100), 400);
        assert_eq!(peak.hold(start + HALF_LIFE, 900), 900);
        assert_eq!(peak.hold(start + HALF_LIFE, 0), 0);
        assert_eq!(peak.hold(start + HALF_LIFE, 100), 100);
    }
}
