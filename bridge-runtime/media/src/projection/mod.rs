//! Projection: the many streams of one video source become one steady stream per receiver.
//!
//! A receiver sees a single SSRC whose sequence numbers, timestamps, picture ids and frame
//! numbers run on, whatever encoding feeds it and whichever layers are left out. Encodings are
//! switched at key frames only. Rules that keep decoders from stalling:
//! a packet is judged with its frame, never alone; what is left out on purpose leaves no gap
//! where that can be proved, and where it cannot the place stays reserved for a late packet.

mod frames;
mod sequence;

pub use sequence::SequenceMapper;

use frames::{Frame, FrameLog};

use crate::codec::{Descriptor, VideoFacts, av1};
use crate::rtp::Header;
use crate::source::LayerIndex;

/// Least advance of the timestamp at a switch: one frame at 30 per second, 90 kHz.
const FRAME_TICKS: u32 = 3000;
/// A key frame further off than this, in either direction, is a new clock: 30 s at 90 kHz.
const CLOCK_JUMP: u32 = 30 * 90_000;
/// Base layer frames after which a temporal layer is taken up without a sync point; some
/// encoders never mark one.
const PATIENCE: u8 = 8;

/// One packet as the projection sees it.
#[derive(Clone, Copy, Debug)]
pub struct PacketView<'a> {
    /// RTP header.
    pub header: &'a Header,
    /// Sequence number, unwrapped per encoding.
    pub sequence: u64,
    /// Encoding the packet belongs to.
    pub encoding: u8,
    /// Codec facts.
    pub facts: &'a VideoFacts,
    /// Structure of the stream, AV1 only.
    pub structure: Option<&'a av1::Structure>,
    /// Arrival in milliseconds on any steady clock.
    pub arrival_milliseconds: u64,
}

/// How to write a packet that is forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Picture id (VP8, VP9) or frame number (AV1).
    pub picture: u16,
    /// TL0PICIDX.
    pub tl0: u8,
    /// Marker bit.
    pub marker: bool,
}

/// State of one source towards one receiver.
#[derive(Debug)]
pub struct Projection {
    target: Option<LayerIndex>,
    current: Option<u8>,
    sequence: SequenceMapper,
    timestamp_offset: u32,
    highest_timestamp: u32,
    last_forwarded_milliseconds: u64,
    frames: FrameLog,
    picture_offset: u16,
    highest_picture: u16,
    tl0_offset: u8,
    highest_tl0: u8,
    /// Highest temporal layer taken up so far.
    active_temporal: u8,
    active_spatial: u8,
    /// Base layer frames since the wish for more temporal layers.
    waited: u8,
    has_started: bool,
    /// Decode target being sent, AV1 only.
    decode_target: Option<u8>,
    generation: u32,
    /// Layers are wanted that only a key frame can start.
    awaits_layers: bool,
}

impl Default for Projection {
    fn default() -> Self {
        Self::new()
    }
}

impl Projection {
    /// Starts suspended.
    pub const fn new() -> Self {
        Self {
            target: None,
            current: None,
            sequence: SequenceMapper::new(),
            timestamp_offset: 0,
            highest_timestamp: 0,
            last_forwarded_milliseconds: 0,
            frames: FrameLog::new(),
            picture_offset: 0,
            highest_picture: 0,
            tl0_offset: 0,
            highest_tl0: 0,
            active_temporal: 0,
            active_spatial: 0,
            waited: 0,
            has_started: false,
            decode_target: None,
            generation: 0,
            awaits_layers: false,
        }
    }

    /// Changes with every switch to another stream.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Sets what the receiver shall get; `None` stops at once, and a key frame is needed to
    /// resume.
    pub fn set_target(&mut self, target: Option<LayerIndex>) {
        self.target = target;
        if target.is_none() {
            self.current = None;
            self.awaits_layers = false;
        }
    }

    /// What the receiver shall get.
    pub const fn target(&self) -> Option<LayerIndex> {
        self.target
    }

    /// Encoding being forwarded.
    pub const fn current_encoding(&self) -> Option<u8> {
        self.current
    }

    /// Whether only a key frame brings the receiver what it shall get.
    pub fn needs_key_frame(&self) -> bool {
        self.target
            .is_some_and(|target| self.current != Some(target.encoding) || self.awaits_layers)
    }

    /// Forgets the stream but not the numbers: another source takes over this stream, or the
    /// codec changes. A key frame starts it.
    pub fn restart(&mut self) {
        self.current = None;
    }

