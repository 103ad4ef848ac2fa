//! SSRC rewriting: a bounded set of streams that sources take turns in.
//!
//! The client learns the owner of a stream from a source map on its bridge channel. When all
//! slots are taken, the one used least recently changes hands.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::SsrcGenerator;
use super::endpoint::{AudioSlot, AudioStream, Endpoint, Mid, RtxStream, VideoStream};
use super::event::Event;
use super::source::Source;
use super::{Conference, ConferenceConfig};
use crate::channel::{AudioMapping, ChannelMessage, VideoMapping};
use crate::identifiers::{EndpointIndex, SourceIndex, Ssrc};

/// Streams whose sources are gone that are kept, in case a source comes back under its SSRC.
const FORMER_STREAMS: usize = 8;

/// Sound that pauses this long gives up its slot, if others want it. Were slots taken sooner, more speakers
/// than slots would take them from each other with every packet.
const PAUSE: Duration = Duration::from_millis(100);

impl Endpoint {
    /// Forgets a source that was removed; its slots become free but keep their numbers.
    pub(super) fn forget_source(&mut self, index: SourceIndex) {
        self.needs_allocation = true;
        self.forwarded_changed |= self.forwarded.contains(&index);
        self.forwarded.retain(|source| *source != index);
        if let Some(position) = self.video_stream(index) {
            let stream = &mut self.video[position];
            stream.source = None;
            stream.projection.set_target(None);
            stream.sent.release();
            // What waits is of a store that is gone; the source's number may be given to another.
            self.pacer.forget(position);
        }
        for slot in &mut self.audio_slots {
            if slot.source == Some(index) {
                slot.source = None;
            }
        }
        if let Some(audio) = self.audio.get_mut(index.as_usize()) {
            *audio = AudioStream::default();
        }
    }

    /// The stream on which a receiver without rewriting gets a source. One that had this SSRC before
    /// runs on, lest numbers be used again that packets were encrypted with.
    fn own_stream(
        &mut self,
        now: Instant,
        source: SourceIndex,
        ssrc: Ssrc,
        rtx: Option<Ssrc>,
    ) -> usize {
        let streams = self.video.iter().enumerate();
        let former: Vec<_> = streams.filter(|(_, s)| s.source.is_none()).collect();
        let position = former.iter().find(|(_, stream)| stream.ssrc == ssrc);
        if let Some(position) = position.map(|(position, _)| *position) {
            let stream = &mut self.video[position];
            stream.take_up(now, source);
            if stream.rtx.map(|known| known.ssrc) != rtx {
                stream.rtx = rtx.map(RtxStream::new);
            }
            return position;
        }
        let mut stream = VideoStream::new(now, ssrc, rtx, None);
        stream.source = Some(source);
        let oldest = former.iter().min_by_key(|(_, stream)| stream.last_used);
        if let Some((position, _)) = oldest.filter(|_| former.len() >= FORMER_STREAMS) {
            let position = *position;
            self.video[position] = stream;
            return position;
        }
        self.add_video_stream(stream);
        self.video.len() - 1
    }

    /// Adds a stream; streams are large, so there is room for few more.
    fn add_video_stream(&mut self, stream: VideoStream) {
        self.video.reserve_exact(1 + self.video.len() / 8);
        self.video.push(stream);
    }

    /// The slot of an audio source; takes one over when it has none. The dominant speaker gets one at
    /// once, others when somebody pauses.
    #[expect(
        clippy::too_many_arguments,
        reason = "the hot path borrows disjoint state"
    )]
    pub(super) fn audio_slot(
        &mut self,
        now: Instant,
        own_index: EndpointIndex,
        index: SourceIndex,
        source: &Source,
        is_dominant: bool,
        ssrcs: &mut SsrcGenerator,
        config: &ConferenceConfig,
        events: &mut VecDeque<Event>,
    ) -> Option<usize> {
        if let Some(slot) = self.audio[index.as_usize()].slot {
            return Some(usize::from(slot));
        }
        let position = if let Some(free) = self.audio_slots.iter().position(|s| s.source.is_none())
        {
            free
        } else if self.audio_slots.len() < config.audio_slots {
            let mid = self
                .mid_demux
                .then(|| Mid::new(b'a', self.audio_slots.len()));
            self.audio_slots
                .push(AudioSlot::new(now, Ssrc(ssrcs.next()), mid));
            self.audio_slots.len() - 1
        } else {
            let slots = self.audio_slots.iter().enumerate();
            let oldest = slots.min_by_key(|(_, slot)| slot.last_used);
            let pause = |last| now.saturating_duration_since(last);
            oldest
                .filter(|(_, slot)| is_dominant || pause(slot.last_used) >= PAUSE)?
                .0
        };
        let slot = &mut self.audio_slots[position];
        if let Some(former) = slot.source
            && let Some(former) = self.audio.get_mut(former.as_usize())
        {
            former.slot = None;
        }
        slot.source = Some(index);
        slot.is_handed_over = true;
        self.audio[index.as_usize()].slot = Some(position as u16);
        events.push_back(Event::Channel {
            endpoint: own_index,
            message: ChannelMessage::AudioSourcesMap {
                mapped_sources: vec![audio_mapping(slot, source)],
            },
        });
        Some(position)
    }
}

