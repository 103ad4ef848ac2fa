//! Inviting somebody: a bridge, a transport on it, an offer (colibri2 create, session-initiate).

use std::collections::BTreeSet;
use std::time::Instant;

use jitctl_wire::colibri2::{
    ConferenceModified, ConferenceModify, Endpoint, ForceMute, MediaSource, Sctp, Transport,
    capability,
};
use jitctl_wire::ice::IceUdpTransport;
use jitctl_wire::jingle::{Action, BridgeSession, Jingle, OwnedSources, StartMuted};
use jitctl_wire::rtp::MediaKind;
use jitctl_wire::source::Source;
use jitctl_wire::{Iq, Jid};

use super::participant::{Muted, OpenSession, Session};
use super::{Conference, Purpose};
use crate::features::Features;
use crate::offer;
use crate::output::{Answer, Event, RequestId};
use crate::selector::{BridgeSelector, SelectionRequest};

/// The owner of the sources that a bridge sends feedback from.
const BRIDGE_OWNER: &str = "jvb";

impl Conference {
    /// Invites everybody who can be, once there are enough people.
    pub(super) fn invite_due(&mut self, now: Instant, bridges: &mut dyn BridgeSelector) {
        if self.participants.len() < self.settings.min_participants {
            self.bridge_missing = false;
            return;
        }
        let due: Vec<String> = self
            .participants
            .iter()
            .filter(|(_, participant)| {
                participant.features.is_some() && matches!(participant.session, Session::None)
            })
            .map(|(nick, _)| nick.clone())
            .collect();
        let was_missing = std::mem::take(&mut self.bridge_missing);
        let avoided = std::mem::take(&mut self.avoided);
        for nick in due {
            self.allocate(now, &nick, &avoided, was_missing, bridges);
        }
    }

    /// Asks a bridge for a transport. `said_missing` keeps one log line from becoming many.
    fn allocate(
        &mut self,
        now: Instant,
        nick: &str,
        excluded: &[Jid],
        said_missing: bool,
        bridges: &mut dyn BridgeSelector,
    ) {
        let in_use = self.bridge_loads();
        let region = self
            .participants
            .get(nick)
            .and_then(|someone| someone.region.clone());
        let request = SelectionRequest {
            region: region.as_deref(),
            in_use: &in_use,
            excluded,
        };
        let Some(selected) = bridges.select(now, &request) else {
            self.bridge_missing = true;
            if !said_missing {
                self.event(Event::NoBridge {
                    participant: nick.to_owned(),
                });
            }
            return;
        };
        let used = self.bridges.entry(selected.jid.clone()).or_default();
        used.region.clone_from(&selected.region);
        let create = !std::mem::replace(&mut used.created, true);
        let Some(endpoint) = self.endpoint_to_create(nick) else {
            return;
        };
        let mut modify = ConferenceModify::new(self.meeting_id.clone());
        modify.create = create;
        modify.rtcstats_enabled = self.settings.rtcstats;
        modify.name = create.then(|| self.room.clone());
        modify.endpoints.push(endpoint);
        let purpose = Purpose::Allocate {
            nick: nick.to_owned(),
            bridge: selected.jid.clone(),
        };
        let iq = Iq::get(Some(selected.jid.clone()), modify.to_element());
        let id = self.request(purpose, iq);
        if let Some(participant) = self.participants.get_mut(nick) {
            participant.session = Session::Allocating {
                request: id,
                bridge: selected.jid,
            };
        }
    }

