//! Probing: when, how fast, and what came of it.

use super::history::Acknowledged;

/// A cluster lasts this long and has at least so many packets.
const DURATION: i64 = 15_000;
const FEWEST_PACKETS: u32 = 5;
/// A cluster that takes longer is given up.
const LONGEST_CLUSTER: i64 = 300_000;
/// Interval between probes; shorter while far from what is wanted.
const INTERVAL: i64 = 5_000_000;
const SHORT_INTERVAL: i64 = 2_500_000;
/// A result is awaited this long.
const RESULT_TIMEOUT: i64 = 1_000_000;
/// After over-use no probe is begun for this long.
const PAUSE_AFTER_OVERUSE: i64 = 2_000_000;
/// Longest spacing within a cluster that can be measured.
const LONGEST_INTERVAL: i64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
struct Cluster {
    id: u32,
    bitrate: u64,
    start: i64,
    sent_bits: i64,
    packets: u32,
}

impl Cluster {
    fn total_bits(&self) -> i64 {
        self.bitrate as i64 * DURATION / 1_000_000
    }
}

#[derive(Debug)]
pub(super) struct ProbeController {
    next_id: u32,
    active: Option<Cluster>,
    /// Second of the two clusters at the beginning.
    queued: Option<u64>,
    awaited: Option<(u64, i64)>,
    wanted: u64,
    has_begun: bool,
    last_probe: Option<i64>,
    last_abort: Option<i64>,
    now: i64,
}

impl ProbeController {
    pub(super) const fn new() -> Self {
        Self {
            next_id: 1,
            active: None,
            queued: None,
            awaited: None,
            wanted: 0,
            has_begun: false,
            last_probe: None,
            last_abort: None,
            now: 0,
        }
    }

    pub(super) const fn set_wanted(&mut self, bitrate: u64) {
        self.wanted = bitrate;
    }

    /// Over-use: whatever is under way would make it worse.
    pub(super) const fn abort(&mut self) {
        self.active = None;
        self.queued = None;
        self.awaited = None;
        self.last_abort = Some(self.now);
    }

    /// A result confirmed most of the last probe: go on doubling.
    pub(super) fn estimate_changed(&mut self, time: i64, estimate: u64) {
        self.now = time;
        let Some((probed, since)) = self.awaited else {
            return;
        };
        if time - since > RESULT_TIMEOUT {
            self.awaited = None;
        } else if estimate > probed * 7 / 10 && estimate < self.wanted {
            self.awaited = None;
            self.begin(time, (estimate * 2).min(self.wanted * 2));
        }
    }

    fn begin(&mut self, time: i64, bitrate: u64) {
        self.active = Some(Cluster {
            id: self.next_id,
            bitrate,
            start: time,
            sent_bits: 0,
            packets: 0,
        });
        self.next_id = self.next_id.wrapping_add(1).max(1);
        self.last_probe = Some(time);
        self.awaited = Some((bitrate, time));
    }

    /// Bytes that the cluster under way wants now.
    pub(super) fn poll(&mut self, time: i64, estimate: u64, maximum: u64) -> Option<usize> {
        self.now = time;
        self.consider(time, estimate, maximum);
        let cluster = self.active.as_mut()?;
        let elapsed = time - cluster.start;
        let total = cluster.total_bits();
        if elapsed < 0 {
            return None;
        }
        let due = cluster.bitrate as i64 * elapsed / 1_000_000 + 8 * 200;
        let bits = due - cluster.sent_bits;
        let is_over = cluster.sent_bits >= total && cluster.packets > FEWEST_PACKETS;
        if bits <= 0 && !is_over {
            return None;
        }
        let bytes = (bits / 8).max(0) as usize;
        if is_over || elapsed > LONGEST_CLUSTER {
            self.active = None;
            if let Some(bitrate) = self.queued.take() {
                self.begin(time + DURATION, bitrate);
            }
        }
        (bytes > 0).then_some(bytes)
    }

