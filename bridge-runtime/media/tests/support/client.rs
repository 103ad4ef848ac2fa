//! A participant: encodes a camera in three sizes, speaks, answers feedback, and receives.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jitctl_media::channel::ChannelMessage;
use jitctl_media::identifiers::Ssrc;
use jitctl_media::rtcp::{
    ArrivalRecorder, ReportBlock, RtcpPacket, RtcpPackets, RtcpWriter, SenderInfo,
};
use jitctl_media::rtp::{Header, HeaderFields, write_header};
use jitctl_media::source::{MediaKind, SourceDescription};

use super::decoder::Decoder;
use super::{Datagram, LEVEL_ID, OPUS, RTX, SEND_TIME_ID, TRANSPORT_ID, VP8};

/// Bytes in 33 ms of each encoding: 150, 500 and 1500 kbit/s.
const FRAME_BYTES: [usize; 3] = [625, 2083, 6250];
const PATTERN: [u8; 4] = [0, 2, 1, 2];
const MTU: usize = 1100;

struct Encoder {
    ssrc: u32,
    rtx_ssrc: u32,
    sequence: u16,
    rtx_sequence: u16,
    timestamp_offset: u32,
    picture: u16,
    tl0: u8,
    wants_key: bool,
    is_active: bool,
    sent: BTreeMap<u16, Vec<u8>>,
    packets: u32,
    octets: u32,
}

pub struct Client {
    pub id: String,
    number: u32,
    start: Instant,
    with_transport_cc: bool,
    encoders: Vec<Encoder>,
    frame: u64,
    audio_ssrc: u32,
    audio_sequence: u16,
    audio_packet: u64,
    transport_sequence: u16,
    /// Absolute send time of what leaves now.
    send_time: [u8; 3],
    arrivals: ArrivalRecorder,
    /// Loudness of what it says, 0 for silence.
    pub loudness: u8,
    pub sends_video: bool,
    pub sends_audio: bool,
    pub max_height: i32,
    /// Milliseconds between frames; the rates stay.
    pub frame_interval: u64,
    /// Whether a key frame of one encoding brings one of each, as browsers do it with VP8.
    pub keys_together: bool,
    /// By SSRC.
    pub decoders: BTreeMap<u32, Decoder>,
    /// Audio packets by SSRC: time and sequence number.
    pub audio: BTreeMap<u32, Vec<(u64, u16)>>,
    pub mids: BTreeMap<u32, String>,
    /// See [`Decoder::allows_gaps`].
    pub allows_picture_gaps: bool,
    /// RTX SSRC to media SSRC.
    pub rtx_of: BTreeMap<u32, u32>,
    pub retransmissions: u64,
    pub key_frames_sent: u64,
    pub key_frame_requests: u64,
    pub nacks_received: u64,
    /// Time, SSRC and content.
    pub sender_reports: Vec<(u64, u32, SenderInfo)>,
    pub receiver_reports: u64,
    pub transport_feedback: u64,
    /// Time and value of estimates that the bridge stated, bit/s.
    pub stated: Vec<(u64, u64)>,
    pub padding_received: u64,
    pub received_bytes: u64,
    outbox: Vec<Datagram>,
    last_report: u64,
}

