//! The task that owns all conferences.

mod commands;
mod outputs;
mod requests;
mod succession;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use jitctl_conference::{Answer, Conference, Entropy, Settings};
use jitctl_wire::namespace::FOCUS;
use jitctl_wire::{Condition, Element, Iq, Jid, StanzaError};
use jitctl_xmpp::Client;
use tokio::sync::mpsc;

use super::book::{Deadlines, Loads};
use super::capabilities::Capabilities;
use super::keeper::Keeper;
use super::logins::Logins;
use super::pins::Pins;
use super::selector::RegistrySelector;
use super::waiting::{Waiting, Way};
use super::{Admission, Input, RoomCounts};
use crate::brewery::BridgeEvent;
use crate::handover::Journal;
use crate::state::FocusState;
use outputs::Answered;
use succession::Ended;

#[derive(Debug)]
pub(super) struct Room {
    pub(super) conference: Conference,
    waiting: Vec<Waiting>,
}

pub(super) struct Task {
    state: Arc<FocusState>,
    admission: Admission,
    account: Option<(Client, Jid)>,
    pub(super) rooms: HashMap<Jid, Room>,
    /// Conferences of an earlier process wait for its session to go on.
    restored: Option<Ended>,
    keeper: Keeper,
    /// The next process serves what comes now.
    suspended: bool,
    logins: Logins,
    pins: Pins,
    capabilities: Capabilities,
    deadlines: Deadlines,
    loads: Loads,
    pub(super) totals: RoomCounts,
    answers: mpsc::UnboundedSender<Answered>,
    answered: mpsc::UnboundedReceiver<Answered>,
}

impl Task {
    pub(super) fn new(state: Arc<FocusState>, journal: Option<Journal>) -> Self {
        let (answers, answered) = mpsc::unbounded_channel();
        let xmpp = &state.config.xmpp;
        let admission = Admission {
            conference_service: xmpp.muc.clone(),
            authenticated_domain: state.config.conference.authenticated_domain.clone(),
        };
        Self {
            admission,
            state,
            account: None,
            rooms: HashMap::new(),
            restored: None,
            keeper: Keeper::new(journal),
            suspended: false,
            logins: Logins::default(),
            pins: Pins::default(),
            capabilities: Capabilities::default(),
            deadlines: Deadlines::default(),
            loads: Loads::default(),
            totals: RoomCounts::default(),
            answers,
            answered,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            authenticated_domain: self.admission.authenticated_domain.clone(),
            ..self.state.config.conference.settings()
        }
    }

