//! The task that owns all conferences.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jitctl_conference::{Answer, Conference, Entropy, Event, Output, RequestId, Settings};
use jitctl_wire::conference_request::ConferenceRequest;
use jitctl_wire::namespace::FOCUS;
use jitctl_wire::{Element, Iq, Jid, Presence};
use jitctl_xmpp::{Client, IqError, SavedSession};
use serde_json::Value;
use tokio::sync::mpsc;

use super::book::{Deadlines, Loads};
use super::capabilities::{self, Capabilities};
use super::keeper::Keeper;
use super::logins::{Asker, Logins};
use super::pins::Pins;
use super::selector::RegistrySelector;
use super::waiting::{Waiting, Way, reply};
use super::{Admission, Command, Input, Refusal, RoomCounts, describe};
use crate::brewery::BridgeEvent;
use crate::handover::{Handover, Journal};
use crate::state::FocusState;

/// How long a client or a bridge may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Room {
    pub(super) conference: Conference,
    waiting: Vec<Waiting>,
}

/// How an earlier process ended.
#[derive(Debug, Clone, Copy)]
enum Ended {
    Stopped,
    Killed,
}

/// The answer to a request of a conference.
struct Answered {
    room: Jid,
    id: RequestId,
    answer: Answer,
    /// The capabilities that were asked about.
    node: Option<String>,
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

