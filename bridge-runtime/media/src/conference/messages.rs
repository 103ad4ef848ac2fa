//! The bridge channel: what clients say and what they are told.

use std::time::Instant;

use super::{Conference, Event};
use crate::channel::{ChannelMessage, EndpointMessage, EndpointStats};
use crate::identifiers::EndpointIndex;
use crate::source::VideoType;
use crate::speaker::SpeakerChange;

/// Previous speakers named beside the dominant one.
const PREVIOUS_SPEAKERS: usize = 9;
/// Conference size up to which statistics go to everybody.
const SMALL_CONFERENCE: usize = 20;
/// Video types kept of one endpoint for sources not yet signalled.
const EARLY_VIDEO_TYPES: usize = 16;

impl Conference {
    /// Queues a message for an endpoint whose channel is open.
    pub(super) fn tell(&mut self, endpoint: EndpointIndex, message: ChannelMessage) {
        if self
            .endpoint(endpoint)
            .is_some_and(|endpoint| endpoint.has_channel)
        {
            self.events.push_back(Event::Channel { endpoint, message });
        }
    }

    /// A bridge channel opened (or was replaced): everything told before is told again.
    pub fn channel_opened(&mut self, now: Instant, endpoint: EndpointIndex) {
        let Some(opened) = self.endpoint_mut(endpoint) else {
            return;
        };
        opened.has_channel = true;
        opened.last_activity = Some(now);
        let sources = opened.sources.clone();
        for index in sources {
            let Some(source) = self.source(index) else {
                continue;
            };
            if let Some(max_height) = source.told_height.filter(|_| source.is_video()) {
                let source_name = source.name().to_owned();
                self.tell(
                    endpoint,
                    ChannelMessage::SenderSourceConstraints {
                        source_name,
                        max_height,
                    },
                );
            }
        }
        self.repeat_source_maps(endpoint);
        self.repeat_forwarded(endpoint);
        if self.dominant.dominant().is_some() {
            let message = self.speaker_message();
            self.tell(endpoint, message);
        }
        let inactive: Vec<String> = self
            .endpoints
            .iter()
            .flatten()
            .filter(|other| !other.is_active && !other.is_visitor)
            .map(|other| other.id.as_str().to_owned())
            .collect();
        for id in inactive {
            self.tell(
                endpoint,
                ChannelMessage::EndpointConnectivityStatusChangeEvent {
                    endpoint: id,
                    active: "false".to_owned(),
                },
            );
        }
    }

    /// The last bridge channel of an endpoint closed.
    pub fn channel_closed(&mut self, endpoint: EndpointIndex) {
        if let Some(endpoint) = self.endpoint_mut(endpoint) {
            endpoint.has_channel = false;
        }
    }

    /// Greeting the owner sends when a WebSocket is accepted.
    pub fn server_hello(&self) -> ChannelMessage {
        ChannelMessage::ServerHello {
            version: self.config.version.clone(),
        }
    }

    /// Acts on a message from an endpoint's channel.
    pub fn handle_channel_message(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        message: ChannelMessage,
    ) {
        let Some(endpoint) = self.endpoint_mut(sender) else {
            return;
        };
        endpoint.last_activity = Some(now);
        match message {
            ChannelMessage::ClientHello {} => {
                let hello = self.server_hello();
                self.tell(sender, hello);
            }
            ChannelMessage::ReceiverVideoConstraints(constraints) => {
                endpoint.needs_allocation |= endpoint.settings.update(constraints);
                self.next_tick = self.next_tick.min(now);
            }
            ChannelMessage::LastNChangedEvent { last_n } => {
                endpoint.settings.last_n = Some(last_n);
                endpoint.needs_allocation = true;
                self.next_tick = self.next_tick.min(now);
            }
            ChannelMessage::ReceiverAudioSubscription(subscription) => {
                endpoint.audio_subscription.update(subscription);
            }
            ChannelMessage::SourceVideoTypeMessage {
                source_name,
                video_type,
                ..
            } => self.set_video_type(now, sender, &source_name, &video_type),
            ChannelMessage::VideoTypeMessage { video_type } => {
                let source_name = format!("{}-v0", endpoint.id);
                self.set_video_type(now, sender, &source_name, &video_type);
            }
            ChannelMessage::EndpointMessage(message) => self.route_message(sender, message),
            ChannelMessage::EndpointStats(stats) => self.route_statistics(now, sender, stats),
            // Older clients' messages without effect, and what only the bridge sends.
            _ => {}
        }
    }