    /// Runs until all handles are gone.
    pub(super) async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        loop {
            let due = self.deadlines.next();
            let write_due = self.keeper.due();
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.handle_input(input),
                    None => return,
                },
                Some(answered) = self.answered.recv() => self.handle_answered(answered),
                () = sleep_until(due) => self.handle_timeout(),
                () = sleep_until(write_due) => self.ask_checkpoint(),
            }
        }
    }

    fn handle_input(&mut self, input: Input) {
        match input {
            Input::Asked {
                client,
                iq,
                request,
            } => {
                let from = iq.from.clone();
                let iq = Box::new(iq);
                self.asked(&request, from.as_ref(), Way::Xmpp { client, iq });
            }
            Input::AskedByHttp { request, reply } => {
                self.asked(&request, None, Way::Http(reply));
            }
            Input::LogOut {
                client,
                iq,
                session,
            } => {
                self.logins.log_out(&session);
                self.keeper.note_logins();
                let done = Element::new("logout", FOCUS);
                client.send(iq.result(Some(done)).to_element());
            }
            Input::Suspend(done) => {
                let _ = done.send(self.suspend());
            }
            Input::Iq(iq) => self.occupant_iq(&iq),
            Input::Presence(presence) => {
                let Some(room) = presence.from.as_ref().map(Jid::to_bare) else {
                    return;
                };
                self.with_room(&room, |conference, now, bridges| {
                    conference.handle_presence(now, &presence, bridges);
                });
            }
            Input::AvModeration(news) => {
                let Some(room) = news.room.as_ref().and_then(|room| room.parse::<Jid>().ok())
                else {
                    return;
                };
                self.with_room(&room, |conference, now, bridges| {
                    conference.handle_av_moderation(now, &news, bridges);
                });
            }
            Input::Online {
                client,
                jid,
                resumed,
            } => {
                self.account = Some((client, jid));
                if !resumed {
                    // Another session: the server has taken us out of every room.
                    self.end_all();
                    self.keeper.forget_brewery();
                } else if let Some(ended) = self.restored.take() {
                    self.go_on(ended);
                }
            }
            Input::Offline { resumable } => {
                if !resumable {
                    self.end_all();
                    self.account = None;
                }
            }
            Input::Bridge(event) => self.handle_bridge_event(&event),
            Input::Brewery(presence) => {
                self.keeper.note_brewery(&presence);
            }
            Input::Checkpoint(session) => self.write_down(session),
            Input::Command(command) => self.command(command),
        }
    }

    fn occupant_iq(&mut self, iq: &Iq) {
        let Some(room) = iq.from.as_ref().map(Jid::to_bare) else {
            return;
        };
        if self.rooms.contains_key(&room) {
            self.with_room(&room, |conference, now, bridges| {
                conference.handle_iq(now, iq, bridges);
            });
        } else if let Some((client, _)) = &self.account
            && iq.is_request()
        {
            let gone = StanzaError::new(Condition::ItemNotFound);
            client.send(iq.refusal(gone).to_element());
        }
    }

    fn handle_answered(&mut self, answered: Answered) {
        let Answered {
            room,
            id,
            answer,
            node,
        } = answered;
        if let (Some(node), Answer::Result(Some(info))) = (node, &answer) {
            self.capabilities.keep(&node, info);
        }
        self.with_room(&room, |conference, now, bridges| {
            conference.handle_answer(now, id, answer, bridges);
        });
    }

    fn handle_bridge_event(&mut self, event: &BridgeEvent) {
        if let Some(bridge) = event.moves_participants() {
            for room in self.room_names() {
                self.with_room(&room, |conference, now, bridges| {
                    conference.handle_bridge_lost(now, bridge, bridges);
                });
            }
        } else {
            self.bridges_changed();
        }
    }

    fn bridges_changed(&mut self) {
        for room in self.room_names() {
            self.with_room(&room, |conference, now, bridges| {
                conference.handle_bridges_changed(now, bridges);
            });
        }
    }

    fn handle_timeout(&mut self) {
        let now = Instant::now();
        while let Some(room) = self.deadlines.take_due(now) {
            self.with_room(&room, |conference, now, bridges| {
                conference.handle_timeout(now, bridges);
            });
        }
    }

    fn end_all(&mut self) {
        for room in self.room_names() {
            self.with_room(&room, |conference, _, _| conference.stop());
        }
    }

    pub(super) fn room_names(&self) -> Vec<Jid> {
        self.rooms.keys().cloned().collect()
    }

    /// Feeds a conference and carries out what it asks for.
    pub(super) fn with_room<T>(
        &mut self,
        room: &Jid,
        feed: impl FnOnce(&mut Conference, Instant, &mut RegistrySelector<'_>) -> T,
    ) -> Option<T> {
        let known = self.rooms.get_mut(room)?;
        let mut bridges = RegistrySelector {
            state: &self.state,
            loads: &self.loads,
            pinned: self.pins.get(room, SystemTime::now()),
        };
        let result = feed(&mut known.conference, Instant::now(), &mut bridges);
        self.drive(room);
        Some(result)
    }
}

/// Random identifiers of conferences.
fn entropy() -> Entropy {
    Entropy::new(|| uuid::Uuid::new_v4().as_u128())
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