    /// Takes up what an earlier process left; its conferences go on with its session.
    pub(super) fn restore(&mut self, left: Handover) {
        let now = Instant::now();
        self.logins = left.rooms.logins;
        self.pins = left.rooms.pins;
        self.restored = Some(if left.orderly {
            Ended::Stopped
        } else {
            Ended::Killed
        });
        for presence in &left.brewery {
            if let Ok(presence) = Presence::parse(presence) {
                self.keeper.note_brewery(&presence);
            }
        }
        for saved in left.rooms.conferences {
            let name = saved.room().clone();
            match Conference::restore(now, saved, self.settings(), entropy()) {
                Ok(conference) => {
                    let waiting = Vec::new();
                    self.loads.set(&name, conference.bridge_loads());
                    self.keeper.note_room(&name);
                    self.rooms.insert(
                        name,
                        Room {
                            conference,
                            waiting,
                        },
                    );
                }
                Err(error) => tracing::warn!(room = %name, %error, "conference not taken up"),
            }
        }
        tracing::info!(conferences = self.rooms.len(), "took up conferences");
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

    /// The session of an earlier process goes on, and so do its conferences.
    fn go_on(&mut self, ended: Ended) {
        for room in self.room_names() {
            self.with_room(&room, |conference, now, bridges| match ended {
                Ended::Stopped => conference.resume(now, bridges),
                Ended::Killed => conference.recover(now, bridges),
            });
        }
    }

    fn ask_checkpoint(&mut self) {
        self.keeper.asked();
        // Without a connection there is nothing new; the next one brings something to note.
        if let Some((client, _)) = &self.account {
            client.checkpoint();
        }
    }

    /// Everything that came before is handled: a process that takes over needs none of it again.
    fn write_down(&mut self, session: SavedSession) {
        self.keeper
            .write(&session, &self.rooms, &self.logins, &self.pins);
        if let Some((client, _)) = &self.account {
            client.confirm(session);
        }
    }

    fn asked(&mut self, request: &ConferenceRequest, from: Option<&Jid>, way: Way) {
        self.totals.requests += 1;
        let now = Instant::now();
        if let Err(refusal) = self.admission.check_room(request) {
            return way.refuse(refusal);
        }
        let exists = self.rooms.contains_key(&request.room);
        let asker = match &self.admission.authenticated_domain {
            Some(domain) => {
                self.keeper.note_logins();
                self.logins
                    .identify(request, from, domain, SystemTime::now())
            }
            None => Ok(Asker::default()),
        };
        let asker = match asker {
            Ok(asker) => asker,
            Err(refusal) => return way.refuse(refusal),
        };
        if let Err(refusal) = self.admission.judge(asker.identity.is_some(), exists) {
            return way.refuse(refusal);
        }
        if self.suspended || self.account.is_none() {
            // The server or the next process is back in a moment: clients ask again.
            let room = request.room.as_str();
            return way.answer(reply(
                room,
                &self.own_address(),
                false,
                self.authenticates(),
            ));
        }
        if !exists && let Err(refusal) = self.open(now, request) {
            return way.refuse(refusal);
        }
        let Some(room) = self.rooms.get_mut(&request.room) else {
            return way.refuse(Refusal::Unavailable);
        };
        room.conference.handle_request(now);
        if let (Some(person), Some(_)) = (from, &asker.identity) {
            room.conference.note_authenticated(person);
        }
        room.waiting.push(Waiting { way, asker });
        self.drive(&request.room);
    }

    fn authenticates(&self) -> bool {
        self.admission.authenticated_domain.is_some()
    }

    /// The bare address clients know the focus by.
    fn own_address(&self) -> String {
        let xmpp = &self.state.config.xmpp;
        format!("{}@{}", xmpp.username, xmpp.domain)
    }

    fn open(&mut self, now: Instant, request: &ConferenceRequest) -> Result<(), Refusal> {
        let (_, jid) = self.account.as_ref().ok_or(Refusal::Unavailable)?;
        let limit = |name: &str| {
            request
                .properties
                .get(name)
                .and_then(|value| value.parse().ok())
        };
        let mut settings = self.settings();
        // A site's own rule stands; without one the first client's wish counts.
        settings.start_audio_muted = settings.start_audio_muted.or(limit("startAudioMuted"));
        settings.start_video_muted = settings.start_video_muted.or(limit("startVideoMuted"));
        let rtcstats = request.properties.get("rtcstatsEnabled");
        settings.rtcstats = rtcstats.is_some_and(|wanted| wanted == "true");
        let conference =
            Conference::new(now, request.room.clone(), jid.clone(), settings, entropy())
                .map_err(|_| Refusal::BadRoom)?;
        tracing::info!(room = %request.room, "conference opened");
        self.totals.created += 1;
        self.rooms.insert(
            request.room.clone(),
            Room {
                conference,
                waiting: Vec::new(),
            },
        );
        Ok(())
    }

    /// Everything for the next process. Nobody is told that anything ends.
    fn suspend(&mut self) -> Option<Journal> {
        let (focus, authenticates) = (self.own_address(), self.authenticates());
        let journal = self.keeper.finish(&self.rooms, &self.logins, &self.pins);
        for (name, room) in self.rooms.drain() {
            for waiting in room.waiting {
                waiting.answer(reply(name.as_str(), &focus, false, authenticates));
            }
        }
        self.suspended = true;
        self.account = None;
        journal
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
            let gone = jitctl_wire::StanzaError::new(jitctl_wire::Condition::ItemNotFound);
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

    fn command(&mut self, command: Command) {
        match command {
            Command::Kick {
                room,
                participant,
                done,
            } => {
                let kicked = self.with_room(&room, |conference, _, _| {
                    conference.kick(&participant, "removed by the operator")
                });
                let _ = done.send(kicked.unwrap_or(false));
            }
            Command::Reinvite {
                room,
                participant,
                done,
            } => {
                let invited = self.with_room(&room, |conference, now, bridges| {
                    conference.reinvite_participant(now, &participant, bridges)
                });
                let _ = done.send(invited.unwrap_or(false));
            }
            Command::Move { share, done } => {
                let _ = done.send(self.move_away(&share));
            }
            Command::Pin {
                room,
                to,
                lasts,
                done,
            } => {
                self.pins.set(room, to, lasts, SystemTime::now());
                self.keeper.note_pins();
                let _ = done.send(());
            }
            Command::Unpin { room, done } => {
                let removed = self.pins.remove(&room);
                self.keeper.note_pins();
                let _ = done.send(removed);
            }
            Command::Pins { done } => {
                let _ = done.send(self.pins.list(SystemTime::now()));
            }
            Command::End { room, done } => {
                let ended = self.with_room(&room, |conference, _, _| {
                    conference.destroy("ended by the operator");
                });
                let _ = done.send(ended.is_some());
            }
            Command::Count { done } => {
                let _ = done.send(self.count());
            }
            Command::Describe { room, full, done } => {
                let _ = done.send(self.describe(room.as_ref(), full));
            }
            Command::DescribeCapabilities { done } => {
                let _ = done.send(self.capabilities.describe());
            }
        }
    }

    fn describe(&self, room: Option<&Jid>, full: bool) -> Value {
        if let Some(room) = room {
            let known = self.rooms.get(room);
            return known.map_or(Value::Null, |room| {
                describe::conference(&room.conference, full)
            });
        }
        let sorted: BTreeMap<&Jid, &Room> = self.rooms.iter().collect();
        let described = sorted
            .into_values()
            .map(|room| describe::conference(&room.conference, full));
        described.collect()
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

    /// Carries out everything a conference has to say.
    fn drive(&mut self, name: &Jid) {
        self.keeper.note_room(name);
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        let mut ended = false;
        while let Some(output) = room.conference.poll_output() {
            let client = self.account.as_ref().map(|(client, _)| client);
            match output {
                Output::Presence(presence) => send(client, presence.to_element()),
                Output::Answer(iq) => send(client, iq.to_element()),
                Output::Request { id, iq } => match self.capabilities.answer(&iq) {
                    Some(known) => {
                        let _ = self.answers.send(Answered {
                            room: name.clone(),
                            id,
                            answer: Answer::Result(Some(known)),
                            node: None,
                        });
                    }
                    None => request(client, &self.answers, name.clone(), id, iq),
                },
                Output::Event(event) => {
                    ended |= matches!(event, Event::Ended(_));
                    note(name, &event, &mut self.totals);
                }
            }
        }
        if room.conference.is_ready() && !room.waiting.is_empty() {
            let xmpp = &self.state.config.xmpp;
            let focus = format!("{}@{}", xmpp.username, xmpp.domain);
            let authenticates = self.admission.authenticated_domain.is_some();
            let reply = reply(name.as_str(), &focus, true, authenticates);
            for waiting in room.waiting.drain(..) {
                waiting.answer(reply.clone());
            }
        }
        if ended {
            for waiting in room.waiting.drain(..) {
                waiting.way.refuse(Refusal::Unavailable);
            }
            self.rooms.remove(name);
            self.deadlines.set(name, None);
            self.loads.set(name, Vec::new());
            return;
        }
        self.deadlines.set(name, room.conference.poll_timeout());
        self.loads.set(name, room.conference.bridge_loads());
    }

    /// The bridge of this nickname or occupant address, if it is known.
    pub(super) fn bridge_called(&self, name: &str) -> Option<Jid> {
        let registry = self.state.registry();
        registry
            .bridges()
            .find(|bridge| bridge.nickname() == name || bridge.occupant.as_str() == name)
            .map(|bridge| bridge.occupant.clone())
    }

    fn count(&self) -> RoomCounts {
        let mut totals = self.totals.clone();
        totals.conferences = self.rooms.len();
        for room in self.rooms.values() {
            let size = room.conference.participant_count();
            totals.participants += size;
            totals.pairs += size * size.saturating_sub(1) / 2;
            totals.largest = totals.largest.max(size);
            let bucket = size.min(totals.sizes.len() - 1);
            if let Some(count) = totals.sizes.get_mut(bucket) {
                *count += 1;
            }
        }
        totals
    }
}

/// Random identifiers of conferences.
fn entropy() -> Entropy {
    Entropy::new(|| uuid::Uuid::new_v4().as_u128())
}

fn send(client: Option<&Client>, stanza: Element) {
    if let Some(client) = client {
        client.send(stanza);
    }
}

fn request(
    client: Option<&Client>,
    answers: &mpsc::UnboundedSender<Answered>,
    room: Jid,
    id: RequestId,
    iq: Iq,
) {
    let Some(client) = client else {
        return;
    };
    let node = capabilities::node(&iq).map(str::to_owned);
    let pending = client.request(iq, ANSWER_TIMEOUT);
    let answers = answers.clone();
    tokio::spawn(async move {
        let answer = match pending.await {
            Ok(payload) => Answer::Result(payload),
            Err(IqError::Refused(error)) => Answer::Error(error),
            Err(IqError::Timeout) => Answer::Timeout,
            // The session is gone, and with it the conference.
            Err(IqError::Offline | IqError::Lost) => return,
        };
        let _ = answers.send(Answered {
            room,
            id,
            answer,
            node,
        });
    });
}

fn note(room: &Jid, event: &Event, totals: &mut RoomCounts) {
    match event {
        Event::Ready => tracing::debug!(%room, "in the room"),
        Event::Joined { participant } => {
            totals.joined += 1;
            tracing::debug!(%room, participant, "joined");
        }
        Event::Invited {
            participant,
            bridge,
        } => {
            let bridge = bridge.resource().unwrap_or_default();
            tracing::info!(%room, participant, bridge, "invited");
        }
        Event::Accepted { participant } => tracing::info!(%room, participant, "accepted"),
        Event::NoBridge { participant } => {
            tracing::warn!(%room, participant, "no bridge can be used");
        }
        Event::BridgeRemoved { bridge, moved, why } => {
            totals.moved += u64::try_from(*moved).unwrap_or_default();
            totals.bridges_removed += 1;
            let bridge = bridge.resource().unwrap_or_default();
            tracing::warn!(%room, bridge, moved, why, "bridge taken out of the conference");
        }
        Event::RestartRequested {
            participant,
            granted,
        } => {
            totals.restarts += 1;
            tracing::info!(%room, participant, granted, "new session asked for");
        }
        Event::IceFailed {
            participant,
            granted,
        } => {
            totals.ice_failed += 1;
            tracing::info!(%room, participant, granted, "ICE failed");
        }
        Event::IceRestartRequested {
            participant,
            granted,
        } => {
            totals.ice_restarts += 1;
            totals.ice_restarts_refused += u64::from(!granted);
            tracing::info!(%room, participant, granted, "new ICE credentials asked for");
        }
        Event::ParticipantFailed { participant, why } => {
            tracing::warn!(%room, participant, why, "participant cannot be served");
        }
        Event::Ended(reason) => tracing::info!(%room, ?reason, "conference over"),
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
