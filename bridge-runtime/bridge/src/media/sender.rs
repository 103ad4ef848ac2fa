//! Sending runs: one call for a run where the kernel can cut it, one for each datagram elsewhere.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use jitctl_media::engine::DatagramSink;
use jitctl_media::transport::ice::Route;

use super::batch;
use super::socket::MediaSocket;

/// What became of what was to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendCounters {
    /// System calls.
    pub calls: u64,
    /// Datagrams the kernel took.
    pub datagrams: u64,
    /// Datagrams refused for want of buffer.
    pub full: u64,
    /// Datagrams refused for another reason: unreachable, too long, no socket.
    pub refused: u64,
    /// Runs that had to be sent one by one.
    pub split_runs: u64,
}

/// The sockets of a worker as the engine's sink.
#[derive(Debug)]
pub(super) struct Sender {
    sockets: Vec<(MediaSocket, bool)>,
    counters: SendCounters,
}

impl Sender {
    /// `segmentation` false never uses `UDP_SEGMENT`.
    pub(super) fn new(sockets: Vec<MediaSocket>, segmentation: bool) -> Self {
        let sockets = sockets
            .into_iter()
            .map(|socket| (socket, segmentation))
            .collect();
        Self {
            sockets,
            counters: SendCounters::default(),
        }
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = &MediaSocket> {
        self.sockets.iter().map(|(socket, _)| socket)
    }

    pub(super) fn socket(&self, index: usize) -> Option<&MediaSocket> {
        self.sockets.get(index).map(|(socket, _)| socket)
    }

    pub(super) fn counters(&self) -> SendCounters {
        self.counters
    }
}

impl DatagramSink for Sender {
    fn send(&mut self, route: Route, datagrams: &[IoSlice<'_>]) {
        let counters = &mut self.counters;
        let entry = self
            .sockets
            .iter_mut()
            .find(|(socket, _)| socket.local() == route.local);
        let Some((socket, segmentation)) = entry else {
            counters.refused += datagrams.len() as u64;
            return;
        };
        let segment = datagrams
            .first()
            .and_then(|first| u16::try_from(first.len()).ok());
        if datagrams.len() > 1 && *segmentation {
            counters.calls += 1;
            match batch::send(socket.as_fd(), route.remote, datagrams, segment) {
                Ok(()) => {
                    counters.datagrams += datagrams.len() as u64;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    counters.full += datagrams.len() as u64;
                    return;
                }
                // The device cannot: never again on this socket. A path with a smaller MTU says
                // EINVAL, which concerns this run only.
                Err(error) if cannot_segment(&error) => *segmentation = false,
                Err(_) => {}
            }
            counters.split_runs += 1;
        }
        for datagram in datagrams {
            counters.calls += 1;
            let datagram = std::slice::from_ref(datagram);
            match batch::send(socket.as_fd(), route.remote, datagram, None) {
                Ok(()) => counters.datagrams += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => counters.full += 1,
                Err(_) => counters.refused += 1,
            }
        }
    }
}

fn cannot_segment(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT)
    )
}