    fn endpoint_to_create(&self, nick: &str) -> Option<Endpoint> {
        let participant = self.participants.get(nick)?;
        let features = participant.features.unwrap_or(Features::ASSUMED);
        let mut capabilities = vec![capability::SOURCE_NAMES.to_owned()];
        if participant.rewrites(self.settings.ssrc_rewriting) {
            capabilities.push(capability::SSRC_REWRITING.to_owned());
            if self.settings.rtp_mid_demux && features.rtp_mid_demux {
                capabilities.push(capability::RTP_MID_DEMUX.to_owned());
            }
        }
        let muted = participant.muted;
        Some(Endpoint {
            create: true,
            stats_id: participant.stats_id.clone(),
            capabilities,
            media: offer::media(&self.settings.codecs, features),
            transport: Some(Transport {
                ice_controlling: true,
                sctp: self.wants_sctp(features).then(Sctp::default),
                ..Transport::default()
            }),
            sources: Some(participant.sources.for_bridge()),
            force_mute: (muted.audio || muted.video).then_some(ForceMute {
                audio: muted.audio,
                video: muted.video,
            }),
            ..Endpoint::new(nick)
        })
    }

    fn wants_sctp(&self, features: Features) -> bool {
        self.settings.sctp && features.sctp
    }

    /// The bridge answered: offer, or look for another bridge.
    pub(super) fn allocated(
        &mut self,
        now: Instant,
        id: RequestId,
        nick: &str,
        bridge: &Jid,
        answer: Answer,
        bridges: &mut dyn BridgeSelector,
    ) {
        let current = match self.participants.get(nick).map(|someone| &someone.session) {
            Some(Session::Allocating { request, .. }) => *request == id,
            _ => false,
        };
        let modified = match answer {
            Answer::Result(payload) => payload.as_ref().map(ConferenceModified::parse),
            Answer::Error(error) => {
                self.allocation_refused(now, nick, bridge, &error, current, bridges);
                return;
            }
            Answer::Timeout => {
                bridges.report_failure(now, bridge);
                self.remove_bridge(bridge, "no answer to an allocation");
                return;
            }
        };
        let Some(Ok(modified)) = modified else {
            bridges.report_failure(now, bridge);
            self.remove_bridge(bridge, "an answer that is no conference-modified");
            return;
        };
        if let Some(feedback) = modified.sources
            && let Some(used) = self.bridges.get_mut(bridge)
        {
            used.feedback = feedback;
        }
        if !current {
            return;
        }
        let transport = modified
            .endpoints
            .into_iter()
            .find(|endpoint| endpoint.id == nick)
            .and_then(|endpoint| endpoint.transport);
        let features = self
            .participants
            .get(nick)
            .and_then(|someone| someone.features)
            .unwrap_or(Features::ASSUMED);
        let sctp = transport
            .as_ref()
            .and_then(|transport| transport.sctp?.port);
        let Some(ice) = transport.and_then(|transport| transport.ice_udp) else {
            self.participant_failed(nick, "the bridge gave no transport");
            return;
        };
        let wanted = self.wants_sctp(features);
        if wanted && sctp.is_none() {
            self.participant_failed(nick, "the bridge gave no SCTP port");
            return;
        }
        self.offer(nick, bridge, ice, sctp.filter(|_| wanted));
    }

