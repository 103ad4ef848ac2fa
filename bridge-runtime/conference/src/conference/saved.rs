//! What a conference needs to go on in another process, when the focus restarts.
//!
//! People keep their media meanwhile, and see nothing of it: our place in the room stays. What was
//! on its way is started again: questions are asked anew, allocations given back and made anew.
//! Limits on restarts start afresh.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jitctl_wire::Jid;
use jitctl_wire::colibri2::MediaSource;
use jitctl_wire::jingle::{OwnedSources, SourceMap};
use serde::{Deserialize, Serialize};

use super::moderation::AvModerationState;
use super::participant::{Muted, OpenSession, Participant, Sending, Session};
use super::{BridgeUse, Conference, Purpose, State};
use crate::features::Features;
use crate::output::RequestId;
use crate::rate::RateLimit;
use crate::selector::BridgeSelector;
use crate::settings::{Entropy, Settings};
use crate::sources::Sources;

/// A conference at rest; see [`Conference::save`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedConference {
    room: Jid,
    focus: Jid,
    state: State,
    meeting_id: String,
    seen: usize,
    start_audio_muted: Option<usize>,
    start_video_muted: Option<usize>,
    rtcstats: bool,
    start_muted: Muted,
    participants: Vec<SavedParticipant>,
    bridges: Vec<SavedBridge>,
    av_moderation: AvModerationState,
    authenticated: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedBridge {
    bridge: Jid,
    feedback: Vec<MediaSource>,
    created: bool,
    region: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about a person"
)]
struct SavedParticipant {
    occupant: Jid,
    real: Jid,
    moderator: bool,
    owner_asked: bool,
    region: Option<String>,
    stats_id: Option<String>,
    features: Option<Features>,
    given_up: bool,
    position: usize,
    sources: Sources,
    muted: Muted,
    sending: Sending,
    invited_before: bool,
    allocating: Option<Jid>,
    session: Option<SavedSession>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedSession {
    sid: String,
    bridge: Jid,
    bridge_session: String,
    accepted: bool,
    /// What the client was told of others; `None` for all that they send, as it is nearly always.
    told: BTreeMap<String, Option<OwnedSources>>,
}

/// A question that was never asked: its answer cannot come, so nobody is asked again.
const NEVER: RequestId = RequestId(u64::MAX);

impl SavedConference {
    /// Address of the room.
    pub fn room(&self) -> &Jid {
        &self.room
    }
}

impl Conference {
    /// What another process needs to go on, unless the conference is over.
    pub fn save(&self) -> Option<SavedConference> {
        if self.state == State::Ended {
            return None;
        }
        let bridges = self.bridges.iter().map(|(bridge, used)| SavedBridge {
            bridge: bridge.clone(),
            feedback: used.feedback.clone(),
            created: used.created,
            region: used.region.clone(),
        });
        let sent: BTreeMap<&String, OwnedSources> = self
            .participants
            .iter()
            .map(|(nick, someone)| (nick, someone.sources.for_others()))
            .collect();
        Some(SavedConference {
            room: self.room.clone(),
            focus: self.focus.clone(),
            state: self.state,
            meeting_id: self.meeting_id.clone(),
            seen: self.seen,
            start_audio_muted: self.settings.start_audio_muted,
            start_video_muted: self.settings.start_video_muted,
            rtcstats: self.settings.rtcstats,
            start_muted: self.start_muted,
            participants: self
                .participants
                .values()
                .map(|someone| self.save_participant(someone, &sent))
                .collect(),
            bridges: bridges.collect(),
            av_moderation: self.av_moderation.clone(),
            authenticated: self.authenticated.iter().cloned().collect(),
        })
    }

    fn save_participant(
        &self,
        someone: &Participant,
        sent: &BTreeMap<&String, OwnedSources>,
    ) -> SavedParticipant {
        let waits = |id: RequestId| matches!(self.pending.get(&id), Some(Purpose::Features { .. }));
        SavedParticipant {
            occupant: someone.occupant.clone(),
            real: someone.real.clone(),
            moderator: someone.moderator,
            owner_asked: someone.owner_asked,
            region: someone.region.clone(),
            stats_id: someone.stats_id.clone(),
            features: someone.features,
            given_up: someone.features.is_none()
                && someone.features_asked.is_some_and(|id| !waits(id)),
            position: someone.position,
            sources: someone.sources.clone(),
            muted: someone.muted,
            sending: someone.sending,
            invited_before: someone.invited_before,
            allocating: match &someone.session {
                Session::Allocating { bridge, .. } => Some(bridge.clone()),
                _ => None,
            },
            session: someone.session.open().map(|open| SavedSession {
                sid: open.sid.clone(),
                bridge: open.bridge.clone(),
                bridge_session: open.bridge_session.clone(),
                accepted: open.accepted,
                told: save_told(&open.told, sent),
            }),
        }
    }