impl Client {
    pub fn new(id: &str, number: u32, start: Instant, with_transport_cc: bool) -> Self {
        let base = 10_000 * (number + 1);
        let encoders = (0..3)
            .map(|encoding| Encoder {
                ssrc: base + 10 * encoding,
                rtx_ssrc: base + 10 * encoding + 1,
                sequence: 65_000_u16.wrapping_add((number * 31 + encoding * 177) as u16),
                rtx_sequence: 100,
                timestamp_offset: 0xfff0_0000_u32.wrapping_add(encoding * 0x1234_5678),
                picture: 0x7ff0,
                tl0: 250,
                wants_key: true,
                is_active: true,
                sent: BTreeMap::new(),
                packets: 0,
                octets: 0,
            })
            .collect();
        Self {
            id: id.to_owned(),
            number,
            start,
            with_transport_cc,
            encoders,
            frame: u64::from(number) * 5,
            audio_ssrc: base + 100,
            audio_sequence: 65_500,
            audio_packet: 0,
            transport_sequence: 65_000,
            send_time: [0; 3],
            arrivals: ArrivalRecorder::new(start),
            loudness: 0,
            sends_video: true,
            sends_audio: true,
            max_height: -1,
            frame_interval: 33,
            keys_together: false,
            decoders: BTreeMap::new(),
            audio: BTreeMap::new(),
            mids: BTreeMap::new(),
            allows_picture_gaps: false,
            rtx_of: BTreeMap::new(),
            retransmissions: 0,
            key_frames_sent: 0,
            key_frame_requests: 0,
            nacks_received: 0,
            sender_reports: Vec::new(),
            receiver_reports: 0,
            transport_feedback: 0,
            stated: Vec::new(),
            padding_received: 0,
            received_bytes: 0,
            outbox: Vec::new(),
            last_report: 0,
        }
    }

    pub fn video_ssrcs(&self) -> Vec<u32> {
        self.encoders.iter().map(|encoder| encoder.ssrc).collect()
    }

    pub fn audio_ssrc(&self) -> u32 {
        self.audio_ssrc
    }

    pub fn descriptions(&self) -> [(MediaKind, Vec<SourceDescription>); 2] {
        let video: Vec<Ssrc> = self.encoders.iter().map(|e| Ssrc(e.ssrc)).collect();
        let pairs: Vec<(Ssrc, Ssrc)> = self
            .encoders
            .iter()
            .map(|e| (Ssrc(e.ssrc), Ssrc(e.rtx_ssrc)))
            .collect();
        let all: Vec<Ssrc> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
        [
            (
                MediaKind::Audio,
                vec![SourceDescription::from_groups(
                    format!("{}-a0", self.id).as_str().into(),
                    MediaKind::Audio,
                    &[Ssrc(self.audio_ssrc)],
                    &[],
                    &[],
                )],
            ),
            (
                MediaKind::Video,
                vec![SourceDescription::from_groups(
                    format!("{}-v0", self.id).as_str().into(),
                    MediaKind::Video,
                    &all,
                    &video,
                    &pairs,
                )],
            ),
        ]
    }

    fn elapsed(&self, now: Instant) -> u64 {
        (now - self.start).as_millis() as u64
    }

    fn transport_sequence(&mut self) -> [u8; 2] {
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        self.transport_sequence.to_be_bytes()
    }

    fn packet(&mut self, fields: &HeaderFields, level: Option<u8>, payload: &[u8]) -> Vec<u8> {
        let sequence = self.transport_sequence();
        let mut elements: Vec<(u8, &[u8])> = vec![];
        if self.with_transport_cc {
            elements.push((TRANSPORT_ID, &sequence));
        } else {
            elements.push((SEND_TIME_ID, &self.send_time));
        }
        let level = level.map(|level| [127 - level]);
        if let Some(level) = &level {
            elements.push((LEVEL_ID, level));
        }
        let mut packet = vec![0; 40];
        let length = write_header(&mut packet, fields, &elements).unwrap();
        packet.truncate(length);
        packet.extend_from_slice(payload);
        packet
    }

