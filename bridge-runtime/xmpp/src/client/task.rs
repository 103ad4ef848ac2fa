//! The task that owns a connection.

use std::time::{Duration, Instant};

use jitctl_wire::{Element, Iq, Jid};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};

use super::machine::{self, MachineSettings};
use super::pending::Pending;
use super::{ClientConfig, ClientEvent, Command, IqError};
use crate::failure::Failure;
use crate::login::{LoginTrace, Session, log_in};
use crate::stream::{Output, Resumption, SavedSession};

/// Bytes that may wait for a slow server before the connection counts as lost.
const MAXIMUM_UNSENT_BYTES: usize = 64 << 20;

/// A session that lasted so long was fine; two hosts that throw each other out never get there,
/// and so try less and less often.
const STABLE: Duration = Duration::from_secs(10);

/// Stanzas kept while waiting for a resumption.
const MAXIMUM_HELD: usize = 10_000;

/// Why the task stops.
enum Stop {
    /// Nobody holds the other end any more.
    Abandoned,
    /// The stream is to be closed in an orderly way.
    Close(oneshot::Sender<()>),
    /// The session is to be left to another process.
    Detach(oneshot::Sender<Option<SavedSession>>),
}

struct Connection {
    config: ClientConfig,
    settings: MachineSettings,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::UnboundedSender<ClientEvent>,
    pending: Pending,
    resumption: Option<Resumption>,
    /// Stanzas for the session to be resumed.
    held: Vec<Element>,
    /// Events are still wanted.
    reading: bool,
}

pub(super) async fn run(
    config: ClientConfig,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::UnboundedSender<ClientEvent>,
) {
    let settings = MachineSettings {
        domain: config.target.domain.clone(),
        credentials: config.credentials.clone(),
        resource: config.resource.clone(),
        stream_management: config.stream_management,
        acknowledge_confirmed_only: config.acknowledge_confirmed_only,
        keepalive: config.keepalive,
        websocket: config.websocket.clone(),
    };
    let resumption = config.resume.clone().map(Resumption::from);
    let mut connection = Connection {
        config,
        settings,
        commands,
        events,
        pending: Pending::new(),
        resumption,
        held: Vec::new(),
        reading: true,
    };
    let stop = connection.run().await;
    connection.pending.fail_all();
    match stop {
        Stop::Abandoned => {}
        Stop::Close(done) => {
            let _ = done.send(());
        }
        Stop::Detach(done) => {
            let _ = done.send(connection.saved());
        }
    }
}

impl Connection {
    async fn run(&mut self) -> Stop {
        loop {
            let failure = match self.attempt().await {
                Ok(session) => {
                    let online_since = Instant::now();
                    match self.serve(session).await {
                        Ok(stop) => return stop,
                        Err(failure) => {
                            if online_since.elapsed() >= STABLE {
                                self.config.backoff.reset();
                            }
                            failure
                        }
                    }
                }
                Err(Ok(stop)) => return stop,
                Err(Err(failure)) => failure,
            };
            if self.resumption.is_none() {
                self.pending.fail_all();
                self.held.clear();
            }
            let retry_in = self.config.backoff.next_delay();
            let resumable = self.resumption.is_some();
            if self
                .events
                .send(ClientEvent::Offline {
                    failure,
                    retry_in,
                    resumable,
                })
                .is_err()
            {
                return Stop::Abandoned;
            }
            if let Some(stop) = self.wait(retry_in).await {
                return stop;
            }
        }
    }

    /// One login; commands are served meanwhile.
    async fn attempt(&mut self) -> Result<Session, Result<Stop, Failure>> {
        let machine = self.settings.build(self.resumption.clone()).map_err(Err)?;
        let mut trace = LoginTrace::new();
        let timeout = self.config.login_timeout;
        let target = self.config.target.clone();
        let result = {
            let login = tokio::time::timeout(timeout, log_in(&target, machine, &mut trace));
            tokio::pin!(login);
            loop {
                tokio::select! {
                    result = &mut login => break result,
                    command = self.commands.recv() => {
                        if let Some(stop) = self.handle_offline(command) {
                            return Err(Ok(stop));
                        }
                    }
                }
            }
        };
        match result {
            Ok(Ok(session)) => Ok(session),
            Ok(Err((failure, _))) => {
                if !failure.allows_resumption() {
                    self.resumption = None;
                }
                Err(Err(failure))
            }
            Err(_) => Err(Err(Failure::Timeout {
                stage: trace.last_stage(),
                after: timeout,
            })),
        }
    }