fn audio_mapping(slot: &AudioSlot, source: &Source) -> AudioMapping {
    AudioMapping {
        source: source.name().to_owned(),
        owner: source.owner_id.as_str().to_owned(),
        ssrc: slot.ssrc.0,
        mid: slot.mid.map(Mid::to_text),
    }
}

pub(super) fn video_mapping(stream: &VideoStream, source: &Source) -> VideoMapping {
    VideoMapping {
        source: source.name().to_owned(),
        owner: source.owner_id.as_str().to_owned(),
        ssrc: stream.ssrc.0,
        rtx: stream.rtx.map_or(-1, |rtx| i64::from(rtx.ssrc.0)),
        video_type: source.video_type.map_name().to_owned(),
        mid: stream.mid.map(Mid::to_text),
    }
}

impl Conference {
    /// Finds or makes the stream on which `receiver` gets `source`. Returns its position and
    /// whether the client has to be told.
    pub(super) fn assign_video_stream(
        &mut self,
        now: Instant,
        receiver: EndpointIndex,
        source: SourceIndex,
        wanted: &[SourceIndex],
    ) -> Option<(usize, bool)> {
        let (ssrc, rtx) = self.source(source)?.primary();
        let has_rtx = rtx.is_some();
        let limit = self.config.video_slots;
        let fresh = (Ssrc(self.ssrcs.next()), Ssrc(self.ssrcs.next()));
        let endpoint = self.endpoint_mut(receiver)?;
        if let Some(position) = endpoint.video_stream(source) {
            return Some((position, false));
        }
        if !endpoint.ssrc_rewriting {
            return Some((endpoint.own_stream(now, source, ssrc, rtx), false));
        }
        let free = endpoint.video.iter().position(|s| s.source.is_none());
        let position = if let Some(free) = free {
            free
        } else if endpoint.video.len() < limit {
            let mid = endpoint
                .mid_demux
                .then(|| Mid::new(b'v', endpoint.video.len()));
            let rtx = has_rtx.then_some(fresh.1);
            endpoint.add_video_stream(VideoStream::new(now, fresh.0, rtx, mid));
            endpoint.video.len() - 1
        } else {
            let idle =
                endpoint.video.iter().enumerate().filter(|(_, stream)| {
                    stream.source.is_none_or(|source| !wanted.contains(&source))
                });
            idle.min_by_key(|(_, stream)| stream.last_used)?.0
        };
        endpoint.video[position].take_up(now, source);
        Some((position, true))
    }

    /// All entries of a receiver's tables, for a channel that has just opened.
    pub(super) fn repeat_source_maps(&mut self, receiver: EndpointIndex) {
        let Some(endpoint) = self.endpoint(receiver) else {
            return;
        };
        if !endpoint.ssrc_rewriting {
            return;
        }
        let audio: Vec<AudioMapping> = endpoint
            .audio_slots
            .iter()
            .filter_map(|slot| {
                let source = self.source(slot.source?)?;
                Some(audio_mapping(slot, source))
            })
            .collect();
        let video: Vec<VideoMapping> = endpoint
            .video
            .iter()
            .filter_map(|stream| {
                let source = self.source(stream.source?)?;
                Some(video_mapping(stream, source))
            })
            .collect();
        if !audio.is_empty() {
            self.tell(
                receiver,
                ChannelMessage::AudioSourcesMap {
                    mapped_sources: audio,
                },
            );
        }
        if !video.is_empty() {
            self.tell(
                receiver,
                ChannelMessage::VideoSourcesMap {
                    mapped_sources: video,
                },
            );
        }
    }
}
