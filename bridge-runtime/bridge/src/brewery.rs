//! One connection to one brewery: joins, publishes, answers, leaves.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jitctl_wire::muc::{self, Occupancy, STATUS_CREATED, STATUS_SELF};
use jitctl_wire::{Condition, Element, Iq, Jid, Presence, PresenceKind, StanzaError, ping};
use jitctl_xmpp::{Client, ClientConfig, ClientEvent, Failure, IqError};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::conference::ConferenceQueue;
use crate::dispatch::{CAPABILITIES_NODE, Disposition, disco_info, dispatch, refuse_conference};
use crate::state::{BridgeState, LifeCycle};

const IQ_TIMEOUT: Duration = Duration::from_secs(15);

/// A connection to one brewery.
pub(crate) struct Brewery {
    state: Arc<BridgeState>,
    queue: ConferenceQueue,
    index: usize,
    /// Our place in the room.
    occupant: Jid,
    room: Jid,
    client: Client,
    own: Option<Jid>,
    joined: bool,
    /// Publications since the last attempt to join.
    waited: u32,
    /// Other addresses last seen behind our nickname.
    rivals: Vec<Jid>,
    /// Occupants that are no accounts of our host: a client that found the room.
    strangers: HashSet<Jid>,
}

impl Brewery {
    /// Starts the connection; `run` drives it.
    pub(crate) fn start(
        state: Arc<BridgeState>,
        queue: ConferenceQueue,
        index: usize,
        occupant: Jid,
        config: ClientConfig,
    ) -> (Self, UnboundedReceiver<ClientEvent>) {
        let (client, events) = Client::connect(config);
        let room = occupant.to_bare();
        let brewery = Self {
            state,
            queue,
            index,
            occupant,
            room,
            client,
            own: None,
            joined: false,
            waited: 0,
            rivals: Vec::new(),
            strangers: HashSet::new(),
        };
        (brewery, events)
    }

