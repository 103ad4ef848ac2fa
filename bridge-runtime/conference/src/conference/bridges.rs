//! Bridges in use: updates, expiry, failures and moves.

use std::collections::BTreeMap;
use std::time::Instant;

use jitctl_wire::colibri2::{
    ColibriError, ConferenceModified, ConferenceModify, Endpoint, Reason, Transport,
};
use jitctl_wire::jingle::{Action, Jingle};
use jitctl_wire::{Condition, Iq, Jid, StanzaError};

use super::participant::Session;
use super::{Conference, Purpose};
use crate::output::{Answer, Event};
use crate::selector::{BridgeSelector, SelectionRequest};

impl Conference {
    /// The bridges of this conference with their participants, for the choice of the next.
    pub fn bridge_loads(&self) -> Vec<(Jid, usize)> {
        self.bridges
            .keys()
            .map(|bridge| {
                let on_it = |session: &Session| session.bridge() == Some(bridge);
                let count = self
                    .participants
                    .values()
                    .filter(|someone| on_it(&someone.session))
                    .count();
                (bridge.clone(), count)
            })
            .collect()
    }

    /// Sends updates of endpoints: one request a bridge.
    pub(super) fn update_endpoints(&mut self, endpoints: Vec<Endpoint>) {
        let mut by_bridge: BTreeMap<Jid, Vec<Endpoint>> = BTreeMap::new();
        for endpoint in endpoints {
            let someone = self.participants.get(&endpoint.id);
            if let Some(bridge) = someone.and_then(|someone| someone.session.bridge()) {
                by_bridge.entry(bridge.clone()).or_default().push(endpoint);
            }
        }
        for (bridge, endpoints) in by_bridge {
            let mut modify = ConferenceModify::new(self.meeting_id.clone());
            modify.endpoints = endpoints;
            let nicks = modify.endpoints.iter().map(|one| one.id.clone()).collect();
            let purpose = Purpose::Update {
                nicks,
                bridge: bridge.clone(),
            };
            self.request(purpose, Iq::get(Some(bridge), modify.to_element()));
        }
    }

    pub(super) fn update_answered(
        &mut self,
        now: Instant,
        nicks: &[String],
        bridge: &Jid,
        answer: &Answer,
        bridges: &mut dyn BridgeSelector,
    ) {
        // Silence on an update is only worth a log line elsewhere: the next request tells.
        let Answer::Error(error) = answer else {
            return;
        };
        let colibri = ColibriError::from_stanza_error(error);
        if colibri.reason == Some(Reason::UnknownEndpoint) {
            let forgotten = match nicks {
                [nick] => Some(nick.clone()),
                _ => colibri.endpoint,
            };
            for nick in nicks {
                if Some(nick) != forgotten.as_ref() {
                    // Mutes alone are for several at once; what was done of them is not said.
                    self.update_endpoints(self.force_mute_of(nick).into_iter().collect());
                } else if self.is_on(nick, bridge) {
                    self.reinvite(nick, "the bridge forgot the endpoint");
                }
            }
            return;
        }
        note_failure(now, bridge, error, bridges);
        self.remove_bridge(bridge, &words(error));
    }

    /// An allocation was refused: who is to blame decides what happens.
    pub(super) fn allocation_refused(
        &mut self,
        now: Instant,
        nick: &str,
        bridge: &Jid,
        error: &StanzaError,
        current: bool,
        bridges: &mut dyn BridgeSelector,
    ) {
        let reason = ColibriError::from_stanza_error(error).reason;
        let participant_only = match error.condition {
            Condition::BadRequest => true,
            Condition::ItemNotFound => reason != Some(Reason::ConferenceNotFound),
            _ => false,
        };
        if participant_only {
            if current {
                self.participant_failed(nick, &words(error));
            }
            return;
        }
        note_failure(now, bridge, error, bridges);
        self.remove_bridge(bridge, &words(error));
    }

