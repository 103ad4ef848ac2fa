//! Somebody in the conference: talks, shows a picture, receives, and keeps an account of it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use jitctl_media::identifiers::{SourceName, Ssrc};
use jitctl_media::rtcp::RtcpWriter;
use jitctl_media::rtp::{HeaderFields, write_header};
use jitctl_media::source::{MediaKind, SourceDescription};
use jitctl_media::srtp::MAX_OVERHEAD;
use jitctl_media::transport::dtls::{DtlsRole, Identity};
use jitctl_media::transport::ice::{
    AddressPlan, CandidateKind, IceConfig, RemoteCandidate, Role, Route,
};
use jitctl_media::transport::{
    DataChannelMode, LocalDescription, Received, RemoteDescription, Transport, TransportConfig,
    TransportEvent, TransportOptions,
};

pub(super) const OPUS: u8 = 111;
pub(super) const VP8: u8 = 100;
pub(super) const LEVEL: u8 = 1;

/// Everybody wants every picture.
const WISHES: &str = r#"{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"defaultConstraints":{"maxHeight":720}}"#;

/// One stream as its receiver saw it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) packets: u64,
    /// Packets that did not follow the one before, or whose content was not the sender's.
    pub(super) wrong: u64,
    last: Option<u16>,
}

pub(super) struct Person {
    number: usize,
    pub(super) id: String,
    pub(super) address: SocketAddr,
    pub(super) transport: Transport,
    sequences: [u16; 2],
    /// Packets sent since [`Person::begin`], by SSRC.
    pub(super) sent: BTreeMap<u32, u64>,
    pub(super) heard: BTreeMap<u32, Stream>,
    /// What happened to the transport since [`Person::begin`].
    pub(super) incidents: Vec<String>,
    /// Sends nothing any more.
    pub(super) is_silent: bool,
    has_asked: bool,
}

/// SSRCs of a person's audio and video.
pub(super) fn ssrcs(number: usize) -> [u32; 2] {
    let base = 1000 * (number as u32 + 1);
    [base, base + 1]
}

impl Person {
    pub(super) fn new(number: usize, identity: &Arc<Identity>) -> Self {
        let address = SocketAddr::from(([198, 51, 100, number as u8 + 1], 40_000));
        let plan = AddressPlan {
            sockets: vec![address],
            ..AddressPlan::default()
        };
        let config = TransportConfig {
            plan: Arc::new(plan),
            identity: Arc::clone(identity),
            ice: IceConfig::default(),
            fragment_prefix: String::new(),
        };
        let options = TransportOptions {
            role: Role::Controlled,
            show_private: true,
            data_channel: DataChannelMode::Active,
        };
        Self {
            number,
            id: format!("person{number}"),
            address,
            transport: Transport::new(config, options).expect("a transport"),
            sequences: [65_000, 100],
            sent: BTreeMap::new(),
            heard: BTreeMap::new(),
            incidents: Vec::new(),
            is_silent: false,
            has_asked: false,
        }
    }

    pub(super) fn sources(&self) -> [(MediaKind, SourceDescription); 2] {
        let [audio, video] = ssrcs(self.number);
        [
            (MediaKind::Audio, "a0", audio),
            (MediaKind::Video, "v0", video),
        ]
        .map(|(kind, suffix, ssrc)| {
            let name = SourceName::from(format!("{}-{suffix}", self.id).as_str());
            let source = SourceDescription::from_groups(name, kind, &[Ssrc(ssrc)], &[], &[]);
            (kind, source)
        })
    }

    pub(super) fn description(&self) -> RemoteDescription {
        let own = self.transport.description();
        RemoteDescription {
            credentials: Some(own.credentials),
            candidates: Vec::new(),
            fingerprints: vec![own.fingerprint],
            dtls_role: Some(DtlsRole::Server),
            ice_generation: None,
        }
    }

    pub(super) fn join(&mut self, now: Instant, bridge: &LocalDescription) {
        let candidates = bridge.candidates.iter().map(|candidate| RemoteCandidate {
            address: candidate.address,
            kind: CandidateKind::Host,
            priority: candidate.priority,
        });
        let remote = RemoteDescription {
            credentials: Some(bridge.credentials.clone()),
            candidates: candidates.collect(),
            fingerprints: vec![bridge.fingerprint.clone()],
            dtls_role: Some(DtlsRole::Client),
            ice_generation: None,
        };
        self.transport
            .set_remote(now, remote)
            .expect("a description");
    }

    /// Whether audio and video of all others come in.
    pub(super) fn sees_everybody(&self) -> bool {
        self.heard.len() == 2 * super::PEACEFUL
    }

