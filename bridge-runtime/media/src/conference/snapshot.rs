//! Statistics and the debug view of a conference.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::Conference;
use crate::allocation::SourceAllocation;
use crate::bandwidth::IncomingEstimator;
use crate::identifiers::EndpointIndex;
use crate::source::MediaKind;

/// A source that sent nothing for this long does not count as sending.
const SENDING: Duration = Duration::from_secs(3);

/// A tenth, of 256.
const HIGH_LOSS: u8 = 25;

/// Numbers of a conference as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConferenceStatistics {
    /// Endpoints, visitors included.
    pub endpoints: usize,
    /// Visitors.
    pub visitors: usize,
    /// Endpoints whose transport is up.
    pub connected: usize,
    /// Endpoints that others see as gone for the moment.
    pub inactive: usize,
    /// Endpoints whose audio came in within the last seconds.
    pub sending_audio: usize,
    /// Endpoints whose video came in within the last seconds.
    pub sending_video: usize,
    /// Endpoints that sent neither.
    pub receive_only: usize,
    /// Receivers with sources held back for lack of bandwidth.
    pub with_suspended_sources: usize,
    /// Receivers that get more than their estimate, on purpose.
    pub oversending: usize,
    /// Connected endpoints that lose more than a tenth of what is sent to them.
    pub with_high_outgoing_loss: usize,
    /// Sum of the shares connected endpoints last reported as lost, of 256 each.
    pub outgoing_loss: u64,
    /// Streams that come in.
    pub incoming_streams: usize,
    /// Sum of the shares of these that were lost on the way in, of 256 each.
    pub incoming_loss: u64,
    /// Sum of the round trips of connected endpoints.
    pub round_trips: Duration,
}

/// Numbers of one endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointStatistics {
    /// Its id.
    pub id: String,
    /// RTP packets sent to it.
    pub packets_sent: u64,
    /// RTP bytes sent to it.
    pub bytes_sent: u64,
    /// Round trip in milliseconds.
    pub round_trip_milliseconds: u64,
    /// Sum of the rates of what is forwarded to it, bit/s.
    pub target_bitrate: u64,
    /// Estimate of its downlink in bit/s, once there is one.
    pub estimated_bandwidth: Option<u64>,
    /// Number of video sources forwarded to it.
    pub forwarded_sources: usize,
}

impl Conference {
    /// Numbers of one endpoint.
    pub fn endpoint_statistics(&self, endpoint: EndpointIndex) -> Option<EndpointStatistics> {
        let endpoint = self.endpoint(endpoint)?;
        Some(EndpointStatistics {
            id: endpoint.id.as_str().to_owned(),
            packets_sent: endpoint.send.packets,
            bytes_sent: endpoint.send.bytes,
            round_trip_milliseconds: endpoint.round_trip.as_millis() as u64,
            target_bitrate: endpoint.allocation.target_bitrate,
            estimated_bandwidth: endpoint
                .send
                .bandwidth
                .is_founded()
                .then(|| endpoint.send.bandwidth.estimate()),
            forwarded_sources: endpoint.forwarded.len(),
        })
    }

    /// Numbers as they are now.
    pub fn statistics(&self, now: Instant) -> ConferenceStatistics {
        let mut sum = ConferenceStatistics::default();
        for endpoint in self.endpoints.iter().flatten() {
            let sends = |kind: MediaKind| {
                let own = endpoint.sources.iter();
                own.filter_map(|index| self.source(*index))
                    .filter(|source| source.description.kind == kind)
                    .flat_map(|source| &source.encodings)
                    .filter_map(|encoding| encoding.reception.last_packet)
                    .any(|last| now.saturating_duration_since(last) < SENDING)
            };
            let (audio, video) = (sends(MediaKind::Audio), sends(MediaKind::Video));
            let allocation = &endpoint.allocation;
            sum.endpoints += 1;
            sum.visitors += usize::from(endpoint.is_visitor);
            sum.inactive += usize::from(!endpoint.is_active);
            sum.sending_audio += usize::from(audio);
            sum.sending_video += usize::from(video);
            sum.receive_only += usize::from(!audio && !video);
            sum.oversending += usize::from(allocation.is_oversending);
            let suspended = |source: &SourceAllocation| source.is_suspended();
            sum.with_suspended_sources += usize::from(allocation.sources.iter().any(suspended));
            if endpoint.is_ready {
                sum.connected += 1;
                sum.round_trips += endpoint.round_trip;
                sum.outgoing_loss += u64::from(endpoint.reported_loss);
                sum.with_high_outgoing_loss += usize::from(endpoint.reported_loss > HIGH_LOSS);
            }
        }
        let encodings = self.sources.iter().flatten().flat_map(|s| &s.encodings);
        for reception in encodings.map(|encoding| &encoding.reception) {
            let is_live = reception
                .last_packet
                .is_some_and(|last| now.saturating_duration_since(last) < SENDING);
            if is_live {
                sum.incoming_streams += 1;
                sum.incoming_loss += u64::from(reception.fraction_lost);
            }
        }
        sum
    }