    /// A bridge is gone from the brewery or failed its health check.
    pub fn handle_bridge_lost(
        &mut self,
        now: Instant,
        bridge: &Jid,
        bridges: &mut dyn BridgeSelector,
    ) {
        self.remove_bridge(bridge, "the bridge is lost");
        self.advance(now, bridges);
    }

    /// Bridges came or became usable: whoever waits is invited.
    pub fn handle_bridges_changed(&mut self, now: Instant, bridges: &mut dyn BridgeSelector) {
        self.advance(now, bridges);
    }

    /// Gives a participant a new session; the choice of the bridge may fall on the same. Says
    /// whether there was anything to do.
    pub fn reinvite_participant(
        &mut self,
        now: Instant,
        nick: &str,
        bridges: &mut dyn BridgeSelector,
    ) -> bool {
        let Some(bridge) = self
            .participants
            .get(nick)
            .and_then(|someone| someone.session.bridge().cloned())
        else {
            return false;
        };
        self.reinvite(nick, "moved by request");
        self.expire_endpoint(nick, &bridge);
        self.advance(now, bridges);
        true
    }

    /// Moves everybody off a bridge, or off any without one named, to another. As a conference
    /// lives on one bridge, nobody is moved alone. Says how many were moved: none when there is no
    /// other bridge to go to.
    pub fn move_away(
        &mut self,
        now: Instant,
        bridge: Option<&Jid>,
        bridges: &mut dyn BridgeSelector,
    ) -> usize {
        let left: Vec<Jid> = self
            .bridges
            .keys()
            .filter(|used| bridge.is_none_or(|bridge| *used == bridge))
            .cloned()
            .collect();
        let elsewhere = SelectionRequest {
            region: None,
            in_use: &[],
            excluded: &left,
        };
        if left.is_empty() || bridges.select(now, &elsewhere).is_none() {
            return 0;
        }
        let moved = self
            .bridge_loads()
            .iter()
            .filter(|(used, _)| left.contains(used))
            .map(|(_, count)| count)
            .sum();
        for bridge in &left {
            self.remove_bridge(bridge, "moved by request");
        }
        self.avoided = left;
        self.advance(now, bridges);
        moved
    }

    /// Takes a bridge out and makes its participants due for an invitation.
    pub(super) fn remove_bridge(&mut self, bridge: &Jid, why: &str) {
        if self.bridges.remove(bridge).is_none() {
            return;
        }
        let moved: Vec<String> = self
            .participants
            .iter()
            .filter(|(_, someone)| someone.session.bridge() == Some(bridge))
            .map(|(nick, _)| nick.clone())
            .collect();
        for nick in &moved {
            self.reinvite(nick, why);
        }
        // It may be alive after all: it must not keep ghosts.
        self.expire_conference(bridge);
        self.event(Event::BridgeRemoved {
            bridge: bridge.clone(),
            moved: moved.len(),
            why: why.to_owned(),
        });
    }

    /// Ends a session so that a new one follows at once.
    pub(super) fn reinvite(&mut self, nick: &str, _why: &str) {
        self.terminate(nick, "success", "moving");
    }

    /// Ends a session and tells the client.
    pub(super) fn terminate(&mut self, nick: &str, condition: &str, text: &str) {
        let Some(Session::Open(open)) = self.take_session(nick) else {
            return;
        };
        let Some(occupant) = self
            .participants
            .get(nick)
            .map(|someone| someone.occupant.clone())
        else {
            return;
        };
        let mut jingle = Jingle::new(Action::SessionTerminate, open.sid);
        jingle.reason = Some(jitctl_wire::jingle::Reason::new(condition, text));
        self.request(
            Purpose::Untracked,
            Iq::set(Some(occupant), jingle.to_element()),
        );
    }

    /// One participant cannot be served; they stay in the room without media.
    pub(super) fn participant_failed(&mut self, nick: &str, why: &str) {
        let bridge = self
            .participants
            .get(nick)
            .and_then(|someone| someone.session.bridge().cloned());
        self.terminate(nick, "general-error", "jingle session failed");
        if let Some(bridge) = bridge {
            self.expire_endpoint(nick, &bridge);
        }
        if let Some(participant) = self.participants.get_mut(nick) {
            // Without features nobody is invited: the next presence of theirs does not retry.
            participant.features = None;
        }
        self.event(Event::ParticipantFailed {
            participant: nick.to_owned(),
            why: why.to_owned(),
        });
    }