    /// Timestamp as the receiver sees it, for sender reports of `encoding`.
    pub fn map_timestamp(&self, encoding: u8, timestamp: u32) -> Option<u32> {
        (self.current == Some(encoding) && self.has_started)
            .then(|| timestamp.wrapping_add(self.timestamp_offset))
    }

    /// Last sequence number sent; padding packets follow it.
    pub fn next_padding(&mut self) -> Option<(u16, u32)> {
        (self.has_started && self.current.is_some() && self.frames.newest_is_complete())
            .then(|| (self.sequence.insert() as u16, self.highest_timestamp))
    }

    /// Input sequence number reserved for an output one of which nothing was sent.
    pub fn reserved_input(&self, output: u16) -> Option<(u8, u64)> {
        Some((self.current?, self.sequence.input_of(output)?))
    }

    /// A reserved place was filled with an empty packet; nothing else may be sent there.
    pub fn close_reserved(&mut self, input: u64) {
        let _ = self.sequence.accept(input);
    }

    /// Highest sequence number sent.
    pub const fn highest_sequence(&self) -> u16 {
        self.sequence.highest_output()
    }

    /// Highest timestamp sent.
    pub const fn highest_timestamp(&self) -> u32 {
        self.highest_timestamp
    }

    /// An input packet without content: it leaves no gap.
    pub fn skip(&mut self, encoding: u8, sequence: u64) {
        if self.current == Some(encoding) {
            self.sequence.drop_input(sequence, false);
        }
    }

    /// Judges a packet.
    pub fn project(&mut self, packet: &PacketView<'_>) -> Option<Rewrite> {
        let target = self.target?;
        if packet.facts.starts_key_frame
            && (self.should_switch(packet.encoding, target.encoding) || self.began_anew(packet))
        {
            self.switch(packet);
        }
        if self.current != Some(packet.encoding) {
            return None;
        }
        let known = self
            .frames
            .find(packet.header.timestamp, packet.facts.spatial);
        let frame = if let Some(frame) = known {
            frame
        } else {
            self.judge_frame(packet, target)
        };
        if !frame.accepted {
            let same_frame = self.frames.is_newest_before(packet.sequence, &frame);
            self.sequence.drop_input(packet.sequence, same_frame);
            self.frames.note(packet, &frame);
            return None;
        }
        let sequence = self.sequence.accept(packet.sequence)?;
        self.frames.note(packet, &frame);
        Some(self.rewrite(packet, &frame, sequence, target))
    }

    fn should_switch(&self, encoding: u8, target: u8) -> bool {
        match self.current {
            None => encoding <= target,
            Some(current) if encoding == current => false,
            // Up as far as the target; down as soon as the current one exceeds it.
            Some(current) => encoding <= target && (encoding > current || current > target),
        }
    }

    /// Whether the stream's clock jumped: its sender has restarted its encoder.
    fn began_anew(&self, packet: &PacketView<'_>) -> bool {
        if self.current != Some(packet.encoding) {
            return false;
        }
        let expected = self.highest_timestamp.wrapping_sub(self.timestamp_offset);
        let ahead = packet.header.timestamp.wrapping_sub(expected);
        let behind = expected.wrapping_sub(packet.header.timestamp);
        ahead.min(behind) > CLOCK_JUMP
    }

    fn switch(&mut self, packet: &PacketView<'_>) {
        let header = packet.header;
        if self.has_started {
            let elapsed = packet
                .arrival_milliseconds
                .saturating_sub(self.last_forwarded_milliseconds);
            let frames = u32::try_from(elapsed / 33).unwrap_or(u32::MAX / FRAME_TICKS);
            let advance = frames.clamp(1, 1 << 15).wrapping_mul(FRAME_TICKS);
            self.timestamp_offset = self
                .highest_timestamp
                .wrapping_add(advance)
                .wrapping_sub(header.timestamp);
            self.sequence.rebase(packet.sequence);
        } else {
            self.sequence.start(packet.sequence);
        }
        let (picture, tl0) = counters(packet.facts);
        if self.has_started {
            self.picture_offset = self.highest_picture.wrapping_add(1).wrapping_sub(picture);
            self.tl0_offset = self.highest_tl0.wrapping_add(1).wrapping_sub(tl0);
        }
        self.generation = self.generation.wrapping_add(1);
        self.frames.clear();
        self.current = Some(packet.encoding);
        self.has_started = true;
        self.highest_timestamp = header.timestamp.wrapping_add(self.timestamp_offset);
        self.highest_picture = picture.wrapping_add(self.picture_offset);
        self.highest_tl0 = tl0.wrapping_add(self.tl0_offset);
        self.active_temporal = 0;
        self.active_spatial = 0;
        self.decode_target = None;
        self.awaits_layers = false;
    }