    async fn wait(&mut self, delay: Duration) -> Option<Stop> {
        let sleep = tokio::time::sleep(delay);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                () = &mut sleep => return None,
                command = self.commands.recv() => {
                    if let Some(stop) = self.handle_offline(command) {
                        return Some(stop);
                    }
                }
            }
        }
    }

    fn handle_offline(&mut self, command: Option<Command>) -> Option<Stop> {
        match command {
            None => Some(Stop::Abandoned),
            Some(Command::Close { done }) => Some(Stop::Close(done)),
            Some(Command::Detach { done }) => Some(Stop::Detach(done)),
            Some(Command::StopReading) => {
                self.stop_reading();
                None
            }
            Some(Command::Checkpoint | Command::Confirm { .. }) => None,
            Some(Command::Send(stanza)) => {
                self.hold(stanza);
                None
            }
            Some(Command::Request {
                iq,
                timeout,
                answer,
            }) => {
                if self.resumption.is_some() {
                    let stanza = self.pending.add(iq, timeout, answer);
                    self.hold(stanza);
                } else {
                    let _ = answer.send(Err(IqError::Offline));
                }
                None
            }
        }
    }

    fn stop_reading(&mut self) {
        self.reading = false;
        // The owner sees the end of events once it has taken those that came before.
        self.events = mpsc::unbounded_channel().0;
    }

    /// The session as another process needs it.
    fn saved(&mut self) -> Option<SavedSession> {
        let mut saved = SavedSession::from(&self.resumption.take()?);
        saved.unacknowledged.append(&mut self.held);
        Some(saved)
    }

    fn hold(&mut self, stanza: Element) {
        if self.resumption.is_some() && self.held.len() < MAXIMUM_HELD {
            self.held.push(stanza);
        }
    }

    async fn serve(&mut self, mut session: Session) -> Result<Stop, Failure> {
        let resumed = session.resumed;
        self.resumption = None;
        let held = std::mem::take(&mut self.held);
        if resumed {
            for stanza in held {
                session.machine.send(stanza);
            }
        } else {
            self.pending.fail_all();
        }
        let jid = session.jid.clone();
        if self
            .events
            .send(ClientEvent::Online { jid, resumed })
            .is_err()
        {
            machine::close(&mut session).await;
            return Ok(Stop::Abandoned);
        }
        let result = self.exchange(&mut session).await;
        match result {
            Ok(Stop::Detach(done)) => {
                self.resumption = session.machine.into_resumption();
                Ok(Stop::Detach(done))
            }
            Ok(stop) => {
                machine::close(&mut session).await;
                Ok(stop)
            }
            Err(failure) => {
                if failure.allows_resumption() {
                    self.resumption = session.machine.into_resumption();
                }
                Err(failure)
            }
        }
    }

    /// Reads and writes side by side until the stream ends or somebody closes it.
    async fn exchange(&mut self, session: &mut Session) -> Result<Stop, Failure> {
        let Session {
            socket,
            machine,
            jid,
            ..
        } = session;
        let (mut reader, mut writer) = tokio::io::split(socket);
        let mut unsent: Vec<u8> = Vec::new();
        let mut buffer = vec![0; 16 * 1024];
        let mut needs_flush = false;
        loop {
            while let Some(output) = machine.next_output() {
                match output {
                    Output::Write(bytes) => unsent.extend_from_slice(&bytes),
                    Output::Stanza(stanza) => {
                        if !self.deliver(stanza, jid) {
                            return Ok(Stop::Abandoned);
                        }
                    }
                    Output::Failed(failure) => {
                        let _ = writer.write_all(&unsent).await;
                        return Err(failure);
                    }
                    Output::StartTls
                    | Output::Stage(_)
                    | Output::Mechanisms(_)
                    | Output::Online { .. } => {}
                }
            }
            if unsent.len() > MAXIMUM_UNSENT_BYTES {
                return Err(Failure::Silent);
            }
            let due = machine.next_timeout();
            let timer = tokio::time::sleep(due.map_or(Duration::from_secs(3600), |due| {
                due.duration_since(Instant::now())
            }));
            let has_unsent = !unsent.is_empty();
            let write = async {
                if has_unsent {
                    writer.write(&unsent).await
                } else {
                    writer.flush().await.map(|()| 0)
                }
            };
            tokio::select! {
                read = reader.read(&mut buffer), if self.reading => match read {
                    Ok(count) if count > 0 => {
                        let bytes = buffer.get(..count).unwrap_or_default();
                        machine.handle_bytes(Instant::now(), bytes);
                    }
                    _ => machine.handle_end(),
                },
                written = write, if has_unsent || needs_flush => match written {
                    Ok(count) => {
                        unsent.drain(..count);
                        needs_flush = has_unsent;
                    }
                    Err(_) => machine.handle_end(),
                },
                () = timer => machine.handle_timeout(Instant::now()),
                command = self.commands.recv() => match command {
                    None => {
                        let _ = writer.write_all(&unsent).await;
                        return Ok(Stop::Abandoned);
                    }
                    Some(Command::Close { done }) => {
                        let _ = writer.write_all(&unsent).await;
                        return Ok(Stop::Close(done));
                    }
                    Some(Command::Detach { done }) => {
                        // What does not get through is sent again by whoever goes on.
                        let _ = writer.write_all(&unsent).await;
                        let _ = writer.flush().await;
                        return Ok(Stop::Detach(done));
                    }
                    Some(Command::StopReading) => self.stop_reading(),
                    Some(Command::Checkpoint) => {
                        if let Some(session) = machine.session() {
                            let event = ClientEvent::Checkpoint(session.into());
                            // Whoever asked is told of the end by other means.
                            let _ = self.events.send(event);
                        }
                    }
                    Some(Command::Confirm { id, received }) => machine.confirm(&id, received),
                    Some(Command::Send(stanza)) => machine.send(stanza),
                    Some(Command::Request { iq, timeout, answer }) => {
                        let stanza = self.pending.add(iq, timeout, answer);
                        machine.send(stanza);
                    }
                },
            }
        }
    }

    /// Answers go to whoever waits, everything else to the owner; `false` when the owner is gone.
    fn deliver(&mut self, stanza: Element, own: &Jid) -> bool {
        if stanza.name() != "iq" {
            return self.events.send(ClientEvent::Stanza(stanza)).is_ok();
        }
        match Iq::parse(&stanza) {
            Ok(iq) if iq.is_request() => self.events.send(ClientEvent::Request(iq)).is_ok(),
            Ok(iq) => {
                self.pending.handle_answer(iq, Some(own));
                true
            }
            Err(error) => {
                tracing::debug!(%error, "dropped an IQ that is none");
                true
            }
        }
    }
}
