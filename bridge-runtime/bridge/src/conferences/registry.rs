//! The meetings of one worker, and what happens to them.
//!
//! Touched on the worker's thread only, in commands and in the event handler; statistics look at
//! the tally, which is copied out.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jitctl_media::conference::{Conference, ConferenceConfig};
use jitctl_media::engine::{ConferenceIndex, EndpointKey, Engine, EngineEvent};
use jitctl_media::transport::{Transport, TransportEvent};
use jitctl_wire::colibri2::{ColibriError, ConferenceModified, ConferenceModify, Relay};
use tokio::sync::mpsc;

use super::channel::{Closing, Queued};
use super::check;
use super::meeting::{Desk, Meeting, Member, Waiting};
use super::tally::Totals;
use super::translate;
use super::urls::ChannelUrls;
use crate::conference::ConferenceResult;

/// A meeting without endpoints is dropped after this long.
const EMPTY_MEETING: Duration = Duration::from_secs(20);
/// An endpoint with media and without a bridge channel after this long is counted.
const CHANNEL_DELAY: Duration = Duration::from_secs(30);

/// The meetings of one worker.
#[derive(Debug)]
pub(super) struct Registry {
    meetings: HashMap<String, Meeting>,
    /// Meeting ids by the engine's handle.
    names: HashMap<ConferenceIndex, String>,
    /// How conferences are made; the seed differs for each.
    config: ConferenceConfig,
    /// Where bridge channels over WebSocket are, if they are.
    urls: Option<ChannelUrls>,
    /// Counts since start.
    pub(super) totals: Totals,
    /// What there is at this moment, for who must not read an old tally.
    live: Arc<Live>,
}

/// What a worker has at this moment.
#[derive(Debug, Default)]
pub(super) struct Live {
    conferences: AtomicU64,
    endpoints: AtomicU64,
}

impl Live {
    /// Conferences, endpoints.
    pub(super) fn counts(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.conferences), read(&self.endpoints))
    }
}

impl Registry {
    pub(super) fn new(config: ConferenceConfig, urls: Option<ChannelUrls>) -> Self {
        Self {
            meetings: HashMap::new(),
            names: HashMap::new(),
            config,
            urls,
            totals: Totals::default(),
            live: Arc::default(),
        }
    }

    /// The counts of this moment, from now on.
    pub(super) fn live(&self) -> Arc<Live> {
        self.live.clone()
    }

    fn count(&self) {
        let members = self.meetings.values().map(|meeting| meeting.members.len());
        let endpoints = members.sum::<usize>() as u64;
        self.live.endpoints.store(endpoints, Ordering::Relaxed);
        let conferences = self.meetings.len() as u64;
        self.live.conferences.store(conferences, Ordering::Relaxed);
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
        let urls = self.urls.clone();
        let mut desk = Desk {
            engine,
            now,
            urls: urls.as_ref(),
        };
        let id = &request.meeting_id;
        match (request.create, self.meetings.contains_key(id)) {
            (true, true) => return Err(ColibriError::conference_already_exists(id)),
            (false, false) => return Err(ColibriError::conference_not_found(id)),
            _ => {}
        }
        if request.expire {
            self.drop_meeting(&mut desk, id);
            self.count();
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
        self.count();
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
        let Some(mut meeting) = self.meetings.remove(id) else {
            return;
        };
        for member in meeting.members.values_mut() {
            member.channel.end(Closing::Expired);
        }
        self.names.remove(&meeting.conference);
        if let Some(room) = desk.engine.remove_conference(desk.now, meeting.conference) {
            self.totals.retire(&room);
        }
        let lasted = desk.now.saturating_duration_since(meeting.created);
        self.totals.completed += 1;
        self.totals.seconds += lasted.as_secs();
        tracing::info!(meeting = %id, seconds = lasted.as_secs(), "conference ended");
    }

    /// Drops meetings that nobody joined or that everybody left without a word, and counts
    /// endpoints whose bridge channel does not come.
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
            self.drop_meeting(&mut without_urls(engine, now), &id);
        }
        let members = self.meetings.values_mut();
        for member in members.flat_map(|meeting| meeting.members.values_mut()) {
            if let Some(Waiting::ForChannel(since)) = member.without_channel
                && now.saturating_duration_since(since) >= CHANNEL_DELAY
            {
                member.without_channel = None;
                self.totals.without_channel += 1;
            }
        }
        self.count();
    }

    /// A client dials an endpoint's channel: `conference` is our own id of the meeting.
    pub(super) fn attach(
        &mut self,
        engine: &mut Engine<Conference>,
        now: Instant,
        conference: &str,
        endpoint: &str,
        password: &str,
    ) -> Option<(EndpointKey, u64, mpsc::Receiver<Queued>)> {
        let meeting = self
            .meetings
            .values_mut()
            .find(|meeting| meeting.id == conference)?;
        let handle = meeting.conference;
        let member = meeting.members.get_mut(endpoint)?;
        if !member.channel.admits(password) {
            return None;
        }
        let key = EndpointKey {
            conference: handle,
            endpoint: member.index,
        };
        member.without_channel = None;
        let (serial, receiver) = member.channel.attach();
        engine.socket_opened(now, key);
        Some((key, serial, receiver))
    }

    /// A client sent a message over the channel it has.
    pub(super) fn receive(
        &mut self,
        engine: &mut Engine<Conference>,
        now: Instant,
        (key, serial): (EndpointKey, u64),
        text: &str,
    ) {
        if self
            .member(key)
            .is_some_and(|member| member.channel.is(serial))
        {
            self.totals.socket_messages_received += 1;
            engine.socket_message(now, key, text);
        }
    }

    /// A client hung up.
    pub(super) fn detach(
        &mut self,
        engine: &mut Engine<Conference>,
        now: Instant,
        (key, serial): (EndpointKey, u64),
    ) {
        if self
            .member(key)
            .is_some_and(|member| member.channel.detach(serial))
        {
            engine.socket_closed(now, key);
        }
    }

    fn member(&mut self, key: EndpointKey) -> Option<&mut Member> {
        let id = self.names.get(&key.conference)?;
        let meeting = self.meetings.get_mut(id)?;
        meeting.member_at(key.endpoint).map(|(_, member)| member)
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
                        if member.without_channel == Some(Waiting::ForMedia) {
                            member.without_channel = Some(Waiting::ForChannel(now));
                        }
                        tracing::info!(conference = room, endpoint = id, ?profile, "connected");
                    }
                    TransportEvent::RouteChanged(route) => {
                        // A path that was lost is found again.
                        let transport = engine.transport(key);
                        member.is_connected = transport.is_some_and(Transport::is_connected);
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
                        member.without_channel = None;
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
                meeting.expire(&mut without_urls(engine, now), &id);
                self.count();
            }
            EngineEvent::SocketMessage { key, text } => {
                let member = self
                    .names
                    .get(&key.conference)
                    .and_then(|id| self.meetings.get_mut(id))
                    .and_then(|meeting| meeting.member_at(key.endpoint));
                let Some((id, member)) = member else { return };
                self.totals.socket_messages_sent += 1;
                if !member.channel.send(text) {
                    self.totals.socket_queues_full += 1;
                    tracing::warn!(endpoint = id, "the channel's client does not read");
                    engine.socket_closed(now, key);
                }
            }
        }
    }
}

/// For what signals nothing.
fn without_urls(engine: &mut Engine<Conference>, now: Instant) -> Desk<'_> {
    Desk {
        engine,
        now,
        urls: None,
    }
}

#[cfg(test)]
mod tests;
