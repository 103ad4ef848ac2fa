//! An endpoint on the `webrtc` crate: ICE, DTLS, SRTP, SCTP of somebody else's making.
//!
//! One negotiation per session: the focus' offer becomes SDP, the answer gives our credentials.
//! The socket is bound to the address from which the bridge's candidates are reached, so that no
//! candidate of ours needs signalling and interfaces that do not matter are left alone.

mod counter;
mod description;
mod reception;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jitctl_wire::ice::IceUdpTransport;
use jitctl_wire::rtp::PayloadType;
use rtc::data_channel::RTCDataChannelInit;
use rtc::interceptor::{
    NackResponderBuilder, Registry, SenderReportBuilder, Slot, TwccSenderBuilder,
};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
    RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RtpCodecKind,
};
use tokio::sync::mpsc;
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCIceConnectionState, RTCPeerConnectionState,
};

pub(crate) use reception::SharedReceived;
use reception::{Numbers, Reception};

use crate::media::Planned;
use crate::signalling::{AUDIO_LEVEL, LocalSources, LocalTransport, MediaFormat, Offer};

/// Label of the bridge channel.
const CHANNEL_LABEL: &str = "JVB data channel";
/// Protocol of the bridge channel.
const CHANNEL_PROTOCOL: &str = "http://jitsi.org/protocols/colibri";
/// Time between ICE checks; the crate's default makes joining slow.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Checks of a pair before it counts as failed: ten seconds, as browsers have.
const MAXIMUM_CHECKS: u16 = 500;

/// Why an endpoint cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// None of the bridge's addresses can be reached from here, not even in theory.
    #[error("no route to any of the bridge's candidates: {0}")]
    NoRoute(String),
    /// The crate refuses something.
    #[error("webrtc: {0}")]
    Crate(#[from] webrtc::error::Error),
    /// The answer has no credentials.
    #[error("webrtc: the answer has no ICE credentials or no fingerprint")]
    Answer,
}

/// What happens at an endpoint.
#[derive(Debug)]
pub(crate) enum EndpointEvent {
    /// ICE found a path.
    IceConnected,
    /// ICE gave up, or lost the path for good.
    IceFailed,
    /// DTLS is up; media and channel may flow.
    Connected,
    /// DTLS failed.
    Failed,
    /// The bridge channel is open.
    ChannelOpen,
    /// A message on it.
    Message(String),
}

/// One session's endpoint.
pub(crate) struct Endpoint {
    connection: Arc<dyn PeerConnection>,
    tracks: Vec<Track>,
    channel: Option<Arc<dyn DataChannel>>,
    offer: Offer,
    local: LocalSources,
    level_extension: Option<u8>,
}

struct Track {
    track: Arc<TrackLocalStaticRTP>,
    payload_type: u8,
}

struct Handler {
    events: mpsc::UnboundedSender<EndpointEvent>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        let event = match state {
            RTCIceConnectionState::Connected | RTCIceConnectionState::Completed => {
                EndpointEvent::IceConnected
            }
            RTCIceConnectionState::Failed => EndpointEvent::IceFailed,
            _ => return,
        };
        // Nobody listens any more after the end.
        let _ = self.events.send(event);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let event = match state {
            RTCPeerConnectionState::Connected => EndpointEvent::Connected,
            RTCPeerConnectionState::Failed => EndpointEvent::Failed,
            _ => return,
        };
        let _ = self.events.send(event);
    }
}

