//! The last few frames of the stream being projected, so that all packets of a frame share one
//! verdict even when they come late or out of order.

use super::PacketView;

const FRAMES: usize = 16;

/// Verdict on one frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    pub(super) timestamp: u32,
    pub(super) spatial: u8,
    pub(super) accepted: bool,
    /// Predicted from earlier pictures.
    pub(super) is_predicted: bool,
    /// Offset of the picture id in force when the frame arrived.
    pub(super) picture_offset: u16,
    /// Highest sequence number seen of it.
    pub(super) last_sequence: u64,
    pub(super) is_complete: bool,
}

/// Ring of frames in order of arrival.
#[derive(Debug)]
pub(super) struct FrameLog {
    frames: [Frame; FRAMES],
    count: usize,
    next: usize,
    newest_timestamp: u32,
}

impl FrameLog {
    pub(super) const fn new() -> Self {
        Self {
            frames: [Frame {
                timestamp: 0,
                spatial: 0,
                accepted: false,
                is_predicted: false,
                picture_offset: 0,
                last_sequence: 0,
                is_complete: false,
            }; FRAMES],
            count: 0,
            next: 0,
            newest_timestamp: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Where frames lie, the newest first: most packets are of that one.
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let end = self.next + FRAMES;
        (1..=self.count).map(move |back| (end - back) % FRAMES)
    }

    fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.places().map(|place| &self.frames[place])
    }

    pub(super) fn find(&self, timestamp: u32, spatial: u8) -> Option<Frame> {
        self.iter()
            .find(|frame| frame.timestamp == timestamp && frame.spatial == spatial)
            .copied()
    }

    pub(super) fn is_newer(&self, timestamp: u32) -> bool {
        self.count == 0 || timestamp.wrapping_sub(self.newest_timestamp) < 1 << 31
    }

    pub(super) fn push(&mut self, frame: Frame) {
        if self.is_newer(frame.timestamp) {
            self.newest_timestamp = frame.timestamp;
        }
        self.frames[self.next] = frame;
        self.next = (self.next + 1) % FRAMES;
        self.count = (self.count + 1).min(FRAMES);
    }

    /// Offset in force before the first known frame after `timestamp`.
    pub(super) fn offset_before(&self, timestamp: u32) -> Option<u16> {
        self.iter()
            .filter(|frame| frame.timestamp.wrapping_sub(timestamp) < 1 << 31)
            .min_by_key(|frame| frame.timestamp.wrapping_sub(timestamp))
            .map(|frame| frame.picture_offset)
    }

    /// Records what a packet tells of its frame.
    pub(super) fn note(&mut self, packet: &PacketView<'_>, frame: &Frame) {
        let found = self.places().find(|place| {
            let other = &self.frames[*place];
            other.timestamp == frame.timestamp && other.spatial == frame.spatial
        });
        if let Some(place) = found {
            let found = &mut self.frames[place];
            found.last_sequence = found.last_sequence.max(packet.sequence);
            found.is_complete |= packet.header.marker;
        }
    }

    /// Whether the packet before the gap ending at `sequence` belongs to the same frame, so that
    /// whatever is missing between them does too.
    pub(super) fn is_newest_before(&self, sequence: u64, frame: &Frame) -> bool {
        let newest = self.iter().map(|frame| frame.last_sequence).max();
        frame.last_sequence < sequence && newest == Some(frame.last_sequence)
    }

    /// Whether the newest frame has ended, so that something may be put behind it.
    pub(super) fn newest_is_complete(&self) -> bool {
        let newest = self.iter().max_by_key(|frame| frame.last_sequence);
        newest.is_some_and(|frame| frame.is_complete)
    }
}
