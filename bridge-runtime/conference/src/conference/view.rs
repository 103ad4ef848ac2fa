//! A picture of the conference for operators.

use jitctl_wire::Jid;

use super::participant::Session;
use super::{Conference, State};

/// One participant as an operator sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantView {
    /// Nickname, which is the endpoint identifier.
    pub id: String,
    /// Real address.
    pub real: Jid,
    /// The bridge that carries them.
    pub bridge: Option<Jid>,
    /// `waiting`, `allocating`, `invited` or `active`.
    pub session: &'static str,
    /// Whether they may moderate.
    pub moderator: bool,
    /// Whether they say that they send sound.
    pub sends_audio: bool,
    /// Whether they say that they send a picture.
    pub sends_video: bool,
    /// SSRCs they announced.
    pub ssrcs: usize,
}

/// A conference as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceView {
    /// Address of the room.
    pub room: Jid,
    /// Key of the conference on bridges.
    pub meeting_id: String,
    /// Whether the focus is in the room.
    pub ready: bool,
    /// Whether clients report statistics of their connections.
    pub rtcstats: bool,
    /// People, by identifier.
    pub participants: Vec<ParticipantView>,
    /// Bridges in use with their participants.
    pub bridges: Vec<(Jid, usize)>,
}

impl Conference {
    /// The picture of now.
    pub fn view(&self) -> ConferenceView {
        let participants = self
            .participants
            .iter()
            .map(|(id, someone)| ParticipantView {
                id: id.clone(),
                real: someone.real.clone(),
                bridge: someone.session.bridge().cloned(),
                session: match &someone.session {
                    Session::None => "waiting",
                    Session::Allocating { .. } => "allocating",
                    Session::Open(open) if open.accepted => "active",
                    Session::Open(_) => "invited",
                },
                moderator: someone.moderator,
                sends_audio: someone.sending.audio,
                sends_video: someone.sending.video,
                ssrcs: someone.sources.ssrcs().count(),
            });
        ConferenceView {
            room: self.room.clone(),
            meeting_id: self.meeting_id.clone(),
            ready: self.state == State::Ready,
            rtcstats: self.settings.rtcstats,
            participants: participants.collect(),
            bridges: self.bridge_loads(),
        }
    }
}