    /// Takes a conference up again. Nothing is said until [`Conference::resume`].
    ///
    /// # Errors
    /// An address that is none together with the room.
    pub fn restore(
        now: Instant,
        saved: SavedConference,
        mut settings: Settings,
        entropy: Entropy,
    ) -> Result<Self, jitctl_wire::JidError> {
        settings.start_audio_muted = saved.start_audio_muted;
        settings.start_video_muted = saved.start_video_muted;
        settings.rtcstats = saved.rtcstats;
        let mut conference = Self::new(now, saved.room, saved.focus, settings, entropy)?;
        conference.outputs.clear();
        conference.state = saved.state;
        conference.meeting_id = saved.meeting_id;
        conference.seen = saved.seen;
        conference.start_muted = saved.start_muted;
        conference.av_moderation = saved.av_moderation;
        conference.authenticated = saved.authenticated.into_iter().collect();
        if !saved.participants.is_empty() {
            conference.empty_deadline = None;
        }
        for one in saved.bridges {
            let used = BridgeUse {
                feedback: one.feedback,
                created: one.created,
                region: one.region,
            };
            conference.bridges.insert(one.bridge, used);
        }
        let sent: BTreeMap<String, OwnedSources> = saved
            .participants
            .iter()
            .filter_map(|one| {
                Some((
                    one.occupant.resource()?.to_owned(),
                    one.sources.for_others(),
                ))
            })
            .collect();
        for one in saved.participants {
            let Some(nick) = one.occupant.resource().map(str::to_owned) else {
                continue;
            };
            // What was gathered and not told is found by comparing everything once.
            let owners = one.session.iter().flat_map(|session| session.told.keys());
            conference.changed.extend(owners.cloned());
            conference.changed.insert(nick.clone());
            conference.participants.insert(nick, one.restore(&sent));
        }
        Ok(conference)
    }

    /// The session at the server goes on: does what is due since the conference was saved.
    pub fn resume(&mut self, now: Instant, bridges: &mut dyn BridgeSelector) {
        if self.state == State::Configuring {
            // The answer went to a request that nobody remembers.
            self.ask_room_form();
        }
        self.give_back_interrupted();
        self.advance(now, bridges);
    }

    /// The same after a process that was killed: the last moments of it were not saved.
    pub fn recover(&mut self, now: Instant, bridges: &mut dyn BridgeSelector) {
        // Whether these got their offers is unknown: they get others.
        let unsure: Vec<(String, Jid)> = self
            .participants
            .iter()
            .filter_map(|(nick, someone)| {
                let open = someone.session.open().filter(|open| !open.accepted)?;
                Some((nick.clone(), open.bridge.clone()))
            })
            .collect();
        for (nick, bridge) in unsure {
            self.reinvite(&nick, "the focus was killed");
            self.expire_endpoint(&nick, &bridge);
        }
        self.resume(now, bridges);
    }

    /// Allocations whose answers went to nobody: the bridge may have made them.
    fn give_back_interrupted(&mut self) {
        let interrupted: Vec<(String, Jid)> = self
            .participants
            .iter()
            .filter_map(|(nick, someone)| match &someone.session {
                Session::Allocating { request, bridge } if *request == NEVER => {
                    Some((nick.clone(), bridge.clone()))
                }
                _ => None,
            })
            .collect();
        for (nick, _) in &interrupted {
            self.take_session(nick);
        }
        for (nick, bridge) in interrupted {
            self.expire_endpoint(&nick, &bridge);
        }
    }
}

/// `sent` is what everybody sends now.
fn save_told(
    told: &SourceMap,
    sent: &BTreeMap<&String, OwnedSources>,
) -> BTreeMap<String, Option<OwnedSources>> {
    let saved = |(owner, told): (&String, &OwnedSources)| {
        let own = (sent.get(owner) != Some(told)).then(|| told.clone());
        (owner.clone(), own)
    };
    told.0.iter().map(saved).collect()
}

impl SavedParticipant {
    fn restore(self, sent: &BTreeMap<String, OwnedSources>) -> Participant {
        Participant {
            occupant: self.occupant,
            real: self.real,
            moderator: self.moderator,
            owner_asked: self.owner_asked,
            region: self.region,
            stats_id: self.stats_id,
            features: self.features,
            // Only asking needs it, and who is asked again may say it anew.
            capabilities: None,
            features_asked: self.given_up.then_some(NEVER),
            position: self.position,
            sources: self.sources,
            muted: self.muted,
            sending: self.sending,
            invited_before: self.invited_before,
            session: match (self.session, self.allocating) {
                (Some(one), _) => Session::Open(Box::new(OpenSession {
                    sid: one.sid,
                    bridge: one.bridge,
                    bridge_session: one.bridge_session,
                    accepted: one.accepted,
                    told: SourceMap(
                        one.told
                            .into_iter()
                            .filter_map(|(owner, told)| {
                                let told = told.or_else(|| sent.get(&owner).cloned())?;
                                Some((owner, told))
                            })
                            .collect(),
                    ),
                    untold: BTreeSet::new(),
                    tell_at: None,
                })),
                (None, Some(bridge)) => Session::Allocating {
                    request: NEVER,
                    bridge,
                },
                (None, None) => Session::None,
            },
            restarts: RateLimit::default(),
            ice_restarts: RateLimit::default(),
        }
    }
}
