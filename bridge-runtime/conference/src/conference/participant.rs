//! One person in the room, and the session with them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jitctl_wire::jingle::{OwnedSources, SourceMap};
use jitctl_wire::rtp::MediaKind;
use jitctl_wire::{Jid, Presence};
use serde::{Deserialize, Serialize};

use crate::features::Features;
use crate::output::RequestId;
use crate::rate::RateLimit;
use crate::sources::{SCREEN, Sources, with_one_video};

/// Somebody in the room.
#[derive(Debug)]
pub(super) struct Participant {
    /// Address in the room.
    pub(super) occupant: Jid,
    /// Real address.
    pub(super) real: Jid,
    /// Whether the room lets them moderate.
    pub(super) moderator: bool,
    /// Whether the focus asked to make them owner.
    pub(super) owner_asked: bool,
    /// Region from their presence.
    pub(super) region: Option<String>,
    /// Free text for the bridge's statistics.
    pub(super) stats_id: Option<String>,
    /// What their client can do; `None` until it said so.
    pub(super) features: Option<Features>,
    /// What stands for their features in their presence (XEP-0115): node and hash.
    pub(super) capabilities: Option<String>,
    /// The question for the features that is under way.
    pub(super) features_asked: Option<RequestId>,
    /// How many were in the room before them.
    pub(super) position: usize,
    /// What they send.
    pub(super) sources: Sources,
    /// Media of theirs that the bridge drops.
    pub(super) muted: Muted,
    /// What they say they send, muted sources left out.
    pub(super) sending: Sending,
    /// Whether an offer went out to them already.
    pub(super) invited_before: bool,
    /// Where the invitation stands.
    pub(super) session: Session,
    /// Restarts they asked for by a new session.
    pub(super) restarts: RateLimit,
    /// Restarts of ICE alone they asked for.
    pub(super) ice_restarts: RateLimit,
}

/// Force-mute at the bridge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Muted {
    pub(super) audio: bool,
    pub(super) video: bool,
}

/// What somebody sends unmuted, by the `SourceInfo` of their presence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sending {
    pub(super) audio: bool,
    pub(super) video: bool,
    /// A screen is among the videos.
    #[serde(default)]
    pub(super) screen: bool,
}

impl Sending {
    /// Reads a presence; a source that does not say whether it is muted counts as muted.
    pub(super) fn of(presence: &Presence) -> Self {
        #[derive(Deserialize)]
        struct Info {
            #[serde(default = "muted")]
            muted: bool,
            #[serde(default, rename = "videoType")]
            video_type: Option<String>,
        }
        fn muted() -> bool {
            true
        }
        let info = presence
            .payload
            .iter()
            .find(|child| child.name() == "SourceInfo")
            .and_then(|info| serde_json::from_str::<BTreeMap<String, Info>>(&info.text()).ok())
            .unwrap_or_default();
        let sends = |letter: char| {
            info.iter().any(|(name, info)| {
                let kind = name
                    .rsplit('-')
                    .next()
                    .and_then(|index| index.chars().next());
                !info.muted && kind == Some(letter)
            })
        };
        Self {
            audio: sends('a'),
            video: sends('v'),
            screen: info
                .values()
                .any(|info| !info.muted && info.video_type.as_deref() == Some(SCREEN)),
        }
    }

    pub(super) fn sends(self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video => self.video,
        }
    }
}

/// Where an invitation stands.
#[derive(Debug, Default)]
pub(super) enum Session {
    /// Not invited.
    #[default]
    None,
    /// The bridge is asked for a transport.
    Allocating {
        /// The request; an older one no longer counts.
        request: RequestId,
        /// Which bridge.
        bridge: Jid,
    },
    /// Invited, and perhaps accepted.
    Open(Box<OpenSession>),
}

/// A session that the client knows of.
#[derive(Debug)]
pub(super) struct OpenSession {
    /// Jingle session.
    pub(super) sid: String,
    /// Which bridge.
    pub(super) bridge: Jid,
    /// The allocation's identifier.
    pub(super) bridge_session: String,
    /// Whether the client accepted.
    pub(super) accepted: bool,
    /// What the client was told of others.
    pub(super) told: SourceMap,
    /// Whose sources are not what the client was told.
    pub(super) untold: BTreeSet<String>,
    /// When to tell it what changed.
    pub(super) tell_at: Option<Instant>,
}

impl Session {
    /// The bridge that carries it.
    pub(super) fn bridge(&self) -> Option<&Jid> {
        match self {
            Self::None => None,
            Self::Allocating { bridge, .. } => Some(bridge),
            Self::Open(open) => Some(&open.bridge),
        }
    }

    /// The session as the client knows it.
    pub(super) fn open(&self) -> Option<&OpenSession> {
        match self {
            Self::Open(open) => Some(open),
            _ => None,
        }
    }

    /// The session as the client knows it.
    pub(super) fn open_mut(&mut self) -> Option<&mut OpenSession> {
        match self {
            Self::Open(open) => Some(open),
            _ => None,
        }
    }
}

impl Participant {
    /// Whether SSRCs are rewritten towards them.
    pub(super) fn rewrites(&self, allowed: bool) -> bool {
        allowed
            && self
                .features
                .is_some_and(|features| features.ssrc_rewriting)
    }

    /// Whether their client takes one video of each person, either the camera or the screen.
    pub(super) fn takes_one_video(&self) -> bool {
        self.features
            .is_some_and(|features| !features.multiple_videos)
    }

    /// What of their sources others are shown, those who take one video and those who take more.
    pub(super) fn shown(&self, one_video: bool) -> OwnedSources {
        let sources = self.sources.for_others();
        if one_video {
            with_one_video(sources, self.sending.screen)
        } else {
            sources
        }
    }
}
