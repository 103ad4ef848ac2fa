//! Everything a bridge publishes, as one table of keys.
//!
//! The names are those operators and focuses know; their order is that of the recorded presence.

use serde::Serialize;

use crate::namespace::COLIBRI;
use crate::xml::Element;

/// A value as it stands in `value='…'`.
trait Value: Sized {
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

impl Value for f64 {
    fn write(&self) -> String {
        // `{:?}` keeps the `.0` that readers expect of a fraction.
        if self.is_finite() {
            format!("{self:?}")
        } else {
            String::from("0.0")
        }
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &Self| number.is_finite())
    }
}

impl Value for u64 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for bool {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for String {
    fn write(&self) -> String {
        self.clone()
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

macro_rules! bridge_stats {
    ($($(#[$doc:meta])* $key:ident: $kind:ty,)*) => {
        /// Everything a bridge publishes.
        #[derive(Debug, Clone, Default, PartialEq, Serialize)]
        pub struct BridgeStats {
            $($(#[$doc])* pub $key: $kind,)*
            /// Release, appended to the version.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub release: Option<String>,
            /// Region.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub region: Option<String>,
            /// Name among bridges, when it can be linked to others.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub relay_id: Option<String>,
        }

        impl BridgeStats {
            /// Keys that are always published, in order.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($key),)*];

            /// Reads a `<stats>`; absent and odd values keep their default.
            pub fn parse(stats: &Element) -> Self {
                let mut result = Self::default();
                for stat in stats.children_named("stat", COLIBRI) {
                    let (Some(name), Some(value)) = (stat.attribute("name"), stat.attribute("value"))
                    else {
                        continue;
                    };
                    match name {
                        $(stringify!($key) => {
                            if let Some(value) = Value::read(value) {
                                result.$key = value;
                            }
                        })*
                        "release" => result.release = Some(value.to_owned()),
                        "region" => result.region = Some(value.to_owned()),
                        "relay_id" => result.relay_id = Some(value.to_owned()),
                        _ => {}
                    }
                }
                result
            }

            /// Builds the `<stats>`.
            pub fn to_element(&self) -> Element {
                Element::new("stats", COLIBRI)
                    $(.with_child(stat(stringify!($key), self.$key.write())))*
                    .with_children(self.release.iter().map(|value| stat("release", value.clone())))
                    .with_children(self.region.iter().map(|value| stat("region", value.clone())))
                    .with_children(self.relay_id.iter().map(|value| stat("relay_id", value.clone())))
            }
        }
    };
}

fn stat(name: &'static str, value: String) -> Element {
    Element::new("stat", COLIBRI)
        .with("name", name)
        .with("value", value)
}

bridge_stats! {
    /// Share of packets lost on the way in.
    incoming_loss: f64,
    /// Share of packets lost on the way out.
    outgoing_loss: f64,
    /// Share of packets lost both ways.
    overall_loss: f64,
    /// Endpoints that lose over a tenth of what is sent to them.
    endpoints_with_high_outgoing_loss: u64,
    /// Transport-wide feedback for packets not known any more.
    tcc_unmatched_feedback: u64,
    /// Endpoints with recent media.
    local_active_endpoints: u64,
    /// Received, kbit/s.
    bit_rate_download: u64,
    /// Sent, kbit/s.
    bit_rate_upload: u64,
    /// Received, packets a second.
    packet_rate_download: u64,
    /// Sent, packets a second.
    packet_rate_upload: u64,
    /// Mean round trip, milliseconds.
    rtt_aggregate: f64,
    /// Endpoints that are sent more than their estimate.
    num_eps_oversending: u64,
    /// Conferences that span bridges.
    octo_conferences: u64,
    /// Conferences without media.
    inactive_conferences: u64,
    /// Conferences whose two people talk directly.
    p2p_conferences: u64,
    /// Endpoints here.
    endpoints: u64,
    /// Endpoints here and behind relays.
    participants: u64,
    /// Endpoints that send nothing.
    receive_only_endpoints: u64,
    /// Endpoints without recent activity.
    inactive_endpoints: u64,
    /// Endpoints behind relays.
    octo_endpoints: u64,
    /// Endpoints that send audio.
    endpoints_sending_audio: u64,
    /// Endpoints that send video.
    endpoints_sending_video: u64,
    /// Endpoints of the largest conference.
    largest_conference: u64,
    /// Received from relays, bit/s.
    octo_receive_bitrate: u64,
    /// Received from relays, packets a second.
    octo_receive_packet_rate: u64,
    /// Sent to relays, bit/s.
    octo_send_bitrate: u64,
    /// Sent to relays, packets a second.
    octo_send_packet_rate: u64,
    /// Endpoints that had sources suspended for lack of bandwidth.
    endpoints_with_suspended_sources: u64,
    /// Conferences created since start.
    total_conferences_created: u64,
    /// Conferences ended since start.
    total_conferences_completed: u64,
    /// Seconds of ended conferences.
    total_conference_seconds: u64,
    /// Endpoints since start.
    total_participants: u64,
    /// Visitors since start.
    total_visitors: u64,
    /// Endpoints that never opened a bridge channel.
    num_eps_no_msg_transport_after_delay: u64,
    /// Relays since start.
    total_relays: u64,
    /// Relays that never opened a channel.
    num_relays_no_msg_transport_after_delay: u64,
    /// Key frames received.
    total_keyframes_received: u64,
    /// Changes of layers received.
    total_layering_changes_received: u64,
    /// Milliseconds of video received.
    total_video_stream_milliseconds_received: u64,
    /// Load, 1.0 being full.
    stress_level: f64,
    /// Conferences now.
    conferences: u64,
    /// Visitors now.
    visitors: u64,
    /// Endpoints here.
    local_endpoints: u64,
    /// Messages received over data channels.
    total_data_channel_messages_received: u64,
    /// Messages sent over data channels.
    total_data_channel_messages_sent: u64,
    /// Messages received over web sockets.
    total_colibri_web_socket_messages_received: u64,
    /// Messages sent over web sockets.
    total_colibri_web_socket_messages_sent: u64,
    /// Bytes received.
    total_bytes_received: u64,
    /// Endpoints whose ICE failed.
    endpoints_ice_failed: u64,
    /// Endpoints whose DTLS failed.
    dtls_failed_endpoints: u64,
    /// Relays whose ICE failed.
    relays_ice_failed: u64,
    /// Relays whose DTLS failed.
    dtls_failed_relays: u64,
    /// Bytes sent.
    total_bytes_sent: u64,
    /// Packets received.
    total_packets_received: u64,
    /// Packets sent.
    total_packets_sent: u64,
    /// Bytes received from relays.
    total_bytes_received_octo: u64,
    /// Bytes sent to relays.
    total_bytes_sent_octo: u64,
    /// Packets received from relays.
    total_packets_received_octo: u64,
    /// Packets sent to relays.
    total_packets_sent_octo: u64,
    /// Changes of the dominant speaker.
    total_dominant_speaker_changes: u64,
    /// Key frames asked for ahead of need.
    preemptive_kfr_sent: u64,
    /// Such requests held back.
    preemptive_kfr_suppressed: u64,
    /// ICE failures.
    total_ice_failed: u64,
    /// ICE successes.
    total_ice_succeeded: u64,
    /// ICE successes through a relay.
    total_ice_succeeded_relayed: u64,
    /// Load one more participant is expected to add.
    average_participant_stress: f64,
    /// Threads of the process.
    threads: u64,
    /// No new conferences; never taken back.
    graceful_shutdown: bool,
    /// Going away now; never taken back.
    shutting_down: bool,
    /// To be used only when nothing else is left.
    drain: bool,
    /// UTC time, `yyyy-MM-dd HH:mm:ss.SSS`.
    current_timestamp: String,
    /// XMPP connections configured.
    muc_clients_configured: u64,
    /// XMPP connections up.
    muc_clients_connected: u64,
    /// Brewery rooms configured.
    mucs_configured: u64,
    /// Brewery rooms joined.
    mucs_joined: u64,
    /// Endpoints that send REMB though it was not agreed.
    endpoints_with_spurious_remb: u64,
    /// Own opinion of health.
    healthy: bool,
    /// Endpoints that fell silent.
    endpoints_disconnected: u64,
    /// Endpoints that came back.
    endpoints_reconnected: u64,
    /// Version of the bridge.
    version: String,
}