    /// What it sends in this millisecond.
    pub fn produce(&mut self, now: Instant) -> Vec<Datagram> {
        let milliseconds = self.elapsed(now);
        let [_, send_time @ ..] = (((milliseconds << 18) / 1000) as u32).to_be_bytes();
        self.send_time = send_time;
        if self.sends_audio && milliseconds % 20 == u64::from(self.number) % 20 {
            self.audio_sequence = self.audio_sequence.wrapping_add(1);
            self.audio_packet += 1;
            let fields = HeaderFields {
                payload_type: OPUS,
                marker: false,
                sequence_number: self.audio_sequence,
                timestamp: (self.audio_packet * 960) as u32,
                ssrc: self.audio_ssrc,
            };
            // Speech goes up and down; a constant level would be noise.
            let is_pause = self.audio_packet % 40 < 4;
            let level = if is_pause {
                self.loudness / 3
            } else {
                self.loudness
            };
            let bytes = self.packet(&fields, Some(level), &[0x55; 80]);
            self.outbox.push(Datagram {
                bytes,
                is_rtcp: false,
            });
        }
        let interval = self.frame_interval;
        if self.sends_video && milliseconds % interval == (u64::from(self.number) * 7) % interval {
            self.frame += 1;
            for encoding in 0..3 {
                self.encode(milliseconds, encoding);
            }
        }
        self.feedback(now, milliseconds);
        std::mem::take(&mut self.outbox)
    }

    fn encode(&mut self, milliseconds: u64, encoding: usize) {
        let height = 180 << encoding;
        let is_wanted = self.max_height < 0
            || (self.max_height > 0 && (height <= self.max_height || encoding == 0));
        let number = self.number as u8;
        let interval = self.frame_interval as usize;
        let encoder = &mut self.encoders[encoding];
        if is_wanted && !encoder.is_active {
            encoder.wants_key = true;
        }
        encoder.is_active = is_wanted;
        if !is_wanted {
            return;
        }
        let mut temporal = PATTERN[self.frame as usize % 4];
        let key = encoder.wants_key;
        if key {
            temporal = 0;
            encoder.wants_key = false;
            self.key_frames_sent += 1;
        }
        encoder.picture = (encoder.picture + 1) & 0x7fff;
        if temporal == 0 {
            encoder.tl0 = encoder.tl0.wrapping_add(1);
        }
        let size = FRAME_BYTES[encoding] * interval / 33 * if key { 4 } else { 1 };
        let timestamp = encoder
            .timestamp_offset
            .wrapping_add((milliseconds * 90) as u32);
        let (picture, tl0, ssrc) = (encoder.picture, encoder.tl0, encoder.ssrc);
        let packets = size.div_ceil(MTU);
        for part in 0..packets {
            let first = part == 0;
            let mut payload = vec![
                if first { 0x90 } else { 0x80 },
                0xe0,
                0x80 | (picture >> 8) as u8,
                picture as u8,
                tl0,
                temporal << 6 | u8::from(temporal > 0) << 5,
                u8::from(!key),
                encoding as u8,
                number,
            ];
            payload.resize((size / packets).max(12), 0x77);
            let encoder = &mut self.encoders[encoding];
            encoder.sequence = encoder.sequence.wrapping_add(1);
            encoder.packets += 1;
            encoder.octets += payload.len() as u32;
            let fields = HeaderFields {
                payload_type: VP8,
                marker: part + 1 == packets,
                sequence_number: encoder.sequence,
                timestamp,
                ssrc,
            };
            let bytes = self.packet(&fields, None, &payload);
            let encoder = &mut self.encoders[encoding];
            encoder.sent.insert(encoder.sequence, bytes.clone());
            if encoder.sent.len() > 600 {
                let oldest = encoder.sequence.wrapping_sub(550);
                encoder
                    .sent
                    .retain(|sequence, _| sequence.wrapping_sub(oldest) < 1 << 15);
            }
            self.outbox.push(Datagram {
                bytes,
                is_rtcp: false,
            });
        }
    }

