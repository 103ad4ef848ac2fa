//! What arrives, counted by SSRC, and the feedback that a browser would send for it.
//!
//! [`Reception`] is an interceptor of the `webrtc` crate: it sees every packet after SRTP. The
//! crate sends feedback only for streams that SDP announced, and ours are not; so the crate's own
//! generators of NACK, transport-wide feedback and receiver reports are driven from here, bound to
//! each stream when its first packet comes. Media ends here: nobody decodes it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jitctl_wire::rtp::MediaKind;
use rtc::interceptor::{
    Interceptor, NackGeneratorBuilder, Packet, RTCPFeedback, RTPHeaderExtension,
    ReceiverReportBuilder, StreamInfo, TaggedPacket, TwccReceiverBuilder,
};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;

use super::counter::Counter;
use crate::media::vp8;
use crate::signalling::{Offer, TRANSPORT_CC};

/// A stream without a key frame is asked for one so often.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(500);

/// Numbers on the wire that were agreed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    audio: u8,
    video: u8,
    retransmission: Option<u8>,
    transport_cc: Option<u8>,
}

impl Numbers {
    pub(super) fn of(offer: &Offer) -> Self {
        Self {
            audio: offer.audio.codec.id,
            video: offer.video.codec.id,
            retransmission: offer.video.retransmission.as_ref().map(|codec| codec.id),
            transport_cc: offer.video.extension(TRANSPORT_CC),
        }
    }
}

/// What was received; shared by the interceptor and the participant.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// By SSRC, retransmissions under the stream they repair.
    pub(crate) streams: HashMap<u32, Counter>,
    /// Primary stream by repair stream, as signalled.
    pub(crate) repairs: BTreeMap<u32, u32>,
    /// Our streams of which a key frame was asked.
    pub(crate) key_frames_asked: HashSet<u32>,
    /// Whether anything authentic came from the bridge, media or feedback.
    pub(crate) authentic: bool,
    /// RTP packets that repair others.
    pub(crate) retransmissions: u64,
}

/// A handle on what was received; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedReceived(Arc<Mutex<Received>>);

