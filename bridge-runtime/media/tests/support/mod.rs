//! A meeting in virtual time: clients with simulcast cameras, links with delay, loss, caps and
//! reordering, and the conference between them. Nothing sleeps; every run is deterministic.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::struct_excessive_bools,
    clippy::must_use_candidate,
    clippy::new_without_default,
    clippy::float_cmp,
    clippy::manual_checked_ops,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    reason = "each test uses a part of the support; numbers are small"
)]

pub mod client;
pub mod decoder;
pub mod estimation;
pub mod link;
pub mod tcp;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use client::Client;
use jitctl_media::channel::{ChannelMessage, ConstraintsMessage, ReceiverVideoConstraints};
use jitctl_media::codec::Codec;
use jitctl_media::conference::{
    Conference, ConferenceConfig, Egress, EndpointDescription, Event, MediaDescription, PayloadType,
};
use jitctl_media::identifiers::EndpointIndex;
use jitctl_media::rtp::Header;
use jitctl_media::source::MediaKind;
use link::Link;

pub const OPUS: u8 = 111;
pub const VP8: u8 = 100;
pub const RTX: u8 = 96;
pub const LEVEL_ID: u8 = 1;
pub const SEND_TIME_ID: u8 = 3;
pub const TRANSPORT_ID: u8 = 5;
pub const MID_ID: u8 = 10;

/// A packet on its way.
#[derive(Clone, Debug)]
pub struct Datagram {
    pub bytes: Vec<u8>,
    pub is_rtcp: bool,
}

impl Datagram {
    /// Stream of an RTP packet.
    pub fn ssrc(&self) -> u32 {
        Header::parse(&self.bytes).unwrap().ssrc
    }
}

/// Collects what the conference sends.
#[derive(Default)]
pub struct Collector(pub Vec<(EndpointIndex, Datagram)>);

impl Collector {
    fn take(
        &mut self,
        receiver: EndpointIndex,
        length: usize,
        is_rtcp: bool,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        let mut bytes = vec![0xee; length];
        write(&mut bytes);
        self.0.push((receiver, Datagram { bytes, is_rtcp }));
        true
    }
}

impl Egress for Collector {
    fn rtp(
        &mut self,
        receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        self.take(receiver, length, false, write)
    }

