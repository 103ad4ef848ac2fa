//! The messages and their fields as they stand on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ChannelError, MAXIMUM_NAME_LENGTH, MAXIMUM_NAMES, Peer};

/// One message of the bridge channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "colibriClass", rename_all_fields = "camelCase")]
pub enum ChannelMessage {
    /// Asks for a `ServerHello`.
    ClientHello {},
    /// Greeting of the bridge.
    ServerHello {
        /// Version, when the bridge is configured to tell it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// What a client wants to receive.
    ReceiverVideoConstraints(ReceiverVideoConstraints),
    /// Older form of `lastN`.
    LastNChangedEvent {
        /// Number of sources, negative for no limit.
        last_n: i32,
    },
    /// What a video source shows.
    SourceVideoTypeMessage {
        /// Name of the source.
        source_name: String,
        /// Camera, desktop, `desktop_high_fps` or none, in any case.
        video_type: String,
        /// Owner; between relays only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint_id: Option<String>,
    },
    /// Older form of `SourceVideoTypeMessage` for the first video source.
    VideoTypeMessage {
        /// As above.
        video_type: String,
    },
    /// Which audio a client wants.
    ReceiverAudioSubscription(ReceiverAudioSubscription),
    /// Sent on to one endpoint or all.
    EndpointMessage(EndpointMessage),
    /// Statistics of an endpoint, sent on to those who care.
    EndpointStats(EndpointStats),
    /// Sent by clients of 2020; has no effect.
    PinnedEndpointChangedEvent {},
    /// Sent by clients of 2020; has no effect.
    SelectedEndpointsChangedEvent {},
    /// Who speaks.
    DominantSpeakerEndpointChangeEvent {
        /// Endpoint that speaks.
        dominant_speaker_endpoint: String,
        /// Who spoke before, most recent first.
        previous_speakers: Vec<String>,
        /// Whether everybody is silent.
        silence: bool,
    },
    /// Whether an endpoint's packets arrive.
    EndpointConnectivityStatusChangeEvent {
        /// Endpoint in question.
        endpoint: String,
        /// `"true"` or `"false"`: a string, by tradition.
        active: String,
    },
    /// Video sources sent to this endpoint.
    ForwardedSources {
        /// Names.
        forwarded_sources: Vec<String>,
    },
    /// Largest height any receiver wants of a source.
    SenderSourceConstraints {
        /// Name of the source.
        source_name: String,
        /// Height, -1 for no limit, 0 when nobody wants it.
        max_height: i32,
    },
    /// Changed entries of the video SSRC table.
    VideoSourcesMap {
        /// Entries.
        mapped_sources: Vec<VideoMapping>,
    },
    /// Changed entries of the audio SSRC table.
    AudioSourcesMap {
        /// Entries.
        mapped_sources: Vec<AudioMapping>,
    },
    /// Estimate of the way down to this endpoint.
    ConnectionStats {
        /// Bits per second.
        estimated_downlink_bandwidth: u64,
    },
    /// A server-made source starts or stops.
    SyntheticSourceSendingChangeEvent {
        /// Name of the source.
        source_name: String,
        /// Whether it sends.
        sending: bool,
        /// RTP time (48 kHz) of the change.
        timestamp: u32,
    },
    /// Between relays: largest constraint of local receivers for a remote source.
    AddReceiver {
        /// Bridge that asks.
        bridge_id: String,
        /// Name of the source.
        source_name: String,
        /// What it asks for.
        video_constraints: ConstraintsMessage,
    },
    /// Between relays, legacy.
    RemoveReceiver {
        /// Bridge that asks.
        bridge_id: String,
        /// Endpoint no longer wanted.
        endpoint_id: String,
    },
}

/// Limits on one video source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConstraintsMessage {
    /// Height in pixels; -1 unlimited, 0 off.
    #[serde(default = "unlimited_height")]
    pub max_height: i32,
    /// Frames per second; negative unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_frame_rate: Option<f64>,
}

const fn unlimited_height() -> i32 {
    -1
}

/// Partial update of what a client wants; an absent field keeps its value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReceiverVideoConstraints {
    /// Number of sources, negative for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_n: Option<i32>,
    /// Sources that go before the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_sources: Option<Vec<String>>,
    /// Sources that go first and in large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_stage_sources: Option<Vec<String>>,
    /// For sources without their own constraints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_constraints: Option<ConstraintsMessage>,
    /// By source name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<BTreeMap<String, ConstraintsMessage>>,
    /// Overrides the estimate, bits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumed_bandwidth_bps: Option<i64>,
}

/// Which audio sources a client wants; the older `mode` + `list` form is understood too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReceiverAudioSubscription {
    /// Everything but what is excluded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
    /// Wanted names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include: Option<Vec<String>>,
    /// Unwanted names; beats `include`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Vec<String>>,
    /// Older form: All, None, Include or Exclude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Names the older form speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<Vec<String>>,
}

/// A message between endpoints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointMessage {
    /// Receiver's endpoint id, empty for everybody.
    #[serde(default)]
    pub to: String,
    /// Sender's endpoint id, set by the bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Content and whatever else the sender added.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Statistics of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointStats {
    /// Sender's endpoint id, set by the bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Free content.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Entry of the video SSRC table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoMapping {
    /// Name of the source.
    pub source: String,
    /// Endpoint that owns it; empty when nobody does.
    pub owner: String,
    /// SSRC it is sent with.
    pub ssrc: u32,
    /// SSRC of its retransmissions, -1 for none.
    pub rtx: i64,
    /// `CAMERA` or `DESKTOP`.
    #[serde(rename = "videoType")]
    pub video_type: String,
    /// Media line, with mid demultiplexing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
}

