//! A worker: one thread that owns an engine and its sockets.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender as ChannelSender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jitctl_media::engine::{Engine, EngineEvent, Room, Taken, Traffic};
use jitctl_media::transport::ice::Route;
use jitctl_media::transport::{Drop, DropCounters, TransportConfig};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::batch::{BATCH, ReceiveBatch};
use super::mailbox::{Directory, Mail, Mailbox, fragment_mark, worker_of_request};
use super::sender::{SendCounters, Sender};
use super::socket::MediaSocket;

/// Local addresses of one worker.
const MAX_SOCKETS: usize = 16;
/// Longest sleep: health checks see a worker that turns.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Batches taken from one socket before the others, commands and timers get their turn.
const BATCHES_IN_TURN: usize = 4;
/// Bytes ready to leave that end the waiting for more.
const FLUSH_BYTES: usize = 2 * 1024 * 1024;
/// How often statistics are copied out.
const STATISTICS_INTERVAL: Duration = Duration::from_millis(500);

/// Settings of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkerConfig {
    /// Send runs one datagram at a time: for devices and tests without `UDP_SEGMENT`.
    pub without_segmentation: bool,
    /// How long packets of one receiver may wait for each other, so that runs grow. Zero sends
    /// after each batch received.
    pub coalesce: Duration,
}

/// The worker could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a media worker: {0}")]
pub struct WorkerError(#[from] io::Error);

/// The worker has ended; its conferences are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media worker has ended: restart the bridge")]
pub struct WorkerGone;

/// A copy of a worker's counters.
#[derive(Debug, Clone, Default)]
pub struct WorkerStatistics {
    /// Media in and out.
    pub traffic: Traffic,
    /// Dropped, by reason.
    pub drops: DropCounters,
    /// Sent, by outcome.
    pub sends: SendCounters,
    /// When the worker last copied: it turns as long as this moves.
    pub at: Option<Instant>,
}

/// Called on the worker's thread with what its engine reports; must not block.
pub type EventHandler<R> = Box<dyn FnMut(&mut Engine<R>, EngineEvent) + Send>;

type Command<R> = Box<dyn FnOnce(&mut Engine<R>, Instant) + Send>;

/// The way to a worker from other threads; clones lead to the same one. The worker ends when the
/// last clone is dropped.
pub struct WorkerHandle<R: Room> {
    commands: ChannelSender<Command<R>>,
    waker: Arc<UnixStream>,
    statistics: Arc<Mutex<WorkerStatistics>>,
}

impl<R: Room> std::fmt::Debug for WorkerHandle<R> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("WorkerHandle")
    }
}

impl<R: Room> Clone for WorkerHandle<R> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            waker: Arc::clone(&self.waker),
            statistics: Arc::clone(&self.statistics),
        }
    }
}

impl<R: Room> WorkerHandle<R> {
    /// Runs `command` on the worker's thread, after those sent before. Answers travel by a channel
    /// of the caller's in the closure.
    ///
    /// # Errors
    /// [`WorkerGone`].
    pub fn run(
        &self,
        command: impl FnOnce(&mut Engine<R>, Instant) + Send + 'static,
    ) -> Result<(), WorkerGone> {
        self.commands
            .send(Box::new(command))
            .map_err(|_| WorkerGone)?;
        // A full pipe means a wake-up is under way already.
        let _ = (&*self.waker).write(&[1]);
        Ok(())
    }

    /// The counters as of at most half a second of activity ago.
    #[must_use]
    pub fn statistics(&self) -> WorkerStatistics {
        self.statistics
            .lock()
            .map_or_else(|gone| gone.into_inner().clone(), |copy| copy.clone())
    }
}

/// A worker to start: its sockets, bound to the same addresses as the others', and who hears of
/// its events.
pub struct WorkerSeat<R: Room> {
    /// One socket per local address.
    pub sockets: Vec<MediaSocket>,
    /// Called with what the engine reports.
    pub on_event: EventHandler<R>,
}

impl<R: Room> std::fmt::Debug for WorkerSeat<R> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("WorkerSeat")
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}

/// The way to a worker, and its thread.
pub type StartedWorker<R> = (WorkerHandle<R>, JoinHandle<()>);

