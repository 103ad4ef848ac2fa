//! Batched socket calls: the one module of the project with unsafe code.
//!
//! Two calls that the safe wrappers at hand either lack or make allocate: `recvmmsg` into reused
//! buffers, and `sendmsg` with `UDP_SEGMENT`. Every pointer handed to the kernel is made from a
//! live Rust reference in the same function and is not kept; see the note at each unsafe block.
#![expect(
    unsafe_code,
    reason = "recvmmsg and sendmsg have no safe form without allocation"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "sizes and constants of the C interface in the C interface's types"
)]

use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Datagrams taken in one call.
pub(super) const BATCH: usize = 64;
/// Bytes of a receive buffer: longer datagrams are cut, flagged and dropped.
const SLOT: usize = 2048;
/// Not in every libc: `SOL_UDP` is the protocol number, `UDP_SEGMENT` from `linux/udp.h`.
const UDP_SEGMENT: libc::c_int = 103;

/// Datagrams of one `recvmmsg`, in buffers that are reused.
pub(super) struct ReceiveBatch {
    buffers: Box<[[u8; SLOT]]>,
    names: Box<[libc::sockaddr_storage; BATCH]>,
    lengths: [usize; BATCH],
    sources: [Option<SocketAddr>; BATCH],
}

impl ReceiveBatch {
    pub(super) fn new() -> Self {
        Self {
            buffers: vec![[0; SLOT]; BATCH].into_boxed_slice(),
            // SAFETY: `sockaddr_storage` is plain old data, for which all zeros is a valid value.
            names: Box::new([unsafe { zeroed() }; BATCH]),
            lengths: [0; BATCH],
            sources: [None; BATCH],
        }
    }

    /// Takes what is there without waiting; returns how many datagrams.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut vectors: [MaybeUninit<libc::iovec>; BATCH] = [MaybeUninit::uninit(); BATCH];
        // SAFETY: `mmsghdr` is plain old data; zeros mean "no address, no buffer, no control".
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
        for (index, header) in headers.iter_mut().enumerate() {
            let vector = vectors[index].write(libc::iovec {
                iov_base: self.buffers[index].as_mut_ptr().cast(),
                iov_len: SLOT,
            });
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut self.names[index]).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        // SAFETY: `headers` has BATCH entries, as has `buffers`; each points to one initialised iovec over a buffer
        // of SLOT bytes and to one `sockaddr_storage`, all borrowed mutably from `self` or from
        // this frame for the whole call, all distinct. The kernel writes within these bounds.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                // A signed number in glibc, an unsigned one in musl.
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            return Err(io::Error::last_os_error());
        };
        for (index, header) in headers.iter().enumerate().take(count) {
            let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            self.lengths[index] = if cut {
                0
            } else {
                (header.msg_len as usize).min(SLOT)
            };
            self.sources[index] = address(&self.names[index], header.msg_hdr.msg_namelen);
        }
        Ok(count)
    }

    /// One datagram of the last batch; `None` when its sender or length made no sense.
    #[inline]
    pub(super) fn datagram(&mut self, index: usize) -> Option<(SocketAddr, &mut [u8])> {
        let length = self.lengths[index];
        if length == 0 {
            return None;
        }
        Some((self.sources[index]?, &mut self.buffers[index][..length]))
    }
}

/// Reads an address the kernel wrote.
fn address(name: &libc::sockaddr_storage, length: libc::socklen_t) -> Option<SocketAddr> {
    let length = length as usize;
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: the family says the kernel wrote a `sockaddr_in`; `sockaddr_storage` is at
            // least as large and as aligned, and the reference does not outlive `name`.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: as above, for `sockaddr_in6`.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            let port = u16::from_be(name.sin6_port);
            Some(SocketAddrV6::new(ip, port, 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// A socket address in the kernel's form.
#[repr(C)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

fn name(address: SocketAddr) -> (Name, libc::socklen_t) {
    match address {
        SocketAddr::V4(address) => {
            let v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from(*address.ip()).to_be(),
                },
                sin_zero: [0; 8],
            };
            (
                Name { v4 },
                size_of::<libc::sockaddr_in>() as libc::socklen_t,
            )
        }
        SocketAddr::V6(address) => {
            let v6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr {
                    s6_addr: address.ip().octets(),
                },
                sin6_scope_id: address.scope_id(),
            };
            (
                Name { v6 },
                size_of::<libc::sockaddr_in6>() as libc::socklen_t,
            )
        }
    }
}