    fn rtcp(
        &mut self,
        receiver: EndpointIndex,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> bool {
        self.take(receiver, length, true, write)
    }
}

/// What browsers negotiate, VP8 only; those without transport-wide feedback know REMB.
pub fn browser_media(with_transport_cc: bool) -> [MediaDescription; 2] {
    let extension = |id: u8, uri: &str| (id, uri.to_owned());
    let mut shared = vec![
        extension(
            SEND_TIME_ID,
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        ),
        extension(MID_ID, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    ];
    if with_transport_cc {
        shared.push(extension(
            TRANSPORT_ID,
            "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        ));
    }
    let mut audio = shared.clone();
    audio.push(extension(
        LEVEL_ID,
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    ));
    let feedback = |id, codec| PayloadType {
        nack: true,
        pli: true,
        fir: true,
        transport_cc: with_transport_cc,
        remb: !with_transport_cc,
        ..PayloadType::new(id, codec)
    };
    [
        MediaDescription {
            kind: MediaKind::Audio,
            payload_types: vec![PayloadType {
                transport_cc: with_transport_cc,
                ..PayloadType::new(OPUS, Codec::Opus)
            }],
            extensions: audio,
        },
        MediaDescription {
            kind: MediaKind::Video,
            payload_types: vec![
                feedback(VP8, Codec::Vp8),
                PayloadType {
                    associated: Some(VP8),
                    ..PayloadType::new(RTX, Codec::Rtx)
                },
            ],
            extensions: shared,
        },
    ]
}

pub struct Participant {
    pub client: Client,
    pub index: EndpointIndex,
    pub up: Link,
    pub down: Link,
    /// Messages received on the bridge channel.
    pub messages: Vec<(u64, ChannelMessage)>,
}

/// Takes a packet as SRTP does (RFC 3711 section 3.3.1): an index is used once, and a number far off
/// the highest one would be taken for an old one.
fn note_index(
    indices: &mut HashMap<(EndpointIndex, u32), BTreeSet<u64>>,
    receiver: EndpointIndex,
    packet: &[u8],
) {
    let header = Header::parse(packet).unwrap();
    let used = indices.entry((receiver, header.ssrc)).or_default();
    let number = header.sequence_number;
    let Some(highest) = used.last().copied() else {
        used.insert(u64::from(number) + (1 << 16));
        return;
    };
    let step = i64::from(number.wrapping_sub(highest as u16) as i16);
    assert!(step > -512, "{number} after {highest} on {}", header.ssrc);
    let is_fresh = used.insert(highest.wrapping_add_signed(step));
    assert!(is_fresh, "{number} twice on {}", header.ssrc);
    if used.len() > 1024 {
        used.pop_first();
    }
}

pub struct World {
    pub start: Instant,
    pub now: Instant,
    pub conference: Conference,
    pub participants: Vec<Participant>,
    pub egress: Collector,
    pub ignore_sender_constraints: bool,
    pub timed_out: Vec<String>,
    /// Packet indices by receiver and SSRC.
    indices: HashMap<(EndpointIndex, u32), BTreeSet<u64>>,
    /// A queue that the way down to these participants shares.
    pub shared: Option<(link::Bottleneck, Vec<usize>)>,
    /// Streams that nobody decodes: their packets are lost on the way down.
    pub undecoded: Vec<u32>,
}

impl World {
    pub fn new() -> Self {
        Self::with(ConferenceConfig {
            seed: 7,
            ..ConferenceConfig::default()
        })
    }

    pub fn with(config: ConferenceConfig) -> Self {
        let start = Instant::now() + Duration::from_secs(1000);
        Self {
            start,
            now: start,
            conference: Conference::new(start, config),
            participants: Vec::new(),
            egress: Collector::default(),
            ignore_sender_constraints: false,
            timed_out: Vec::new(),
            indices: HashMap::new(),
            shared: None,
            undecoded: vec![],
        }
    }

    pub fn milliseconds(&self) -> u64 {
        (self.now - self.start).as_millis() as u64
    }

    /// Adds a participant that sends audio and simulcast video; returns its position.
    pub fn join(&mut self) -> usize {
        let id = format!("{:08x}", 0xabcd_0000_u32 + self.participants.len() as u32);
        self.join_as(EndpointDescription::new(id), true)
    }

    pub fn join_as(&mut self, description: EndpointDescription, with_transport_cc: bool) -> usize {
        let position = self.participants.len();
        let id = description.id.as_str().to_owned();
        let is_visitor = description.is_visitor;
        let index = self
            .conference
            .create_endpoint(self.now, description)
            .unwrap();
        self.conference
            .add_media(index, &browser_media(with_transport_cc))
            .unwrap();
        let client = Client::new(&id, position as u32, self.now, with_transport_cc);
        if !is_visitor {
            for (kind, sources) in client.descriptions() {
                self.conference
                    .set_sources(self.now, index, kind, sources)
                    .unwrap();
            }
        }
        self.conference.set_transport_ready(self.now, index, true);
        self.conference.channel_opened(self.now, index);
        self.participants.push(Participant {
            client,
            index,
            up: Link::default(),
            down: Link::new(position as u64 + 1),
            messages: Vec::new(),
        });
        position
    }

    /// States what a participant wants to see.
    pub fn constrain(
        &mut self,
        position: usize,
        last_n: i32,
        default_height: i32,
        on_stage: &[&str],
    ) {
        let constraints = ReceiverVideoConstraints {
            last_n: Some(last_n),
            default_constraints: Some(ConstraintsMessage {
                max_height: default_height,
                max_frame_rate: None,
            }),
            constraints: Some(
                on_stage
                    .iter()
                    .map(|name| {
                        let limit = ConstraintsMessage {
                            max_height: 720,
                            max_frame_rate: None,
                        };
                        ((*name).to_owned(), limit)
                    })
                    .collect(),
            ),
            on_stage_sources: Some(on_stage.iter().map(|name| (*name).to_owned()).collect()),
            selected_sources: Some(vec![]),
            ..ReceiverVideoConstraints::default()
        };
        let index = self.participants[position].index;
        self.conference.handle_channel_message(
            self.now,
            index,
            ChannelMessage::ReceiverVideoConstraints(constraints),
        );
    }

    /// Runs for so many milliseconds.
    pub fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.now += Duration::from_millis(1);
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        for position in 0..self.participants.len() {
            let participant = &mut self.participants[position];
            for datagram in participant.client.produce(now) {
                participant.up.send(now, datagram);
            }
            while let Some(mut datagram) = participant.up.receive(now) {
                if datagram.is_rtcp {
                    self.conference.handle_rtcp(
                        now,
                        participant.index,
                        &datagram.bytes,
                        &mut self.egress,
                    );
                } else {
                    self.conference.handle_rtp(
                        now,
                        participant.index,
                        &mut datagram.bytes,
                        &mut self.egress,
                    );
                }
            }
        }
        if self.conference.next_timeout().is_some_and(|due| due <= now) {
            self.conference.handle_timeout(now, &mut self.egress);
        }
        self.conference.forward(now, &mut self.egress);
        for (receiver, datagram) in self.egress.0.drain(..) {
            if !datagram.is_rtcp {
                note_index(&mut self.indices, receiver, &datagram.bytes);
            }
            let found = self.participants.iter().position(|p| p.index == receiver);
            let Some(position) = found else { continue };
            if !datagram.is_rtcp && self.undecoded.contains(&datagram.ssrc()) {
                continue;
            }
            let mut departure = Some(now);
            if let Some((bottleneck, members)) = &mut self.shared
                && members.contains(&position)
            {
                departure = bottleneck.pass(now, datagram.bytes.len());
            }
            if let Some(departure) = departure {
                self.participants[position].down.send(departure, datagram);
            }
        }
        while let Some(event) = self.conference.poll_event() {
            match event {
                Event::Channel { endpoint, message } => {
                    let elapsed = (now - self.start).as_millis() as u64;
                    let participant = self.participants.iter_mut().find(|p| p.index == endpoint);
                    let Some(participant) = participant else {
                        continue;
                    };
                    if !self.ignore_sender_constraints {
                        participant.client.handle_message(&message);
                    }
                    participant.messages.push((elapsed, message));
                }
                Event::EndpointTimedOut { id, .. } => self.timed_out.push(id.to_string()),
            }
        }
        for participant in &mut self.participants {
            while let Some(datagram) = participant.down.receive(now) {
                participant.client.consume(now, &datagram);
            }
        }
    }

    pub fn id(&self, position: usize) -> String {
        self.participants[position].client.id.clone()
    }

    pub fn video_name(&self, position: usize) -> String {
        format!("{}-v0", self.id(position))
    }

    /// Video SSRC under which others get a participant's camera.
    pub fn video_ssrc(&self, position: usize) -> u32 {
        self.participants[position].client.video_ssrcs()[0]
    }
}
