//! The task that owns all conferences.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jitctl_conference::{
    Answer, Conference, ConferenceView, Entropy, Event, Output, RequestId, Settings,
};
use jitctl_wire::conference_request::{ConferenceReply, ConferenceRequest};
use jitctl_wire::{Element, Iq, Jid};
use jitctl_xmpp::{Client, IqError};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::book::{Deadlines, Loads};
use super::selector::RegistrySelector;
use super::{Admission, Command, Input, Refusal, RoomCounts, reply_properties};
use crate::brewery::BridgeEvent;
use crate::state::FocusState;

/// How long a client or a bridge may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Somebody waits until the focus is in a room.
enum Waiting {
    Xmpp { client: Client, iq: Box<Iq> },
    Http(oneshot::Sender<Result<ConferenceReply, Refusal>>),
}

struct Room {
    conference: Conference,
    waiting: Vec<Waiting>,
}

/// The answer to a request of a conference.
struct Answered {
    room: Jid,
    id: RequestId,
    answer: Answer,
}

pub(super) struct Task {
    state: Arc<FocusState>,
    counts: Arc<Mutex<RoomCounts>>,
    admission: Admission,
    account: Option<(Client, Jid)>,
    rooms: HashMap<Jid, Room>,
    deadlines: Deadlines,
    loads: Loads,
    totals: RoomCounts,
    answers: mpsc::UnboundedSender<Answered>,
    answered: mpsc::UnboundedReceiver<Answered>,
}

impl Task {
    pub(super) fn new(state: Arc<FocusState>, counts: Arc<Mutex<RoomCounts>>) -> Self {
        let (answers, answered) = mpsc::unbounded_channel();
        let xmpp = &state.config.xmpp;
        let admission = Admission {
            conference_service: xmpp.muc.clone(),
            authenticated_domain: state.config.conference.authenticated_domain.clone(),
        };
        Self {
            admission,
            state,
            counts,
            account: None,
            rooms: HashMap::new(),
            deadlines: Deadlines::default(),
            loads: Loads::default(),
            totals: RoomCounts::default(),
            answers,
            answered,
        }
    }