impl Endpoint {
    /// Answers an offer; ICE begins at once.
    pub(crate) async fn connect(
        offer: Offer,
        local: LocalSources,
        received: SharedReceived,
        events: mpsc::UnboundedSender<EndpointEvent>,
    ) -> Result<(Self, LocalTransport), EndpointError> {
        let (engine, registry) = media_engine(&offer, received)?;
        let settings = SettingEngineBuilder::new()
            .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(MAXIMUM_CHECKS))
            .with_include_loopback_candidate(true)
            .build();
        // The crate's futures are large.
        let connection: Arc<dyn PeerConnection> = Arc::new(
            Box::pin(
                PeerConnectionBuilder::new()
                    .with_configuration(RTCConfigurationBuilder::new().build())
                    .with_media_engine(engine)
                    .with_setting_engine(settings)
                    .with_interceptor_registry(registry)
                    .with_handler(Arc::new(Handler {
                        events: events.clone(),
                    }))
                    .with_udp_addrs(local_addresses(&offer.transport)?)
                    .build(),
            )
            .await?,
        );
        let level_extension = offer.audio.extension(AUDIO_LEVEL);
        let mut endpoint = Self {
            connection,
            tracks: Vec::new(),
            channel: None,
            offer,
            local,
            level_extension,
        };
        let transport = endpoint.start(events).await;
        if transport.is_err() {
            endpoint.close().await;
        }
        Ok((endpoint, transport?))
    }

    async fn start(
        &mut self,
        events: mpsc::UnboundedSender<EndpointEvent>,
    ) -> Result<LocalTransport, EndpointError> {
        let audio = self.local.audio.map(|ssrc| (ssrc, None));
        let layers = self
            .local
            .layers
            .iter()
            .map(|layer| (layer.ssrc, Some(layer.repair)));
        for (index, (ssrc, repair)) in audio.into_iter().chain(layers).enumerate() {
            let is_audio = repair.is_none();
            let (kind, format) = if is_audio {
                (RtpCodecKind::Audio, &self.offer.audio)
            } else {
                (RtpCodecKind::Video, &self.offer.video)
            };
            let track = local_track(&self.local.endpoint, index, kind, format, ssrc, repair);
            let track = Arc::new(TrackLocalStaticRTP::new(track));
            self.connection
                .add_track(Arc::clone(&track) as Arc<dyn TrackLocal>)
                .await?;
            self.tracks.push(Track {
                track,
                payload_type: format.codec.id,
            });
        }
        if self.offer.sctp_port.is_some() {
            let options = RTCDataChannelInit {
                protocol: CHANNEL_PROTOCOL.to_owned(),
                ..RTCDataChannelInit::default()
            };
            let channel = self
                .connection
                .create_data_channel(CHANNEL_LABEL, Some(options))
                .await?;
            tokio::spawn(read_channel(Arc::clone(&channel), events));
            self.channel = Some(channel);
        }
        let transport = self.offer.transport.clone();
        self.negotiate(&transport).await
    }

    async fn negotiate(
        &self,
        transport: &IceUdpTransport,
    ) -> Result<LocalTransport, EndpointError> {
        let sdp = description::offer(&self.offer, transport, &self.local);
        self.connection
            .set_remote_description(RTCSessionDescription::offer(sdp)?)
            .await?;
        let answer = self.connection.create_answer(None).await?;
        let local = description::local_transport(&answer.sdp).ok_or(EndpointError::Answer)?;
        self.connection.set_local_description(answer).await?;
        Ok(local)
    }

    /// Takes further candidates.
    pub(crate) async fn add_candidates(
        &self,
        transport: &IceUdpTransport,
    ) -> Result<(), EndpointError> {
        for text in transport
            .candidates
            .iter()
            .filter_map(description::candidate)
        {
            let candidate = RTCIceCandidateInit {
                candidate: format!("candidate:{text}"),
                sdp_mid: Some(String::from("0")),
                ..RTCIceCandidateInit::default()
            };
            self.connection.add_ice_candidate(candidate).await?;
        }
        Ok(())
    }

    /// Restarts ICE with the bridge's new credentials; ours change too.
    pub(crate) async fn restart_ice(
        &self,
        transport: &IceUdpTransport,
    ) -> Result<LocalTransport, EndpointError> {
        let mut merged = transport.clone();
        if merged.fingerprints.is_empty() {
            merged
                .fingerprints
                .clone_from(&self.offer.transport.fingerprints);
        }
        self.negotiate(&merged).await
    }

    /// Sends an RTP packet.
    pub(crate) async fn send(&self, planned: Planned) -> Result<(), EndpointError> {
        // Without a microphone the layers are the first tracks.
        let shift = usize::from(self.local.audio.is_none());
        let Some(track) = self.tracks.get(planned.section.saturating_sub(shift)) else {
            return Ok(());
        };
        let mut header = rtp::Header {
            version: 2,
            marker: planned.marker,
            payload_type: track.payload_type,
            sequence_number: planned.sequence,
            timestamp: planned.timestamp,
            ssrc: planned.ssrc,
            ..rtp::Header::default()
        };
        if let (Some(id), Some(level)) = (self.level_extension, planned.level) {
            header.set_extension(id, Bytes::copy_from_slice(&[level]))?;
        }
        let packet = rtp::Packet {
            header,
            payload: planned.payload,
        };
        Ok(track.track.write_rtp(packet).await?)
    }

    /// Sends a message on the bridge channel.
    pub(crate) async fn send_message(&self, text: &str) -> Result<(), EndpointError> {
        match &self.channel {
            Some(channel) => Ok(channel.send_text(text).await?),
            None => Ok(()),
        }
    }

    /// Ends everything.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing an endpoint");
        }
    }
}

