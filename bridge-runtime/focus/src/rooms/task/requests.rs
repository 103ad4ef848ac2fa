//! Conference requests: who may open a room, and the answer once the focus is in it.

use std::time::{Instant, SystemTime};

use jitctl_conference::Conference;
use jitctl_wire::Jid;
use jitctl_wire::conference_request::{ConferenceReply, ConferenceRequest};

use super::{Room, Task, entropy};
use crate::rooms::Refusal;
use crate::rooms::logins::Asker;
use crate::rooms::waiting::{Waiting, Way, reply};

impl Task {
    pub(super) fn asked(&mut self, request: &ConferenceRequest, from: Option<&Jid>, way: Way) {
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
            return way.answer(self.reply(&request.room, false));
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

    /// Tells those who wait for a room that the focus is in it, or that they are to ask again.
    pub(super) fn answer_all(&self, room: &Jid, waiting: Vec<Waiting>, ready: bool) {
        let reply = self.reply(room, ready);
        for one in waiting {
            one.answer(reply.clone());
        }
    }

    fn reply(&self, room: &Jid, ready: bool) -> ConferenceReply {
        let xmpp = &self.state.config.xmpp;
        // The bare address clients know the focus by.
        let focus = format!("{}@{}", xmpp.username, xmpp.domain);
        let authenticates = self.admission.authenticated_domain.is_some();
        reply(room.as_str(), &focus, ready, authenticates)
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
}
