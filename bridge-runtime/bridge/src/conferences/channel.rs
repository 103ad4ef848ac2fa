//! Bridge channels over WebSocket, as the conferences see them.
//!
//! An endpoint's address and password hold for its life: clients dial them again. Messages wait
//! in a bounded queue; who does not read loses the channel, nobody else waits.

use std::time::Instant;

use jitctl_media::conference::Conference;
use jitctl_media::engine::{EndpointKey, Engine, EngineError};
use jitctl_media::transport::ice::Credentials;
use tokio::sync::mpsc;

use super::MediaConferences;
use super::registry::Registry;
use super::urls::ChannelUrls;

/// Messages that may wait for a client.
const QUEUE: usize = 256;

/// What to send to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// JSON text.
    Text(String),
    /// The end.
    Close(Closing),
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
    /// What to send; ends without a [`Closing`] when the client is too slow.
    pub outgoing: mpsc::Receiver<Outgoing>,
}

/// The endpoint's side.
#[derive(Debug, Default)]
pub(super) struct Channel {
    password: String,
    serial: u64,
    sender: Option<mpsc::Sender<Outgoing>>,
}

impl Channel {
    pub(super) fn new() -> Result<Self, EngineError> {
        let mut password = Credentials::random("")
            .map_err(|error| EngineError::Transport(error.into()))?
            .password;
        password.truncate(24);
        Ok(Self {
            password,
            ..Self::default()
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
    pub(super) fn attach(&mut self) -> (u64, mpsc::Receiver<Outgoing>) {
        self.end(Closing::Replaced);
        let (sender, receiver) = mpsc::channel(QUEUE);
        self.sender = Some(sender);
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
        let taken = sender.try_send(Outgoing::Text(text)).is_ok();
        if !taken {
            self.sender = None;
        }
        taken
    }

    /// Sends the client away.
    pub(super) fn end(&mut self, why: Closing) {
        if let Some(sender) = self.sender.take() {
            // A full queue ends with the sender.
            let _ = sender.try_send(Outgoing::Close(why));
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
        assert_eq!(old.try_recv(), Ok(Outgoing::Close(Closing::Replaced)));
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
        assert_eq!(new.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
