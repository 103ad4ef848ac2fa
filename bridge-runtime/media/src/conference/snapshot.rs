//! Statistics and the debug view of a conference.

use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::Conference;
use crate::identifiers::EndpointIndex;

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
