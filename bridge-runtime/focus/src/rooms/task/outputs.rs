//! What conferences have to say: stanzas, requests with their answers, events.

use std::time::Duration;

use jitctl_conference::{Answer, Event, Output, RequestId};
use jitctl_wire::{Element, Iq, Jid};
use jitctl_xmpp::{Client, IqError};
use tokio::sync::mpsc;

use super::Task;
use crate::rooms::{Refusal, RoomCounts, capabilities};

/// How long a client or a bridge may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The answer to a request of a conference.
pub(super) struct Answered {
    pub(super) room: Jid,
    pub(super) id: RequestId,
    pub(super) answer: Answer,
    /// The capabilities that were asked about.
    pub(super) node: Option<String>,
}

impl Task {
    /// Carries out everything a conference has to say.
    pub(super) fn drive(&mut self, name: &Jid) {
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
        if room.conference.is_ready() && !room.waiting.is_empty() {
            let waiting = std::mem::take(&mut room.waiting);
            self.answer_all(name, waiting, true);
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
