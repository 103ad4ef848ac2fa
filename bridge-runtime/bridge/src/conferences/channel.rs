//! Bridge channels over WebSocket, as the conferences see them.
//!
//! An endpoint's address and password hold for its life: clients dial them again. Messages wait
//! in a bounded queue; who does not read loses the channel, nobody else waits.

use std::sync::Arc;
use std::time::Instant;

use jitctl_media::conference::Conference;
use jitctl_media::engine::{EndpointKey, Engine, EngineError};
use jitctl_media::transport::ice::Credentials;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::MediaConferences;
use super::registry::Registry;
use super::urls::ChannelUrls;

/// Messages that may wait for a client, and their bytes.
const QUEUE: usize = 256;
const QUEUE_BYTES: usize = 1024 * 1024;

/// What to send to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// JSON text.
    Text(String),
    /// The end.
    Close(Closing),
}

/// What waits, and the room it takes.
#[derive(Debug)]
pub(super) struct Queued {
    outgoing: Outgoing,
    _room: Option<OwnedSemaphorePermit>,
}

impl From<Outgoing> for Queued {
    fn from(outgoing: Outgoing) -> Self {
        Self {
            outgoing,
            _room: None,
        }
    }
}

/// Why a channel ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The client opened another one.
    Replaced,
    /// The endpoint is gone.
    Expired,
}

/// Why nobody may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such conference, endpoint or password")]
pub struct NotAdmitted;

/// A client's end.
#[derive(Debug)]
pub struct Attached {
    /// Its endpoint.
    pub(super) key: EndpointKey,
    /// Tells it from earlier and later ones of the same endpoint.
    pub(super) serial: u64,
    /// The worker it belongs to.
    pub(super) worker: usize,
    outgoing: mpsc::Receiver<Queued>,
}

impl Attached {
    /// What to send next; ends without a [`Closing`] when the client is too slow.
    pub async fn next(&mut self) -> Option<Outgoing> {
        self.outgoing.recv().await.map(|queued| queued.outgoing)
    }
}

/// The endpoint's side.
#[derive(Debug)]
pub(super) struct Channel {
    password: String,
    serial: u64,
    sender: Option<mpsc::Sender<Queued>>,
    /// Bytes that may still wait.
    room: Arc<Semaphore>,
}

impl Channel {
    pub(super) fn new() -> Result<Self, EngineError> {
        let mut password = Credentials::random("")
            .map_err(|error| EngineError::Transport(error.into()))?
            .password;
        password.truncate(24);
        Ok(Self {
            password,
            serial: 0,
            sender: None,
            room: Arc::new(Semaphore::new(QUEUE_BYTES)),
        })
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }

    /// Whether the password is right; takes the same time for any of its length.
    pub(super) fn admits(&self, password: &str) -> bool {
        let pairs = self.password.bytes().zip(password.bytes());
        let difference = pairs.fold(0, |sum, (own, other)| sum | (own ^ other));
        self.password.len() == password.len() && difference == 0
    }

    /// A client connects; an earlier one is sent away.
    pub(super) fn attach(&mut self) -> (u64, mpsc::Receiver<Queued>) {
        self.end(Closing::Replaced);
        let (sender, receiver) = mpsc::channel(QUEUE);
        self.sender = Some(sender);
        self.room = Arc::new(Semaphore::new(QUEUE_BYTES));
        self.serial += 1;
        (self.serial, receiver)
    }

    /// Whether this is the client in use.
    pub(super) fn is(&self, serial: u64) -> bool {
        self.serial == serial && self.sender.is_some()
    }

    /// A client is gone; true if it was the one in use.
    pub(super) fn detach(&mut self, serial: u64) -> bool {
        let own = self.is(serial);
        if own {
            self.sender = None;
        }
        own
    }

    /// Queues a message; false when the client does not read and is given up.
    pub(super) fn send(&mut self, text: String) -> bool {
        let Some(sender) = &self.sender else {
            return true;
        };
        let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(bytes).ok();
        let taken = room.is_some_and(|room| {
            let queued = Queued {
                outgoing: Outgoing::Text(text),
                _room: Some(room),
            };
            sender.try_send(queued).is_ok()
        });
        if !taken {
            self.sender = None;
        }
        taken
    }

