//! Datagrams between workers: the kernel spreads clients over workers, conferences live on one.
//!
//! A worker that gets a STUN request for another's fragment, or media from a client that belongs
//! to another, hands the bytes over. It learns where a client belongs only from the owner, once
//! the owner authenticated it; a forged address leads nowhere. Memory is reused: in steady state
//! handing over allocates nothing. A full mailbox drops, as a socket would.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use jitctl_media::transport::ice::Route;
use jitctl_media::transport::stun::Message;

/// Bytes that wait for one worker.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Clients of other workers one worker remembers.
const MAX_STEERED: usize = 65_536;

/// A datagram that arrived at another worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stray {
    /// The worker it arrived at.
    pub(super) origin: usize,
    /// Where it arrived, from whom.
    pub(super) route: Route,
    length: usize,
}

/// What waits for a worker.
#[derive(Debug, Default)]
pub(super) struct Mail {
    bytes: Vec<u8>,
    strays: Vec<Stray>,
    /// Who owns which client: `None` when nobody does any more.
    steering: Vec<(Route, Option<usize>)>,
}

impl Mail {
    /// The datagrams, in the order they came.
    pub(super) fn strays(&mut self) -> impl Iterator<Item = (Stray, &mut [u8])> {
        let mut rest = self.bytes.as_mut_slice();
        self.strays.iter().map(move |stray| {
            // Datagrams lie one behind the other, so each is at the front of what is left.
            let (datagram, behind) = std::mem::take(&mut rest).split_at_mut(stray.length);
            rest = behind;
            (*stray, datagram)
        })
    }

    fn is_empty(&self) -> bool {
        self.strays.is_empty() && self.steering.is_empty()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.strays.clear();
        self.steering.clear();
    }
}

/// One worker's mailbox, written by the others.
#[derive(Debug)]
pub(super) struct Mailbox {
    mail: Mutex<Mail>,
    waker: Arc<UnixStream>,
}

impl Mailbox {
    pub(super) fn new(waker: Arc<UnixStream>) -> Self {
        Self {
            mail: Mutex::default(),
            waker,
        }
    }

    /// Puts a datagram in; false when it is full.
    pub(super) fn hand_over(&self, origin: usize, route: Route, datagram: &[u8]) -> bool {
        self.add(|mail| {
            if mail.bytes.len() + datagram.len() > MAX_BYTES {
                return false;
            }
            mail.bytes.extend_from_slice(datagram);
            mail.strays.push(Stray {
                origin,
                route,
                length: datagram.len(),
            });
            true
        })
    }

    /// Tells who owns a client.
    pub(super) fn steer(&self, route: Route, owner: Option<usize>) {
        self.add(|mail| mail.steering.push((route, owner)));
    }

    /// Takes all mail, giving `empty` in exchange.
    pub(super) fn collect(&self, empty: &mut Mail, directory: &mut Directory) {
        empty.clear();
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *mail, empty);
        drop(mail);
        for (route, owner) in empty.steering.drain(..) {
            directory.set(route, owner);
        }
    }

    fn add<Output>(&self, add: impl FnOnce(&mut Mail) -> Output) -> Output {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = mail.is_empty();
        let output = add(&mut mail);
        drop(mail);
        if was_empty {
            // A full pipe means a wake-up is under way already.
            let _ = (&*self.waker).write(&[1]);
        }
        output
    }
}

/// Which clients that arrive here belong to other workers.
#[derive(Debug, Default)]
pub(super) struct Directory(HashMap<Route, usize>);

impl Directory {
    pub(super) fn owner(&self, route: Route) -> Option<usize> {
        self.0.get(&route).copied()
    }

    fn set(&mut self, route: Route, owner: Option<usize>) {
        match owner {
            Some(owner) if self.0.len() < MAX_STEERED || self.0.contains_key(&route) => {
                self.0.insert(route, owner);
            }
            Some(_) => {}
            None => {
                self.0.remove(&route);
            }
        }
    }
}

/// The two hexadecimal digits by which a worker's fragments are told apart.
pub(super) fn fragment_mark(worker: usize) -> String {
    format!("{worker:02x}")
}

/// The worker a STUN request is for, by the mark behind `prefix` in the local fragment.
pub(super) fn worker_of_request(prefix: &str, datagram: &[u8]) -> Option<usize> {
    let message = Message::parse(datagram).ok()?;
    let (receiver, _) = message.fragments()?;
    let mark = receiver.strip_prefix(prefix)?.get(..2)?;
    usize::from_str_radix(mark, 16).ok()
}

#[cfg(test)]
mod tests {
    use jitctl_media::transport::stun::{Builder, Class, IntegrityKey};

    use super::*;

    fn route(port: u16) -> Route {
        Route {
            local: ([127, 0, 0, 1], 1).into(),
            remote: ([127, 0, 0, 1], port).into(),
        }
    }

    #[test]
    fn datagrams_come_out_as_they_went_in() {
        let (waker, _wake) = UnixStream::pair().unwrap();
        let mailbox = Mailbox::new(Arc::new(waker));
        let (mut mail, mut directory) = (Mail::default(), Directory::default());
        for round in 0..3u8 {
            assert!(mailbox.hand_over(0, route(1), &[round; 3]));
            assert!(mailbox.hand_over(2, route(2), &[round; 5]));
            mailbox.steer(route(9), Some(4));
            mailbox.collect(&mut mail, &mut directory);
            let got: Vec<_> = mail
                .strays()
                .map(|(stray, bytes)| (stray.origin, stray.route, bytes.to_vec()))
                .collect();
            assert_eq!(
                got,
                [(0, route(1), vec![round; 3]), (2, route(2), vec![round; 5])]
            );
            assert_eq!(directory.owner(route(9)), Some(4));
        }
        mailbox.steer(route(9), None);
        mailbox.collect(&mut mail, &mut directory);
        assert_eq!(mail.strays().count(), 0);
        assert_eq!(directory.owner(route(9)), None);
    }

    #[test]
    fn a_full_mailbox_drops() {
        let (waker, _wake) = UnixStream::pair().unwrap();
        waker.set_nonblocking(true).unwrap();
        let mailbox = Mailbox::new(Arc::new(waker));
        let taken = (0..5000)
            .filter(|_| mailbox.hand_over(0, route(1), &[0; 1200]))
            .count();
        assert_eq!(taken, MAX_BYTES / 1200);
    }

    #[test]
    fn requests_name_their_worker() {
        let mut builder = Builder::new(Class::Request, &[0; 12]);
        builder.username(&format!("site{}abcdef", fragment_mark(17)), "client");
        let datagram = builder.finish(&IntegrityKey::new("x").unwrap());
        assert_eq!(worker_of_request("site", &datagram), Some(17));
        assert_eq!(worker_of_request("other", &datagram), None);
        assert_eq!(worker_of_request("site", &[0; 20]), None);
    }
}
