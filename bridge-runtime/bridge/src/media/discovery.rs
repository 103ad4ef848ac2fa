//! The host's addresses as STUN servers see them (RFC 8489), asked once from the media port.
//!
//! Asked before the workers start, while every socket of the port is at hand: the kernel spreads
//! what arrives over all of them. A server that does not answer costs [`PATIENCE`] and nothing
//! else. A NAT that maps to another port for each peer, or forgets, needs a static mapping instead.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use jitctl_media::transport::RandomError;
use jitctl_media::transport::ice::{Credentials, Mapping};
use jitctl_media::transport::stun::{Builder, Class, Message, TransactionId};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::socket::MediaSocket;

/// How often a server is asked, and how long its answer may take each time.
const ATTEMPTS: u8 = 3;
const PATIENCE: Duration = Duration::from_millis(500);

/// A question that waits for its answer.
struct Question {
    local: SocketAddr,
    server: SocketAddr,
    transaction_id: TransactionId,
}

/// Asks each of `servers` (`host:port`) from each address of its family. `workers` holds the
/// sockets of each worker, all on the same addresses. Returns mappings where an address outside
/// differs from the own one. Blocks.
pub fn discover(workers: &[Vec<MediaSocket>], servers: &[String]) -> Vec<Mapping> {
    let mut questions = match questions(workers, servers) {
        Ok(questions) => questions,
        Err(error) => {
            tracing::warn!(%error, "STUN servers are not asked");
            return Vec::new();
        }
    };
    let mut mappings = Vec::new();
    for _ in 0..ATTEMPTS {
        let own = workers.first().into_iter().flatten();
        for socket in own {
            for question in questions.iter().filter(|one| one.local == socket.local()) {
                let request = Builder::new(Class::Request, &question.transaction_id);
                // Unreachable from this address: the same as no answer.
                let _ = socket
                    .udp()
                    .send_to(&request.finish_unsigned(), question.server);
            }
        }
        let until = Instant::now() + PATIENCE;
        while !questions.is_empty() && wait(workers, until) {
            for socket in workers.iter().flatten() {
                read(socket, &mut questions, &mut mappings);
            }
        }
    }
    for question in questions {
        tracing::warn!(
            server = %question.server,
            from = %question.local,
            "a STUN server does not answer: no address outside from it (`media.stun_servers`)"
        );
    }
    mappings
}

fn questions(
    workers: &[Vec<MediaSocket>],
    servers: &[String],
) -> Result<Vec<Question>, RandomError> {
    let mut questions = Vec::new();
    for name in servers {
        let found = match name.to_socket_addrs() {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(server = name, %error, "a STUN server is not known by name");
                continue;
            }
        };
        let found: Vec<SocketAddr> = found.collect();
        for socket in workers.first().into_iter().flatten() {
            let local = socket.local();
            let server = found
                .iter()
                .find(|server| server.is_ipv4() == local.is_ipv4());
            if let Some(server) = server {
                let mut transaction_id = TransactionId::default();
                let noise = Credentials::random("")?.password.into_bytes();
                for (byte, noise) in transaction_id.iter_mut().zip(noise) {
                    *byte = noise;
                }
                questions.push(Question {
                    local,
                    server: *server,
                    transaction_id,
                });
            }
        }
    }
    Ok(questions)
}

/// Waits until a socket has something; false when the time is over.
fn wait(workers: &[Vec<MediaSocket>], until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    let mut descriptors: Vec<PollFd<'_>> = workers
        .iter()
        .flatten()
        .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
        .collect();
    let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
    poll(&mut descriptors, left).is_ok_and(|ready| ready > 0)
}

/// Takes what waits on a socket; anything but the answers is dropped, nobody was told of us yet.
fn read(socket: &MediaSocket, questions: &mut Vec<Question>, mappings: &mut Vec<Mapping>) {
    let mut buffer = [0; 1024];
    while let Ok((length, from)) = socket.udp().recv_from(&mut buffer) {
        let Some(Ok(message)) = buffer.get(..length).map(Message::parse) else {
            continue;
        };
        let answered = questions.iter().position(|question| {
            question.local == socket.local()
                && question.server == from
                && question.transaction_id == message.transaction_id
        });
        let (Some(answered), Class::Success, Some(public)) =
            (answered, message.class, message.mapped_address)
        else {
            continue;
        };
        let question = questions.swap_remove(answered);
        if public != question.local {
            tracing::info!(local = %question.local, %public, server = %from, "address outside");
            mappings.push(Mapping {
                local: Some(question.local.ip()),
                public: public.ip(),
                port: Some(public.port()),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// A server that says everybody comes from `public`.
    fn server(public: SocketAddr) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let request = Message::parse(&buffer[..length]).unwrap();
                assert_eq!(request.class, Class::Request);
                let mut forged = request.transaction_id;
                forged[0] ^= 1;
                for (id, seen) in [
                    (forged, "192.0.2.66:1".parse().unwrap()),
                    (request.transaction_id, public),
                ] {
                    let mut answer = Builder::new(Class::Success, &id);
                    answer.xor_mapped_address(seen);
                    socket.send_to(&answer.finish_unsigned(), from).unwrap();
                }
            }
        });
        address.to_string()
    }

    fn sockets(workers: usize) -> Vec<Vec<MediaSocket>> {
        let address = "127.0.0.1:0".parse().unwrap();
        let group = MediaSocket::bind_group(address, workers).unwrap();
        group.into_iter().map(|socket| vec![socket]).collect()
    }

    #[test]
    fn the_address_outside_becomes_a_mapping_whichever_worker_hears_the_answer() {
        for _ in 0..4 {
            let workers = sockets(4);
            let public = "203.0.113.7:40000".parse().unwrap();
            let mappings = discover(&workers, &[server(public)]);
            let expected = Mapping {
                local: Some("127.0.0.1".parse().unwrap()),
                public: public.ip(),
                port: Some(40_000),
            };
            assert_eq!(mappings, [expected]);
        }
    }

    #[test]
    fn nothing_is_mapped_without_a_nat_or_without_an_answer() {
        let workers = sockets(1);
        let same = server(workers[0][0].local());
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let servers = [
            same,
            silent.local_addr().unwrap().to_string(),
            "[::1]:9".to_owned(),
            "no such host:1".to_owned(),
        ];
        assert_eq!(discover(&workers, &servers), []);
    }
}
