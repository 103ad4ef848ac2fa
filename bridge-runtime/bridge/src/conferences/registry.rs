//! The meetings of one worker, and what happens to them.
//!
//! Touched on the worker's thread only, in commands and in the event handler; statistics look at
//! the tally, which is copied out.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use jitctl_media::conference::{Conference, ConferenceConfig};
use jitctl_media::engine::{ConferenceIndex, Engine, EngineEvent};
use jitctl_media::transport::TransportEvent;
use jitctl_wire::colibri2::{ColibriError, ConferenceModified, ConferenceModify, Relay};

use super::check;
use super::meeting::{Desk, Meeting};
use super::tally::Totals;
use super::translate;
use crate::conference::ConferenceResult;

/// A meeting without endpoints is dropped after this long.
const EMPTY_MEETING: Duration = Duration::from_secs(20);

/// The meetings of one worker.
#[derive(Debug)]
pub(super) struct Registry {
    meetings: HashMap<String, Meeting>,
    /// Meeting ids by the engine's handle.
    names: HashMap<ConferenceIndex, String>,
    /// How conferences are made; the seed differs for each.
    config: ConferenceConfig,
    /// Counts since start.
    pub(super) totals: Totals,
}

impl Registry {
    pub(super) fn new(config: ConferenceConfig) -> Self {
        Self {
            meetings: HashMap::new(),
            names: HashMap::new(),
            config,
            totals: Totals::default(),
        }
    }

    /// All meetings.
    pub(super) fn meetings(&self) -> impl Iterator<Item = (&str, &Meeting)> {
        self.meetings
            .iter()
            .map(|(id, meeting)| (id.as_str(), meeting))
    }

    /// Serves a request.
    pub(super) fn serve(
        &mut self,
        engine: &mut Engine<Conference>,
        now: Instant,
        request: &ConferenceModify,
    ) -> ConferenceResult {
        let mut desk = Desk { engine, now };
        let id = &request.meeting_id;
        match (request.create, self.meetings.contains_key(id)) {
            (true, true) => return Err(ColibriError::conference_already_exists(id)),
            (false, false) => return Err(ColibriError::conference_not_found(id)),
            _ => {}
        }
        if request.expire {
            self.drop_meeting(&mut desk, id);
            return Ok(ConferenceModified::default());
        }
        check::combination(request)?;
        if request.create {
            self.open(&mut desk, request);
        }
        let result = self.change(&mut desk, request);
        let is_empty = self
            .meetings
            .get(id)
            .is_some_and(|meeting| meeting.members.is_empty());
        // A request that fails leaves nothing behind, and the last one out closes the door.
        if is_empty && request.create == result.is_err() {
            self.drop_meeting(&mut desk, id);
        }
        result
    }

    fn change(&mut self, desk: &mut Desk<'_>, request: &ConferenceModify) -> ConferenceResult {
        let id = &request.meeting_id;
        let Some(meeting) = self.meetings.get_mut(id) else {
            return Err(ColibriError::conference_not_found(id));
        };
        let tolerant = check::is_expiry_or_mute(request);
        let mut answer = ConferenceModified::default();
        for entry in &request.endpoints {
            answer.endpoints.push(meeting.serve(desk, entry, tolerant)?);
            if entry.create {
                self.totals.endpoints += 1;
                self.totals.visitors += u64::from(entry.muc_role.as_deref() == Some("visitor"));
            }
        }
        answer.relays = request
            .relays
            .iter()
            .map(|relay| Relay {
                id: relay.id.clone(),
                expire: true,
                ..Relay::default()
            })
            .collect();
        if request.create || request.endpoints.iter().any(|entry| entry.create) {
            answer.sources = desk
                .engine
                .room(meeting.conference)
                .map(|room| translate::feedback_sources(room.feedback_ssrcs()));
        }
        Ok(answer)
    }

