//! The conference: endpoints, their sources, and who receives what.
//!
//! Commands, unprotected packets and the time go in; packets leave through an [`Egress`], and
//! [`Event`]s tell the rest. All state of one meeting lies here and is touched by one thread.
//! Between signalling changes nothing is allocated for a packet that is forwarded. What this
//! does not do: transport, encryption, signalling.

mod allocate;
mod batch;
mod config;
pub mod egress;
mod endpoint;
mod event;
mod feedback;
mod keeping;
mod media;
mod messages;
mod pacing;
mod probing;
mod receive;
mod send;
mod slots;
mod snapshot;
mod source;
mod timers;

pub use config::{ConferenceConfig, EndpointDescription};
pub use egress::{DiscardEgress, Egress};
pub use event::{ConferenceError, Counters, Event};
pub use media::{ExtensionIds, MediaDescription, PayloadType};
pub use snapshot::{ConferenceStatistics, EndpointStatistics};

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use batch::Batch;
use config::SsrcGenerator;
use endpoint::Endpoint;
use media::NegotiatedMedia;
use pacing::Pacer;
use send::SendState;
use source::Source;

use crate::allocation::{Allocation, AudioSubscription, ReceiverSettings};
use crate::bandwidth::IncomingEstimator;
use crate::identifiers::{EndpointId, EndpointIndex, SourceIndex, SourceName, Ssrc};
use crate::rtcp::ArrivalRecorder;
use crate::source::{MediaKind, RateMeter, SourceDescription};
use crate::speaker::{DominantSpeaker, Loudest, SpeechOrder};

/// Most sources of one endpoint.
const MAXIMUM_SOURCES: usize = 32;
/// Streams of sound that are gone whose numbers are kept, of each endpoint.
const FORMER_AUDIO: usize = 8;

/// Where an incoming SSRC leads.
#[derive(Clone, Copy, Debug)]
struct Route {
    owner: EndpointIndex,
    source: SourceIndex,
    encoding: u8,
    is_retransmission: bool,
}

/// One meeting on this bridge.
#[derive(Debug)]
pub struct Conference {
    config: ConferenceConfig,
    epoch: Instant,
    endpoints: Vec<Option<Box<Endpoint>>>,
    endpoint_ids: HashMap<EndpointId, EndpointIndex>,
    sources: Vec<Option<Box<Source>>>,
    source_names: HashMap<SourceName, SourceIndex>,
    routes: HashMap<u32, Route>,
    speech: SpeechOrder,
    dominant: DominantSpeaker,
    loudest: Option<Loudest>,
    ssrcs: SsrcGenerator,
    feedback_audio: Ssrc,
    feedback_video: Ssrc,
    events: VecDeque<Event>,
    counters: Counters,
    next_tick: Instant,
    next_report: Instant,
    next_probe: Option<Instant>,
    next_paced: Option<Instant>,
    last_padding: Instant,
    constraints_changed: bool,
    /// Sequence numbers to ask for; kept to reuse its memory.
    wanted: Vec<u16>,
    batch: Batch,
}

impl Conference {
    /// Opens an empty conference.
    pub fn new(now: Instant, config: ConferenceConfig) -> Self {
        let mut ssrcs = SsrcGenerator::new(config.seed);
        Self {
            loudest: config.loudest.map(Loudest::new),
            config,
            epoch: now,
            endpoints: Vec::new(),
            endpoint_ids: HashMap::new(),
            sources: Vec::new(),
            source_names: HashMap::new(),
            routes: HashMap::new(),
            speech: SpeechOrder::default(),
            dominant: DominantSpeaker::new(now),
            feedback_audio: Ssrc(ssrcs.next()),
            feedback_video: Ssrc(ssrcs.next()),
            ssrcs,
            events: VecDeque::new(),
            counters: Counters::default(),
            next_tick: now,
            next_report: now + timers::REPORT_INTERVAL,
            next_probe: None,
            next_paced: None,
            last_padding: now,
            constraints_changed: false,
            wanted: Vec::with_capacity(256),
            batch: Batch::default(),
        }
    }

    /// SSRCs of the bridge's own feedback: audio, video.
    pub const fn feedback_ssrcs(&self) -> (Ssrc, Ssrc) {
        (self.feedback_audio, self.feedback_video)
    }

