//! Delay and jitter on a host's link, for kernels without netem.
//!
//! The host's link leaves the bridge, and a pair of links takes its place there. A thread carries
//! frames between the two with packet sockets, each frame after its time. Frames may overtake
//! one another within the jitter, as under netem. Ending the thread puts the link back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvfrom, send,
    socket,
};
use nix::sys::time::TimeSpec;

use super::checksum;
use super::children::Children;
use crate::address::BRIDGE;
use crate::error::LabError;
use crate::host::HostName;
use crate::process::command;

/// `sll_pkttype` of frames that this machine sent itself (packet(7)).
const PACKET_OUTGOING: u8 = 4;
/// Frames that wait at once on one link; more are lost, as in a full router.
const CAPACITY: usize = 20_000;

/// A link that is being delayed; dropping it puts the link back.
#[derive(Debug)]
pub(super) struct Shim {
    children: Arc<Children>,
    host: HostName,
    /// The thread ends when this closes.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Shim {
    /// Takes the link of `host` and delays frames both ways.
    pub(super) fn start(
        children: &Arc<Children>,
        host: &HostName,
        delay: Duration,
        jitter: Duration,
    ) -> Result<Self, LabError> {
        let (stopped, stop) = io::pipe().map_err(LabError::system("make a pipe"))?;
        let (link, port, inner) = names(host);
        // Whole segments only: a frame longer than the link could not be handed on.
        let take = format!(
            "link add {port} type veth peer name {inner}\n\
             link set {port} gso_max_segs 1 master {BRIDGE} up\n\
             link set {inner} up promisc on\n\
             link set {link} nomaster promisc on\n"
        );
        // From here on dropping puts back what there is.
        let mut shim = Self {
            children: Arc::clone(children),
            host: host.clone(),
            stop: None,
            thread: None,
        };
        children.run(command("ip").args(["-batch", "-"]), &take)?;
        let (near, far) = (open(&link)?, open(&inner)?);
        let stopped = OwnedFd::from(stopped);
        shim.stop = Some(stop);
        shim.thread = Some(std::thread::spawn(move || {
            carry(&near, &far, &stopped, delay, jitter);
        }));
        Ok(shim)
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let (link, port, _) = names(&self.host);
        let mut give_back = command("ip");
        give_back.args(["link", "set", &link, "promisc", "off", "master", BRIDGE]);
        // A host without power has no link.
        let _ = self.children.run(&mut give_back, "");
        let _ = self
            .children
            .run(command("ip").args(["link", "del", &port]), "");
    }
}

/// The host's link, the port that stands for it, and that port's other end.
fn names(host: &HostName) -> (String, String, String) {
    (host.link(), host.delayed_link(), format!("tx-{host}"))
}

/// A packet socket on one link of this thread's network.
fn open(link: &str) -> Result<OwnedFd, LabError> {
    let broken = || LabError::system::<Errno>(format!("read frames of {link}"));
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        flags,
        SockProtocol::EthAll,
    )
    .map_err(broken())?;
    let mut links = nix::ifaddrs::getifaddrs().map_err(broken())?;
    let address = links.find_map(|found| {
        let address = found.address.filter(|_| found.interface_name == link)?;
        address.as_link_addr().copied()
    });
    let address = address.ok_or(Errno::ENODEV).map_err(broken())?;
    bind(socket.as_raw_fd(), &address).map_err(broken())?;
    Ok(socket)
}

