//! Counting: what happened since the start, what is now, and how fast.

use std::time::{Duration, Instant};

use jitctl_media::conference::{Conference, ConferenceStatistics, Counters};
use jitctl_media::engine::{Engine, Traffic};
use jitctl_media::transport::{Drop, DropCounters, TransportEvent};
use jitctl_wire::brewery::BridgeStats;

use super::registry::Registry;
use crate::media::{SendCounters, WorkerStatistics};
use crate::metrics::QUEUE_FULL;
use crate::refusal::RefusalCounters;

/// Rates are taken over at least this long.
const RATE_WINDOW: Duration = Duration::from_secs(3);

/// Counts of one worker since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) conferences: u64,
    pub(super) completed: u64,
    pub(super) seconds: u64,
    pub(super) endpoints: u64,
    pub(super) visitors: u64,
    ice_succeeded: u64,
    ice_failed: u64,
    dtls_failed: u64,
    /// Endpoints that had media and no bridge channel for too long.
    pub(super) without_channel: u64,
    pub(super) socket_messages_sent: u64,
    pub(super) socket_messages_received: u64,
    /// Channels given up because too much waited for their clients.
    pub(super) socket_queues_full: u64,
    /// Routing counters of conferences that ended.
    ended: Counters,
}

impl Totals {
    /// Counts what a transport reports. `connected`: it was up before.
    pub(super) fn note(&mut self, event: &TransportEvent, connected: bool) {
        match event {
            TransportEvent::Connected { .. } if !connected => self.ice_succeeded += 1,
            TransportEvent::IceFailed => self.ice_failed += 1,
            TransportEvent::DtlsFailed(_) => self.dtls_failed += 1,
            _ => {}
        }
    }

    /// Keeps the counters of a conference that ended.
    pub(super) fn retire(&mut self, room: &Conference) {
        add_counters(&mut self.ended, room.counters());
    }
}

fn add_counters(sum: &mut Counters, more: Counters) {
    let Counters {
        packets_received,
        bytes_received,
        packets_sent,
        bytes_sent,
        retransmissions_sent,
        retransmissions_received,
        probes_sent,
        malformed,
        unknown_ssrc,
        unknown_payload_type,
        duplicates,
        refused,
        silence_dropped,
        key_frames_received,
        disconnected,
        reconnected,
        dominant_speaker_changes,
        key_frame_requests_received,
        key_frame_requests_sent,
        nacked,
        nack_misses,
        nack_refusals,
        nacks_sent,
        malformed_rtcp,
    } = more;
    sum.packets_received += packets_received;
    sum.bytes_received += bytes_received;
    sum.packets_sent += packets_sent;
    sum.bytes_sent += bytes_sent;
    sum.retransmissions_sent += retransmissions_sent;
    sum.retransmissions_received += retransmissions_received;
    sum.probes_sent += probes_sent;
    sum.malformed += malformed;
    sum.unknown_ssrc += unknown_ssrc;
    sum.unknown_payload_type += unknown_payload_type;
    sum.duplicates += duplicates;
    sum.refused += refused;
    sum.silence_dropped += silence_dropped;
    sum.key_frames_received += key_frames_received;
    sum.disconnected += disconnected;
    sum.reconnected += reconnected;
    sum.dominant_speaker_changes += dominant_speaker_changes;
    sum.key_frame_requests_received += key_frame_requests_received;
    sum.key_frame_requests_sent += key_frame_requests_sent;
    sum.nacked += nacked;
    sum.nack_misses += nack_misses;
    sum.nack_refusals += nack_refusals;
    sum.nacks_sent += nacks_sent;
    sum.malformed_rtcp += malformed_rtcp;
}

/// What one worker has at the moment of the last look.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) totals: Totals,
    pub(super) routing: Counters,
    pub(super) now: ConferenceStatistics,
    pub(super) inactive_conferences: u64,
    pub(super) largest: u64,
}

impl Tally {
    /// Looks at all meetings of a worker.
    pub(super) fn take(registry: &Registry, engine: &Engine<Conference>, now: Instant) -> Self {
        let mut tally = Self {
            totals: registry.totals,
            routing: registry.totals.ended,
            ..Self::default()
        };
        for (_, meeting) in registry.meetings() {
            let Some(room) = engine.room(meeting.conference) else {
                continue;
            };
            let statistics = room.statistics(now);
            add_counters(&mut tally.routing, room.counters());
            tally.largest = tally.largest.max(statistics.endpoints as u64);
            let silent = statistics.sending_audio + statistics.sending_video == 0;
            tally.inactive_conferences += u64::from(silent);
            add_statistics(&mut tally.now, &statistics);
        }
        tally
    }

