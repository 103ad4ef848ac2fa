//! The UDP sockets of a worker.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

/// Kernel buffers asked for, each way; the kernel may give less (`net.core.rmem_max`).
const BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// The socket could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot bind udp {address}: {source}; is the port taken or the address not of this host?")]
pub struct SocketError {
    address: SocketAddr,
    source: io::Error,
}

impl SocketError {
    /// Whether the host does not have the address, or does not have it yet: IPv6 looks for
    /// duplicates of a new one first (RFC 4862 section 5.4).
    #[must_use]
    pub fn is_of_address(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrNotAvailable
    }
}

/// A bound socket and the address clients send to.
#[derive(Debug)]
pub struct MediaSocket {
    socket: UdpSocket,
    local: SocketAddr,
}

impl MediaSocket {
    /// Binds `address` once for each of `workers`, which share it. Port 0 takes a free one.
    ///
    /// # Errors
    /// [`SocketError`]; also when another process has the port, which sharing would hide.
    pub fn bind_group(address: SocketAddr, workers: usize) -> Result<Vec<Self>, SocketError> {
        let failed = |source| SocketError { address, source };
        let address = UdpSocket::bind(address)
            .and_then(|probe| probe.local_addr())
            .map_err(failed)?;
        (0..workers)
            .map(|_| Self::open(address).map_err(failed))
            .collect()
    }

    fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_port(true)?;
        // Best effort: a refusal leaves the system's default.
        let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(BUFFER_BYTES);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket: UdpSocket = socket.into();
        let local = socket.local_addr()?;
        Ok(Self { socket, local })
    }

    pub(super) fn udp(&self) -> &UdpSocket {
        &self.socket
    }

    /// The bound address.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }
}

impl AsFd for MediaSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
