//! The statistics under the names that dashboards know.

use jitctl_daemon::metrics::Metric;
use jitctl_wire::brewery::BridgeStats;

use crate::state::BridgeState;

/// Prefix of all names.
pub(crate) const PREFIX: &str = "jitsi_jvb_";

/// Why a packet is dropped that the kernel cannot take in time.
pub(crate) const QUEUE_FULL: &str = "send_buffer_full";

/// All metrics of the bridge.
pub(crate) fn metrics(state: &BridgeState) -> Vec<Metric> {
    let published = state.statistics();
    let mut all = counters(&published);
    all.extend(gauges(&published));
    all.push(Metric::counter(
        "refused_requests",
        "Requests for conferences that were answered with an error.",
        state.refused_requests(),
    ));
    all.push(Metric::counter(
        "xmpp_disconnects",
        "Connections to XMPP that were lost.",
        state.disconnects(),
    ));
    let dropped = state.service.dropped();
    let full = dropped.iter().filter(|(reason, _)| *reason == QUEUE_FULL);
    all.push(Metric::counter(
        "queue_dropped_packets",
        "Packets dropped because the kernel's buffer was full.",
        full.map(|(_, count)| count).sum(),
    ));
    all.extend(dropped.into_iter().map(|(reason, count)| {
        Metric::counter("dropped", "Input dropped or refused, by reason.", count)
            .with_label("reason", reason)
    }));
    all
}