/// Starts a worker for each seat; together they serve one port. At most 256.
///
/// # Errors
/// [`WorkerError`] when a thread or a wake-up pipe cannot be had.
pub fn start<R: Room + Send + 'static>(
    seats: Vec<WorkerSeat<R>>,
    transport: &TransportConfig,
    config: WorkerConfig,
) -> Result<Vec<StartedWorker<R>>, WorkerError> {
    let mut pipes = Vec::new();
    let mut mailboxes = Vec::new();
    for _ in &seats {
        let (waker, wake) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        let waker = Arc::new(waker);
        mailboxes.push(Mailbox::new(Arc::clone(&waker)));
        pipes.push((waker, wake));
    }
    let mailboxes: Arc<[Mailbox]> = mailboxes.into();
    let mut started = Vec::new();
    for (index, (seat, (waker, wake))) in seats.into_iter().zip(pipes).enumerate() {
        let (commands, receiver) = channel();
        let statistics = Arc::default();
        let handle = WorkerHandle {
            commands,
            waker,
            statistics: Arc::clone(&statistics),
        };
        let prefix = transport.fragment_prefix.clone();
        let transport = TransportConfig {
            fragment_prefix: prefix.clone() + &fragment_mark(index),
            ..transport.clone()
        };
        let worker = Worker {
            index,
            engine: Engine::new(transport),
            sender: Sender::new(seat.sockets, !config.without_segmentation),
            batch: ReceiveBatch::new(),
            mailboxes: Arc::clone(&mailboxes),
            mail: Mail::default(),
            directory: Directory::default(),
            prefix,
            commands: receiver,
            wake,
            config,
            on_event: seat.on_event,
            waiting_since: None,
            statistics,
            copied: None,
        };
        let name = format!("media-{index}");
        started.push((
            handle,
            std::thread::Builder::new()
                .name(name)
                .spawn(|| worker.run())?,
        ));
    }
    Ok(started)
}

struct Worker<R: Room> {
    index: usize,
    engine: Engine<R>,
    sender: Sender,
    batch: ReceiveBatch,
    mailboxes: Arc<[Mailbox]>,
    mail: Mail,
    directory: Directory,
    /// What fragments of all workers begin with.
    prefix: String,
    commands: Receiver<Command<R>>,
    wake: UnixStream,
    config: WorkerConfig,
    on_event: EventHandler<R>,
    /// Since when packets wait for company.
    waiting_since: Option<Instant>,
    statistics: Arc<Mutex<WorkerStatistics>>,
    copied: Option<Instant>,
}

/// Which descriptors have something to say: bit 0 the wake-up pipe, then the sockets.
type Readiness = u64;

impl<R: Room> Worker<R> {
    fn run(mut self) {
        loop {
            let Ok(ready) = self.wait() else {
                return;
            };
            let mut now = Instant::now();
            for index in 0..self.sender.sockets().count().min(MAX_SOCKETS) {
                if ready & (2 << index) != 0 {
                    now = self.receive(index, now);
                }
            }
            if (ready & 1 != 0 || ready == 0) && !self.obey(now) {
                return;
            }
            if self.engine.poll_timeout().is_some_and(|due| due <= now) {
                self.engine.handle_timeout(now);
            }
            self.flush_when_due(now);
            while let Some(event) = self.engine.poll_event() {
                (self.on_event)(&mut self.engine, event);
            }
            self.copy_statistics(now);
        }
    }

