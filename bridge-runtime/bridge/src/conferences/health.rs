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

/// An address of the media port, and who asks there.
#[derive(Debug)]
struct Place {
    socket: UdpSocket,
    address: SocketAddr,
    /// The host has lost the address.
    is_gone: bool,
}

/// Asks over the network; one socket for each local address, kept for good.
#[derive(Debug)]
pub(super) struct Prober {
    places: Vec<Place>,
    number: u64,
}

impl Prober {
    pub(super) fn new(addresses: &[SocketAddr]) -> io::Result<Self> {
        let places = addresses
            .iter()
            .map(|address| {
                let mut own = *address;
                own.set_port(0);
                let socket = UdpSocket::bind(own)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(Place {
                    socket,
                    address: *address,
                    is_gone: false,
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { places, number: 0 })
    }

    /// Whether every worker answers at every address. One that the host has lost meanwhile (a
    /// renewed lease, a network card that went) is no fault of a worker's as long as another one
    /// is left: calls over that one go on. Blocks up to [`PATIENCE`] times [`ATTEMPTS`].
    ///
    /// # Errors
    /// Which one does not, in words for operators.
    pub(super) fn probe(&mut self, targets: &[Target]) -> Result<(), String> {
        let number = &mut self.number;
        for Place {
            socket,
            address,
            is_gone,
        } in &mut self.places
        {
            let silent = targets.iter().position(|target| {
                !(0..ATTEMPTS).any(|_| {
                    *number += 1;
                    ask(socket, *address, target, *number)
                })
            });
            let was_gone = std::mem::replace(is_gone, silent.is_some() && is_lost(*address));
            match silent {
                Some(worker) if !*is_gone => {
                    return Err(format!(
                        "media worker {worker} does not answer at {address}/udp: restart the bridge"
                    ));
                }
                Some(_) if !was_gone => tracing::warn!(
                    %address,
                    "this host has lost an address of the media port; those it has got since \
                     carry media after a restart of the bridge"
                ),
                _ => {}
            }
        }
        if self.places.iter().all(|place| place.is_gone) {
            return Err(String::from(
                "this host has lost every address of the media port: restart the bridge",
            ));
        }
        Ok(())
    }
}

/// Whether the host does not have an address any more.
fn is_lost(address: SocketAddr) -> bool {
    let bound = UdpSocket::bind(SocketAddr::new(address.ip(), 0));
    bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            credentials: Credentials::random("").unwrap(),
        }
    }

    /// Answers checks of `target` until the test ends.
    fn answering(target: &Target) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let key = IntegrityKey::new(&target.credentials.password).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let request = Message::parse(&buffer[..length]).unwrap();
                let mut answer = Builder::new(Class::Success, &request.transaction_id);
                answer.xor_mapped_address(from);
                socket.send_to(&answer.finish(&key), from).unwrap();
            }
        });
        address
    }

    #[test]
    fn a_lost_address_is_no_fault_until_the_last_one_is_gone() {
        let target = target();
        let mut prober = Prober::new(&[answering(&target), answering(&target)]).unwrap();
        assert_eq!(prober.probe(std::slice::from_ref(&target)), Ok(()));
        // An address this host does not have, and to which this socket cannot send.
        let lost = "[2001:db8::77]:10000".parse().unwrap();
        prober.places[1].address = lost;
        assert_eq!(prober.probe(std::slice::from_ref(&target)), Ok(()));
        prober.places[0].address = lost;
        let failure = prober.probe(&[target]).unwrap_err();
        assert!(failure.contains("every address"), "{failure}");
    }

    #[test]
    fn a_worker_that_is_silent_at_an_address_of_the_host_is_named() {
        let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut prober = Prober::new(&[deaf.local_addr().unwrap()]).unwrap();
        let failure = prober.probe(&[target()]).unwrap_err();
        assert!(failure.starts_with("media worker 0"), "{failure}");
    }
}