async fn read_channel(channel: Arc<dyn DataChannel>, events: mpsc::UnboundedSender<EndpointEvent>) {
    while let Some(event) = channel.poll().await {
        let event = match event {
            DataChannelEvent::OnOpen => EndpointEvent::ChannelOpen,
            DataChannelEvent::OnMessage(message) => {
                EndpointEvent::Message(String::from_utf8_lossy(&message.data).into_owned())
            }
            DataChannelEvent::OnClose => return,
            _ => continue,
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// The addresses from which the candidates are reached: the kernel's choice for each.
fn local_addresses(transport: &IceUdpTransport) -> Result<Vec<SocketAddr>, EndpointError> {
    let mut found: BTreeSet<IpAddr> = BTreeSet::new();
    let mut tried = Vec::new();
    for candidate in &transport.candidates {
        let Ok(ip) = candidate.ip.parse::<IpAddr>() else {
            continue;
        };
        tried.push(ip.to_string());
        let any = if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        // Connecting a UDP socket sends nothing; it only asks the routing table.
        let local = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(SocketAddr::new(ip, candidate.port))?;
            socket.local_addr()
        });
        if let Ok(local) = local {
            found.insert(local.ip());
        }
    }
    if found.is_empty() {
        return Err(EndpointError::NoRoute(tried.join(", ")));
    }
    Ok(found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect())
}

fn media_engine(
    offer: &Offer,
    received: SharedReceived,
) -> Result<(MediaEngine, Registry), EndpointError> {
    let mut engine = MediaEngine::default();
    for (kind, format) in [
        (RtpCodecKind::Audio, &offer.audio),
        (RtpCodecKind::Video, &offer.video),
    ] {
        for payload in std::iter::once(&format.codec).chain(&format.retransmission) {
            let codec = RTCRtpCodecParameters {
                rtp_codec: codec(kind, payload),
                payload_type: payload.id,
            };
            engine.register_codec(codec, kind)?;
        }
        for extension in &format.extensions {
            let capability = RTCRtpHeaderExtensionCapability {
                uri: extension.uri.clone(),
            };
            engine.register_header_extension(capability, kind, None)?;
        }
    }
    let registry = Registry::new()
        .with(Slot::TwccSender, TwccSenderBuilder::new().build())
        .with(Slot::NackResponder, NackResponderBuilder::new().build())
        .with(
            Slot::TwccReceiver,
            Reception::new(Numbers::of(offer), received),
        )
        .with(Slot::SenderReport, SenderReportBuilder::new().build());
    Ok((engine, registry))
}

fn codec(kind: RtpCodecKind, payload: &PayloadType) -> RTCRtpCodec {
    let family = match kind {
        RtpCodecKind::Audio => "audio",
        _ => "video",
    };
    let parameters: Vec<String> = payload
        .parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    RTCRtpCodec {
        mime_type: format!("{family}/{}", payload.name),
        clock_rate: payload.clock_rate.unwrap_or(90_000),
        channels: payload.channels.map_or(0, u16::from),
        sdp_fmtp_line: parameters.join(";"),
        rtcp_feedback: payload
            .feedback
            .iter()
            .map(|feedback| RTCPFeedback {
                typ: feedback.kind.clone(),
                parameter: feedback.subtype.clone().unwrap_or_default(),
            })
            .collect(),
    }
}

fn local_track(
    endpoint: &str,
    index: usize,
    kind: RtpCodecKind,
    format: &MediaFormat,
    ssrc: u32,
    repair: Option<u32>,
) -> MediaStreamTrack {
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            rtx: repair.map(|ssrc| RTCRtpRtxParameters { ssrc }),
            ..RTCRtpCodingParameters::default()
        },
        codec: codec(kind, &format.codec),
        ..RTCRtpEncodingParameters::default()
    };
    MediaStreamTrack::new(
        endpoint.to_owned(),
        format!("{endpoint}-{index}"),
        format!("{endpoint}-{index}"),
        kind,
        vec![coding],
    )
}