    fn add(&mut self, other: &Self) {
        let (sum, more) = (&mut self.totals, &other.totals);
        sum.conferences += more.conferences;
        sum.completed += more.completed;
        sum.seconds += more.seconds;
        sum.endpoints += more.endpoints;
        sum.visitors += more.visitors;
        sum.ice_succeeded += more.ice_succeeded;
        sum.ice_failed += more.ice_failed;
        sum.dtls_failed += more.dtls_failed;
        sum.without_channel += more.without_channel;
        sum.socket_messages_sent += more.socket_messages_sent;
        sum.socket_messages_received += more.socket_messages_received;
        sum.socket_queues_full += more.socket_queues_full;
        add_counters(&mut self.routing, other.routing);
        add_statistics(&mut self.now, &other.now);
        self.inactive_conferences += other.inactive_conferences;
        self.largest = self.largest.max(other.largest);
    }
}

fn add_statistics(sum: &mut ConferenceStatistics, more: &ConferenceStatistics) {
    sum.endpoints += more.endpoints;
    sum.visitors += more.visitors;
    sum.connected += more.connected;
    sum.inactive += more.inactive;
    sum.sending_audio += more.sending_audio;
    sum.sending_video += more.sending_video;
    sum.receive_only += more.receive_only;
    sum.with_suspended_sources += more.with_suspended_sources;
    sum.oversending += more.oversending;
    sum.with_high_outgoing_loss += more.with_high_outgoing_loss;
    sum.outgoing_loss += more.outgoing_loss;
    sum.incoming_streams += more.incoming_streams;
    sum.incoming_loss += more.incoming_loss;
    sum.round_trips += more.round_trips;
}

/// Per second, over the last few seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rates {
    packets_in: f64,
    packets_out: f64,
    bits_in: f64,
    bits_out: f64,
}

impl Rates {
    /// Packets both ways, a second.
    pub(super) fn packets(&self) -> f64 {
        self.packets_in + self.packets_out
    }
}

/// Turns counters into rates.
#[derive(Debug, Default)]
pub(super) struct RateMeter {
    last: Option<(Instant, Traffic)>,
    rates: Rates,
}

impl RateMeter {
    #[expect(clippy::cast_precision_loss, reason = "rates are shown, not counted")]
    pub(super) fn measure(&mut self, now: Instant, traffic: Traffic) -> Rates {
        let Some((then, before)) = self.last else {
            self.last = Some((now, traffic));
            return self.rates;
        };
        let elapsed = now.saturating_duration_since(then);
        if elapsed < RATE_WINDOW {
            return self.rates;
        }
        let rate =
            |now: u64, before: u64| now.saturating_sub(before) as f64 / elapsed.as_secs_f64();
        self.rates = Rates {
            packets_in: rate(traffic.packets_in, before.packets_in),
            packets_out: rate(traffic.packets_out, before.packets_out),
            bits_in: rate(traffic.bytes_in, before.bytes_in) * 8.0,
            bits_out: rate(traffic.bytes_out, before.bytes_out) * 8.0,
        };
        self.last = Some((now, traffic));
        self.rates
    }
}

/// Sum over workers.
pub(super) fn traffic(workers: impl Iterator<Item = WorkerStatistics>) -> Traffic {
    workers.fold(Traffic::default(), |mut sum, worker| {
        let Traffic {
            packets_in,
            bytes_in,
            packets_out,
            bytes_out,
            runs_out,
            messages_in,
            messages_out,
        } = worker.traffic;
        sum.packets_in += packets_in;
        sum.bytes_in += bytes_in;
        sum.packets_out += packets_out;
        sum.bytes_out += bytes_out;
        sum.runs_out += runs_out;
        sum.messages_in += messages_in;
        sum.messages_out += messages_out;
        sum
    })
}