    /// Runs until the bridge leaves.
    pub(crate) async fn run(mut self, mut events: UnboundedReceiver<ClientEvent>) {
        let mut stages = self.state.watch();
        let mut ticks = ticks(self.state.config.operation.presence_interval());
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.handle_event(event),
                    None => return,
                },
                _ = ticks.tick() => self.handle_tick(),
                () = changed(&mut stages) => {
                    let stage = *stages.borrow_and_update();
                    if stage == LifeCycle::Leaving {
                        return self.leave().await;
                    }
                    if self.joined {
                        self.publish();
                    }
                }
            }
        }
    }

    fn handle_event(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Online { jid, resumed } => {
                tracing::info!(%jid, resumed, "connected to XMPP");
                if !resumed {
                    self.strangers.clear();
                }
                self.own = Some(jid.clone());
                self.state.update_connection(self.index, |connection| {
                    connection.jid = Some(jid.to_string());
                    connection.trouble = None;
                });
                if resumed && self.joined {
                    self.publish();
                } else {
                    self.joined = false;
                    self.join();
                }
            }
            ClientEvent::Offline {
                failure,
                retry_in,
                resumable,
            } => {
                tracing::warn!(
                    brewery = %self.room,
                    cause = %failure,
                    retry_seconds = format_args!("{:.1}", retry_in.as_secs_f64()),
                    "not connected to XMPP"
                );
                if failure == Failure::Replaced {
                    tracing::error!(
                        brewery = %self.room,
                        "nickname clash: another process logged in with the same XMPP resource; is this bridge running twice?"
                    );
                }
                self.joined &= resumable;
                let joined = self.joined;
                let mut was_connected = false;
                self.state.update_connection(self.index, |connection| {
                    was_connected = connection.jid.take().is_some();
                    connection.joined = joined;
                    connection.trouble = Some(failure.to_string());
                });
                if was_connected {
                    self.state.count_disconnect();
                }
            }
            ClientEvent::Request(iq) => self.handle_request(iq),
            ClientEvent::Stanza(stanza) if stanza.name() == "presence" => {
                if let Ok(presence) = Presence::parse(&stanza) {
                    self.handle_presence(&presence);
                }
            }
            ClientEvent::Stanza(_) | ClientEvent::Checkpoint(_) => {}
        }
        jitctl_daemon::systemd::status(&self.state.summary());
    }

    fn handle_tick(&mut self) {
        if self.joined {
            return self.publish();
        }
        self.waited += 1;
        // The room answers in milliseconds; after two rounds something went wrong.
        if self.own.is_some() && self.waited >= 2 {
            self.join();
        }
    }

    fn join(&mut self) {
        self.waited = 0;
        let presence = self.presence().with_payload(muc::join_request(None));
        self.client.send(presence.to_element());
    }

    fn publish(&self) {
        self.client.send(self.presence().to_element());
    }

    fn presence(&self) -> Presence {
        Presence::available(Some(self.occupant.clone()))
            .with_payload(self.state.statistics().to_element())
            .with_payload(disco_info().capabilities(CAPABILITIES_NODE))
    }

    fn handle_presence(&mut self, presence: &Presence) {
        let Some(from) = &presence.from else { return };
        if from.bare() != self.room.as_str() {
            return;
        }
        if presence.kind == PresenceKind::Error {
            return self.handle_refusal(presence);
        }
        let occupancy = Occupancy::of(presence).unwrap_or_default();
        let own = *from == self.occupant || occupancy.has(STATUS_SELF);
        if !own {
            return self.note_occupant(from, presence.kind, &occupancy);
        }
        if presence.kind == PresenceKind::Unavailable {
            // With a shared nickname only one of several connections left.
            if occupancy.has(STATUS_SELF) {
                self.handle_removal();
            }
            return;
        }
        if !self.joined {
            self.joined = true;
            tracing::info!(occupant = %self.occupant, "joined the brewery");
            self.state.update_connection(self.index, |connection| {
                connection.joined = true;
                connection.trouble = None;
            });
        }
        if occupancy.has(STATUS_CREATED) {
            self.configure_room();
        }
        self.check_rivals(&occupancy);
    }

    /// Anybody who can log in can find the room; only accounts of our own host may command us.
    fn note_occupant(&mut self, occupant: &Jid, kind: PresenceKind, occupancy: &Occupancy) {
        let foreign = |address: &Jid| {
            self.own
                .as_ref()
                .is_some_and(|own| own.domain() != address.domain())
        };
        if kind == PresenceKind::Unavailable {
            self.strangers.remove(occupant);
        } else if occupancy.real_addresses().iter().any(foreign)
            && self.strangers.insert(occupant.clone())
        {
            tracing::warn!(%occupant, "a stranger is in the brewery; its requests are refused");
        }
    }

    fn handle_refusal(&mut self, presence: &Presence) {
        let Some(error) = &presence.error else { return };
        self.joined = false;
        let trouble = if error.condition == Condition::Conflict {
            format!(
                "nickname clash: `{}` is taken in {} by another account; give each bridge its own `identity.nickname`",
                self.state.config.identity.nickname, self.room
            )
        } else {
            format!("the room refuses us: {error}")
        };
        tracing::error!(brewery = %self.room, "{trouble}");
        self.state.update_connection(self.index, |connection| {
            connection.joined = false;
            connection.trouble = Some(trouble);
        });
    }

    fn handle_removal(&mut self) {
        if self.state.life_cycle() == LifeCycle::Leaving {
            return;
        }
        tracing::warn!(brewery = %self.room, "removed from the brewery; joining again");
        self.joined = false;
        self.waited = 0;
        self.state.update_connection(self.index, |connection| {
            connection.joined = false;
            connection.trouble = Some(String::from("removed from the room"));
        });
    }

    fn configure_room(&self) {
        let form = Iq::set(Some(self.room.clone()), muc::show_addresses_form());
        let answer = self.client.request(form, IQ_TIMEOUT);
        let room = self.room.clone();
        tokio::spawn(async move {
            match answer.await {
                Ok(_) => tracing::info!(%room, "created the brewery"),
                Err(error) => tracing::warn!(%room, %error, "cannot configure the brewery"),
            }
        });
    }

    /// Several addresses behind our nickname: a session of ours that is not over yet, or another
    /// host with the same name. Only a living one answers.
    fn check_rivals(&mut self, occupancy: &Occupancy) {
        let rivals: Vec<Jid> = occupancy
            .real_addresses()
            .into_iter()
            .filter(|jid| Some(jid) != self.own.as_ref())
            .collect();
        if rivals == self.rivals {
            return;
        }
        self.rivals.clone_from(&rivals);
        for rival in rivals {
            let answer = self
                .client
                .request(Iq::get(Some(rival.clone()), ping::ping()), IQ_TIMEOUT);
            let (state, room, own) = (self.state.clone(), self.room.clone(), self.own.clone());
            tokio::spawn(async move {
                if lives(&answer.await) {
                    let own = own.map(|jid| jid.to_string()).unwrap_or_default();
                    tracing::error!(
                        nickname = %state.config.identity.nickname,
                        brewery = %room,
                        this = own,
                        other = %rival,
                        "nickname clash: another bridge uses the same nickname; give each bridge its own `identity.nickname`"
                    );
                }
            });
        }
    }

    fn handle_request(&self, iq: Iq) {
        if iq
            .from
            .as_ref()
            .is_some_and(|from| self.strangers.contains(from))
        {
            let refusal = iq.refusal(StanzaError::new(Condition::Forbidden));
            return self.client.send(refusal.to_element());
        }
        match dispatch(&self.state, &self.room, &iq) {
            Disposition::Answer(answer) => self.client.send(answer.to_element()),
            Disposition::Conference(request) => {
                let (client, state) = (self.client.clone(), self.state.clone());
                let head = request.clone();
                self.queue.submit(
                    request,
                    Box::new(move |result| {
                        let answer = match result {
                            Ok(modified) => iq.result(Some(modified.to_element())),
                            Err(error) => refuse_conference(&state, &iq, &head, &error),
                        };
                        client.send(answer.to_element());
                    }),
                );
            }
        }
    }

    async fn leave(self) {
        if self.joined {
            let farewell = Presence::unavailable(Some(self.occupant.clone()));
            self.client.send(farewell.to_element());
        }
        self.client.close().await;
        tracing::info!(brewery = %self.room, "left the brewery");
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

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits for a change; without a sender there will be none.
async fn changed(stages: &mut watch::Receiver<LifeCycle>) {
    if stages.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
