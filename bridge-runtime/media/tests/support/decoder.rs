//! A model of a browser's VP8 receiver: orders packets, assembles frames, decodes only what
//! could really be decoded, and notes what it shows.

use std::collections::BTreeMap;

use jitctl_media::codec::vp8::Descriptor;
use jitctl_media::rtp::Header;

/// A frame that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub milliseconds: u64,
    /// Encoding the sender wrote into the payload.
    pub encoding: u8,
    pub temporal: u8,
    pub key: bool,
    pub timestamp: u32,
    /// Who sent it, as written into the payload.
    pub sender: u8,
}

#[derive(Clone, Debug)]
struct Packet {
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

#[derive(Default)]
pub struct Decoder {
    packets: BTreeMap<u64, Packet>,
    highest: Option<u64>,
    /// Next sequence number to be decoded.
    next: Option<u64>,
    last_tl0: Option<u8>,
    last_picture: Option<u16>,
    pub shown: Vec<Shown>,
    pub duplicates: u64,
    pub wants_key_frame: bool,
    /// Whether picture ids may be left out before frames that need the base layer only: what was lost on the
    /// way up and came late may turn out to be left out, when its id cannot be closed any more.
    pub allows_gaps: bool,
    missing_since: BTreeMap<u64, (u64, u8)>,
    pub last_progress: u64,
    last_request: u64,
}

impl Decoder {
    pub fn unwrap(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else {
            return 65_536 + u64::from(sequence);
        };
        let step = sequence.wrapping_sub(highest as u16) as i16;
        highest.wrapping_add_signed(i64::from(step))
    }

    /// Takes a packet; `is_copy` for one that came as a retransmission.
    pub fn insert(
        &mut self,
        milliseconds: u64,
        header: &Header,
        sequence: u16,
        payload: &[u8],
        is_copy: bool,
    ) {
        let extended = self.unwrap(sequence);
        let known = self.next.is_some_and(|next| extended < next);
        if self.packets.contains_key(&extended) || (known && !payload.is_empty()) {
            self.duplicates += u64::from(!is_copy);
            return;
        }
        self.missing_since.remove(&extended);
        if let Some(highest) = self.highest
            && extended > highest + 1
        {
            for missing in highest + 1..extended {
                self.missing_since.insert(missing, (milliseconds, 0));
            }
        }
        self.highest = Some(
            self.highest
                .map_or(extended, |highest| highest.max(extended)),
        );
        self.packets.insert(
            extended,
            Packet {
                timestamp: header.timestamp,
                marker: header.marker,
                payload: payload.to_vec(),
            },
        );
        self.decode(milliseconds);
    }

    /// Sequence numbers to ask for now: at once, then every 50 ms, ten times.
    pub fn nacks(&mut self, milliseconds: u64) -> Vec<u16> {
        // A receiver without pictures asks for a key frame again and again.
        if milliseconds > self.last_progress.max(self.last_request) + 1_000 {
            self.last_request = milliseconds;
            self.wants_key_frame = true;
        }
        let mut wanted = vec![];
        for (sequence, (since, attempts)) in &mut self.missing_since {
            if milliseconds >= *since + u64::from(*attempts) * 50 && *attempts < 10 {
                *attempts += 1;
                wanted.push(*sequence as u16);
            } else if milliseconds > *since + 600 && *attempts == 10 {
                // Given up, as libwebrtc does: only a key frame helps.
                *attempts += 1;
                self.wants_key_frame = true;
            }
        }
        wanted
    }

    fn decode(&mut self, milliseconds: u64) {
        while self.decode_next(milliseconds) {}
        if self.packets.len() > 2000 {
            self.packets.clear();
            self.missing_since.clear();
            self.next = None;
            self.wants_key_frame = true;
        }
    }