    /// Sends the client away.
    pub(super) fn end(&mut self, why: Closing) {
        if let Some(sender) = self.sender.take() {
            // A full queue ends with the sender.
            let _ = sender.try_send(Outgoing::Close(why).into());
        }
    }
}

impl MediaConferences {
    /// The name of this bridge in the paths of bridge channels, if it has any.
    pub fn channel_server(&self) -> Option<&str> {
        self.urls.as_ref().map(ChannelUrls::server)
    }

    /// A client dials the bridge channel of its endpoint.
    ///
    /// # Errors
    /// [`NotAdmitted`], whatever of it is wrong.
    pub async fn attach(
        &self,
        conference: &str,
        endpoint: &str,
        password: &str,
    ) -> Result<Attached, NotAdmitted> {
        for (worker, seat) in self.seats.iter().enumerate() {
            let wanted = [conference, endpoint, password].map(str::to_owned);
            let found = seat.run(move |registry, engine, now| {
                let [conference, endpoint, password] = &wanted;
                registry.attach(engine, now, conference, endpoint, password)
            });
            let found = found.await;
            if let Ok(Some((key, serial, outgoing))) = found {
                return Ok(Attached {
                    key,
                    serial,
                    worker,
                    outgoing,
                });
            }
        }
        Err(NotAdmitted)
    }

    /// A message of a client; returns when it is served, so that a fast client waits.
    pub async fn receive(&self, attached: &Attached, text: String) {
        self.at_channel(attached, move |registry, engine, now, id| {
            registry.receive(engine, now, id, &text);
        })
        .await;
    }

    /// A client hung up.
    pub async fn detach(&self, attached: &Attached) {
        self.at_channel(attached, |registry, engine, now, id| {
            registry.detach(engine, now, id);
        })
        .await;
    }

    async fn at_channel(
        &self,
        attached: &Attached,
        command: impl FnOnce(&mut Registry, &mut Engine<Conference>, Instant, (EndpointKey, u64))
        + Send
        + 'static,
    ) {
        let Some(seat) = self.seats.get(attached.worker) else {
            return;
        };
        let id = (attached.key, attached.serial);
        // A worker that is gone has no channels.
        let _ = seat
            .run(move |registry, engine, now| command(registry, engine, now, id))
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_password_is_admitted() {
        let channel = Channel::new().unwrap();
        let password = channel.password().to_owned();
        assert_eq!(password.len(), 24);
        assert!(channel.admits(&password));
        assert!(!channel.admits(&password[..23]));
        assert!(!channel.admits(&format!("{password}a")));
        assert!(!channel.admits(""));
    }

    #[test]
    fn a_second_client_replaces_the_first_and_a_slow_one_is_given_up() {
        let mut channel = Channel::new().unwrap();
        let (first, mut old) = channel.attach();
        let (second, mut new) = channel.attach();
        let last = old.try_recv().unwrap().outgoing;
        assert_eq!(last, Outgoing::Close(Closing::Replaced));
        assert!(!channel.detach(first));
        for _ in 0..QUEUE {
            assert!(channel.send(String::from("{}")));
        }
        assert!(!channel.send(String::from("{}")));
        assert!(!channel.detach(second));
        let mut waiting = 0;
        while new.try_recv().is_ok() {
            waiting += 1;
        }
        assert_eq!(waiting, QUEUE);
        assert!(new.is_closed());
    }

    #[test]
    fn long_messages_fill_the_queue_sooner_and_leave_room_when_they_are_taken() {
        let mut channel = Channel::new().unwrap();
        let (_, mut client) = channel.attach();
        let long = || "x".repeat(QUEUE_BYTES / 4);
        for _ in 0..10 {
            for _ in 0..4 {
                assert!(channel.send(long()));
            }
            for _ in 0..4 {
                assert!(client.try_recv().is_ok());
            }
        }
        for _ in 0..4 {
            assert!(channel.send(long()));
        }
        assert!(!channel.send(String::from("{}")));
    }
}