    fn feedback(&mut self, now: Instant, milliseconds: u64) {
        let mut buffer = [0; 1200];
        let mut push = |outbox: &mut Vec<Datagram>, build: &mut dyn FnMut(&mut RtcpWriter<'_>)| {
            let mut writer = RtcpWriter::new(&mut buffer);
            build(&mut writer);
            let length = writer.len();
            if length > 0 {
                outbox.push(Datagram {
                    bytes: buffer[..length].to_vec(),
                    is_rtcp: true,
                });
            }
        };
        if self.with_transport_cc && self.arrivals.is_due(now) {
            let arrivals = &mut self.arrivals;
            push(&mut self.outbox, &mut |writer| {
                let _ = arrivals.write(now, writer, Ssrc(self.audio_ssrc), Ssrc(1));
            });
        }
        for (ssrc, decoder) in &mut self.decoders {
            let nacks = decoder.nacks(milliseconds);
            if !nacks.is_empty() {
                push(&mut self.outbox, &mut |writer| {
                    writer
                        .nack(Ssrc(self.audio_ssrc), Ssrc(*ssrc), &nacks)
                        .unwrap();
                });
            }
            if decoder.wants_key_frame {
                decoder.wants_key_frame = false;
                push(&mut self.outbox, &mut |writer| {
                    writer
                        .picture_loss(Ssrc(self.audio_ssrc), Ssrc(*ssrc))
                        .unwrap();
                });
            }
        }
        if milliseconds >= self.last_report + 1000 && self.sends_video {
            self.last_report = milliseconds;
            let mut reported: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
            for (time, ssrc, info) in &self.sender_reports {
                reported.insert(*ssrc, (*time, info.compact_ntp()));
            }
            let blocks: Vec<ReportBlock> = reported
                .into_iter()
                .map(|(ssrc, (time, last_sender_report))| ReportBlock {
                    source: Ssrc(ssrc),
                    last_sender_report,
                    delay_since_last: ((milliseconds - time) * 65_536 / 1000) as u32,
                    ..ReportBlock::default()
                })
                .collect();
            push(&mut self.outbox, &mut |writer| {
                writer
                    .receiver_report(Ssrc(self.audio_ssrc), &blocks)
                    .unwrap();
            });
            for encoder in &self.encoders {
                if !encoder.is_active {
                    continue;
                }
                let info = SenderInfo {
                    ntp_time: (milliseconds << 32) / 1000 + (1 << 40),
                    rtp_time: encoder
                        .timestamp_offset
                        .wrapping_add((milliseconds * 90) as u32),
                    packets: encoder.packets,
                    octets: encoder.octets,
                };
                push(&mut self.outbox, &mut |writer| {
                    writer.sender_report(Ssrc(encoder.ssrc), &info).unwrap();
                });
            }
        }
    }