/// Room for one control message with two bytes of data, aligned as `cmsghdr` wants.
#[repr(C, align(8))]
struct Control([u8; 32]);

/// Sends the bytes of `slices` to `to` without waiting: as one datagram, or, given `segment`, as
/// datagrams of that many bytes each, the last of which may be shorter.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    to: SocketAddr,
    slices: &[IoSlice<'_>],
    segment: Option<u16>,
) -> io::Result<()> {
    let (mut name, name_length) = name(to);
    let mut control = Control([0; 32]);
    // SAFETY: `msghdr` is plain old data; zeros are valid and mean "nothing".
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = name_length;
    // `IoSlice` has the layout of `iovec` (guaranteed by std on Unix); the kernel only reads.
    header.msg_iov = slices.as_ptr().cast_mut().cast();
    header.msg_iovlen = slices.len() as _;
    if let Some(segment) = segment {
        header.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: pure arithmetic on a constant.
        header.msg_controllen = unsafe { libc::CMSG_SPACE(2) } as _;
        // SAFETY: `msg_control` and `msg_controllen` describe `control`, which is aligned for
        // `cmsghdr` and, with 32 bytes, larger than CMSG_SPACE(2); so CMSG_FIRSTHDR is not null
        // and header and data lie within it. The data is written unaligned.
        unsafe {
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = libc::SOL_UDP;
            (*message).cmsg_type = UDP_SEGMENT;
            (*message).cmsg_len = libc::CMSG_LEN(2) as _;
            libc::CMSG_DATA(message)
                .cast::<u16>()
                .write_unaligned(segment);
        }
    }
    // SAFETY: `header` points to `name`, `slices` and `control`, all alive until the call
    // returns, with their true lengths; the kernel reads them and writes nothing.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_DONTWAIT) };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn received(socket: &UdpSocket) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut batch = ReceiveBatch::new();
        let count = batch.receive(socket.as_fd()).unwrap();
        (0..count)
            .filter_map(|index| {
                batch
                    .datagram(index)
                    .map(|(from, bytes)| (from, bytes.to_vec()))
            })
            .collect()
    }

    #[test]
    fn single_datagrams_and_runs_arrive_over_both_families() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let receiver = UdpSocket::bind(address).unwrap();
            let sender = UdpSocket::bind(address).unwrap();
            let (from, to) = (sender.local_addr().unwrap(), receiver.local_addr().unwrap());
            send(
                sender.as_fd(),
                to,
                &[IoSlice::new(b"on"), IoSlice::new(b"e")],
                None,
            )
            .unwrap();
            let run = [
                IoSlice::new(b"aaaa"),
                IoSlice::new(b"bbbb"),
                IoSlice::new(b"cc"),
            ];
            send(sender.as_fd(), to, &run, Some(4)).unwrap();
            let expected: Vec<_> = [&b"one"[..], b"aaaa", b"bbbb", b"cc"]
                .map(|bytes| (from, bytes.to_vec()))
                .into();
            assert_eq!(received(&receiver), expected);
        }
    }

    #[test]
    fn longer_datagrams_than_a_slot_are_dropped_and_others_kept() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        sender.send_to(&[1; SLOT + 1], to).unwrap();
        sender.send_to(&[], to).unwrap();
        sender.send_to(&[2; SLOT], to).unwrap();
        let datagrams = received(&receiver);
        assert_eq!(datagrams.len(), 1);
        assert_eq!(datagrams[0].1, [2; SLOT]);
    }

    #[test]
    fn an_empty_socket_would_block() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = ReceiveBatch::new().receive(receiver.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