    fn open(&mut self, desk: &mut Desk<'_>, request: &ConferenceModify) {
        let seed = RandomState::new().build_hasher().finish();
        let config = ConferenceConfig {
            seed,
            ..self.config.clone()
        };
        let room = Conference::new(desk.now, config);
        let conference = desk.engine.add_conference(desk.now, room);
        let name = request.name.as_ref().map(ToString::to_string);
        let id = format!("{:x}", RandomState::new().build_hasher().finish());
        tracing::info!(meeting = %request.meeting_id, room = name, id, "conference created");
        self.totals.conferences += 1;
        self.names.insert(conference, request.meeting_id.clone());
        self.meetings.insert(
            request.meeting_id.clone(),
            Meeting {
                conference,
                id,
                name,
                created: desk.now,
                members: std::collections::BTreeMap::new(),
            },
        );
    }

    fn drop_meeting(&mut self, desk: &mut Desk<'_>, id: &str) {
        let Some(meeting) = self.meetings.remove(id) else {
            return;
        };
        self.names.remove(&meeting.conference);
        if let Some(room) = desk.engine.remove_conference(desk.now, meeting.conference) {
            self.totals.retire(&room);
        }
        let lasted = desk.now.saturating_duration_since(meeting.created);
        self.totals.completed += 1;
        self.totals.seconds += lasted.as_secs();
        tracing::info!(meeting = %id, seconds = lasted.as_secs(), "conference ended");
    }

    /// Drops meetings that nobody joined or that everybody left without a word.
    pub(super) fn sweep(&mut self, engine: &mut Engine<Conference>, now: Instant) {
        let over: Vec<String> = self
            .meetings
            .iter()
            .filter(|(_, meeting)| {
                meeting.members.is_empty()
                    && now.saturating_duration_since(meeting.created) >= EMPTY_MEETING
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            self.drop_meeting(&mut Desk { engine, now }, &id);
        }
    }

    /// Takes what the engine reports.
    pub(super) fn observe(
        &mut self,
        engine: &mut Engine<Conference>,
        now: Instant,
        event: EngineEvent,
    ) {
        match event {
            EngineEvent::Transport { key, event } => {
                let Some(meeting) = self
                    .names
                    .get(&key.conference)
                    .and_then(|id| self.meetings.get_mut(id))
                else {
                    return;
                };
                let room = meeting.id.clone();
                let Some((id, member)) = meeting.member_at(key.endpoint) else {
                    return;
                };
                self.totals.note(&event, member.is_connected);
                match event {
                    TransportEvent::Connected { profile } => {
                        member.is_connected = true;
                        tracing::info!(conference = room, endpoint = id, ?profile, "connected");
                    }
                    TransportEvent::RouteChanged(route) => {
                        tracing::debug!(conference = room, endpoint = id, ?route, "path changed");
                    }
                    TransportEvent::IceFailed => {
                        member.is_connected = false;
                        tracing::info!(conference = room, endpoint = id, "ICE failed");
                    }
                    TransportEvent::DtlsFailed(error) => {
                        member.is_connected = false;
                        tracing::warn!(conference = room, endpoint = id, %error, "DTLS failed");
                    }
                    TransportEvent::Closed => member.is_connected = false,
                    TransportEvent::ChannelOpen => {
                        tracing::debug!(conference = room, endpoint = id, "channel open");
                    }
                    TransportEvent::ChannelMessage(_) | TransportEvent::ChannelClosed => {}
                }
            }
            EngineEvent::TimedOut { key } => {
                let Some(meeting) = self
                    .names
                    .get(&key.conference)
                    .and_then(|id| self.meetings.get_mut(id))
                else {
                    return;
                };
                let Some(id) = meeting.member_at(key.endpoint).map(|(id, _)| id.to_owned()) else {
                    return;
                };
                tracing::info!(conference = meeting.id, endpoint = id, "endpoint timed out");
                meeting.expire(&mut Desk { engine, now }, &id);
            }
            EngineEvent::SocketMessage { .. } => {}
        }
    }
}