fn carry(near: &OwnedFd, far: &OwnedFd, stopped: &OwnedFd, delay: Duration, jitter: Duration) {
    let mut late = Late::new(delay, jitter);
    let mut buffer = vec![0; 65_536];
    loop {
        let now = Instant::now();
        while let Some((to_near, frame)) = late.pop(now) {
            let socket = if to_near { near } else { far };
            // A link that is down or full loses the frame, as links do.
            let _ = send(socket.as_raw_fd(), &frame, MsgFlags::empty());
        }
        let patience = late
            .next()
            .map(|due| due.saturating_duration_since(Instant::now()));
        let mut watched = [near, far, stopped].map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
        let _ = ppoll(&mut watched, patience.map(TimeSpec::from_duration), None);
        if watched[2].revents().is_none_or(|events| !events.is_empty()) {
            return;
        }
        for (socket, to_near) in [(near, false), (far, true)] {
            for _ in 0..64 {
                match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer) {
                    Ok((_, Some(from))) if from.pkttype() == PACKET_OUTGOING => {}
                    Ok((length, _)) => {
                        let mut frame = buffer[..length].to_vec();
                        checksum::finish(&mut frame);
                        late.push(Instant::now(), to_near, frame);
                    }
                    Err(Errno::EAGAIN) => break,
                    // The link is down: look again a little later, not at once.
                    Err(_) => {
                        std::thread::sleep(Duration::from_millis(1));
                        break;
                    }
                }
            }
        }
    }
}

/// Frames that wait for their time, pure.
#[derive(Debug)]
struct Late {
    delay: Duration,
    jitter: Duration,
    random: u64,
    count: u64,
    waiting: BinaryHeap<Reverse<Waiting>>,
}

/// One frame, ordered by its time and then by its arrival.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: Instant,
    count: u64,
    to_near: bool,
    frame: Vec<u8>,
}

impl Late {
    fn new(delay: Duration, jitter: Duration) -> Self {
        Self {
            delay,
            jitter,
            random: 0x9e37_79b9_7f4a_7c15,
            count: 0,
            waiting: BinaryHeap::new(),
        }
    }

    fn push(&mut self, now: Instant, to_near: bool, frame: Vec<u8>) {
        if self.waiting.len() >= CAPACITY {
            return;
        }
        self.count += 1;
        let due = now + self.wait();
        let count = self.count;
        self.waiting.push(Reverse(Waiting {
            due,
            count,
            to_near,
            frame,
        }));
    }

    /// The next frame whose time has come.
    fn pop(&mut self, now: Instant) -> Option<(bool, Vec<u8>)> {
        self.next().filter(|due| *due <= now)?;
        let Reverse(next) = self.waiting.pop()?;
        Some((next.to_near, next.frame))
    }

    fn next(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse(next)| next.due)
    }

    /// The delay, give or take as much as the jitter, evenly.
    fn wait(&mut self) -> Duration {
        // xorshift64: this need not be unpredictable, only even.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let spread = u64::try_from(self.jitter.as_micros()).unwrap_or(0) * 2;
        let share = if spread == 0 {
            0
        } else {
            self.random % (spread + 1)
        };
        (self.delay + Duration::from_micros(share)).saturating_sub(self.jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_when_their_time_has_come() {
        let start = Instant::now();
        let mut late = Late::new(Duration::from_millis(50), Duration::ZERO);
        late.push(start, true, vec![1]);
        late.push(start, false, vec![2]);
        assert_eq!(late.pop(start + Duration::from_millis(49)), None);
        let due = start + Duration::from_millis(50);
        assert_eq!(
            late.pop(due),
            Some((true, vec![1])),
            "first come, first served"
        );
        assert_eq!(late.pop(due), Some((false, vec![2])));
        assert_eq!(late.pop(due), None);
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_uses_them() {
        let mut late = Late::new(Duration::from_millis(50), Duration::from_millis(5));
        let waits: Vec<_> = (0..1000).map(|_| late.wait().as_millis()).collect();
        assert!(waits.iter().all(|wait| (45..=55).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 47) && waits.iter().any(|wait| *wait > 53));
    }

    #[test]
    fn a_full_queue_loses_frames() {
        let mut late = Late::new(Duration::from_secs(1), Duration::ZERO);
        for _ in 0..=CAPACITY {
            late.push(Instant::now(), true, Vec::new());
        }
        assert_eq!(late.waiting.len(), CAPACITY);
    }
}
