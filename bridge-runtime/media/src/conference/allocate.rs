//! From what receivers want to what is forwarded and what senders are told.

use std::time::Instant;

use super::endpoint::{Endpoint, RequestLimiter};
use super::source::Subscriber;
use super::{Conference, slots};
use crate::allocation::{
    Allocation, Candidate, SourceAllocation, VideoConstraints, allocate, apply_last_n,
};
use crate::channel::ChannelMessage;
use crate::identifiers::{EndpointIndex, SourceIndex};

impl Conference {
    /// Allocates for one receiver and applies the outcome.
    pub(super) fn run_allocation(&mut self, now: Instant, receiver: EndpointIndex) {
        let candidates = self.candidates(now, receiver);
        let estimate = self.trusted_estimate(receiver);
        let Some(endpoint) = self.endpoint_mut(receiver) else {
            return;
        };
        endpoint.needs_allocation = false;
        endpoint.last_allocation = Some(now);
        endpoint.allocated_bandwidth = estimate.unwrap_or(u64::MAX);
        let audio = endpoint.audio_rate.bitrate(now);
        let left = estimate.map(|estimate| {
            // Sound comes off, but not so far that the first picture goes for it.
            let first = candidates.first().and_then(|first| first.layers.first());
            let least = first.map_or(0, |layer| layer.bitrate).min(estimate);
            estimate.saturating_sub(audio).max(least)
        });
        let bandwidth = endpoint.settings.assumed_bandwidth.or(left);
        let mut allocation = std::mem::take(&mut endpoint.allocation);
        allocate(&candidates, bandwidth, &mut allocation);
        endpoint
            .send
            .bandwidth
            .set_wanted((allocation.ideal_bitrate + audio) * 6 / 5);
        endpoint.stop_what_cannot_pass(&candidates, &allocation, bandwidth);
        self.apply_allocation(now, receiver, &allocation);
        if let Some(endpoint) = self.endpoint_mut(receiver) {
            endpoint.allocation = allocation;
        }
        self.constraints_changed = true;
    }

    /// Estimate of the whole way down, `None` while it is not to be trusted.
    fn trusted_estimate(&self, receiver: EndpointIndex) -> Option<u64> {
        let endpoint = self.endpoint(receiver)?;
        let estimator = &endpoint.send.bandwidth;
        let is_trusted = self.config.trust_estimate && endpoint.media.rtx && estimator.is_founded();
        is_trusted.then(|| estimator.estimate())
    }

    /// Video sources in the receiver's order of priority, with effective constraints.
    fn candidates(&mut self, now: Instant, receiver: EndpointIndex) -> Vec<Candidate> {
        let Some(endpoint) = self.endpoint(receiver) else {
            return Vec::new();
        };
        if !endpoint.media.receives_video || !endpoint.is_ready {
            return Vec::new();
        }
        let settings = endpoint.settings.clone();
        let last_n = endpoint.last_n();
        let mut ranked = Vec::new();
        for (speech_rank, owner) in self.speech.as_slice().iter().copied().enumerate() {
            if owner == receiver {
                continue;
            }
            let Some(owner) = self.endpoint(owner) else {
                continue;
            };
            let shows_nothing = !owner.sources.iter().any(|index| {
                self.source(*index)
                    .is_some_and(|source| source.is_video() && source.video_type.is_enabled())
            });
            for index in &owner.sources {
                let Some(source) = self.source(*index).filter(|source| source.is_video()) else {
                    continue;
                };
                let is_off = !source.video_type.is_enabled() || shows_nothing;
                let rank = (is_off, settings.rank(source.name()), speech_rank);
                let current = endpoint.video_stream(*index);
                let current = current.and_then(|stream| endpoint.video[stream].projection.target());
                ranked.push((rank, *index, current));
            }
        }
        // Disabled ones last, then stage, selection and speech.
        ranked.sort_by_key(|(rank, ..)| *rank);
        let mut candidates: Vec<Candidate> = Vec::with_capacity(ranked.len());
        for ((is_off, ..), index, current) in ranked {
            let Some(source) = self.source_mut(index) else {
                continue;
            };
            let constraints = if is_off {
                VideoConstraints::OFF
            } else {
                settings.constraints_of(source.name())
            };
            candidates.push(Candidate {
                source: index,
                layers: source.layers(now),
                current,
                video_type: source.video_type,
                constraints,
                is_on_stage: settings.is_on_stage(source.name()),
            });
        }
        let size = self.endpoint_ids.len();
        let by_size = self
            .config
            .last_n_limits
            .iter()
            .filter(|(from, _)| size >= *from)
            .max_by_key(|(from, _)| *from)
            .map(|(_, limit)| *limit);
        let slots = i32::try_from(self.config.video_slots).ok();
        apply_last_n(
            &mut candidates,
            &[last_n, self.config.last_n, by_size, slots],
        );
        candidates
    }

    fn apply_allocation(&mut self, now: Instant, receiver: EndpointIndex, allocation: &Allocation) {
        let wanted: Vec<SourceIndex> = allocation
            .sources
            .iter()
            .filter(|source| !source.effective.is_off())
            .map(|source| source.source)
            .collect();
        let mut mapped = Vec::new();
        for index in &wanted {
            let assigned = self.assign_video_stream(now, receiver, *index, &wanted);
            if let Some((position, true)) = assigned
                && let Some(endpoint) = self.endpoint(receiver)
                && let Some(source) = self.source(*index)
            {
                mapped.push(slots::video_mapping(&endpoint.video[position], source));
            }
        }
        if !mapped.is_empty() {
            self.tell(
                receiver,
                ChannelMessage::VideoSourcesMap {
                    mapped_sources: mapped,
                },
            );
        }
        self.set_targets(receiver, allocation);
        self.update_subscriptions(now, receiver);
        self.tell_forwarded(receiver, allocation);
    }