    fn set_video_type(
        &mut self,
        now: Instant,
        sender: EndpointIndex,
        source_name: &str,
        video_type: &str,
    ) {
        let Some(video_type) = VideoType::from_name(video_type) else {
            return;
        };
        let Some(index) = self.source_names.get(source_name).copied() else {
            // For a source of its own: whose a name is shows only once it is signalled.
            if let Some(endpoint) = self.endpoint_mut(sender)
                && endpoint.early_video_types.len() < EARLY_VIDEO_TYPES
            {
                let early = &mut endpoint.early_video_types;
                early.insert(source_name.to_owned(), video_type);
            }
            return;
        };
        let Some(source) = self.source_mut(index) else {
            return;
        };
        if source.owner == sender && source.video_type != video_type {
            source.video_type = video_type;
            self.request_allocations(now);
        }
    }

    fn route_message(&mut self, sender: EndpointIndex, mut message: EndpointMessage) {
        let Some(endpoint) = self.endpoint(sender).filter(|sender| !sender.is_visitor) else {
            return;
        };
        message.from = Some(endpoint.id.as_str().to_owned());
        if message.to.is_empty() {
            for position in 0..self.endpoints.len() {
                let receiver = EndpointIndex(position as u32);
                if receiver != sender {
                    self.tell(receiver, ChannelMessage::EndpointMessage(message.clone()));
                }
            }
        } else if let Some(receiver) = self.endpoint_by_id(&message.to) {
            self.tell(receiver, ChannelMessage::EndpointMessage(message));
        }
    }

    fn route_statistics(&mut self, now: Instant, sender: EndpointIndex, mut stats: EndpointStats) {
        let Some(endpoint) = self.endpoint(sender).filter(|sender| !sender.is_visitor) else {
            return;
        };
        stats.from = Some(endpoint.id.as_str().to_owned());
        let is_prominent = self.endpoint_ids.len() <= SMALL_CONFERENCE
            || self.speech.recent(PREVIOUS_SPEAKERS + 1).contains(&sender)
            || self
                .loudest
                .as_ref()
                .is_some_and(|loudest| loudest.is_loud(now, sender));
        let receivers: Vec<EndpointIndex> = (0..self.endpoints.len() as u32)
            .map(EndpointIndex)
            .filter(|receiver| *receiver != sender)
            .filter(|receiver| is_prominent || self.watches(*receiver, sender))
            .collect();
        for receiver in receivers {
            self.tell(receiver, ChannelMessage::EndpointStats(stats.clone()));
        }
    }

    /// Whether a receiver shows anything of `sender`.
    fn watches(&self, receiver: EndpointIndex, sender: EndpointIndex) -> bool {
        let Some(receiver) = self.endpoint(receiver) else {
            return false;
        };
        let is_wanted = receiver.allocation.sources.iter().any(|allocated| {
            !allocated.effective.is_off()
                && self
                    .source(allocated.source)
                    .is_some_and(|source| source.owner == sender)
        });
        let settings = &receiver.settings;
        is_wanted
            || self.endpoint(sender).is_some_and(|sender| {
                let mut names = sender
                    .sources
                    .iter()
                    .filter_map(|index| self.source(*index));
                names.any(|source| {
                    settings.is_on_stage(source.name())
                        || settings.selected.iter().any(|name| name == source.name())
                })
            })
    }

    fn speaker_message(&self) -> ChannelMessage {
        let id = |index: &EndpointIndex| Some(self.endpoint_id(*index)?.as_str().to_owned());
        let recent = self.speech.recent(PREVIOUS_SPEAKERS + 1);
        let dominant = self.dominant.dominant();
        ChannelMessage::DominantSpeakerEndpointChangeEvent {
            dominant_speaker_endpoint: dominant.as_ref().and_then(id).unwrap_or_default(),
            previous_speakers: recent
                .iter()
                .filter(|index| Some(**index) != dominant)
                .filter_map(id)
                .collect(),
            silence: false,
        }
    }

    /// The dominant speaker changed.
    pub(super) fn speaker_changed(&mut self, now: Instant, change: SpeakerChange) {
        self.counters.dominant_speaker_changes += 1;
        self.speech.spoke(change.dominant);
        let message = self.speaker_message();
        for position in 0..self.endpoints.len() {
            self.tell(EndpointIndex(position as u32), message.clone());
        }
        self.request_allocations(now);
    }
}