    /// Takes the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Counts since the beginning.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Number of endpoints, visitors included.
    pub fn endpoint_count(&self) -> usize {
        self.endpoint_ids.len()
    }

    /// Finds an endpoint by its id.
    pub fn endpoint_by_id(&self, id: &str) -> Option<EndpointIndex> {
        self.endpoint_ids.get(id).copied()
    }

    /// Id of an endpoint.
    pub fn endpoint_id(&self, endpoint: EndpointIndex) -> Option<&EndpointId> {
        self.endpoint(endpoint).map(|endpoint| &endpoint.id)
    }

    /// Creates an endpoint.
    pub fn create_endpoint(
        &mut self,
        now: Instant,
        description: EndpointDescription,
    ) -> Result<EndpointIndex, ConferenceError> {
        if self.endpoint_ids.contains_key(&description.id) {
            return Err(ConferenceError::EndpointExists(description.id));
        }
        let free = self.endpoints.iter().position(Option::is_none);
        let position = free.unwrap_or(self.endpoints.len());
        let index = EndpointIndex(position as u32);
        let endpoint = Box::new(Endpoint {
            id: description.id.clone(),
            is_visitor: description.is_visitor,
            ssrc_rewriting: description.ssrc_rewriting,
            mid_demux: description.mid_demux && description.ssrc_rewriting,
            created: now,
            media: NegotiatedMedia::new(),
            is_ready: false,
            has_channel: false,
            force_mute_audio: false,
            force_mute_video: false,
            last_activity: None,
            is_active: true,
            was_reported_timed_out: false,
            sources: Vec::new(),
            early_video_types: HashMap::new(),
            former_audio: VecDeque::new(),
            arrivals: ArrivalRecorder::new(now),
            incoming: None,
            round_trip: Duration::from_millis(100),
            reported_loss: 0,
            settings: ReceiverSettings::default(),
            initial_last_n: None,
            audio_subscription: AudioSubscription::default(),
            allocation: Allocation::default(),
            last_allocation: None,
            needs_allocation: false,
            allocated_bandwidth: 0,
            forwarded: Vec::new(),
            forwarded_changed: false,
            send: SendState::new(now, self.epoch, self.config.bandwidth),
            video: Vec::new(),
            audio: Vec::new(),
            audio_slots: Vec::new(),
            audio_rate: RateMeter::new(now),
            media_rate: RateMeter::new(now),
            pacer: Pacer::new(now),
            next_connection_stats: now + timers::CONNECTION_STATS_INTERVAL,
            repair_budget: (50_000, now),
            padding_debt: 0,
            copies: 0,
        });
        match self.endpoints.get_mut(position) {
            Some(slot) => *slot = Some(endpoint),
            None => self.endpoints.push(Some(endpoint)),
        }
        if !description.is_visitor {
            self.speech.add(index);
        }
        self.endpoint_ids.insert(description.id, index);
        Ok(index)
    }

    /// Removes an endpoint with its sources; unknown ones are fine.
    pub fn expire_endpoint(&mut self, now: Instant, endpoint: EndpointIndex) {
        let Some(slot) = self.endpoints.get_mut(endpoint.as_usize()) else {
            return;
        };
        let Some(removed) = slot.take() else { return };
        self.endpoint_ids.remove(&removed.id);
        for source in removed.sources {
            self.remove_source(source);
        }
        for source in self.sources.iter_mut().flatten() {
            source
                .subscribers
                .retain(|subscriber| subscriber.endpoint != endpoint);
        }
        self.speech.remove(endpoint);
        self.dominant.remove(endpoint);
        if let Some(loudest) = &mut self.loudest {
            loudest.remove(endpoint);
        }
        self.constraints_changed = true;
        self.request_allocations(now);
    }

    /// Adds negotiated media; what was negotiated before stays.
    pub fn add_media(
        &mut self,
        endpoint: EndpointIndex,
        media: &[MediaDescription],
    ) -> Result<(), ConferenceError> {
        let (epoch, bandwidth) = (self.epoch, self.config.bandwidth);
        let endpoint = self
            .endpoint_mut(endpoint)
            .ok_or(ConferenceError::UnknownEndpoint)?;
        for description in media {
            endpoint.media.add(description);
        }
        endpoint.send.extensions = endpoint.media.extensions;
        endpoint.send.uses_transport_sequence = endpoint.media.transport_cc;
        endpoint.needs_allocation = true;
        if !endpoint.media.wants_estimates() {
            endpoint.incoming = None;
        } else if endpoint.incoming.is_none() {
            endpoint.incoming = Some(Box::new(IncomingEstimator::new(epoch, bandwidth)));
        }
        Ok(())
    }

