//! A worker: one thread that owns an engine and its sockets.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender as ChannelSender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jitctl_media::engine::{Engine, EngineEvent, Room, Traffic};
use jitctl_media::transport::ice::Route;
use jitctl_media::transport::{DropCounters, TransportConfig};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::batch::{BATCH, ReceiveBatch};
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

/// Starts a worker on `sockets`.
///
/// # Errors
/// [`WorkerError`] when the thread or its wake-up pipe cannot be had.
pub fn start<R: Room + Send + 'static>(
    name: &str,
    sockets: Vec<MediaSocket>,
    transport: TransportConfig,
    config: WorkerConfig,
    on_event: EventHandler<R>,
) -> Result<(WorkerHandle<R>, JoinHandle<()>), WorkerError> {
    let (waker, wake) = UnixStream::pair()?;
    waker.set_nonblocking(true)?;
    wake.set_nonblocking(true)?;
    let (commands, receiver) = channel();
    let statistics = Arc::default();
    let handle = WorkerHandle {
        commands,
        waker: Arc::new(waker),
        statistics: Arc::clone(&statistics),
    };
    let worker = Worker {
        engine: Engine::new(transport),
        sender: Sender::new(sockets, !config.without_segmentation),
        batch: ReceiveBatch::new(),
        commands: receiver,
        wake,
        config,
        on_event,
        waiting_since: None,
        statistics,
        copied: None,
    };
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(|| worker.run())?;
    Ok((handle, thread))
}

struct Worker<R: Room> {
    engine: Engine<R>,
    sender: Sender,
    batch: ReceiveBatch,
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
            if ready & 1 != 0 && !self.obey(now) {
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
                    self.engine
                        .handle_datagram(now, Route { local, remote }, datagram);
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

    /// Runs commands; false when nobody is left to send any.
    fn obey(&mut self, now: Instant) -> bool {
        let mut bytes = [0; 64];
        let closed = matches!((&self.wake).read(&mut bytes), Ok(0));
        while let Ok(command) = self.commands.try_recv() {
            command(&mut self.engine, now);
        }
        !closed
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
