//! What happens by the clock.

use std::time::{Duration, Instant};

use super::Conference;
use super::egress::Egress;
use super::event::Event;
use super::feedback::RTCP_LENGTH;
use crate::channel::ChannelMessage;
use crate::identifiers::{EndpointIndex, SourceIndex, Ssrc};
use crate::rtcp::{ReportBlock, RtcpWriter};

/// Interval of everything that is checked often.
const TICK: Duration = Duration::from_millis(15);
/// Interval of receiver reports, connectivity and layer checks.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// Interval of the bandwidth message.
pub(super) const CONNECTION_STATS_INTERVAL: Duration = Duration::from_secs(10);
/// Longest time between two allocations of a receiver.
const ALLOCATION_INTERVAL: Duration = Duration::from_secs(5);
/// Most report blocks in one packet (RFC 3550 section 6.4.1).
const MOST_BLOCKS: usize = 31;

impl Conference {
    /// When [`Conference::handle_timeout`] wants to be called; `None` for an empty conference.
    pub fn next_timeout(&self) -> Option<Instant> {
        let tick = (!self.endpoint_ids.is_empty()).then_some(self.next_tick)?;
        let sooner = [self.next_probe, self.next_paced];
        sooner.into_iter().flatten().chain([tick]).min()
    }

    /// Does what is due.
    pub fn handle_timeout<E: Egress>(&mut self, now: Instant, egress: &mut E) {
        // What came goes before what is sent for other reasons: probes fill what it leaves.
        self.forward(now, egress);
        if self.next_paced.is_some_and(|due| now >= due) {
            self.send_paced(now, egress);
        }
        if now >= self.next_tick || self.next_probe.is_some_and(|due| now >= due) {
            self.send_probes(now, egress);
        }
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        if let Some(change) = self.dominant.decide(now) {
            self.speaker_changed(now, change);
            self.next_tick = now + TICK;
        }
        self.send_transport_feedback(now, egress);
        self.send_estimates(now, egress);
        self.repeat_nacks(now, egress);
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.send_receiver_reports(now, egress);
            self.check_connectivity(now);
            self.check_layers(now);
            self.fit_stores(now);
            self.tell_connection_stats(now);
        }
        self.run_allocations(now);
        if self.constraints_changed {
            self.tell_sender_constraints();
        }
        self.request_missing_key_frames(now, egress);
    }

    fn run_allocations(&mut self, now: Instant) {
        for position in 0..self.endpoints.len() {
            let index = EndpointIndex(position as u32);
            let is_due = self.endpoint(index).is_some_and(|endpoint| {
                endpoint.is_ready
                    && (endpoint.needs_allocation
                        || endpoint.estimate_moved()
                        || endpoint.last_allocation.is_none_or(|last| {
                            now.saturating_duration_since(last) >= ALLOCATION_INTERVAL
                        }))
            });
            if is_due {
                self.run_allocation(now, index);
            }
        }
    }

    fn tell_connection_stats(&mut self, now: Instant) {
        for position in 0..self.endpoints.len() {
            let Some(endpoint) = self.endpoints[position].as_deref_mut() else {
                continue;
            };
            if now < endpoint.next_connection_stats || !endpoint.send.bandwidth.is_founded() {
                continue;
            }
            endpoint.next_connection_stats = now + CONNECTION_STATS_INTERVAL;
            let estimated_downlink_bandwidth = endpoint.send.bandwidth.estimate();
            self.tell(
                EndpointIndex(position as u32),
                ChannelMessage::ConnectionStats {
                    estimated_downlink_bandwidth,
                },
            );
        }
    }

    fn send_transport_feedback<E: Egress>(&mut self, now: Instant, egress: &mut E) {
        let sender = self.feedback_video;
        for position in 0..self.endpoints.len() {
            let Some(endpoint) = self.endpoints[position].as_deref_mut() else {
                continue;
            };
            if !endpoint.is_ready || !endpoint.media.transport_cc || !endpoint.arrivals.is_due(now)
            {
                continue;
            }
            let media = endpoint
                .sources
                .first()
                .and_then(|index| self.sources.get(index.as_usize()))
                .and_then(Option::as_deref)
                .map_or(sender, |source| source.primary().0);
            let mut buffer = [0; RTCP_LENGTH];
            let mut writer = RtcpWriter::new(&mut buffer);
            if endpoint
                .arrivals
                .write(now, &mut writer, sender, media)
                .is_some()
            {
                let length = writer.len();
                egress.rtcp(EndpointIndex(position as u32), length, |room| {
                    room.copy_from_slice(&buffer[..length]);
                });
            }
        }
    }

    /// Tells senders without transport-wide feedback what their way up carries.
    fn send_estimates<E: Egress>(&mut self, now: Instant, egress: &mut E) {
        for position in 0..self.endpoints.len() {
            let Some(endpoint) = self.endpoints[position].as_deref_mut() else {
                continue;
            };
            let incoming = endpoint.incoming.as_mut().filter(|_| endpoint.is_ready);
            let Some(bitrate) = incoming.and_then(|incoming| incoming.poll_statement(now)) else {
                continue;
            };
            let own = endpoint.sources.iter();
            let streams: Vec<Ssrc> = own
                .filter_map(|index| self.sources.get(index.as_usize())?.as_deref())
                .filter(|source| source.is_video())
                .flat_map(|source| &source.encodings)
                .map(|encoding| encoding.description.ssrc)
                .collect();
            let mut buffer = [0; RTCP_LENGTH];
            let mut writer = RtcpWriter::new(&mut buffer);
            let written = writer.receiver_estimate(self.feedback_video, bitrate, &streams);
            if written.is_some() {
                let length = writer.len();
                egress.rtcp(EndpointIndex(position as u32), length, |room| {
                    room.copy_from_slice(&buffer[..length]);
                });
            }
        }
    }

    fn repeat_nacks<E: Egress>(&mut self, now: Instant, egress: &mut E) {
        for position in 0..self.sources.len() {
            let Some(source) = self.sources[position].as_deref() else {
                continue;
            };
            if !source.is_video() {
                continue;
            }
            for encoding in 0..source.encodings.len() {
                let has_missing = self.sources[position]
                    .as_deref()
                    .is_some_and(|source| source.encodings[encoding].window.has_missing());
                if has_missing {
                    self.send_nacks(now, SourceIndex(position as u32), encoding as u8, egress);
                }
            }
        }
    }

    fn send_receiver_reports<E: Egress>(&mut self, now: Instant, egress: &mut E) {
        let sender = self.feedback_video;
        for position in 0..self.endpoints.len() {
            let Some(endpoint) = self.endpoints[position].as_deref() else {
                continue;
            };
            if !endpoint.is_ready {
                continue;
            }
            let mut blocks = [ReportBlock::default(); MOST_BLOCKS];
            let mut count = 0;
            for index in &endpoint.sources {
                let Some(source) = self
                    .sources
                    .get_mut(index.as_usize())
                    .and_then(Option::as_deref_mut)
                else {
                    continue;
                };
                for encoding in &mut source.encodings {
                    if count == MOST_BLOCKS {
                        write_report(EndpointIndex(position as u32), sender, &blocks, egress);
                        count = 0;
                    }
                    let ssrc = encoding.description.ssrc;
                    if let Some(block) = encoding.reception.report(now, ssrc) {
                        blocks[count] = block;
                        count += 1;
                    }
                }
            }
            if count > 0 {
                write_report(
                    EndpointIndex(position as u32),
                    sender,
                    &blocks[..count],
                    egress,
                );
            }
        }
    }

    fn check_connectivity(&mut self, now: Instant) {
        let mut changes = Vec::new();
        for position in 0..self.endpoints.len() {
            let Some(endpoint) = self.endpoints[position].as_deref_mut() else {
                continue;
            };
            let index = EndpointIndex(position as u32);
            let since = |instant| now.saturating_duration_since(instant);
            let is_active = match endpoint.last_activity {
                Some(last) => since(last) <= self.config.inactivity,
                None => since(endpoint.created) <= self.config.first_packet_timeout,
            };
            if is_active != endpoint.is_active {
                endpoint.is_active = is_active;
                let count = if is_active {
                    &mut self.counters.reconnected
                } else {
                    &mut self.counters.disconnected
                };
                *count += 1;
                if !endpoint.is_visitor {
                    changes.push((index, endpoint.id.as_str().to_owned(), is_active));
                }
            }
            let has_expired = match endpoint.last_activity {
                Some(last) => since(last) > self.config.expiry,
                None => since(endpoint.created) > self.config.never_active_expiry,
            };
            if has_expired && !endpoint.was_reported_timed_out {
                endpoint.was_reported_timed_out = true;
                self.events.push_back(Event::EndpointTimedOut {
                    endpoint: index,
                    id: endpoint.id.clone(),
                });
            }
        }
        for (changed, id, is_active) in changes {
            for position in 0..self.endpoints.len() {
                let receiver = EndpointIndex(position as u32);
                if receiver != changed {
                    self.tell(
                        receiver,
                        ChannelMessage::EndpointConnectivityStatusChangeEvent {
                            endpoint: id.clone(),
                            active: is_active.to_string(),
                        },
                    );
                }
            }
        }
    }

    /// Layers that appear or vanish change what receivers can get.
    fn check_layers(&mut self, now: Instant) {
        let mut changed = false;
        for source in self.sources.iter_mut().flatten() {
            if !source.is_video() {
                continue;
            }
            let mut active = 0_u64;
            for (number, encoding) in source.encodings.iter_mut().enumerate() {
                if encoding.meter.bitrate(now) > 0 {
                    active |= 1 << number;
                }
            }
            changed |= active != source.active_layers;
            source.active_layers = active;
        }
        if changed {
            self.request_allocations(now);
            self.next_tick = now + TICK;
        }
    }

    fn request_missing_key_frames<E: Egress>(&mut self, now: Instant, egress: &mut E) {
        for position in 0..self.endpoints.len() {
            let streams = match self.endpoints[position].as_deref() {
                Some(endpoint) if endpoint.is_ready => endpoint.video.len(),
                _ => continue,
            };
            for stream in 0..streams {
                let Some(endpoint) = self.endpoints[position].as_deref_mut() else {
                    break;
                };
                let round_trip = endpoint.round_trip;
                let stream = &mut endpoint.video[stream];
                let (Some(source), Some(target)) = (stream.source, stream.projection.target())
                else {
                    continue;
                };
                // While the right encoding flows, a pending request is about that one.
                if !stream.projection.needs_key_frame() && !stream.is_key_frame_pending {
                    continue;
                }
                let mut limiter = stream.requests;
                if !limiter.pass(now, round_trip) && !limiter.retry(now) {
                    continue;
                }
                let was_sent = self.request_key_frame(now, source, target.encoding, egress);
                if was_sent
                    && let Some(endpoint) = self.endpoints[position].as_deref_mut()
                    && let Some(stream) =
                        endpoint.video.iter_mut().find(|s| s.source == Some(source))
                {
                    stream.requests = limiter;
                }
            }
        }
    }
}

fn write_report<E: Egress>(
    receiver: EndpointIndex,
    sender: Ssrc,
    blocks: &[ReportBlock],
    egress: &mut E,
) {
    let mut buffer = [0; RTCP_LENGTH];
    let mut writer = RtcpWriter::new(&mut buffer);
    if writer.receiver_report(sender, blocks).is_none()
        || writer.source_description(sender).is_none()
    {
        return;
    }
    let length = writer.len();
    egress.rtcp(receiver, length, |room| {
        room.copy_from_slice(&buffer[..length]);
    });
}
