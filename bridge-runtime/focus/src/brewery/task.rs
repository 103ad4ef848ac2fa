//! The account's connection: joins the brewery and carries out what the registry wants.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jitctl_wire::muc::{self, Occupancy, STATUS_CREATED, STATUS_SELF};
use jitctl_wire::{Condition, Element, Iq, Jid, Presence, PresenceKind, health, ping};
use jitctl_xmpp::{Client, ClientConfig, ClientEvent, IqError, SavedSession};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::registry::{Action, HealthAnswer};
use crate::requests::{CAPABILITIES_NODE, Conferences, answer, disco_info};
use crate::run::stopped;
use crate::state::FocusState;

/// An unanswered join is tried again after this time.
const JOIN_RETRY: Duration = Duration::from_secs(10);
const IQ_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Account {
    state: Arc<FocusState>,
    conferences: Arc<dyn Conferences>,
    client: Client,
    room: Jid,
    occupant: Jid,
    joined: bool,
    retry_join: Option<Instant>,
    /// What an earlier process knew of bridges; counts once its session goes on.
    restored: Vec<Element>,
}

impl Account {
    /// `restored` are the presences of the brewery that an earlier process left, our own among
    /// them when it was there and `config` goes on with its session.
    pub(crate) fn start(
        state: Arc<FocusState>,
        conferences: Arc<dyn Conferences>,
        occupant: Jid,
        config: ClientConfig,
        mut restored: Vec<Element>,
    ) -> (Self, UnboundedReceiver<ClientEvent>) {
        let (client, events) = Client::connect(config);
        let room = occupant.to_bare();
        let everybody = restored.len();
        restored.retain(|presence| presence.attribute("from") != Some(occupant.as_str()));
        let joined = restored.len() < everybody;
        let account = Self {
            state,
            conferences,
            client,
            room,
            occupant,
            joined,
            retry_join: None,
            restored,
        };
        (account, events)
    }