    /// Decides on a frame none of whose packets was seen before.
    fn judge_frame(&mut self, packet: &PacketView<'_>, target: LayerIndex) -> Frame {
        let is_newest = self.frames.is_newer(packet.header.timestamp);
        let accepted = self.accepts(packet, target, is_newest);
        let offset = if is_newest {
            self.picture_offset
        } else {
            self.frames
                .offset_before(packet.header.timestamp)
                .unwrap_or(self.picture_offset)
        };
        // VP8 receivers wait for missing pictures, so those left out must leave no gap. The
        // others refer to pictures by distance, which closing gaps would break.
        if !accepted && is_newest && matches!(packet.facts.descriptor, Descriptor::Vp8(_)) {
            self.picture_offset = self.picture_offset.wrapping_sub(1);
        }
        let frame = Frame {
            timestamp: packet.header.timestamp,
            spatial: packet.facts.spatial,
            accepted,
            is_predicted: is_predicted(packet.facts),
            picture_offset: offset,
            last_sequence: packet.sequence,
            is_complete: false,
        };
        self.frames.push(frame);
        frame
    }

    fn accepts(&mut self, packet: &PacketView<'_>, target: LayerIndex, is_newest: bool) -> bool {
        let facts = packet.facts;
        match &facts.descriptor {
            Descriptor::Generic => true,
            Descriptor::Vp8(descriptor) => {
                let limit = Self::temporal_limit(packet.encoding, target);
                let step = TemporalStep {
                    opens: facts.starts_key_frame,
                    is_sync: descriptor.layer_sync,
                    needs_only_base: descriptor.layer_sync,
                };
                self.accepts_temporal(facts.temporal, limit, step, is_newest)
            }
            Descriptor::Vp9(descriptor) => {
                let limit = Self::temporal_limit(packet.encoding, target);
                let starts_layer = !descriptor.inter_picture;
                let step = TemporalStep {
                    opens: starts_layer || descriptor.switching_up_point,
                    is_sync: starts_layer || descriptor.switching_up_point,
                    needs_only_base: false,
                };
                self.accepts_spatial(packet, target, starts_layer)
                    && self.accepts_temporal(facts.temporal, limit, step, is_newest)
            }
            Descriptor::Av1(descriptor) => self.accepts_target(packet, descriptor, target),
        }
    }

    /// While a lower encoding is awaited only its base is worth anything; while a higher one is,
    /// everything at hand is.
    fn temporal_limit(encoding: u8, target: LayerIndex) -> u8 {
        match encoding.cmp(&target.encoding) {
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Less => u8::MAX,
            std::cmp::Ordering::Equal => target.temporal,
        }
    }

    fn accepts_temporal(
        &mut self,
        temporal: u8,
        limit: u8,
        step: TemporalStep,
        is_newest: bool,
    ) -> bool {
        self.active_temporal = self.active_temporal.min(limit);
        if temporal == 0 {
            if is_newest && step.opens {
                self.active_temporal = limit;
                self.waited = 0;
            } else if is_newest && self.active_temporal < limit {
                self.waited = self.waited.saturating_add(1);
            }
            return true;
        }
        if temporal > limit {
            return false;
        }
        if temporal <= self.active_temporal {
            return true;
        }
        // Layers below the new one must not have been left out since the base layer frame.
        let follows = temporal == self.active_temporal + 1 || step.needs_only_base;
        if (step.is_sync || self.waited >= PATIENCE) && follows && is_newest {
            self.active_temporal = temporal;
            self.waited = 0;
            return true;
        }
        false
    }

    fn spatial_limit(encoding: u8, target: LayerIndex) -> u8 {
        match encoding.cmp(&target.encoding) {
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Less => u8::MAX,
            std::cmp::Ordering::Equal => target.spatial,
        }
    }

    fn accepts_spatial(
        &mut self,
        packet: &PacketView<'_>,
        target: LayerIndex,
        starts_layer: bool,
    ) -> bool {
        let spatial = packet.facts.spatial;
        let limit = Self::spatial_limit(packet.encoding, target);
        self.active_spatial = self.active_spatial.min(limit);
        if spatial > limit {
            return false;
        }
        if spatial <= self.active_spatial {
            self.awaits_layers &= self.active_spatial < limit;
            return true;
        }
        // Below, a predicted frame was marked as the last of its picture.
        let is_ended = spatial.checked_sub(1).is_some_and(|below| {
            let below = self.frames.find(packet.header.timestamp, below);
            below.is_some_and(|frame| frame.is_predicted)
        });
        if starts_layer && !is_ended && spatial == self.active_spatial + 1 {
            self.active_spatial = spatial;
            self.awaits_layers &= spatial < limit;
            return true;
        }
        self.awaits_layers = true;
        false
    }