    /// Tries the frame at `next`, or a key frame further on.
    fn decode_next(&mut self, milliseconds: u64) -> bool {
        // Empty packets only fill a place.
        while let Some(next) = self.next
            && self
                .packets
                .get(&next)
                .is_some_and(|packet| packet.payload.is_empty())
        {
            self.packets.remove(&next);
            self.next = Some(next + 1);
        }
        if let Some(next) = self.next
            && let Some(end) = self.frame_end(next)
        {
            self.show(milliseconds, next, end);
            return true;
        }
        let key = self
            .packets
            .iter()
            .filter(|(sequence, _)| self.next.is_none_or(|next| **sequence > next))
            .find(|(sequence, packet)| {
                Descriptor::parse(&packet.payload).is_some_and(|d| d.starts_key_frame)
                    && self.frame_end(**sequence).is_some()
            })
            .map(|(sequence, _)| *sequence);
        if let Some(start) = key
            && let Some(end) = self.frame_end(start)
        {
            self.show(milliseconds, start, end);
            return true;
        }
        false
    }

    fn frame_end(&self, start: u64) -> Option<u64> {
        let first = self.packets.get(&start)?;
        if !Descriptor::parse(&first.payload)?.starts_frame {
            return None;
        }
        let mut sequence = start;
        loop {
            let packet = self.packets.get(&sequence)?;
            if packet.timestamp != first.timestamp {
                return None;
            }
            if packet.marker {
                return Some(sequence);
            }
            sequence += 1;
        }
    }

    fn show(&mut self, milliseconds: u64, start: u64, end: u64) {
        let first = self.packets[&start].clone();
        let descriptor = Descriptor::parse(&first.payload).unwrap();
        let picture = descriptor.picture_id.unwrap().value;
        let tl0 = descriptor.tl0_picture_index.unwrap();
        let temporal = descriptor.temporal.unwrap_or(0);
        let key = descriptor.starts_key_frame;
        if !key {
            let expected = self.last_picture.map(|last| (last + 1) & 0x7fff);
            let gap = expected.map(|expected| picture.wrapping_sub(expected) & 0x7fff);
            let is_tolerable = temporal == 0 || descriptor.layer_sync;
            let allowed = if self.allows_gaps && is_tolerable {
                100
            } else {
                0
            };
            assert!(gap <= Some(allowed), "picture ids must run on: {gap:?}");
            if temporal == 0 {
                let expected = self.last_tl0.map(|last| last.wrapping_add(1));
                assert_eq!(Some(tl0), expected, "base layer counters must run on");
            } else {
                assert_eq!(Some(tl0), self.last_tl0, "upper layers follow their base");
            }
        }
        if let Some(last) = self.shown.last() {
            let step = first.timestamp.wrapping_sub(last.timestamp);
            assert!(step > 0 && step < 1 << 31, "timestamps must ascend");
        }
        self.last_picture = Some(picture);
        self.last_tl0 = Some(tl0);
        self.next = Some(end + 1);
        self.packets = self.packets.split_off(&(end + 1));
        self.missing_since = self.missing_since.split_off(&(end + 1));
        self.wants_key_frame = false;
        self.last_progress = milliseconds;
        self.shown.push(Shown {
            milliseconds,
            encoding: first.payload[7],
            sender: first.payload[8],
            temporal,
            key,
            timestamp: first.timestamp,
        });
    }

    /// Longest time without a new frame between two instants.
    pub fn longest_freeze(&self, from: u64, to: u64) -> u64 {
        let mut times = vec![from];
        times.extend(
            self.shown
                .iter()
                .map(|frame| frame.milliseconds)
                .filter(|time| (from..to).contains(time)),
        );
        times.push(to);
        times
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap_or(0)
    }

    /// Frames shown in a span.
    pub fn shown_in(&self, from: u64, to: u64) -> impl Iterator<Item = &Shown> {
        self.shown
            .iter()
            .filter(move |frame| (from..to).contains(&frame.milliseconds))
    }
}