    /// Runs until `stopping` holds. Then everything the server sent so far has been handed on, and
    /// nothing more is read.
    pub(crate) async fn run(
        mut self,
        mut events: UnboundedReceiver<ClientEvent>,
        mut stopping: watch::Receiver<bool>,
    ) -> Self {
        loop {
            self.act();
            let due = self.next_timeout().map(tokio::time::Instant::from_std);
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.handle_event(event),
                    None => return self,
                },
                () = sleep_until(due) => self.handle_timeout(),
                () = self.state.woken() => {}
                () = stopped(&mut stopping) => break,
            }
        }
        self.client.stop_reading();
        while let Some(event) = events.recv().await {
            self.handle_event(event);
            self.act();
        }
        self
    }

    /// Leaves the session at the server to another process. `None` when the server keeps none.
    pub(crate) async fn detach(self) -> Option<SavedSession> {
        self.client.detach().await
    }

    fn next_timeout(&self) -> Option<Instant> {
        let ticks = self.state.registry().next_timeout();
        [ticks, self.retry_join].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self) {
        let now = Instant::now();
        self.state.registry().handle_timeout(now);
        if self.retry_join.is_some_and(|due| due <= now) {
            self.join();
        }
    }

    fn handle_event(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Online { jid, resumed } => self.handle_online(&jid, resumed),
            ClientEvent::Offline {
                failure,
                retry_in,
                resumable,
            } => {
                tracing::warn!(
                    cause = %failure,
                    retry_seconds = format_args!("{:.1}", retry_in.as_secs_f64()),
                    "not connected to XMPP"
                );
                self.joined &= resumable;
                self.retry_join = None;
                self.state.registry().handle_offline(resumable);
                self.conferences.handle_offline(resumable);
                let joined = self.joined;
                self.state.update_connections(|connections| {
                    let account = &mut connections.account;
                    account.disconnects += u64::from(account.jid.is_some());
                    account.jid = None;
                    account.joined = joined;
                    account.trouble = Some(failure.to_string());
                });
            }
            ClientEvent::Request(iq) => {
                let place = iq.from.clone();
                answer(self.conferences.as_ref(), &self.client, iq);
                if let Some(place) = place {
                    self.state
                        .registry()
                        .handle_sign_of_life(Instant::now(), &place);
                }
            }
            ClientEvent::Stanza(stanza) => match self.brewery_presence(&stanza) {
                Some(presence) => {
                    self.conferences.handle_brewery(&presence);
                    self.handle_presence(&presence);
                }
                None => self.conferences.handle_stanza(&self.client, &stanza),
            },
            ClientEvent::Checkpoint(session) => self.conferences.handle_checkpoint(session),
        }
    }

    fn handle_online(&mut self, jid: &Jid, resumed: bool) {
        tracing::info!(%jid, resumed, "connected to XMPP");
        self.state.update_connections(|connections| {
            connections.account.jid = Some(jid.to_string());
            connections.account.trouble = None;
        });
        if !(resumed && self.joined) {
            self.joined = false;
            // A new session is in no room: what was known of bridges is void.
            self.restored.clear();
            self.state.registry().handle_offline(false);
            let presence = Presence::available(None)
                .with_payload(disco_info().capabilities(CAPABILITIES_NODE));
            self.client.send(presence.to_element());
            self.join();
        }
        let now = Instant::now();
        let mut registry = self.state.registry();
        for presence in self.restored.drain(..) {
            if let Ok(presence) = Presence::parse(&presence) {
                registry.handle_presence(now, &presence);
            }
        }
        registry.handle_online(now);
        drop(registry);
        let joined = self.joined;
        self.state
            .update_connections(|connections| connections.account.joined = joined);
        self.conferences.handle_online(&self.client, jid, resumed);
    }

    fn join(&mut self) {
        self.retry_join = Some(Instant::now() + JOIN_RETRY);
        let presence = Presence::available(Some(self.occupant.clone()))
            .with_payload(muc::join_request(None))
            .with_payload(disco_info().capabilities(CAPABILITIES_NODE));
        self.client.send(presence.to_element());
    }

    fn brewery_presence(&self, stanza: &Element) -> Option<Presence> {
        let presence = Presence::parse(stanza).ok()?;
        let in_brewery = presence.from.as_ref()?.bare() == self.room.as_str();
        in_brewery.then_some(presence)
    }

    fn handle_presence(&mut self, presence: &Presence) {
        let Some(from) = &presence.from else { return };
        let occupancy = Occupancy::of(presence).unwrap_or_default();
        if *from != self.occupant && !occupancy.has(STATUS_SELF) {
            return self
                .state
                .registry()
                .handle_presence(Instant::now(), presence);
        }
        match presence.kind {
            PresenceKind::Available if !self.joined => {
                self.joined = true;
                self.retry_join = None;
                tracing::info!(occupant = %self.occupant, "joined the brewery");
                self.state
                    .update_connections(|connections| connections.account.joined = true);
                if occupancy.has(STATUS_CREATED) {
                    self.configure_room();
                }
            }
            PresenceKind::Error => {
                let error = presence
                    .error
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                tracing::error!(brewery = %self.room, error, "the brewery refuses us");
                self.state.update_connections(|connections| {
                    connections.account.trouble = Some(format!("the brewery refuses us: {error}"));
                });
            }
            PresenceKind::Unavailable if occupancy.has(STATUS_SELF) => {
                tracing::warn!(brewery = %self.room, "removed from the brewery; joining again");
                self.joined = false;
                self.retry_join = Some(Instant::now() + Duration::from_secs(1));
                self.state.registry().handle_offline(false);
                self.state.registry().handle_online(Instant::now());
            }
            _ => {}
        }
    }

    fn configure_room(&self) {
        let form = Iq::set(Some(self.room.clone()), muc::show_addresses_form());
        let submitted = self.client.request(form, IQ_TIMEOUT);
        let room = self.room.clone();
        tokio::spawn(async move {
            match submitted.await {
                Ok(_) => tracing::info!(%room, "created the brewery"),
                Err(error) => tracing::warn!(%room, %error, "cannot configure the brewery"),
            }
        });
    }

    /// Carries out what the registry wants.
    fn act(&mut self) {
        loop {
            let action = self.state.registry().next_action();
            match action {
                None => return,
                Some(Action::Tell(event)) => {
                    event.log();
                    self.conferences.handle_bridge(&event);
                    self.state.update_connections(|_| {});
                }
                Some(Action::CheckHealth(occupant)) => self.check_health(occupant),
                Some(Action::Ping(occupant)) => self.ping(occupant),
                Some(Action::PingRival { occupant, address }) => {
                    self.ping_rival(occupant, address);
                }
            }
        }
    }

    fn check_health(&self, occupant: Jid) {
        let iq = Iq::get(Some(occupant.clone()), health::health_check());
        let answer = self.client.request(iq, IQ_TIMEOUT);
        let state = self.state.clone();
        tokio::spawn(async move {
            let Some(answer) = health_answer(answer.await) else {
                return;
            };
            state
                .registry()
                .handle_health(Instant::now(), &occupant, &answer);
        });
    }

    fn ping(&self, occupant: Jid) {
        let answer = self
            .client
            .request(Iq::get(Some(occupant.clone()), ping::ping()), IQ_TIMEOUT);
        let state = self.state.clone();
        tokio::spawn(async move {
            if lives(&answer.await) {
                state
                    .registry()
                    .handle_sign_of_life(Instant::now(), &occupant);
            }
        });
    }

    fn ping_rival(&self, occupant: Jid, address: Jid) {
        let answer = self
            .client
            .request(Iq::get(Some(address.clone()), ping::ping()), IQ_TIMEOUT);
        let state = self.state.clone();
        tokio::spawn(async move {
            if lives(&answer.await) {
                state.registry().handle_rival(&occupant, &address);
                state.wake();
            }
        });
    }

    /// Leaves the brewery and ends the session.
    pub(crate) async fn leave(self) {
        if self.joined {
            let farewell = Presence::unavailable(Some(self.occupant.clone()));
            self.client.send(farewell.to_element());
        }
        self.client.close().await;
    }
}

/// What an answer says of a bridge's health; nothing when it never reached the bridge.
fn health_answer(answer: Result<Option<Element>, IqError>) -> Option<HealthAnswer> {
    match answer {
        Ok(_) => Some(HealthAnswer::Healthy),
        Err(IqError::Timeout) => Some(HealthAnswer::Unanswered),
        Err(IqError::Offline | IqError::Lost) => None,
        Err(IqError::Refused(error)) => match error.condition {
            Condition::InternalServerError | Condition::ServiceUnavailable => {
                Some(HealthAnswer::Ill(
                    error
                        .text
                        .unwrap_or_else(|| error.condition.name().to_owned()),
                ))
            }
            // The server says these for a bridge that is gone.
            Condition::ItemNotFound | Condition::RecipientUnavailable => None,
            _ => Some(HealthAnswer::Odd),
        },
    }
}

/// Whether an answer came from a living connection: the server answers for those that are gone.
fn lives(answer: &Result<Option<Element>, IqError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(IqError::Refused(error)) => !matches!(
            error.condition,
            Condition::ServiceUnavailable
                | Condition::RecipientUnavailable
                | Condition::ItemNotFound
                | Condition::RemoteServerNotFound
                | Condition::RemoteServerTimeout
        ),
        Err(_) => false,
    }
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
