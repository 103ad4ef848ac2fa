//! The media core in the role of a client, for tests and measurements of the core itself.
//!
//! A [`Participant`] is the transport core in the client's role on a socket of its own. It blocks
//! nowhere: the caller turns it with [`Participant::turn`]. It plays no media: packets are made
//! by the caller and counted on the way in.
#![forbid(unsafe_code)]

mod feedback;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use feedback::Feedback;
use jitctl_media::rtcp::{RtcpPacket, RtcpPackets};
use jitctl_media::rtp::{DatagramKind, Header, HeaderFields, WriteError, classify, write_header};
use jitctl_media::srtp::{MAX_OVERHEAD, SrtpError};
use jitctl_media::transport::data_channel::ChannelError;
use jitctl_media::transport::dtls::{DtlsRole, Identity};
use jitctl_media::transport::ice::{
    AddressPlan, CandidateKind, IceConfig, RemoteCandidate, Role, Route,
};
use jitctl_media::transport::{
    DataChannelMode, LocalDescription, Received, RemoteDescription, Transport, TransportConfig,
    TransportError, TransportEvent, TransportOptions,
};

/// Longest packet sent or received.
const MAX_PACKET: usize = 1500;

/// Why a participant cannot join or send.
#[derive(Debug, thiserror::Error)]
pub enum ParticipantError {
    /// The socket.
    #[error("participant's socket: {0}")]
    Socket(#[from] io::Error),
    /// The transport.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The packet could not be protected; not connected, most likely.
    #[error(transparent)]
    Protection(#[from] SrtpError),
    /// The packet could not be written.
    #[error(transparent)]
    Packet(#[from] WriteError),
    /// The message could not be sent.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

/// What a participant received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reception {
    /// RTP packets.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Datagrams that were of no use.
    pub dropped: u64,
}

/// One endpoint of a call.
#[derive(Debug)]
pub struct Participant {
    socket: UdpSocket,
    local: SocketAddr,
    transport: Transport,
    reception: Reception,
    feedback: Option<Feedback>,
    key_frame_requests: u64,
    /// Count media without decrypting it: for load.
    pub count_only: bool,
}

/// What a bridge's description is to its client.
#[must_use]
pub fn remote_description(bridge: &LocalDescription) -> RemoteDescription {
    RemoteDescription {
        credentials: Some(bridge.credentials.clone()),
        candidates: bridge
            .candidates
            .iter()
            .map(|candidate| RemoteCandidate {
                address: candidate.address,
                kind: candidate.kind,
                priority: candidate.priority,
            })
            .collect(),
        fingerprints: vec![bridge.fingerprint.clone()],
        dtls_role: Some(DtlsRole::Client),
        ice_generation: bridge.ice_generation,
    }
}

impl Participant {
    /// Binds a socket on `address` (port 0 for any).
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub fn bind(
        address: SocketAddr,
        identity: Arc<Identity>,
        data_channel: bool,
    ) -> Result<Self, ParticipantError> {
        let options = TransportOptions {
            role: Role::Controlled,
            show_private: true,
            data_channel: if data_channel {
                DataChannelMode::Active
            } else {
                DataChannelMode::Disabled
            },
        };
        Self::bind_with(address, identity, options)
    }

    /// The same with a choice of ICE role and data channel, for servers other than a bridge.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub fn bind_with(
        address: SocketAddr,
        identity: Arc<Identity>,
        options: TransportOptions,
    ) -> Result<Self, ParticipantError> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let plan = AddressPlan {
            sockets: vec![local],
            mappings: Vec::new(),
            advertise_private: true,
        };
        let config = TransportConfig {
            plan: Arc::new(plan),
            identity,
            ice: IceConfig::default(),
            fragment_prefix: String::new(),
        };
        Ok(Self {
            socket,
            local,
            transport: Transport::new(config, options)?,
            reception: Reception::default(),
            feedback: None,
            key_frame_requests: 0,
            count_only: false,
        })
    }

    /// What to signal to the bridge; browsers behind NATs signal nothing useful, so candidates are
    /// left out unless asked for.
    #[must_use]
    pub fn description(&self, with_candidates: bool) -> RemoteDescription {
        let description = self.transport.description();
        let mut candidates = Vec::new();
        if with_candidates {
            candidates.push(RemoteCandidate {
                address: self.local,
                kind: CandidateKind::Host,
                priority: CandidateKind::Host.priority(u16::MAX),
            });
        }
        RemoteDescription {
            credentials: Some(description.credentials),
            candidates,
            fingerprints: vec![description.fingerprint],
            dtls_role: Some(DtlsRole::Server),
            ice_generation: None,
        }
    }

    /// Takes what the bridge signalled; checks begin at once.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub fn join(
        &mut self,
        now: Instant,
        bridge: &LocalDescription,
    ) -> Result<(), ParticipantError> {
        self.join_remote(now, remote_description(bridge))
    }