    /// States all sources of one kind an endpoint has; what is not named goes.
    pub fn set_sources(
        &mut self,
        now: Instant,
        endpoint: EndpointIndex,
        kind: MediaKind,
        descriptions: Vec<SourceDescription>,
    ) -> Result<(), ConferenceError> {
        self.check_sources(endpoint, &descriptions)?;
        let owner = self
            .endpoint(endpoint)
            .ok_or(ConferenceError::UnknownEndpoint)?;
        let gone: Vec<SourceIndex> = owner
            .sources
            .iter()
            .copied()
            .filter(|index| {
                self.source(*index).is_some_and(|source| {
                    source.description.kind == kind
                        && !descriptions
                            .iter()
                            .any(|stated| stated.has_streams_of(&source.description))
                })
            })
            .collect();
        for source in gone {
            self.remove_source(source);
        }
        for description in descriptions {
            let known = self.source_names.get(&description.name).copied();
            match known.and_then(|index| self.source_mut(index)) {
                Some(source) => source.restate(description),
                None => self.add_source(now, endpoint, description),
            }
        }
        self.constraints_changed = true;
        self.request_allocations(now);
        Ok(())
    }

    fn check_sources(
        &self,
        endpoint: EndpointIndex,
        descriptions: &[SourceDescription],
    ) -> Result<(), ConferenceError> {
        let owner = self
            .endpoint(endpoint)
            .ok_or(ConferenceError::UnknownEndpoint)?;
        if owner.is_visitor && !descriptions.is_empty() {
            return Err(ConferenceError::VisitorWithSources);
        }
        if descriptions.len() > MAXIMUM_SOURCES {
            return Err(ConferenceError::TooManySources(descriptions.len()));
        }
        let mut seen = Vec::new();
        for description in descriptions {
            let holder = self.source_names.get(&description.name);
            if let Some(source) = holder.and_then(|index| self.source(*index))
                && source.owner != endpoint
            {
                return Err(ConferenceError::NameInUse(description.name.clone()));
            }
            for encoding in &description.encodings {
                for ssrc in [Some(encoding.ssrc), encoding.rtx].into_iter().flatten() {
                    let is_foreign = self
                        .routes
                        .get(&ssrc.0)
                        .is_some_and(|route| route.owner != endpoint);
                    if is_foreign || seen.contains(&ssrc) {
                        return Err(ConferenceError::SsrcInUse(ssrc));
                    }
                    seen.push(ssrc);
                }
            }
        }
        Ok(())
    }

    fn add_source(&mut self, now: Instant, owner: EndpointIndex, description: SourceDescription) {
        let free = self.sources.iter().position(Option::is_none);
        let position = free.unwrap_or(self.sources.len());
        let index = SourceIndex(position as u32);
        for (number, encoding) in description.encodings.iter().enumerate() {
            let mut route = Route {
                owner,
                source: index,
                encoding: number as u8,
                is_retransmission: false,
            };
            self.routes.insert(encoding.ssrc.0, route);
            route.is_retransmission = true;
            if let Some(rtx) = encoding.rtx {
                self.routes.insert(rtx.0, route);
            }
        }
        self.source_names.insert(description.name.clone(), index);
        let Some(endpoint) = self.endpoint_mut(owner) else {
            return;
        };
        let mut source = Source::new(now, (owner, endpoint.id.clone()), description);
        endpoint.sources.push(index);
        if let Some(video_type) = endpoint.early_video_types.remove(source.name()) {
            source.video_type = video_type;
        }
        let ssrc = source.primary().0;
        let former = &mut endpoint.former_audio;
        let place = former.iter().position(|(former, _)| *former == ssrc);
        if let Some((_, mapper)) = place.and_then(|place| former.remove(place)) {
            source.silence_mapper = mapper;
        }
        let source = Some(Box::new(source));
        match self.sources.get_mut(position) {
            Some(slot) => *slot = source,
            None => self.sources.push(source),
        }
    }

