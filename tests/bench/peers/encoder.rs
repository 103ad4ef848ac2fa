//! What a sender sends: frames that look like VP8, in one size or in three.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use jitctl_loopback::Participant;
use jitctl_media::rtp::HeaderFields;

use crate::Failure;
use crate::options::Options;

/// Payload type of the pictures.
pub(crate) const VP8: u8 = 96;
/// Header extensions: transport-wide number, and what tells sizes apart (RFC 8852).
pub(crate) const TRANSPORT_CC: u8 = 5;
pub(crate) const MID: u8 = 3;
pub(crate) const RID: u8 = 4;
const FRAMES_PER_SECOND: u32 = 30;
/// Longer than any run.
const REST: Duration = Duration::from_secs(24 * 3600);
/// Longest payload of a packet.
const PAYLOAD: usize = 1150;
/// The last bytes of a packet tell when it was made.
const STAMP: usize = 8;
/// kbit/s, height and name of three sizes, as browsers send them.
const SIZES: [(usize, u16, &str); 3] = [(150, 180, "q"), (500, 360, "h"), (1500, 720, "f")];
/// Height of the only size.
const HEIGHT: u16 = 720;

/// How a server tells the sizes of a picture apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Labels {
    /// By the SSRCs that were signalled; packets carry the transport-wide number.
    Ssrc,
    /// By a name in each packet.
    Rid,
}

/// One size of a picture.
struct Encoding {
    ssrc: u32,
    frame_bytes: usize,
    height: u16,
    rid: Option<&'static str>,
    sequence: u16,
}

/// Sends frames.
pub(crate) struct Encoder {
    /// Smallest first.
    encodings: Vec<Encoding>,
    labels: Labels,
    transport_sequence: u16,
    picture: u16,
    next: Instant,
    answered_requests: u64,
    /// Packets of the size that receivers want, the smallest.
    pub(crate) sent: u64,
}

impl Encoder {
    /// The picture of a member as the workload has it.
    pub(crate) fn new(options: &Options, place: (usize, usize), labels: Labels) -> Self {
        let (room, member) = place;
        let first_ssrc = 1_000_000 + (room * 10_000 + member * 10) as u32;
        let sizes = if options.workload.simulcast {
            SIZES.to_vec()
        } else {
            vec![(options.workload.kilobits_per_second, HEIGHT, "")]
        };
        let encodings =
            sizes
                .into_iter()
                .zip(first_ssrc..)
                .map(|((kilobits, height, rid), ssrc)| Encoding {
                    ssrc,
                    frame_bytes: kilobits * 1000 / 8 / FRAMES_PER_SECOND as usize,
                    height,
                    rid: (labels == Labels::Rid && !rid.is_empty()).then_some(rid),
                    sequence: 0,
                });
        Self {
            encodings: encodings.collect(),
            labels,
            transport_sequence: 0,
            picture: 0,
            next: Instant::now(),
            answered_requests: 0,
            sent: 0,
        }
    }

    /// SSRCs of the sizes, smallest first.
    pub(crate) fn ssrcs(&self) -> impl Iterator<Item = u32> {
        self.encodings.iter().map(|encoding| encoding.ssrc)
    }

    /// Names of the sizes, largest first as they are offered; none for a single one.
    pub(crate) fn rids(&self) -> impl Iterator<Item = &'static str> {
        self.encodings
            .iter()
            .rev()
            .filter_map(|encoding| encoding.rid)
    }

    /// Height of the picture that receivers want.
    pub(crate) fn wanted_height(&self) -> u16 {
        self.encodings
            .first()
            .map_or(HEIGHT, |encoding| encoding.height)
    }

    /// Sends nothing from now on.
    pub(crate) fn rest(&mut self) {
        self.next += REST;
    }

    /// When the next frame is due.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Sends a frame of each size when it is time.
    pub(crate) fn send(
        &mut self,
        participant: &mut Participant,
        now: Instant,
    ) -> Result<(), Failure> {
        if now < self.next || !participant.transport().is_connected() {
            return Ok(());
        }
        self.next = (self.next + Duration::from_secs(1) / FRAMES_PER_SECOND).max(now);
        let requests = participant.key_frame_requests();
        let is_key = self.picture == 0 || requests > self.answered_requests;
        self.answered_requests = requests;
        self.picture = (self.picture + 1) % 0x7fff;
        let timestamp = u32::from(self.picture) * (90_000 / FRAMES_PER_SECOND);
        for (size, encoding) in self.encodings.iter_mut().enumerate() {
            let packets = encoding.frame_bytes.div_ceil(PAYLOAD).max(1);
            let length = encoding.frame_bytes.div_ceil(packets).max(40);
            for number in 0..packets {
                encoding.sequence = encoding.sequence.wrapping_add(1);
                self.transport_sequence = self.transport_sequence.wrapping_add(1);
                let fields = HeaderFields {
                    payload_type: VP8,
                    marker: number + 1 == packets,
                    sequence_number: encoding.sequence,
                    timestamp,
                    ssrc: encoding.ssrc,
                };
                let sequence = self.transport_sequence.to_be_bytes();
                let start = (number == 0).then_some(is_key);
                let payload = payload(self.picture, start, encoding.height, length);
                let by_name = encoding
                    .rid
                    .map(|rid| [(MID, &b"0"[..]), (RID, rid.as_bytes())]);
                let by_ssrc = [(TRANSPORT_CC, &sequence[..])];
                let extensions = match (self.labels, &by_name) {
                    (Labels::Ssrc, _) => &by_ssrc[..],
                    (Labels::Rid, Some(named)) => &named[..],
                    (Labels::Rid, None) => &[],
                };
                participant.send_rtp(&fields, extensions, &payload)?;
            }
            if size == 0 {
                self.sent += packets as u64;
            }
        }
        Ok(())
    }
}

/// A VP8 packet (RFC 7741): descriptor with picture identifier, frame header at the start of a
/// frame (`start` tells whether a key frame), and the time at the end.
fn payload(picture: u16, start: Option<bool>, height: u16, length: usize) -> Vec<u8> {
    let [high, low] = picture.to_be_bytes();
    let descriptor = if start.is_some() { 0x90 } else { 0x80 };
    let mut payload = vec![descriptor, 0x80, 0x80 | high, low];
    match start {
        Some(true) => {
            payload.extend([0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a]);
            payload.extend((height / 9 * 16).to_le_bytes());
            payload.extend(height.to_le_bytes());
        }
        Some(false) => payload.extend([0x11, 0x02, 0x00]),
        None => {}
    }
    payload.resize(length - STAMP, 0x55);
    payload.extend(nanoseconds().to_be_bytes());
    payload
}

/// Microseconds since a decrypted packet was made.
pub(crate) fn age(packet: &[u8]) -> Option<u64> {
    let stamp = u64::from_be_bytes(*packet.last_chunk::<STAMP>()?);
    Some(nanoseconds().saturating_sub(stamp) / 1000)
}

/// Since the program began.
fn nanoseconds() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed().as_nanos() as u64
}
