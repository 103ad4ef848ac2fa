//! One peer connection: what it sends, what it gets, and how long that took.

use std::os::fd::AsFd as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jitctl_loopback::Participant;
use jitctl_media::transport::dtls::Identity;
use jitctl_media::transport::ice::Role;
use jitctl_media::transport::{
    DataChannelMode, RemoteDescription, TransportEvent, TransportOptions,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Failure;
use crate::encoder::{self, Encoder, VP8};
use crate::options::Options;

/// So many members of the first room look into packets to tell how old they are; the others count.
const LOOKING: usize = 4;

/// A peer connection with what it does.
pub(crate) struct Peer {
    /// Which member of which room it belongs to.
    pub(crate) place: (usize, usize),
    pub(crate) participant: Participant,
    pub(crate) encoder: Option<Encoder>,
    /// To send as soon as the bridge channel is open.
    pub(crate) wishes: Option<String>,
    /// What the server signalled, until [`Peer::connect`].
    pub(crate) remote: Option<RemoteDescription>,
    /// When signalling began.
    pub(crate) joined: Instant,
    pub(crate) first_packet: Option<Instant>,
    /// Packets of pictures; repairs and probes are none.
    pub(crate) received: u64,
    /// Microseconds from the sender to here.
    pub(crate) latencies: Vec<u64>,
    began: Option<Instant>,
    /// From knowing the server's transport to the end of ICE and DTLS.
    pub(crate) connecting: Option<Duration>,
}

impl Peer {
    /// A peer of a member that began to join at `joined`.
    pub(crate) fn new(
        options: &Options,
        place: (usize, usize),
        joined: Instant,
        role: Role,
        data_channel: DataChannelMode,
    ) -> Result<Self, Failure> {
        static IDENTITY: OnceLock<Arc<Identity>> = OnceLock::new();
        let identity = match IDENTITY.get() {
            Some(identity) => Arc::clone(identity),
            None => Arc::clone(IDENTITY.get_or_init({
                let identity = Arc::new(Identity::generate()?);
                move || identity
            })),
        };
        let transport = TransportOptions {
            role,
            show_private: true,
            data_channel,
        };
        let address = format!("{}:0", options.host).parse()?;
        let mut participant = Participant::bind_with(address, identity, transport)?;
        let (room, member) = place;
        let step = options.workload.members.div_ceil(LOOKING);
        participant.count_only = room > 0 || (member + 1) % step != 0;
        Ok(Self {
            place,
            participant,
            encoder: None,
            wishes: None,
            remote: None,
            joined,
            first_packet: None,
            received: 0,
            latencies: Vec::new(),
            began: None,
            connecting: None,
        })
    }

    /// Begins ICE, then DTLS.
    pub(crate) fn connect(&mut self) -> Result<(), Failure> {
        if let Some(remote) = self.remote.take() {
            let now = Instant::now();
            self.began = Some(now);
            self.participant.join_remote(now, remote)?;
        }
        Ok(())
    }

    fn turn(&mut self, now: Instant) -> Result<(), Failure> {
        let Self {
            participant,
            latencies,
            received,
            ..
        } = self;
        let looks = !participant.count_only;
        participant.turn(now, |header, packet| {
            if header.payload_type == VP8 {
                *received += 1;
                if looks {
                    latencies.extend(encoder::age(packet));
                }
            }
        });
        if self.first_packet.is_none() && self.received > 0 {
            self.first_packet = Some(Instant::now());
        }
        while let Some(event) = self.participant.poll_event() {
            match event {
                TransportEvent::Connected { .. } => {
                    self.connecting = self.began.map(|began| began.elapsed());
                }
                TransportEvent::ChannelOpen => {
                    if let Some(wishes) = self.wishes.take() {
                        self.participant.send_message(now, &wishes)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Turns those that have something to do; returns within a millisecond or two.
pub(crate) fn turn(peers: &mut [Peer], until: Instant) -> Result<(), Failure> {
    let frames = peers
        .iter()
        .filter_map(|peer| Some(peer.encoder.as_ref()?.next()));
    let due = frames.min().unwrap_or(until).min(until);
    let wait = u8::from(due > Instant::now());
    let mut descriptors: Vec<_> = peers
        .iter()
        .map(|peer| PollFd::new(peer.participant.as_fd(), PollFlags::POLLIN))
        .collect();
    poll(&mut descriptors, PollTimeout::from(wait))?;
    let ready: Vec<bool> = descriptors
        .iter()
        .map(|descriptor| descriptor.any().unwrap_or(false))
        .collect();
    for (peer, ready) in peers.iter_mut().zip(ready) {
        let now = Instant::now();
        if ready || peer.participant.timeout().is_some_and(|due| due <= now) {
            peer.turn(now)?;
        }
        if let Some(encoder) = &mut peer.encoder {
            encoder.send(&mut peer.participant, now)?;
        }
    }
    Ok(())
}