    /// Largest number of video sources forwarded to any endpoint (load reduction).
    pub fn largest_forwarded_count(&self) -> usize {
        self.endpoints
            .iter()
            .flatten()
            .map(|endpoint| endpoint.forwarded.len())
            .max()
            .unwrap_or(0)
    }

    /// Everything an operator may want to see, as JSON.
    pub fn snapshot(&mut self, now: Instant) -> Value {
        let sources: Vec<Value> = (0..self.sources.len())
            .filter_map(|position| {
                let source = self.sources[position].as_deref_mut()?;
                let layers = source.layers(now);
                let memory: usize = source.encodings.iter().map(|e| e.store.memory()).sum();
                let owner = source.owner;
                let mut value = json!({
                    "name": source.name(),
                    "kind": source.description.kind,
                    "video_type": source.video_type,
                    "ssrcs": source.description.encodings.iter().map(|e| e.ssrc.0).collect::<Vec<_>>(),
                    "layers": layers,
                    "store_bytes": memory,
                    "told_height": source.told_height,
                    "subscribers": source.subscribers.len(),
                });
                value["owner"] = json!(self.endpoint_id(owner).map(ToString::to_string));
                Some(value)
            })
            .collect();
        let endpoints: Vec<Value> = self
            .endpoints
            .iter()
            .flatten()
            .map(|endpoint| {
                let streams: Vec<Value> = endpoint
                    .video
                    .iter()
                    .map(|stream| {
                        json!({
                            "source": stream.source.and_then(|index| self.source(index)).map(super::source::Source::name),
                            "ssrc": stream.ssrc,
                            "mid": stream.mid.map(super::endpoint::Mid::to_text),
                            "target": stream.projection.target(),
                            "current_encoding": stream.projection.current_encoding(),
                            "packets": stream.counters.packets,
                        })
                    })
                    .collect();
                json!({
                    "id": endpoint.id.as_str(),
                    "is_visitor": endpoint.is_visitor,
                    "is_ready": endpoint.is_ready,
                    "has_channel": endpoint.has_channel,
                    "is_active": endpoint.is_active,
                    "round_trip_milliseconds": endpoint.round_trip.as_millis() as u64,
                    "settings": endpoint.settings,
                    "estimated_bandwidth": endpoint.send.bandwidth.estimate(),
                    "is_estimate_founded": endpoint.send.bandwidth.is_founded(),
                    "stated_estimate": endpoint.incoming.as_deref().and_then(IncomingEstimator::stated),
                    "target_bitrate": endpoint.allocation.target_bitrate,
                    "ideal_bitrate": endpoint.allocation.ideal_bitrate,
                    "is_oversending": endpoint.allocation.is_oversending,
                    "video": streams,
                })
            })
            .collect();
        let speech: Vec<String> = self
            .speech
            .as_slice()
            .iter()
            .filter_map(|index| self.endpoint_id(*index))
            .map(ToString::to_string)
            .collect();
        json!({
            "endpoints": endpoints,
            "sources": sources,
            "speech_order": speech,
            "dominant_speaker": self.dominant.dominant().and_then(|i| self.endpoint_id(i)).map(ToString::to_string),
            "counters": self.counters,
        })
    }
}