    /// Runs until all handles are gone.
    pub(super) async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        loop {
            let due = self.deadlines.next().map(tokio::time::Instant::from_std);
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.handle_input(input),
                    None => return,
                },
                Some(answered) = self.answered.recv() => self.handle_answered(answered),
                () = sleep_until(due) => self.handle_timeout(),
            }
            self.publish_counts();
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
                self.asked(&request, from.as_ref(), Waiting::Xmpp { client, iq });
            }
            Input::AskedByHttp { request, reply } => {
                self.asked(&request, None, Waiting::Http(reply));
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
                }
            }
            Input::Offline { resumable } => {
                if !resumable {
                    self.end_all();
                    self.account = None;
                }
            }
            Input::Bridge(event) => self.handle_bridge_event(&event),
            Input::Command(command) => self.command(command),
        }
    }

    fn asked(&mut self, request: &ConferenceRequest, from: Option<&Jid>, waiting: Waiting) {
        let now = Instant::now();
        let exists = self.rooms.contains_key(&request.room);
        if let Err(refusal) = self.admission.judge(request, from, exists) {
            return waiting.refuse(refusal);
        }
        if !exists && let Err(refusal) = self.open(now, request) {
            return waiting.refuse(refusal);
        }
        let Some(room) = self.rooms.get_mut(&request.room) else {
            return waiting.refuse(Refusal::Unavailable);
        };
        room.conference.handle_request(now);
        room.waiting.push(waiting);
        self.drive(&request.room);
    }

    fn open(&mut self, now: Instant, request: &ConferenceRequest) -> Result<(), Refusal> {
        let (_, jid) = self.account.as_ref().ok_or(Refusal::Unavailable)?;
        let limit = |name: &str| {
            request
                .properties
                .get(name)
                .and_then(|value| value.parse().ok())
        };
        let settings = Settings {
            authenticated_domain: self.admission.authenticated_domain.clone(),
            start_audio_muted: limit("startAudioMuted"),
            start_video_muted: limit("startVideoMuted"),
            ..self.state.config.conference.settings()
        };
        let entropy = Entropy::new(|| uuid::Uuid::new_v4().as_u128());
        let conference = Conference::new(now, request.room.clone(), jid.clone(), settings, entropy)
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
        let Answered { room, id, answer } = answered;
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
            Command::Move {
                room,
                participant,
                done,
            } => {
                let moved = self.with_room(&room, |conference, now, bridges| {
                    conference.move_participant(now, &participant, bridges)
                });
                let _ = done.send(moved.unwrap_or(false));
            }
            Command::End { room, done } => {
                let ended = self.with_room(&room, |conference, _, _| conference.stop());
                let _ = done.send(ended.is_some());
            }
            Command::Describe { room, done } => {
                let _ = done.send(self.describe(room.as_ref()));
            }
        }
    }

    fn describe(&self, room: Option<&Jid>) -> Value {
        if let Some(room) = room {
            let known = self.rooms.get(room);
            return known.map_or(Value::Null, |room| describe(&room.conference.view()));
        }
        let mut views: Vec<ConferenceView> = self
            .rooms
            .values()
            .map(|room| room.conference.view())
            .collect();
        views.sort_by(|a, b| a.room.cmp(&b.room));
        views.iter().map(describe).collect()
    }

    fn end_all(&mut self) {
        for room in self.room_names() {
            self.with_room(&room, |conference, _, _| conference.stop());
        }
    }

    fn room_names(&self) -> Vec<Jid> {
        self.rooms.keys().cloned().collect()
    }

    /// Feeds a conference and carries out what it asks for.
    fn with_room<T>(
        &mut self,
        room: &Jid,
        feed: impl FnOnce(&mut Conference, Instant, &mut RegistrySelector<'_>) -> T,
    ) -> Option<T> {
        let known = self.rooms.get_mut(room)?;
        let mut bridges = RegistrySelector {
            state: &self.state,
            loads: &self.loads,
        };
        let result = feed(&mut known.conference, Instant::now(), &mut bridges);
        self.drive(room);
        Some(result)
    }

    /// Carries out everything a conference has to say.
    fn drive(&mut self, name: &Jid) {
        let Some(room) = self.rooms.get_mut(name) else {
            return;
        };
        let mut ended = false;
        while let Some(output) = room.conference.poll_output() {
            let client = self.account.as_ref().map(|(client, _)| client);
            match output {
                Output::Presence(presence) => send(client, presence.to_element()),
                Output::Answer(iq) => send(client, iq.to_element()),
                Output::Request { id, iq } => {
                    request(client, &self.answers, name.clone(), id, iq);
                }
                Output::Event(event) => {
                    ended |= matches!(event, Event::Ended(_));
                    note(name, &event, &mut self.totals);
                }
            }
        }
        if room.conference.is_ready() && !room.waiting.is_empty() {
            let authentication = self.admission.authenticated_domain.is_some();
            let focus = self
                .account
                .as_ref()
                .map(|(_, jid)| jid.bare())
                .unwrap_or_default();
            let reply = ConferenceReply {
                room: name.to_string(),
                ready: true,
                focus_jid: focus.to_owned(),
                session_id: None,
                identity: None,
                properties: reply_properties(authentication),
            };
            for waiting in room.waiting.drain(..) {
                waiting.grant(&reply);
            }
        }
        if ended {
            for waiting in room.waiting.drain(..) {
                waiting.refuse(Refusal::Unavailable);
            }
            self.rooms.remove(name);
            self.deadlines.set(name, None);
            self.loads.set(name, Vec::new());
            return;
        }
        self.deadlines.set(name, room.conference.poll_timeout());
        self.loads.set(name, room.conference.bridge_loads());
    }

    fn publish_counts(&mut self) {
        let sizes = self
            .rooms
            .values()
            .map(|room| room.conference.participant_count());
        let (mut participants, mut largest) = (0, 0);
        for size in sizes {
            participants += size;
            largest = largest.max(size);
        }
        self.totals.conferences = self.rooms.len();
        self.totals.participants = participants;
        self.totals.largest = largest;
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = self.totals;
    }
}

impl Waiting {
    fn grant(self, reply: &ConferenceReply) {
        match self {
            Self::Xmpp { client, iq } => {
                client.send(iq.result(Some(reply.to_element())).to_element());
            }
            Self::Http(sender) => {
                let _ = sender.send(Ok(reply.clone()));
            }
        }
    }

    fn refuse(self, refusal: Refusal) {
        match self {
            Self::Xmpp { client, iq } => {
                client.send(iq.refusal(refusal.to_stanza_error()).to_element());
            }
            Self::Http(sender) => {
                let _ = sender.send(Err(refusal));
            }
        }
    }
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
        let _ = answers.send(Answered { room, id, answer });
    });
}

fn note(room: &Jid, event: &Event, totals: &mut RoomCounts) {
    match event {
        Event::Ready => tracing::debug!(%room, "in the room"),
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
        Event::ParticipantFailed { participant, why } => {
            tracing::warn!(%room, participant, why, "participant cannot be served");
        }
        Event::Ended(reason) => tracing::info!(%room, ?reason, "conference over"),
    }
}

fn describe(view: &ConferenceView) -> Value {
    let participants: Vec<Value> = view
        .participants
        .iter()
        .map(|someone| {
            json!({
                "id": someone.id,
                "bridge": someone.bridge.as_ref().and_then(Jid::resource),
                "session": someone.session,
                "moderator": someone.moderator,
                "ssrcs": someone.ssrcs,
            })
        })
        .collect();
    let bridges: serde_json::Map<String, Value> = view
        .bridges
        .iter()
        .map(|(bridge, count)| {
            (
                bridge.resource().unwrap_or_default().to_owned(),
                json!(count),
            )
        })
        .collect();
    json!({
        "room": view.room.as_str(),
        "meeting_id": view.meeting_id,
        "ready": view.ready,
        "participants": participants,
        "bridges": bridges,
    })
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