    /// Takes what any server signalled; checks begin at once.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub fn join_remote(
        &mut self,
        now: Instant,
        remote: RemoteDescription,
    ) -> Result<(), ParticipantError> {
        self.transport.set_remote(now, remote)?;
        self.send_pending();
        Ok(())
    }

    /// From now on answers packets that carry their transport-wide number in `extension`.
    pub fn answer_transport_cc(&mut self, extension: u8) {
        self.feedback = Some(Feedback::new(extension));
    }

    /// How often a key frame was asked for.
    #[must_use]
    pub fn key_frame_requests(&self) -> u64 {
        self.key_frame_requests
    }

    /// The transport.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// What was received so far.
    #[must_use]
    pub fn reception(&self) -> Reception {
        self.reception
    }

    /// When [`Participant::turn`] has something to do even if nothing arrives.
    #[must_use]
    pub fn timeout(&self) -> Option<Instant> {
        let feedback = self.feedback.as_ref().and_then(Feedback::next_due);
        let transport = self.transport.poll_timeout();
        transport.into_iter().chain(feedback).min()
    }

    /// Reads and sends all there is; `media` sees every authentic packet, or with `count_only`
    /// every packet as it came.
    pub fn turn(&mut self, now: Instant, mut media: impl FnMut(&Header, &[u8])) {
        let mut buffer = [0u8; 2048];
        while let Ok((length, remote)) = self.socket.recv_from(&mut buffer) {
            let datagram = &mut buffer[..length];
            if self.transport.is_connected()
                && classify(datagram) == DatagramKind::Rtp
                && let Ok(header) = Header::parse(datagram)
            {
                if let Some(feedback) = &mut self.feedback {
                    feedback.record(now, &header, datagram);
                }
                if self.count_only {
                    self.reception.packets += 1;
                    self.reception.bytes += length as u64;
                    media(&header, datagram);
                    continue;
                }
            }
            let route = Route {
                local: self.local,
                remote,
            };
            match self.transport.handle_datagram(now, route, datagram) {
                Received::Rtp {
                    header,
                    length: plain,
                } => {
                    self.reception.packets += 1;
                    self.reception.bytes += length as u64;
                    media(&header, &buffer[..plain]);
                }
                Received::Rtcp { length: plain } => {
                    let packets = RtcpPackets::new(&buffer[..plain]);
                    let requests = packets.filter(|packet| {
                        matches!(
                            packet,
                            RtcpPacket::PictureLoss { .. } | RtcpPacket::FullIntraRequest(_)
                        )
                    });
                    self.key_frame_requests += requests.count() as u64;
                }
                Received::Dropped(_) => self.reception.dropped += 1,
                _ => {}
            }
        }
        if self.transport.poll_timeout().is_some_and(|due| due <= now) {
            self.transport.handle_timeout(now);
        }
        self.send_feedback(now);
        self.send_pending();
    }

    fn send_feedback(&mut self, now: Instant) {
        let (Some(feedback), Some(route)) = (&mut self.feedback, self.transport.route()) else {
            return;
        };
        let mut packet = [0u8; MAX_PACKET + MAX_OVERHEAD];
        if let Some(length) = feedback.write(now, &mut packet[..MAX_PACKET])
            && let Ok(length) = self.transport.protect_rtcp(&mut packet, length)
        {
            // A refused datagram is a lost one.
            let _ = self.socket.send_to(&packet[..length], route.remote);
        }
    }

    /// What happened to the transport.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.transport.poll_event()
    }

    /// Sends an RTP packet.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub fn send_rtp(
        &mut self,
        fields: &HeaderFields,
        extensions: &[(u8, &[u8])],
        payload: &[u8],
    ) -> Result<(), ParticipantError> {
        let mut packet = [0u8; MAX_PACKET + MAX_OVERHEAD];
        let header = write_header(&mut packet, fields, extensions)?;
        let length = header + payload.len();
        let place = packet
            .get_mut(header..length)
            .ok_or(SrtpError::Malformed(length))?;
        place.copy_from_slice(payload);
        let length = self.transport.protect_rtp(&mut packet, length)?;
        if let Some(route) = self.transport.route() {
            self.socket.send_to(&packet[..length], route.remote)?;
        }
        Ok(())
    }

    /// Sends a message on the bridge channel.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub fn send_message(&mut self, now: Instant, text: &str) -> Result<(), ParticipantError> {
        self.transport.send_message(now, text)?;
        self.send_pending();
        Ok(())
    }

    fn send_pending(&mut self) {
        while let Some(transmit) = self.transport.poll_transmit() {
            // A refused datagram is a lost one.
            let _ = self
                .socket
                .send_to(&transmit.payload, transmit.route.remote);
        }
    }
}

impl AsFd for Participant {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