/// Entry of the audio SSRC table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioMapping {
    /// Name of the source.
    pub source: String,
    /// Endpoint that owns it.
    pub owner: String,
    /// SSRC it is sent with.
    pub ssrc: u32,
    /// Media line, with mid demultiplexing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
}

impl ChannelMessage {
    pub(super) const CLASSES: &'static [&'static str] = &[
        "ClientHello",
        "ServerHello",
        "ReceiverVideoConstraints",
        "LastNChangedEvent",
        "SourceVideoTypeMessage",
        "VideoTypeMessage",
        "ReceiverAudioSubscription",
        "EndpointMessage",
        "EndpointStats",
        "PinnedEndpointChangedEvent",
        "SelectedEndpointsChangedEvent",
        "DominantSpeakerEndpointChangeEvent",
        "EndpointConnectivityStatusChangeEvent",
        "ForwardedSources",
        "SenderSourceConstraints",
        "VideoSourcesMap",
        "AudioSourcesMap",
        "ConnectionStats",
        "SyntheticSourceSendingChangeEvent",
        "AddReceiver",
        "RemoveReceiver",
    ];

    /// The class as it stands on the wire.
    pub const fn class(&self) -> &'static str {
        let index = match self {
            Self::ClientHello {} => 0,
            Self::ServerHello { .. } => 1,
            Self::ReceiverVideoConstraints(_) => 2,
            Self::LastNChangedEvent { .. } => 3,
            Self::SourceVideoTypeMessage { .. } => 4,
            Self::VideoTypeMessage { .. } => 5,
            Self::ReceiverAudioSubscription(_) => 6,
            Self::EndpointMessage(_) => 7,
            Self::EndpointStats(_) => 8,
            Self::PinnedEndpointChangedEvent {} => 9,
            Self::SelectedEndpointsChangedEvent {} => 10,
            Self::DominantSpeakerEndpointChangeEvent { .. } => 11,
            Self::EndpointConnectivityStatusChangeEvent { .. } => 12,
            Self::ForwardedSources { .. } => 13,
            Self::SenderSourceConstraints { .. } => 14,
            Self::VideoSourcesMap { .. } => 15,
            Self::AudioSourcesMap { .. } => 16,
            Self::ConnectionStats { .. } => 17,
            Self::SyntheticSourceSendingChangeEvent { .. } => 18,
            Self::AddReceiver { .. } => 19,
            Self::RemoveReceiver { .. } => 20,
        };
        Self::CLASSES[index]
    }

    /// Whether such a message makes sense coming from `peer`.
    pub const fn may_come_from(&self, peer: Peer) -> bool {
        match self {
            Self::ClientHello {} | Self::SourceVideoTypeMessage { .. } => {
                !matches!(peer, Peer::Bridge)
            }
            Self::ReceiverVideoConstraints(_)
            | Self::LastNChangedEvent { .. }
            | Self::VideoTypeMessage { .. }
            | Self::ReceiverAudioSubscription(_)
            | Self::PinnedEndpointChangedEvent {}
            | Self::SelectedEndpointsChangedEvent {} => matches!(peer, Peer::Client),
            Self::EndpointMessage(_) | Self::EndpointStats(_) => true,
            Self::ServerHello { .. } | Self::EndpointConnectivityStatusChangeEvent { .. } => {
                !matches!(peer, Peer::Client)
            }
            Self::AddReceiver { .. } | Self::RemoveReceiver { .. } => matches!(peer, Peer::Relay),
            Self::DominantSpeakerEndpointChangeEvent { .. }
            | Self::ForwardedSources { .. }
            | Self::SenderSourceConstraints { .. }
            | Self::VideoSourcesMap { .. }
            | Self::AudioSourcesMap { .. }
            | Self::ConnectionStats { .. }
            | Self::SyntheticSourceSendingChangeEvent { .. } => matches!(peer, Peer::Bridge),
        }
    }

    pub(super) fn check_limits(&self) -> Result<(), ChannelError> {
        match self {
            Self::ReceiverVideoConstraints(message) => {
                check_names("selectedSources", message.selected_sources.iter().flatten())?;
                check_names("onStageSources", message.on_stage_sources.iter().flatten())?;
                check_names(
                    "constraints",
                    message.constraints.iter().flat_map(BTreeMap::keys),
                )
            }
            Self::ReceiverAudioSubscription(message) => {
                check_names("include", message.include.iter().flatten())?;
                check_names("exclude", message.exclude.iter().flatten())?;
                check_names("list", message.list.iter().flatten())
            }
            Self::SourceVideoTypeMessage {
                source_name,
                video_type,
                ..
            } => check_names("sourceName", [source_name, video_type].into_iter()),
            Self::EndpointMessage(message) => check_names("to", std::iter::once(&message.to)),
            _ => Ok(()),
        }
    }
}

fn check_names<'a>(
    field: &'static str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), ChannelError> {
    for (count, name) in names.enumerate() {
        if count >= MAXIMUM_NAMES || name.len() > MAXIMUM_NAME_LENGTH {
            return Err(ChannelError::TooLarge { field });
        }
    }
    Ok(())
}