impl SharedReceived {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Received> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The interceptor.
pub(super) struct Reception {
    numbers: Numbers,
    received: SharedReceived,
    generators: Vec<Box<dyn Interceptor>>,
    bound: HashSet<u32>,
    /// Video streams that wait for a key frame, and when they were last asked for one.
    waiting: HashMap<u32, Option<Instant>>,
    transport: Option<TransportContext>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Reception {
    pub(super) fn new(numbers: Numbers, received: SharedReceived) -> Self {
        Self {
            numbers,
            received,
            generators: vec![
                Box::new(NackGeneratorBuilder::new().build()),
                Box::new(TwccReceiverBuilder::new().build()),
                Box::new(ReceiverReportBuilder::new().build()),
            ],
            bound: HashSet::new(),
            waiting: HashMap::new(),
            transport: None,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        }
    }

    fn kind(&self, payload_type: u8) -> Option<MediaKind> {
        if payload_type == self.numbers.audio {
            Some(MediaKind::Audio)
        } else if payload_type == self.numbers.video {
            Some(MediaKind::Video)
        } else {
            None
        }
    }

    /// Undoes a retransmission (RFC 4588 4); `false` when there is nothing in it.
    fn recover(&self, packet: &mut rtc::rtp::Packet) -> bool {
        if Some(packet.header.payload_type) != self.numbers.retransmission {
            return true;
        }
        let mut received = self.received.lock();
        let Some(primary) = received.repairs.get(&packet.header.ssrc).copied() else {
            return false;
        };
        // Without payload it is padding that probes for bandwidth.
        let &[high, low, _, ..] = packet.payload.as_ref() else {
            return false;
        };
        received.retransmissions += 1;
        packet.header.ssrc = primary;
        packet.header.payload_type = self.numbers.video;
        packet.header.sequence_number = u16::from_be_bytes([high, low]);
        packet.payload = packet.payload.slice(2..);
        true
    }

    fn bind(&mut self, ssrc: u32, kind: MediaKind) {
        if !self.bound.insert(ssrc) {
            return;
        }
        let feedback = |kind: &str| RTCPFeedback {
            typ: kind.to_owned(),
            parameter: String::new(),
        };
        let mut info = StreamInfo {
            ssrc,
            rtcp_feedback: vec![feedback("transport-cc")],
            ..StreamInfo::default()
        };
        match kind {
            MediaKind::Audio => {
                "audio/opus".clone_into(&mut info.mime_type);
                info.clock_rate = 48_000;
                info.payload_type = self.numbers.audio;
            }
            MediaKind::Video => {
                "video/VP8".clone_into(&mut info.mime_type);
                info.clock_rate = 90_000;
                info.payload_type = self.numbers.video;
                info.rtcp_feedback.push(feedback("nack"));
                self.waiting.insert(ssrc, None);
            }
        }
        if let Some(id) = self.numbers.transport_cc {
            info.rtp_header_extensions.push(RTPHeaderExtension {
                uri: TRANSPORT_CC.to_owned(),
                id: u16::from(id),
            });
        }
        for generator in &mut self.generators {
            generator.bind_remote_stream(&info);
        }
    }

    fn handle_rtp(&mut self, mut message: TaggedPacket) -> Result<(), Error> {
        let Packet::Rtp(packet) = &mut message.message.packet else {
            return Ok(());
        };
        let size = packet.payload.len() + 12;
        let usable = self.recover(packet);
        let (ssrc, sequence) = (packet.header.ssrc, packet.header.sequence_number);
        if usable && let Some(kind) = self.kind(packet.header.payload_type) {
            let key_frame = kind == MediaKind::Video && vp8::starts_key_frame(&packet.payload);
            let padding_only = packet.payload.is_empty();
            self.bind(ssrc, kind);
            if key_frame {
                self.waiting.remove(&ssrc);
            }
            self.ask_for_key_frames(message.now);
            let mut received = self.received.lock();
            received.authentic = true;
            let counter = received
                .streams
                .entry(ssrc)
                .or_insert_with(|| Counter::new(kind, message.now));
            counter.count(sequence, size, key_frame, padding_only, message.now);
        }
        self.pass_on(message).map(|_| ())
    }

    /// Shows a packet to the generators; they hand it on unchanged.
    fn pass_on(&mut self, message: TaggedPacket) -> Result<Option<TaggedPacket>, Error> {
        let mut passed = Some(message);
        for generator in &mut self.generators {
            if let Some(message) = passed.take() {
                generator.handle_read(message)?;
                passed = generator.poll_read();
            }
        }
        Ok(passed)
    }

    fn handle_rtcp(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            let mut received = self.received.lock();
            received.authentic |= !packets.is_empty();
            for packet in packets {
                let packet = packet.as_any();
                if let Some(loss) = packet.downcast_ref::<PictureLossIndication>() {
                    received.key_frames_asked.insert(loss.media_ssrc);
                }
                if let Some(request) = packet.downcast_ref::<FullIntraRequest>() {
                    let asked = request.fir.iter().map(|entry| entry.ssrc);
                    received.key_frames_asked.extend(asked);
                }
            }
        }
        let passed = self.pass_on(message)?;
        self.reads.extend(passed);
        Ok(())
    }

    fn ask_for_key_frames(&mut self, now: Instant) {
        let Some(transport) = self.transport else {
            return;
        };
        for (ssrc, asked) in &mut self.waiting {
            if asked.is_some_and(|asked| now < asked + KEY_FRAME_INTERVAL) {
                continue;
            }
            *asked = Some(now);
            let request = PictureLossIndication {
                sender_ssrc: 1,
                media_ssrc: *ssrc,
            };
            self.writes.push_back(TaggedPacket {
                now,
                transport,
                message: Packet::Rtcp(vec![Box::new(request)]).into(),
            });
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Reception {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.transport = Some(message.transport);
        match &message.message.packet {
            Packet::Rtp(_) => self.handle_rtp(message),
            _ => self.handle_rtcp(message),
        }
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        for generator in &mut self.generators {
            while let Some(packet) = generator.poll_write() {
                self.writes.push_back(packet);
            }
        }
        self.writes.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        for generator in &mut self.generators {
            generator.handle_timeout(now)?;
        }
        self.ask_for_key_frames(now);
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let generators = self
            .generators
            .iter_mut()
            .filter_map(Protocol::poll_timeout);
        let waiting = self
            .waiting
            .values()
            .filter_map(|asked| Some((*asked)? + KEY_FRAME_INTERVAL));
        generators.chain(waiting).min()
    }
}

impl Interceptor for Reception {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