    fn set_targets(&mut self, receiver: EndpointIndex, allocation: &Allocation) {
        let Some(endpoint) = self.endpoint_mut(receiver) else {
            return;
        };
        for stream in &mut endpoint.video {
            let allocated = allocation
                .sources
                .iter()
                .find(|allocated| Some(allocated.source) == stream.source);
            let target = allocated.and_then(SourceAllocation::target_index);
            if stream.projection.target() != target {
                stream.projection.set_target(target);
            }
        }
    }

    /// Makes the sources' lists of receivers agree with the receiver's targets.
    fn update_subscriptions(&mut self, now: Instant, receiver: EndpointIndex) {
        let Some(endpoint) = self
            .endpoints
            .get(receiver.as_usize())
            .and_then(Option::as_deref)
        else {
            return;
        };
        for (position, source) in self.sources.iter_mut().enumerate() {
            let Some(source) = source.as_deref_mut().filter(|source| source.is_video()) else {
                continue;
            };
            let index = SourceIndex(position as u32);
            let stream = endpoint
                .video
                .iter()
                .position(|s| s.source == Some(index) && s.projection.target().is_some());
            let known = source
                .subscribers
                .iter()
                .position(|subscriber| subscriber.endpoint == receiver);
            match (stream, known) {
                (Some(stream), Some(known)) => source.subscribers[known].stream = stream,
                (Some(stream), None) => source.subscribers.push(Subscriber {
                    endpoint: receiver,
                    stream,
                }),
                (None, Some(known)) => {
                    source.subscribers.swap_remove(known);
                }
                (None, None) => {}
            }
            if let Some(stream) = stream {
                source.begin_to_keep(now, endpoint, stream);
            }
        }
    }

    fn tell_forwarded(&mut self, receiver: EndpointIndex, allocation: &Allocation) {
        let forwarded: Vec<SourceIndex> = allocation
            .sources
            .iter()
            .filter(|source| source.target.is_some())
            .map(|source| source.source)
            .collect();
        let Some(endpoint) = self.endpoint_mut(receiver) else {
            return;
        };
        let is_same_set = endpoint.forwarded.len() == forwarded.len()
            && forwarded
                .iter()
                .all(|source| endpoint.forwarded.contains(source));
        endpoint.forwarded = forwarded;
        if std::mem::take(&mut endpoint.forwarded_changed) || !is_same_set {
            self.repeat_forwarded(receiver);
        }
    }

    /// Tells a receiver which sources it gets.
    pub(super) fn repeat_forwarded(&mut self, receiver: EndpointIndex) {
        let Some(endpoint) = self.endpoint(receiver) else {
            return;
        };
        let names = endpoint
            .forwarded
            .iter()
            .filter_map(|index| self.source(*index))
            .map(|source| source.name().to_owned())
            .collect();
        self.tell(
            receiver,
            ChannelMessage::ForwardedSources {
                forwarded_sources: names,
            },
        );
    }

    /// Tells senders the largest height anybody wants, where it changed.
    pub(super) fn tell_sender_constraints(&mut self) {
        self.constraints_changed = false;
        let mut heights = vec![0; self.sources.len()];
        for endpoint in self.endpoints.iter().flatten() {
            for allocated in &endpoint.allocation.sources {
                if let Some(height) = heights.get_mut(allocated.source.as_usize()) {
                    *height =
                        VideoConstraints::larger_height(*height, allocated.effective.max_height);
                }
            }
        }
        for (position, height) in heights.into_iter().enumerate() {
            let Some(source) = self.sources[position].as_deref_mut() else {
                continue;
            };
            if !source.is_video() || source.told_height == Some(height) {
                continue;
            }
            source.told_height = Some(height);
            let message = ChannelMessage::SenderSourceConstraints {
                source_name: source.name().to_owned(),
                max_height: height,
            };
            let owner = source.owner;
            self.tell(owner, message);
        }
    }
}

impl Endpoint {
    /// Stops encodings at once that lower ones are to take over from, where even their bases leave
    /// little of a path that has collapsed: until the key frames they would only stand in the way.
    fn stop_what_cannot_pass(
        &mut self,
        candidates: &[Candidate],
        allocation: &Allocation,
        bandwidth: Option<u64>,
    ) {
        let Some(bandwidth) = bandwidth else { return };
        let mut leaving = Vec::new();
        let mut bases = 0;
        for (allocated, candidate) in allocation.sources.iter().zip(candidates) {
            let Some(position) = self.video_stream(allocated.source) else {
                continue;
            };
            let current = self.video[position].projection.current_encoding();
            let target = allocated.target_index().map(|target| target.encoding);
            if target.is_some() && target < current {
                let mut layers = candidate.layers.iter();
                let base = layers.find(|layer| Some(layer.index.encoding) == current);
                bases += base.map_or(0, |base| base.bitrate);
                leaving.push(position);
            }
        }
        if bases > bandwidth / 2 {
            for position in leaving {
                let stream = &mut self.video[position];
                stream.projection.restart();
                // What was asked for before was another encoding's.
                stream.requests = RequestLimiter::default();
                self.pacer.forget(position);
            }
        }
    }
}