    /// The account begins.
    pub(super) fn begin(&mut self) {
        self.sent.clear();
        self.incidents.clear();
        for stream in self.heard.values_mut() {
            stream.packets = 0;
            stream.wrong = 0;
        }
    }

    /// A millisecond; returns what is sent.
    pub(super) fn live(&mut self, now: Instant, milliseconds: u64) -> Vec<Vec<u8>> {
        if self.transport.poll_timeout().is_some_and(|due| due <= now) {
            self.transport.handle_timeout(now);
        }
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::ChannelOpen => {
                    self.has_asked = self.transport.send_message(now, WISHES).is_ok();
                }
                TransportEvent::ChannelMessage(_) => {}
                event => self.incidents.push(format!("{event:?}")),
            }
        }
        let mut datagrams = Vec::new();
        if self.transport.is_connected() && self.has_asked && !self.is_silent {
            if milliseconds.is_multiple_of(20) {
                datagrams.extend(self.rtp(0, milliseconds));
            }
            if milliseconds.is_multiple_of(33) {
                datagrams.extend(self.rtp(1, milliseconds));
            }
            if milliseconds.is_multiple_of(1000) {
                datagrams.extend(self.report());
            }
        }
        while let Some(transmit) = self.transport.poll_transmit() {
            datagrams.push(transmit.payload);
        }
        datagrams
    }

    fn rtp(&mut self, kind: usize, milliseconds: u64) -> Option<Vec<u8>> {
        let ssrc = ssrcs(self.number)[kind];
        self.sequences[kind] = self.sequences[kind].wrapping_add(1);
        let sequence_number = self.sequences[kind];
        let level = [20];
        let (payload_type, clock, extensions): (_, _, &[(u8, &[u8])]) = match kind {
            0 => (OPUS, 48, &[(LEVEL, &level)]),
            _ => (VP8, 90, &[]),
        };
        let fields = HeaderFields {
            payload_type,
            marker: true,
            sequence_number,
            timestamp: (milliseconds as u32).wrapping_mul(clock),
            ssrc,
        };
        let payload = match kind {
            0 => vec![self.number as u8; 80],
            _ => key_frame(sequence_number, self.number as u8),
        };
        let mut packet = vec![0; 1500];
        let header = write_header(&mut packet, &fields, extensions).ok()?;
        packet.truncate(header);
        packet.extend(payload);
        *self.sent.entry(ssrc).or_default() += 1;
        self.protected(packet, false)
    }

    fn report(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 200];
        let mut writer = RtcpWriter::new(&mut packet);
        let sender = Ssrc(ssrcs(self.number)[0]);
        writer.receiver_report(sender, &[])?;
        writer.source_description(sender)?;
        let length = writer.len();
        packet.truncate(length);
        self.protected(packet, true)
    }

    /// A packet with its tag.
    pub(super) fn protected(&mut self, mut packet: Vec<u8>, is_rtcp: bool) -> Option<Vec<u8>> {
        let length = packet.len();
        packet.resize(length + MAX_OVERHEAD, 0);
        let protect = if is_rtcp {
            Transport::protect_rtcp
        } else {
            Transport::protect_rtp
        };
        let length = protect(&mut self.transport, &mut packet, length).ok()?;
        packet.truncate(length);
        Some(packet)
    }

    pub(super) fn receive(&mut self, now: Instant, bridge: SocketAddr, datagram: &mut [u8]) {
        let route = Route {
            local: self.address,
            remote: bridge,
        };
        let received = self.transport.handle_datagram(now, route, datagram);
        let Received::Rtp { header, length } = received else {
            return;
        };
        let senders: HashMap<u32, u8> = (0..=super::PEACEFUL as u8)
            .flat_map(|number| ssrcs(usize::from(number)).map(|ssrc| (ssrc, number)))
            .collect();
        let Some(sender) = senders.get(&header.ssrc) else {
            return;
        };
        let stream = self.heard.entry(header.ssrc).or_default();
        let follows = stream
            .last
            .is_none_or(|last| header.sequence_number == last.wrapping_add(1));
        let is_own = datagram[..length].last() == Some(sender);
        stream.last = Some(header.sequence_number);
        stream.packets += 1;
        stream.wrong += u64::from(!follows || !is_own);
    }
}

/// A VP8 key frame of 640 x 360 in one packet, with picture identifier and temporal layer.
fn key_frame(picture: u16, content: u8) -> Vec<u8> {
    let [_, low] = picture.to_be_bytes();
    let mut payload = vec![0x90, 0xE0, 0x80 | (picture >> 8) as u8, low, low, 0x00];
    payload.extend([0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01]);
    payload.extend([content; 200]);
    payload
}
