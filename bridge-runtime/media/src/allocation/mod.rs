//! Which layer of which source a receiver gets.
//!
//! Pure functions over a snapshot: sources in priority order, what the receiver asked for, and
//! an estimate of its downlink in; a target and an ideal layer per source out. The rules are
//! those clients of Jitsi expect (stage first, then selected, then by speech).

mod constraints;
mod select;

pub use constraints::{AudioSubscription, ReceiverSettings, VideoConstraints};
pub use select::{Candidate, LayerChoices};

use crate::identifiers::SourceIndex;
use crate::source::{Layer, LayerIndex};

/// How far an on-stage desktop may exceed the estimate, bit/s.
const MAXIMUM_OVERSENDING: u64 = 500_000;

/// What one source gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceAllocation {
    /// Which source.
    pub source: SourceIndex,
    /// What is sent, `None` for nothing.
    pub target: Option<Layer>,
    /// What would be sent with unlimited bandwidth.
    pub ideal: Option<Layer>,
    /// Constraints after last-N.
    pub effective: VideoConstraints,
}

impl SourceAllocation {
    /// Wanted and possible but for bandwidth.
    pub fn is_suspended(&self) -> bool {
        self.target.is_none() && self.ideal.is_some()
    }

    /// Index of the target layer.
    pub fn target_index(&self) -> Option<LayerIndex> {
        self.target.map(|layer| layer.index)
    }
}

/// Outcome for one receiver.
#[derive(Clone, Debug, Default)]
pub struct Allocation {
    /// In priority order.
    pub sources: Vec<SourceAllocation>,
    /// Sum of the targets' rates, bit/s.
    pub target_bitrate: u64,
    /// Sum of the ideals' rates, bit/s.
    pub ideal_bitrate: u64,
    /// Whether the target exceeds the estimate on purpose.
    pub is_oversending: bool,
    /// Whether a source gets less than its ideal.
    pub is_held_back: bool,
}

/// Allocates `bandwidth` bit/s (`None` for unlimited) to `candidates`, which come in priority
/// order with their effective constraints. Reuses `allocation`'s memory.
pub fn allocate(candidates: &[Candidate], bandwidth: Option<u64>, allocation: &mut Allocation) {
    allocation.sources.clear();
    allocation.is_oversending = false;
    let mut choices: Vec<LayerChoices> = candidates.iter().map(LayerChoices::new).collect();
    // Signed: oversending takes it below zero.
    let mut remaining = bandwidth.map_or(i64::MAX / 2, |bandwidth| {
        i64::try_from(bandwidth).unwrap_or(i64::MAX / 2)
    });
    loop {
        let before = remaining;
        for (position, (choice, candidate)) in choices.iter_mut().zip(candidates).enumerate() {
            if candidate.constraints.is_off() {
                continue;
            }
            remaining -= choice.improve(remaining, position == 0);
            allocation.is_oversending |= remaining < 0;
            if candidate.is_on_stage && !choice.has_reached_preferred() {
                // Thumbnails that would go again as soon as the stage improves are not begun.
                break;
            }
        }
        if remaining == before {
            break;
        }
    }
    for (choice, candidate) in choices.iter().zip(candidates) {
        let off = candidate.constraints.is_off();
        allocation.sources.push(SourceAllocation {
            source: candidate.source,
            target: if off { None } else { choice.target() },
            ideal: if off { None } else { choice.ideal() },
            effective: candidate.constraints,
        });
    }
    let sum = |layer: fn(&SourceAllocation) -> Option<Layer>| {
        allocation
            .sources
            .iter()
            .filter_map(layer)
            .map(|layer| layer.bitrate)
            .sum()
    };
    allocation.target_bitrate = sum(|source| source.target);
    allocation.ideal_bitrate = sum(|source| source.ideal);
    allocation.is_held_back = allocation
        .sources
        .iter()
        .any(|source| source.target_index() != source.ideal.map(|layer| layer.index));
}

/// Sets the constraints of all but the first `last_n` wanted candidates to off; negative or
/// absent limits do not count.
pub fn apply_last_n(candidates: &mut [Candidate], limits: &[Option<i32>]) {
    let Some(limit) = limits
        .iter()
        .flatten()
        .copied()
        .filter(|limit| *limit >= 0)
        .min()
    else {
        return;
    };
    let mut wanted = 0;
    for candidate in candidates {
        if candidate.constraints.is_off() {
            continue;
        }
        wanted += 1;
        if wanted > limit {
            candidate.constraints = VideoConstraints::OFF;
        }
    }
}

#[cfg(test)]
mod tests;
