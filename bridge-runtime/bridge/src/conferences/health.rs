//! The internal loop: a STUN check from outside through socket, worker and engine, and back.
//!
//! Each worker keeps one endpoint nobody joins; whoever knows its credentials gets an answer from
//! the real port. Requests may reach another worker first, so handing over is tested as well.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use jitctl_media::conference::{Conference, ConferenceConfig};
use jitctl_media::engine::{EndpointKey, Engine, EngineError};
use jitctl_media::identifiers::EndpointIndex;
use jitctl_media::transport::ice::{Credentials, Role};
use jitctl_media::transport::stun::{Builder, Class, IntegrityKey, Message};
use jitctl_media::transport::{DataChannelMode, TransportOptions};

/// How long an answer may take, and how often is asked.
const PATIENCE: Duration = Duration::from_millis(500);
const ATTEMPTS: u8 = 4;

/// A worker's endpoint that nobody joins.
#[derive(Debug, Clone)]
pub(super) struct Target {
    credentials: Credentials,
}

impl Target {
    /// Makes it. The conference stays empty, so it costs no timer.
    pub(super) fn create(
        engine: &mut Engine<Conference>,
        now: Instant,
    ) -> Result<Self, EngineError> {
        let room = Conference::new(now, ConferenceConfig::default());
        let key = EndpointKey {
            conference: engine.add_conference(now, room),
            endpoint: EndpointIndex(0),
        };
        let options = TransportOptions {
            role: Role::Controlling,
            show_private: false,
            data_channel: DataChannelMode::Disabled,
        };
        let credentials = engine.add_endpoint(now, key, options)?.credentials;
        Ok(Self { credentials })
    }
}

/// Asks over the network; one socket for each local address, kept for good.
#[derive(Debug)]
pub(super) struct Prober {
    sockets: Vec<(UdpSocket, SocketAddr)>,
    number: u64,
}

impl Prober {
    pub(super) fn new(addresses: &[SocketAddr]) -> io::Result<Self> {
        let sockets = addresses
            .iter()
            .map(|address| {
                let mut own = *address;
                own.set_port(0);
                let socket = UdpSocket::bind(own)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok((socket, *address))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { sockets, number: 0 })
    }

    /// Whether every address of every worker answers. Blocks up to [`PATIENCE`] times
    /// [`ATTEMPTS`].
    ///
    /// # Errors
    /// Which one does not, in words for operators.
    pub(super) fn probe(&mut self, targets: &[Target]) -> Result<(), String> {
        for (worker, target) in targets.iter().enumerate() {
            for (socket, address) in &self.sockets {
                let answered = (0..ATTEMPTS).any(|_| {
                    self.number += 1;
                    ask(socket, *address, target, self.number)
                });
                if !answered {
                    return Err(format!(
                        "media worker {worker} does not answer at {address}/udp: restart the bridge"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn ask(socket: &UdpSocket, address: SocketAddr, target: &Target, number: u64) -> bool {
    let Some(key) = IntegrityKey::new(&target.credentials.password) else {
        return false;
    };
    let mut transaction_id = [0; 12];
    transaction_id[4..].copy_from_slice(&number.to_be_bytes());
    let mut request = Builder::new(Class::Request, &transaction_id);
    request
        .username(&target.credentials.fragment, "health")
        .priority(1)
        .controlled(number);
    if socket.send_to(&request.finish(&key), address).is_err() {
        return false;
    }
    let mut buffer = [0; 512];
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            return false;
        };
        let answer = buffer.get(..length).map(Message::parse);
        if let Some(Ok(answer)) = answer
            && from == address
            && answer.class == Class::Success
            && answer.transaction_id == transaction_id
        {
            return answer.has_integrity(&key);
        }
    }
    false
}