/// What was dropped or refused since the start, by reason; reasons that never happened included.
pub(super) fn dropped(
    workers: impl Iterator<Item = WorkerStatistics>,
    tallies: impl Iterator<Item = Tally>,
    sockets: &RefusalCounters,
) -> Vec<(&'static str, u64)> {
    let mut drops = DropCounters::default();
    let mut sends = SendCounters::default();
    for worker in workers {
        drops.add(&worker.drops);
        sends.full += worker.sends.full;
        sends.refused += worker.sends.refused;
    }
    let mut sum = Tally::default();
    for tally in tallies {
        sum.add(&tally);
    }
    let routing = &sum.routing;
    let transport = Drop::ALL
        .iter()
        .map(|reason| (reason.name(), drops.get(*reason)));
    transport
        .chain([
            ("malformed_payload", routing.malformed),
            ("malformed_rtcp", routing.malformed_rtcp),
            ("unknown_ssrc", routing.unknown_ssrc),
            ("unknown_payload_type", routing.unknown_payload_type),
            ("duplicate", routing.duplicates),
            ("muted", routing.refused),
            (QUEUE_FULL, sends.full),
            ("send_refused", sends.refused),
            ("websocket_queue_full", sum.totals.socket_queues_full),
        ])
        .chain(sockets.iter())
        .collect()
}

/// Fills the published keys.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "rates are shown as whole numbers"
)]
pub(super) fn fill<'t>(
    stats: &mut BridgeStats,
    tallies: impl Iterator<Item = &'t Tally>,
    traffic: Traffic,
    rates: Rates,
) {
    let mut sum = Tally::default();
    for tally in tallies {
        sum.add(tally);
    }
    let now = &sum.now;
    stats.inactive_conferences = sum.inactive_conferences;
    stats.largest_conference = sum.largest;
    stats.visitors = now.visitors as u64;
    stats.local_active_endpoints = (now.endpoints - now.receive_only) as u64;
    stats.receive_only_endpoints = now.receive_only as u64;
    stats.inactive_endpoints = now.inactive as u64;
    stats.endpoints_sending_audio = now.sending_audio as u64;
    stats.endpoints_sending_video = now.sending_video as u64;
    stats.endpoints_with_suspended_sources = now.with_suspended_sources as u64;
    stats.num_eps_oversending = now.oversending as u64;
    stats.endpoints_with_high_outgoing_loss = now.with_high_outgoing_loss as u64;
    if now.incoming_streams > 0 {
        stats.incoming_loss = now.incoming_loss as f64 / 256.0 / now.incoming_streams as f64;
    }
    if now.connected > 0 {
        stats.outgoing_loss = now.outgoing_loss as f64 / 256.0 / now.connected as f64;
        stats.rtt_aggregate = now.round_trips.as_secs_f64() * 1000.0 / now.connected as f64;
    }
    stats.overall_loss = f64::midpoint(stats.incoming_loss, stats.outgoing_loss);
    stats.bit_rate_download = (rates.bits_in / 1000.0) as u64;
    stats.bit_rate_upload = (rates.bits_out / 1000.0) as u64;
    stats.packet_rate_download = rates.packets_in as u64;
    stats.packet_rate_upload = rates.packets_out as u64;
    stats.total_bytes_received = traffic.bytes_in;
    stats.total_bytes_sent = traffic.bytes_out;
    stats.total_packets_received = traffic.packets_in;
    stats.total_packets_sent = traffic.packets_out;
    stats.total_data_channel_messages_received = traffic.messages_in;
    stats.total_data_channel_messages_sent = traffic.messages_out;
    stats.total_keyframes_received = sum.routing.key_frames_received;
    stats.endpoints_disconnected = sum.routing.disconnected;
    stats.endpoints_reconnected = sum.routing.reconnected;
    stats.total_dominant_speaker_changes = sum.routing.dominant_speaker_changes;
    let totals = &sum.totals;
    stats.total_conferences_created = totals.conferences;
    stats.total_conferences_completed = totals.completed;
    stats.total_conference_seconds = totals.seconds;
    stats.total_participants = totals.endpoints;
    stats.total_visitors = totals.visitors;
    stats.total_ice_succeeded = totals.ice_succeeded;
    stats.total_ice_failed = totals.ice_failed;
    stats.endpoints_ice_failed = totals.ice_failed;
    stats.total_colibri_web_socket_messages_sent = totals.socket_messages_sent;
    stats.total_colibri_web_socket_messages_received = totals.socket_messages_received;
    stats.dtls_failed_endpoints = totals.dtls_failed;
    stats.num_eps_no_msg_transport_after_delay = totals.without_channel;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_to_drop_something_is_explained() {
        let explained = include_str!("../../../../docs/hostile-input.md");
        let reasons = dropped(
            std::iter::empty(),
            std::iter::empty(),
            &RefusalCounters::default(),
        );
        assert!(reasons.len() > 40, "{}", reasons.len());
        for (reason, count) in reasons {
            assert!(explained.contains(&format!("`{reason}`")), "{reason}");
            assert_eq!(count, 0);
        }
    }
}