    fn accepts_target(
        &mut self,
        packet: &PacketView<'_>,
        descriptor: &av1::Descriptor,
        target: LayerIndex,
    ) -> bool {
        let (spatial, temporal) = match packet.encoding.cmp(&target.encoding) {
            std::cmp::Ordering::Greater => (0, 0),
            std::cmp::Ordering::Less => (u8::MAX, u8::MAX),
            std::cmp::Ordering::Equal => (target.spatial, target.temporal),
        };
        let Some(structure) = packet.structure else {
            return true;
        };
        let Some(wanted) = structure.target_for(spatial, temporal) else {
            return true;
        };
        if self.decode_target == Some(wanted) {
            self.awaits_layers = false;
        } else {
            // A frame may switch only to what can be decoded from it on: it has to be one of the
            // present target's itself, or all that the wanted one needs was sent all along.
            let may_switch = descriptor.starts_key_frame
                || self.decode_target.is_none_or(|current| {
                    structure.is_subset(wanted, current)
                        || (descriptor.is_present(current) && descriptor.switches_to(wanted))
                });
            if may_switch {
                self.decode_target = Some(wanted);
            }
            self.awaits_layers = !may_switch && !structure.has_switch(self.decode_target, wanted);
        }
        self.decode_target
            .is_none_or(|target| descriptor.is_present(target))
    }

    fn rewrite(
        &mut self,
        packet: &PacketView<'_>,
        frame: &Frame,
        sequence: u64,
        target: LayerIndex,
    ) -> Rewrite {
        let (picture, tl0) = counters(packet.facts);
        let rewrite = Rewrite {
            sequence: sequence as u16,
            timestamp: packet.header.timestamp.wrapping_add(self.timestamp_offset),
            picture: picture.wrapping_add(frame.picture_offset),
            tl0: tl0.wrapping_add(self.tl0_offset),
            marker: packet.header.marker || self.ends_picture(packet, target),
        };
        if rewrite.timestamp.wrapping_sub(self.highest_timestamp) < 1 << 31 {
            self.highest_timestamp = rewrite.timestamp;
            self.highest_picture = rewrite.picture;
            self.highest_tl0 = rewrite.tl0;
        }
        self.last_forwarded_milliseconds = packet.arrival_milliseconds;
        rewrite
    }

    /// Whether a packet ends what the receiver gets of a picture though not the picture itself.
    /// Browsers decode nothing of a picture whose end is not marked.
    fn ends_picture(&self, packet: &PacketView<'_>, target: LayerIndex) -> bool {
        match &packet.facts.descriptor {
            Descriptor::Vp9(descriptor) => {
                let limit = Self::spatial_limit(packet.encoding, target);
                descriptor.ends_frame
                    && descriptor.spatial == self.active_spatial
                    && (descriptor.spatial >= limit || descriptor.inter_picture)
            }
            Descriptor::Av1(descriptor) => {
                let highest = packet
                    .structure
                    .zip(self.decode_target)
                    .and_then(|(structure, target)| structure.highest_spatial(target));
                descriptor.ends_frame
                    && highest.is_some_and(|highest| descriptor.spatial >= highest)
            }
            Descriptor::Vp8(_) | Descriptor::Generic => false,
        }
    }
}

/// Whether a frame is predicted from earlier pictures, where that tells whether layers may start
/// on top of it.
const fn is_predicted(facts: &VideoFacts) -> bool {
    matches!(&facts.descriptor, Descriptor::Vp9(descriptor) if descriptor.inter_picture)
}

/// What a frame says about taking up temporal layers.
#[derive(Clone, Copy, Debug)]
struct TemporalStep {
    /// On a base layer frame: those above it can be decoded from here on.
    opens: bool,
    /// The frame needs none of its own layer before it.
    is_sync: bool,
    /// Nor any of the layers between it and the base.
    needs_only_base: bool,
}

fn counters(facts: &VideoFacts) -> (u16, u8) {
    match &facts.descriptor {
        Descriptor::Vp8(descriptor) => (
            descriptor.picture_id.map_or(0, |id| id.value),
            descriptor.tl0_picture_index.unwrap_or(0),
        ),
        Descriptor::Vp9(descriptor) => (
            descriptor.picture_id.map_or(0, |id| id.value),
            descriptor.tl0_picture_index.unwrap_or(0),
        ),
        Descriptor::Av1(descriptor) => (descriptor.frame_number, 0),
        Descriptor::Generic => (0, 0),
    }
}

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod scalable_tests;
#[cfg(test)]
mod tests;