    fn remove_source(&mut self, index: SourceIndex) {
        let Some(slot) = self.sources.get_mut(index.as_usize()) else {
            return;
        };
        let Some(mut removed) = slot.take() else {
            return;
        };
        self.batch.forget(index);
        self.source_names.remove(&removed.description.name);
        self.routes.retain(|_, route| route.source != index);
        if let Some(owner) = self.endpoint_mut(removed.owner) {
            owner.sources.retain(|source| *source != index);
            if !removed.is_video() {
                removed.silence_mapper.pause();
                owner.former_audio.truncate(FORMER_AUDIO - 1);
                let former = (removed.primary().0, removed.silence_mapper);
                owner.former_audio.push_front(former);
            }
        }
        for receiver in self.endpoints.iter_mut().flatten() {
            receiver.forget_source(index);
        }
    }

    /// Drops media of a kind that an endpoint sends.
    pub fn set_force_mute(&mut self, endpoint: EndpointIndex, audio: bool, video: bool) {
        let Some(endpoint) = self.endpoint_mut(endpoint) else {
            return;
        };
        let shows_again = endpoint.force_mute_video && !video;
        endpoint.force_mute_audio = audio;
        endpoint.force_mute_video = video;
        if !shows_again {
            return;
        }
        // What was dropped meanwhile is what the next pictures refer to.
        let sources = endpoint.sources.clone();
        let receivers = self.endpoints.iter_mut().flatten();
        for stream in receivers.flat_map(|receiver| &mut receiver.video) {
            if stream
                .source
                .is_some_and(|source| sources.contains(&source))
            {
                stream.projection.restart();
            }
        }
    }

    /// Sets last-N until the client states its own.
    pub fn set_initial_last_n(&mut self, endpoint: EndpointIndex, last_n: i32) {
        if let Some(endpoint) = self.endpoint_mut(endpoint) {
            endpoint.initial_last_n = Some(last_n);
            endpoint.needs_allocation = true;
        }
    }

    /// Says whether an endpoint's transport (ICE and DTLS) can carry media.
    pub fn set_transport_ready(&mut self, now: Instant, endpoint: EndpointIndex, is_ready: bool) {
        if let Some(endpoint) = self.endpoint_mut(endpoint) {
            endpoint.is_ready = is_ready;
            endpoint.needs_allocation = true;
            endpoint.last_activity = Some(now);
            if !is_ready {
                // It wants nothing of anybody until it is back.
                endpoint.allocation = Allocation::default();
                self.constraints_changed = true;
            }
        }
        self.next_tick = self.next_tick.min(now);
    }

    /// Notes a sign of life other than media (ICE consent).
    pub fn note_activity(&mut self, now: Instant, endpoint: EndpointIndex) {
        if let Some(endpoint) = self.endpoint_mut(endpoint) {
            endpoint.last_activity = Some(now);
            endpoint.was_reported_timed_out = false;
        }
    }

    /// Round trip of an endpoint's transport, when something below RTP measured it.
    pub fn set_round_trip(&mut self, endpoint: EndpointIndex, round_trip: Duration) {
        if let Some(endpoint) = self.endpoint_mut(endpoint) {
            endpoint.round_trip = round_trip;
        }
    }

    fn request_allocations(&mut self, now: Instant) {
        for endpoint in self.endpoints.iter_mut().flatten() {
            endpoint.needs_allocation = true;
        }
        self.next_tick = self.next_tick.min(now);
    }

    fn endpoint(&self, index: EndpointIndex) -> Option<&Endpoint> {
        self.endpoints.get(index.as_usize())?.as_deref()
    }

    fn endpoint_mut(&mut self, index: EndpointIndex) -> Option<&mut Endpoint> {
        self.endpoints.get_mut(index.as_usize())?.as_deref_mut()
    }

    fn source(&self, index: SourceIndex) -> Option<&Source> {
        self.sources.get(index.as_usize())?.as_deref()
    }

    fn source_mut(&mut self, index: SourceIndex) -> Option<&mut Source> {
        self.sources.get_mut(index.as_usize())?.as_deref_mut()
    }
}