    /// Drops one endpoint; the bridge drops the conference with the last.
    pub(super) fn expire_endpoint(&mut self, nick: &str, bridge: &Jid) {
        if !self.bridges.contains_key(bridge) {
            return;
        }
        let mut modify = ConferenceModify::new(self.meeting_id.clone());
        modify.endpoints.push(Endpoint {
            expire: true,
            ..Endpoint::new(nick)
        });
        self.request(
            Purpose::Untracked,
            Iq::get(Some(bridge.clone()), modify.to_element()),
        );
        let in_use = self
            .participants
            .values()
            .any(|someone| someone.session.bridge() == Some(bridge));
        if !in_use {
            self.bridges.remove(bridge);
        }
    }

    pub(super) fn expire_conference(&mut self, bridge: &Jid) {
        let mut modify = ConferenceModify::new(self.meeting_id.clone());
        modify.expire = true;
        self.request(
            Purpose::Untracked,
            Iq::get(Some(bridge.clone()), modify.to_element()),
        );
    }

    /// Asks the bridge for new ICE credentials on a running session.
    pub(super) fn ask_ice_restart(&mut self, nick: &str) {
        let Some(bridge) = self
            .participants
            .get(nick)
            .and_then(|someone| someone.session.bridge().cloned())
        else {
            return;
        };
        let mut modify = ConferenceModify::new(self.meeting_id.clone());
        modify.endpoints.push(Endpoint {
            transport: Some(Transport {
                ice_restart: true,
                ..Transport::default()
            }),
            ..Endpoint::new(nick)
        });
        let purpose = Purpose::IceRestart {
            nick: nick.to_owned(),
            bridge: bridge.clone(),
        };
        self.request(purpose, Iq::get(Some(bridge), modify.to_element()));
    }

    pub(super) fn ice_restart_answered(
        &mut self,
        now: Instant,
        nick: &str,
        bridge: &Jid,
        answer: Answer,
        bridges: &mut dyn BridgeSelector,
    ) {
        let payload = match answer {
            Answer::Result(payload) => payload,
            other => {
                let nicks = [nick.to_owned()];
                return self.update_answered(now, &nicks, bridge, &other, bridges);
            }
        };
        if !self.is_on(nick, bridge) {
            return;
        }
        let transport = payload
            .as_ref()
            .and_then(|payload| ConferenceModified::parse(payload).ok())
            .and_then(|modified| modified.endpoints.into_iter().find(|one| one.id == nick))
            .and_then(|endpoint| endpoint.transport?.ice_udp);
        match transport {
            Some(ice) if ice.ice_generation.is_some() => self.send_transport(nick, ice),
            // Not established yet: the running agent goes on.
            Some(_) => {}
            None => {
                self.reinvite(nick, "the bridge cannot restart ICE in place");
                self.expire_endpoint(nick, bridge);
            }
        }
    }

    fn is_on(&self, nick: &str, bridge: &Jid) -> bool {
        self.participants
            .get(nick)
            .is_some_and(|someone| someone.session.bridge() == Some(bridge))
    }
}

/// Tells the selector what an error says about the bridge as such.
fn note_failure(now: Instant, bridge: &Jid, error: &StanzaError, bridges: &mut dyn BridgeSelector) {
    let reason = ColibriError::from_stanza_error(error).reason;
    match (error.condition, reason) {
        (_, Some(Reason::GracefulShutdown)) => bridges.report_shutdown(now, bridge),
        // The bridge restarted, or two focuses met: it is fine for others.
        (Condition::Conflict | Condition::ItemNotFound, _) => {}
        _ => bridges.report_failure(now, bridge),
    }
}

fn words(error: &StanzaError) -> String {
    match &error.text {
        Some(text) => format!("{}: {text}", error.condition.name()),
        None => error.condition.name().to_owned(),
    }
}