    /// Sleeps until a descriptor is readable or something is due.
    fn wait(&mut self) -> io::Result<Readiness> {
        let now = Instant::now();
        let due = [
            self.engine.poll_timeout(),
            self.waiting_since.map(|since| since + self.config.coalesce),
        ]
        .into_iter()
        .flatten()
        .min();
        let sleep = due
            .map_or(LONGEST_SLEEP, |due| due.saturating_duration_since(now))
            .min(LONGEST_SLEEP);
        // On the stack; unused places repeat the pipe and are not shown to the kernel.
        let mut sockets = self.sender.sockets();
        let mut descriptors: [PollFd<'_>; MAX_SOCKETS + 1] = std::array::from_fn(|index| {
            let socket = if index == 0 { None } else { sockets.next() };
            let descriptor = socket.map_or_else(|| self.wake.as_fd(), AsFd::as_fd);
            PollFd::new(descriptor, PollFlags::POLLIN)
        });
        let used = 1 + self.sender.sockets().count().min(MAX_SOCKETS);
        match ppoll(
            &mut descriptors[..used],
            Some(TimeSpec::from_duration(sleep)),
            None,
        ) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => return Ok(0),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = 0;
        for (index, descriptor) in descriptors.iter().take(used).enumerate() {
            if descriptor.any().unwrap_or(false) {
                ready |= 1 << index;
            }
        }
        Ok(ready)
    }

    /// Takes what waits on a socket; returns the time of the last batch.
    fn receive(&mut self, index: usize, mut now: Instant) -> Instant {
        for _ in 0..BATCHES_IN_TURN {
            let Some(socket) = self.sender.socket(index) else {
                return now;
            };
            let local = socket.local();
            let Ok(count) = self.batch.receive(socket.as_fd()) else {
                return now;
            };
            now = Instant::now();
            for slot in 0..count {
                if let Some((remote, datagram)) = self.batch.datagram(slot) {
                    let route = Route { local, remote };
                    if let Err(reason) = self.engine.offer_datagram(now, route, datagram) {
                        let origin = Origin {
                            index: self.index,
                            mailboxes: &self.mailboxes,
                            directory: &self.directory,
                            prefix: &self.prefix,
                        };
                        if !origin.hand_over(route, datagram, reason) {
                            self.engine.count_drop(reason);
                        }
                    }
                }
            }
            if self.engine.pending_bytes() > FLUSH_BYTES {
                self.flush(now);
            }
            if count < BATCH {
                return now;
            }
        }
        now
    }

    /// Takes datagrams of this worker's clients that arrived at others.
    fn read_mail(&mut self, now: Instant) {
        self.mailboxes[self.index].collect(&mut self.mail, &mut self.directory);
        for (stray, datagram) in self.mail.strays() {
            let answer = match self.engine.offer_datagram(now, stray.route, datagram) {
                Ok(Taken::Authentic) => Some(self.index),
                Ok(Taken::Consumed) => continue,
                Err(reason) => {
                    self.engine.count_drop(reason);
                    None
                }
            };
            if let Some(origin) = self.mailboxes.get(stray.origin) {
                origin.steer(stray.route, answer);
            }
        }
    }

    /// Runs commands and reads mail; false when nobody is left to send commands.
    fn obey(&mut self, now: Instant) -> bool {
        let mut bytes = [0; 64];
        let _ = (&self.wake).read(&mut bytes);
        self.read_mail(now);
        loop {
            match self.commands.try_recv() {
                Ok(command) => command(&mut self.engine, now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn flush_when_due(&mut self, now: Instant) {
        let coalesce = self.config.coalesce;
        if coalesce > Duration::ZERO && self.engine.pending_bytes() > 0 {
            let since = *self.waiting_since.get_or_insert(now);
            if now < since + coalesce {
                return;
            }
        }
        self.flush(now);
    }

    fn flush(&mut self, now: Instant) {
        self.waiting_since = None;
        self.engine.flush(now, &mut self.sender);
    }

    fn copy_statistics(&mut self, now: Instant) {
        if self.copied.is_some_and(|at| now < at + STATISTICS_INTERVAL) {
            return;
        }
        self.copied = Some(now);
        if let Ok(mut copy) = self.statistics.try_lock() {
            *copy = WorkerStatistics {
                traffic: self.engine.traffic(),
                drops: self.engine.counters(),
                sends: self.sender.counters(),
                at: Some(now),
            };
        }
    }
}

/// What a worker needs to pass a datagram on, apart from its engine and buffers.
struct Origin<'worker> {
    index: usize,
    mailboxes: &'worker [Mailbox],
    directory: &'worker Directory,
    prefix: &'worker str,
}

impl Origin<'_> {
    /// Hands a datagram to the worker it belongs to; false if there is none.
    fn hand_over(&self, route: Route, datagram: &[u8], reason: Drop) -> bool {
        if self.mailboxes.len() < 2 {
            return false;
        }
        let owner = match reason {
            Drop::UnknownFragment => worker_of_request(self.prefix, datagram),
            Drop::UnknownAddress => self.directory.owner(route),
            _ => None,
        };
        owner
            .filter(|owner| *owner != self.index)
            .and_then(|owner| self.mailboxes.get(owner))
            .is_some_and(|mailbox| mailbox.hand_over(self.index, route, datagram))
    }
}