    fn offer(&mut self, nick: &str, bridge: &Jid, mut ice: IceUdpTransport, sctp: Option<u16>) {
        // Clients refuse a session without rtcp-mux.
        ice.rtcp_mux = true;
        let sid = self.entropy.session_id();
        let bridge_session = self.entropy.uuid();
        let told = self.sources_for(nick);
        let Some(participant) = self.participants.get(nick) else {
            return;
        };
        let features = participant.features.unwrap_or(Features::ASSUMED);
        let used = self.bridges.get(bridge);
        let feedback = used
            .map(|used| feedback_sources(&used.feedback))
            .unwrap_or_default();
        let region = used.and_then(|used| used.region.clone());
        let media = offer::media(&self.settings.codecs, features);
        let mut jingle = Jingle::new(Action::SessionInitiate, sid.clone());
        jingle.initiator = Some(self.focus.to_string());
        jingle.contents = offer::contents(&media, &ice, sctp);
        jingle.bundle = Some(
            jingle
                .contents
                .iter()
                .map(|content| content.name.clone())
                .collect(),
        );
        jingle.bridge_session = Some(BridgeSession {
            id: bridge_session.clone(),
            region,
            ..BridgeSession::default()
        });
        jingle.start_muted = self.start_muted(nick);
        let mut shown = told.clone();
        if !feedback.is_empty() {
            shown.0.insert(BRIDGE_OWNER.to_owned(), feedback);
        }
        if features.json_sources {
            jingle.sources = Some(shown);
        } else {
            super::announce::spread_over_contents(&mut jingle.contents, &shown);
        }
        let occupant = participant.occupant.clone();
        let purpose = Purpose::Offer {
            nick: nick.to_owned(),
            sid: sid.clone(),
        };
        self.request(purpose, Iq::set(Some(occupant), jingle.to_element()));
        if let Some(participant) = self.participants.get_mut(nick) {
            participant.invited_before = true;
            participant.session = Session::Open(Box::new(OpenSession {
                sid,
                bridge: bridge.clone(),
                bridge_session,
                accepted: false,
                told,
                untold: BTreeSet::new(),
                tell_at: None,
            }));
        }
        self.event(Event::Invited {
            participant: nick.to_owned(),
            bridge: bridge.clone(),
        });
    }

    fn start_muted(&self, nick: &str) -> Option<StartMuted> {
        let participant = self.participants.get(nick)?;
        let beyond =
            |limit: Option<usize>| limit.is_some_and(|limit| participant.position >= limit);
        let full = |kind| self.sender_limit_reached(kind, Some(nick));
        // What a moderator wished is for those who come, not for those who only change bridges.
        let wish = if participant.invited_before {
            Muted::default()
        } else {
            self.start_muted
        };
        let muted = StartMuted {
            audio: beyond(self.settings.start_audio_muted)
                || participant.muted.audio
                || wish.audio
                || full(MediaKind::Audio),
            video: beyond(self.settings.start_video_muted)
                || participant.muted.video
                || wish.video
                || full(MediaKind::Video),
        };
        (muted.audio || muted.video).then_some(muted)
    }

    /// Whether as many people as may send this kind already do, `except` not counted.
    pub(super) fn sender_limit_reached(&self, kind: MediaKind, except: Option<&str>) -> bool {
        let limit = match kind {
            MediaKind::Audio => self.settings.max_audio_senders,
            MediaKind::Video => self.settings.max_video_senders,
        };
        limit != usize::MAX
            && self
                .participants
                .iter()
                .filter(|(nick, someone)| {
                    Some(nick.as_str()) != except && someone.sending.sends(kind)
                })
                .count()
                >= limit
    }

    /// An offer was acknowledged or refused; silence counts as acknowledged.
    pub(super) fn offer_answered(&mut self, nick: &str, sid: &str, answer: &Answer) {
        let current = self
            .participants
            .get(nick)
            .and_then(|someone| someone.session.open())
            .is_some_and(|open| open.sid == sid);
        if let (true, Answer::Error(error)) = (current, answer) {
            let why = format!("the client refused the offer: {}", error.condition.name());
            self.participant_failed(nick, &why);
        }
    }
}

/// The bridge's own sources as clients know them.
fn feedback_sources(sources: &[MediaSource]) -> OwnedSources {
    let mut owned = OwnedSources::default();
    for media in sources {
        let msid = match media.kind {
            MediaKind::Audio => "mixedmslabel mixedlabelaudio0",
            MediaKind::Video => "mixedmslabel mixedlabelvideo0",
        };
        let list = match media.kind {
            MediaKind::Audio => &mut owned.audio,
            MediaKind::Video => &mut owned.video,
        };
        list.extend(media.sources.iter().map(|source| Source {
            parameters: vec![("msid".to_owned(), msid.to_owned())],
            ..Source::new(
                source.ssrc,
                source.name.clone().unwrap_or_else(|| media.id.clone()),
            )
        }));
    }
    owned
}