    /// A packet leaves; returns the cluster under way, which it belongs to.
    pub(super) fn sent(&mut self, time: i64, bytes: usize) -> Option<u32> {
        let cluster = self.active.as_mut().filter(|it| it.start <= time)?;
        cluster.sent_bits += bytes as i64 * 8;
        cluster.packets += 1;
        Some(cluster.id)
    }

    fn consider(&mut self, time: i64, estimate: u64, maximum: u64) {
        let is_paused = self
            .last_abort
            .is_some_and(|last| time - last < PAUSE_AFTER_OVERUSE);
        if self.active.is_some() || is_paused || self.wanted <= estimate {
            return;
        }
        let ceiling = (self.wanted * 2).min(maximum);
        if !self.has_begun {
            self.has_begun = true;
            self.begin(time, (estimate * 3).min(ceiling));
            self.queued = (estimate * 3 < ceiling).then(|| (estimate * 6).min(ceiling));
            return;
        }
        let interval = if estimate * 2 <= self.wanted {
            SHORT_INTERVAL
        } else {
            INTERVAL
        };
        let is_due = self.last_probe.is_none_or(|last| time - last >= interval);
        if is_due {
            self.begin(time, (estimate * 2).min(ceiling));
        }
    }

    pub(super) fn next_due(&self) -> Option<i64> {
        self.active.as_ref().map(|cluster| {
            let per_packet = 8 * 1200 * 1_000_000 / (cluster.bitrate.max(1) as i64);
            cluster.start.max(self.now) + per_packet.clamp(1_000, 5_000)
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    cluster: u32,
    packets: u32,
    bytes: u64,
    first_sent: i64,
    last_sent: i64,
    last_sent_length: u32,
    first_arrival: i64,
    first_arrival_length: u32,
    last_arrival: i64,
}

/// What came of the clusters lately.
#[derive(Debug, Default)]
pub(super) struct ProbeResults {
    current: Option<Measured>,
    result: Option<u64>,
}

impl ProbeResults {
    pub(super) fn add(&mut self, cluster: u32, packet: &Acknowledged) {
        let measured = match &mut self.current {
            Some(measured) if measured.cluster == cluster => measured,
            current => current.insert(Measured {
                cluster,
                packets: 0,
                bytes: 0,
                first_sent: packet.sent,
                last_sent: packet.sent,
                last_sent_length: 0,
                first_arrival: packet.arrival,
                first_arrival_length: packet.length,
                last_arrival: packet.arrival,
            }),
        };
        measured.packets += 1;
        measured.bytes += u64::from(packet.length);
        measured.first_sent = measured.first_sent.min(packet.sent);
        if packet.sent >= measured.last_sent {
            measured.last_sent = packet.sent;
            measured.last_sent_length = packet.length;
        }
        if packet.arrival < measured.first_arrival {
            measured.first_arrival = packet.arrival;
            measured.first_arrival_length = packet.length;
        }
        measured.last_arrival = measured.last_arrival.max(packet.arrival);
        self.result = measured.bitrate().or(self.result);
    }

    /// The newest result, once.
    pub(super) const fn take(&mut self) -> Option<u64> {
        self.result.take()
    }
}

impl Measured {
    fn bitrate(&self) -> Option<u64> {
        let sent = self.last_sent - self.first_sent;
        let arrival = self.last_arrival - self.first_arrival;
        let is_long_enough = sent >= DURATION / 2;
        if self.packets < FEWEST_PACKETS
            || !is_long_enough
            || arrival <= 0
            || sent > LONGEST_INTERVAL
            || arrival > LONGEST_INTERVAL
        {
            return None;
        }
        let rate = |bytes: u64, time: i64| bytes * 8 * 1_000_000 / time as u64;
        let send_rate = rate(self.bytes - u64::from(self.last_sent_length), sent);
        let arrival_rate = rate(self.bytes - u64::from(self.first_arrival_length), arrival);
        if arrival_rate > send_rate * 2 {
            // Packets that arrive faster than they left were held up together.
            return None;
        }
        if arrival_rate * 10 < send_rate * 9 {
            // The path is full: a little less than it gave.
            return Some(arrival_rate * 95 / 100);
        }
        Some(send_rate.min(arrival_rate))
    }
}