    pub fn handle_message(&mut self, message: &ChannelMessage) {
        match message {
            ChannelMessage::SenderSourceConstraints { max_height, .. } => {
                self.max_height = *max_height;
            }
            ChannelMessage::VideoSourcesMap { mapped_sources } => {
                for mapping in mapped_sources {
                    if let Ok(rtx) = u32::try_from(mapping.rtx) {
                        self.rtx_of.insert(rtx, mapping.ssrc);
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes a packet from the bridge.
    pub fn consume(&mut self, now: Instant, datagram: &Datagram) {
        self.received_bytes += datagram.bytes.len() as u64;
        if datagram.is_rtcp {
            self.consume_rtcp(self.elapsed(now), &datagram.bytes);
            return;
        }
        let milliseconds = self.elapsed(now);
        let header = Header::parse(&datagram.bytes).unwrap();
        if let Some(extension) = header.extension(&datagram.bytes, TRANSPORT_ID) {
            let data = extension.data(&datagram.bytes);
            let sequence = u16::from_be_bytes([data[0], data[1]]);
            self.arrivals.record(now, sequence, header.marker);
        }
        if let Some(extension) = header.extension(&datagram.bytes, super::MID_ID) {
            let mid = String::from_utf8(extension.data(&datagram.bytes).to_vec()).unwrap();
            self.mids.insert(header.ssrc, mid);
        }
        let range = header.payload(&datagram.bytes).unwrap();
        let payload = &datagram.bytes[range];
        match header.payload_type {
            OPUS => {
                let packets = self.audio.entry(header.ssrc).or_default();
                packets.push((milliseconds, header.sequence_number));
            }
            VP8 => {
                if payload.is_empty() {
                    self.padding_received += 1;
                    if !self.decoders.contains_key(&header.ssrc) {
                        // Probes on the bridge's own stream.
                        return;
                    }
                }
                let decoder = self.decoder_mut(header.ssrc);
                decoder.insert(
                    milliseconds,
                    &header,
                    header.sequence_number,
                    payload,
                    false,
                );
            }
            RTX => {
                if payload.len() < 3 {
                    self.padding_received += 1;
                    return;
                }
                self.retransmissions += 1;
                let media = self
                    .rtx_of
                    .get(&header.ssrc)
                    .copied()
                    .unwrap_or(header.ssrc - 1);
                let sequence = u16::from_be_bytes([payload[0], payload[1]]);
                let decoder = self.decoder_mut(media);
                decoder.insert(milliseconds, &header, sequence, &payload[2..], true);
            }
            other => panic!("payload type {other} was not negotiated"),
        }
    }

    fn consume_rtcp(&mut self, milliseconds: u64, bytes: &[u8]) {
        let mut packets = RtcpPackets::new(bytes);
        for packet in &mut packets {
            match packet {
                RtcpPacket::PictureLoss { media } => {
                    self.key_frame_requests += 1;
                    for encoder in &mut self.encoders {
                        encoder.wants_key |= encoder.ssrc == media.0 || self.keys_together;
                    }
                }
                RtcpPacket::Nack { media, lost } => {
                    let wanted: Vec<u16> = lost.collect();
                    self.nacks_received += wanted.len() as u64;
                    for sequence in wanted {
                        self.retransmit(media.0, sequence);
                    }
                }
                RtcpPacket::SenderReport { sender, info, .. } => {
                    self.sender_reports.push((milliseconds, sender.0, info));
                }
                RtcpPacket::ReceiverReport { .. } => self.receiver_reports += 1,
                RtcpPacket::TransportFeedback(_) => self.transport_feedback += 1,
                RtcpPacket::ReceiverEstimate(estimate) => {
                    self.stated.push((milliseconds, estimate.bitrate));
                }
                _ => {}
            }
        }
        assert!(!packets.is_malformed(), "the bridge sent malformed RTCP");
    }

    fn retransmit(&mut self, media: u32, sequence: u16) {
        let Some(encoder) = self.encoders.iter_mut().find(|e| e.ssrc == media) else {
            return;
        };
        let Some(original) = encoder.sent.get(&sequence).cloned() else {
            return;
        };
        encoder.rtx_sequence = encoder.rtx_sequence.wrapping_add(1);
        let header = Header::parse(&original).unwrap();
        let fields = HeaderFields {
            payload_type: RTX,
            marker: header.marker,
            sequence_number: encoder.rtx_sequence,
            timestamp: header.timestamp,
            ssrc: encoder.rtx_ssrc,
        };
        let mut payload = sequence.to_be_bytes().to_vec();
        payload.extend_from_slice(&original[header.length()..]);
        let bytes = self.packet(&fields, None, &payload);
        self.outbox.push(Datagram {
            bytes,
            is_rtcp: false,
        });
    }

    fn decoder_mut(&mut self, ssrc: u32) -> &mut Decoder {
        let allows_gaps = self.allows_picture_gaps;
        let decoder = self.decoders.entry(ssrc).or_default();
        decoder.allows_gaps = allows_gaps;
        decoder
    }

    /// Frames shown of an SSRC.
    pub fn decoder(&self, ssrc: u32) -> &Decoder {
        self.decoders
            .get(&ssrc)
            .unwrap_or_else(|| panic!("{} got nothing of {ssrc}", self.id))
    }

    pub const fn duration(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }
}