fn counters(stats: &BridgeStats) -> Vec<Metric> {
    let counter = Metric::counter;
    vec![
        counter(
            "conferences_created",
            "Conferences created.",
            stats.total_conferences_created,
        ),
        counter(
            "conferences_completed",
            "Conferences ended.",
            stats.total_conferences_completed,
        ),
        counter(
            "conference_seconds",
            "Seconds of conferences.",
            stats.total_conference_seconds,
        ),
        counter("endpoints", "Endpoints created.", stats.total_participants),
        counter("visitors", "Visitors created.", stats.total_visitors),
        counter("relays", "Relays created.", stats.total_relays),
        counter(
            "endpoints_ice_failed",
            "Endpoints whose ICE failed.",
            stats.endpoints_ice_failed,
        ),
        counter(
            "endpoints_dtls_failed",
            "Endpoints whose DTLS failed.",
            stats.dtls_failed_endpoints,
        ),
        counter(
            "relays_ice_failed",
            "Relays whose ICE failed.",
            stats.relays_ice_failed,
        ),
        counter(
            "relays_dtls_failed",
            "Relays whose DTLS failed.",
            stats.dtls_failed_relays,
        ),
        counter("ice_succeeded", "ICE successes.", stats.total_ice_succeeded),
        counter(
            "ice_succeeded_relayed",
            "ICE successes through a relay.",
            stats.total_ice_succeeded_relayed,
        ),
        counter("ice_failed", "ICE failures.", stats.total_ice_failed),
        counter(
            "bytes_received",
            "Bytes received.",
            stats.total_bytes_received,
        ),
        counter("bytes_sent", "Bytes sent.", stats.total_bytes_sent),
        counter(
            "packets_received",
            "Packets received.",
            stats.total_packets_received,
        ),
        counter("packets_sent", "Packets sent.", stats.total_packets_sent),
        counter(
            "relay_bytes_received",
            "From relays.",
            stats.total_bytes_received_octo,
        ),
        counter(
            "relay_bytes_sent",
            "To relays.",
            stats.total_bytes_sent_octo,
        ),
        counter(
            "relay_packets_received",
            "From relays.",
            stats.total_packets_received_octo,
        ),
        counter(
            "relay_packets_sent",
            "To relays.",
            stats.total_packets_sent_octo,
        ),
        counter(
            "data_channel_messages_received",
            "Messages over data channels.",
            stats.total_data_channel_messages_received,
        ),
        counter(
            "data_channel_messages_sent",
            "Messages over data channels.",
            stats.total_data_channel_messages_sent,
        ),
        counter(
            "colibri_web_socket_messages_received",
            "Messages over web sockets.",
            stats.total_colibri_web_socket_messages_received,
        ),
        counter(
            "colibri_web_socket_messages_sent",
            "Messages over web sockets.",
            stats.total_colibri_web_socket_messages_sent,
        ),
        counter(
            "dominant_speaker_changes",
            "Changes of the dominant speaker.",
            stats.total_dominant_speaker_changes,
        ),
        counter(
            "endpoints_disconnected",
            "Participants who fell silent.",
            stats.endpoints_disconnected,
        ),
        counter(
            "endpoints_reconnected",
            "Participants who came back.",
            stats.endpoints_reconnected,
        ),
        counter(
            "keyframes_received",
            "Key frames.",
            stats.total_keyframes_received,
        ),
        counter(
            "layering_changes_received",
            "Changes of layers.",
            stats.total_layering_changes_received,
        ),
        counter(
            "preemptive_keyframe_requests_sent",
            "Key frames asked for ahead of need.",
            stats.preemptive_kfr_sent,
        ),
        counter(
            "preemptive_keyframe_requests_suppressed",
            "Such requests held back.",
            stats.preemptive_kfr_suppressed,
        ),
        counter(
            "video_milliseconds_received",
            "Milliseconds of video.",
            stats.total_video_stream_milliseconds_received,
        ),
        counter(
            "endpoints_no_message_transport_after_delay",
            "Endpoints that never opened a bridge channel.",
            stats.num_eps_no_msg_transport_after_delay,
        ),
        counter(
            "relays_no_message_transport_after_delay",
            "Relays that never opened a channel.",
            stats.num_relays_no_msg_transport_after_delay,
        ),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "collectors keep 64 bit floats anyway"
)]
fn gauges(stats: &BridgeStats) -> Vec<Metric> {
    let (count, gauge, truth) = (Metric::count, Metric::gauge, Metric::truth);
    vec![
        count("conferences", "Conferences now.", stats.conferences),
        count("local_endpoints", "Endpoints here.", stats.local_endpoints),
        count("current_endpoints", "Endpoints here.", stats.endpoints),
        count("current_visitors", "Visitors now.", stats.visitors),
        count(
            "active_endpoints",
            "Endpoints with media.",
            stats.local_active_endpoints,
        ),
        count(
            "endpoints_sending_audio",
            "Endpoints that send audio.",
            stats.endpoints_sending_audio,
        ),
        count(
            "endpoints_sending_video",
            "Endpoints that send video.",
            stats.endpoints_sending_video,
        ),
        count(
            "endpoints_recvonly",
            "Endpoints that send nothing.",
            stats.receive_only_endpoints,
        ),
        count(
            "endpoints_inactive",
            "Silent endpoints.",
            stats.inactive_endpoints,
        ),
        count(
            "endpoints_relayed",
            "Endpoints behind relays.",
            stats.octo_endpoints,
        ),
        count(
            "endpoints_oversending",
            "Sent more than estimated.",
            stats.num_eps_oversending,
        ),
        count(
            "endpoints_with_high_outgoing_loss",
            "Endpoints that lose over a tenth.",
            stats.endpoints_with_high_outgoing_loss,
        ),
        count(
            "endpoints_with_spurious_remb",
            "Unasked REMB.",
            stats.endpoints_with_spurious_remb,
        ),
        count(
            "endpoints_with_suspended_sources",
            "Endpoints short of bandwidth.",
            stats.endpoints_with_suspended_sources,
        ),
        count(
            "conferences_inactive",
            "Conferences without media.",
            stats.inactive_conferences,
        ),
        count(
            "conferences_with_relay",
            "Conferences over bridges.",
            stats.octo_conferences,
        ),
        count(
            "largest_conference",
            "Endpoints of the largest.",
            stats.largest_conference,
        ),
        gauge("stress", "Load, 1 being full.", stats.stress_level),
        truth("healthy", "Own opinion of health.", stats.healthy),
        truth("drain_mode", "Draining.", stats.drain),
        truth(
            "graceful_shutdown",
            "No new conferences.",
            stats.graceful_shutdown,
        ),
        truth("shutting_down", "Going away.", stats.shutting_down),
        gauge(
            "incoming_bitrate",
            "Bit/s received.",
            stats.bit_rate_download as f64 * 1000.0,
        ),
        gauge(
            "outgoing_bitrate",
            "Bit/s sent.",
            stats.bit_rate_upload as f64 * 1000.0,
        ),
        count(
            "relay_incoming_bitrate",
            "Bit/s from relays.",
            stats.octo_receive_bitrate,
        ),
        count(
            "relay_outgoing_bitrate",
            "Bit/s to relays.",
            stats.octo_send_bitrate,
        ),
        count(
            "incoming_packet_rate",
            "Packets/s received.",
            stats.packet_rate_download,
        ),
        count(
            "outgoing_packet_rate",
            "Packets/s sent.",
            stats.packet_rate_upload,
        ),
        gauge(
            "incoming_loss_fraction",
            "Lost on the way in.",
            stats.incoming_loss,
        ),
        gauge(
            "outgoing_loss_fraction",
            "Lost on the way out.",
            stats.outgoing_loss,
        ),
        gauge("loss_fraction", "Lost both ways.", stats.overall_loss),
        gauge(
            "average_rtt",
            "Mean round trip, milliseconds.",
            stats.rtt_aggregate,
        ),
        count(
            "tcc_unmatched_feedback",
            "Unmatched feedback.",
            stats.tcc_unmatched_feedback,
        ),
        count("thread_count", "Threads.", stats.threads),
        count("mucs_joined", "Breweries joined.", stats.mucs_joined),
        gauge(
            "resident_bytes",
            "Memory in use.",
            jitctl_daemon::resident_bytes() as f64,
        ),
    ]
}
