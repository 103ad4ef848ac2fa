//! What clients send about their session.

use std::time::Instant;

use jitctl_wire::colibri2::{Endpoint, Transport};
use jitctl_wire::ice::IceUdpTransport;
use jitctl_wire::jingle::{Action, Content, Creator, Jingle};
use jitctl_wire::moderation::Mute;
use jitctl_wire::namespace::{DISCO_INFO, JINGLE_ERRORS};
use jitctl_wire::rtp::MediaKind;
use jitctl_wire::{Condition, Element, Iq, Jid, StanzaError};

use super::participant::Session;
use super::{Conference, Purpose};
use crate::output::{Event, Output};
use crate::selector::BridgeSelector;
use crate::sources::{Limits, SourceError, Sources};

impl Conference {
    /// An IQ request from an occupant; it is always answered.
    pub fn handle_iq(&mut self, now: Instant, iq: &Iq, bridges: &mut dyn BridgeSelector) {
        let outcome = self.dispatch(now, iq);
        self.outputs.push_back(Output::Answer(match outcome {
            Ok(payload) => iq.result(payload),
            Err(error) => iq.refusal(error),
        }));
        self.advance(now, bridges);
    }

    fn dispatch(&mut self, now: Instant, iq: &Iq) -> Result<Option<Element>, StanzaError> {
        let payload = iq
            .payload
            .as_ref()
            .ok_or(StanzaError::new(Condition::BadRequest))?;
        let malformed = |error: jitctl_wire::ParseError| {
            StanzaError::new(Condition::BadRequest).with_text(error.to_string())
        };
        let nick = iq
            .from
            .as_ref()
            .and_then(Jid::resource)
            .unwrap_or_default()
            .to_owned();
        if Jingle::matches(payload) {
            let jingle = Jingle::parse(payload).map_err(malformed)?;
            return self.handle_jingle(now, &nick, &jingle).map(|()| None);
        }
        if Mute::matches(payload) {
            let mute = Mute::parse(payload).map_err(malformed)?;
            return self.handle_mute(&nick, &mute).map(|()| None);
        }
        if payload.is("query", DISCO_INFO) {
            let mut info = Self::disco_info();
            info.node = payload.attribute("node").map(str::to_owned);
            return Ok(Some(info.to_element()));
        }
        Err(StanzaError::new(Condition::ServiceUnavailable))
    }

    fn handle_jingle(
        &mut self,
        now: Instant,
        nick: &str,
        jingle: &Jingle,
    ) -> Result<(), StanzaError> {
        let open = self
            .participants
            .get(nick)
            .and_then(|someone| someone.session.open());
        if open.is_none_or(|open| open.sid != jingle.sid) {
            let unknown = Element::new("unknown-session", JINGLE_ERRORS);
            return Err(StanzaError::new(Condition::ItemNotFound).with_application(unknown));
        }
        match jingle.action {
            Action::SessionAccept => self.accepted(nick, jingle),
            Action::TransportInfo => {
                self.forward_transport(nick, jingle);
                Ok(())
            }
            Action::SourceAdd => self.source_add(nick, jingle),
            Action::SourceRemove => self.source_remove(nick, jingle),
            Action::SessionTerminate => self.client_terminates(now, nick, jingle),
            Action::SessionInfo => self.session_info(now, nick, jingle),
            _ => Err(StanzaError::new(Condition::FeatureNotImplemented)),
        }
    }

    fn accepted(&mut self, nick: &str, jingle: &Jingle) -> Result<(), StanzaError> {
        let sources = Sources::of_contents(&jingle.contents, nick);
        let added = self.add_sources(nick, &sources);
        if let Err(error) = added {
            self.participant_failed(nick, &error.to_string());
            return Err(error);
        }
        let transport = first_transport(&jingle.contents);
        let initial_last_n = jingle
            .contents
            .iter()
            .find_map(|content| content.initial_last_n);
        let Some(participant) = self.participants.get_mut(nick) else {
            return Ok(());
        };
        let full = participant.sources.for_bridge();
        if let Some(open) = participant.session.open_mut() {
            open.accepted = true;
        }
        self.update_endpoints(vec![Endpoint {
            transport: transport.map(ice_only),
            sources: Some(full),
            initial_last_n,
            ..Endpoint::new(nick)
        }]);
        self.event(Event::Accepted {
            participant: nick.to_owned(),
        });
        Ok(())
    }

    fn forward_transport(&mut self, nick: &str, jingle: &Jingle) {
        for transport in jingle
            .contents
            .iter()
            .filter_map(|content| content.transport.clone())
        {
            self.update_endpoints(vec![Endpoint {
                transport: Some(ice_only(transport)),
                ..Endpoint::new(nick)
            }]);
        }
    }

    fn source_add(&mut self, nick: &str, jingle: &Jingle) -> Result<(), StanzaError> {
        let sources = Sources::of_contents(&jingle.contents, nick);
        let full = [MediaKind::Audio, MediaKind::Video]
            .into_iter()
            .find(|kind| sources.has(*kind) && self.sender_limit_reached(*kind, Some(nick)));
        if let Some(kind) = full {
            return Err(StanzaError::new(Condition::ResourceConstraint)
                .with_text(format!("as many as may send {} already do", kind.name())));
        }
        self.add_sources(nick, &sources)?;
        self.tell_bridge_sources(nick);
        Ok(())
    }

    fn source_remove(&mut self, nick: &str, jingle: &Jingle) -> Result<(), StanzaError> {
        let removed = Sources::of_contents(&jingle.contents, nick);
        if let Some(participant) = self.participants.get_mut(nick) {
            participant
                .sources
                .remove(&removed)
                .map_err(|error| refused(&error))?;
        }
        self.sources_changed(nick);
        self.tell_bridge_sources(nick);
        Ok(())
    }

    fn add_sources(&mut self, nick: &str, sources: &Sources) -> Result<(), StanzaError> {
        let limits = Limits {
            ssrcs: self.settings.max_ssrcs_per_user,
            groups: self.settings.max_groups_per_user,
        };
        let mut own = self
            .participants
            .get(nick)
            .map(|someone| someone.sources.clone())
            .unwrap_or_default();
        let others = || {
            self.participants
                .iter()
                .filter(|(other, _)| *other != nick)
                .map(|(_, someone)| &someone.sources)
        };
        let taken = |ssrc: u32| others().any(|other| other.ssrcs().any(|used| used == ssrc));
        if let Some(msid) = sources
            .msids()
            .find(|msid| others().any(|other| other.msids().any(|used| used == *msid)))
        {
            return Err(refused(&SourceError::MsidInUse(msid.to_owned())));
        }
        own.add(sources, &taken, limits)
            .map_err(|error| refused(&error))?;
        if let Some(participant) = self.participants.get_mut(nick) {
            participant.sources = own;
        }
        self.sources_changed(nick);
        Ok(())
    }

    fn tell_bridge_sources(&mut self, nick: &str) {
        let Some(participant) = self.participants.get(nick) else {
            return;
        };
        let endpoint = Endpoint {
            sources: Some(participant.sources.for_bridge()),
            ..Endpoint::new(nick)
        };
        self.update_endpoints(vec![endpoint]);
    }

    fn client_terminates(
        &mut self,
        now: Instant,
        nick: &str,
        jingle: &Jingle,
    ) -> Result<(), StanzaError> {
        let restart = jingle
            .bridge_session
            .as_ref()
            .filter(|session| session.restart);
        if let Some(session) = restart {
            self.check_bridge_session(nick, &session.id)?;
            let granted = self.grant_restart(now, nick);
            self.event(Event::RestartRequested {
                participant: nick.to_owned(),
                granted,
            });
            if !granted {
                return Err(StanzaError::new(Condition::ResourceConstraint)
                    .with_text("too many restarts in a short time"));
            }
        }
        let Some(Session::Open(open)) = self.take_session(nick) else {
            return Ok(());
        };
        self.expire_endpoint(nick, &open.bridge);
        if restart.is_none()
            && let Some(participant) = self.participants.get_mut(nick)
        {
            // They do not want a session: nobody is invited without features.
            participant.features = None;
        }
        Ok(())
    }

    fn session_info(
        &mut self,
        now: Instant,
        nick: &str,
        jingle: &Jingle,
    ) -> Result<(), StanzaError> {
        let Some(session) = &jingle.bridge_session else {
            return Ok(());
        };
        self.check_bridge_session(nick, &session.id)?;
        if session.ice_restart {
            let settings = &self.settings;
            let (interval, max, window) = (
                settings.restart_min_interval,
                settings.restart_max,
                settings.restart_window,
            );
            let granted = self
                .participants
                .get_mut(nick)
                .is_some_and(|someone| someone.ice_restarts.grant(now, interval, max, window));
            self.event(Event::IceRestartRequested {
                participant: nick.to_owned(),
                granted,
            });
            if !granted {
                return Err(StanzaError::new(Condition::ResourceConstraint));
            }
            self.ask_ice_restart(nick);
        } else if jingle.ice_state.as_deref() == Some("failed") {
            let granted = self.grant_restart(now, nick);
            self.event(Event::IceFailed {
                participant: nick.to_owned(),
                granted,
            });
            if !granted {
                return Err(StanzaError::new(Condition::ResourceConstraint));
            }
            let bridge = self
                .participants
                .get(nick)
                .and_then(|someone| someone.session.bridge().cloned());
            self.reinvite(nick, "ICE failed");
            if let Some(bridge) = bridge {
                self.expire_endpoint(nick, &bridge);
            }
        }
        Ok(())
    }

    fn check_bridge_session(&self, nick: &str, id: &str) -> Result<(), StanzaError> {
        let current = self
            .participants
            .get(nick)
            .and_then(|someone| someone.session.open())
            .is_some_and(|open| open.bridge_session == id);
        if current {
            Ok(())
        } else {
            Err(StanzaError::new(Condition::ItemNotFound))
        }
    }

    fn grant_restart(&mut self, now: Instant, nick: &str) -> bool {
        let settings = &self.settings;
        let (interval, max, window) = (
            settings.restart_min_interval,
            settings.restart_max,
            settings.restart_window,
        );
        self.participants
            .get_mut(nick)
            .is_some_and(|someone| someone.restarts.grant(now, interval, max, window))
    }

    /// New credentials and candidates of the bridge, for a running session.
    pub(super) fn send_transport(&mut self, nick: &str, ice: IceUdpTransport) {
        let Some(participant) = self.participants.get(nick) else {
            return;
        };
        let Some(open) = participant.session.open() else {
            return;
        };
        let mut jingle = Jingle::new(Action::TransportInfo, open.sid.clone());
        jingle.contents.push(Content {
            transport: Some(ice),
            ..Content::new("audio", Creator::Initiator)
        });
        let iq = Iq::set(Some(participant.occupant.clone()), jingle.to_element());
        self.request(Purpose::Untracked, iq);
    }

    /// Somebody alone keeps their session for a while, for the case that others come back.
    pub(super) fn watch_loneliness(&mut self, now: Instant) {
        let someone_has_a_session = self
            .participants
            .values()
            .any(|someone| someone.session.bridge().is_some());
        if self.participants.len() >= self.settings.min_participants || !someone_has_a_session {
            self.alone_deadline = None;
        } else if self.alone_deadline.is_none() {
            self.alone_deadline = Some(now + self.settings.single_participant_timeout);
        }
    }

    pub(super) fn expire_lonely_sessions(&mut self) {
        let nicks: Vec<String> = self.participants.keys().cloned().collect();
        for nick in nicks {
            self.terminate(&nick, "expired", "Idle session timeout");
        }
        for bridge in std::mem::take(&mut self.bridges).into_keys() {
            self.expire_conference(&bridge);
        }
    }
}

fn first_transport(contents: &[Content]) -> Option<IceUdpTransport> {
    let mut transport = contents
        .iter()
        .find_map(|content| content.transport.clone())?;
    transport.rtcp_mux = true;
    Some(transport)
}

fn ice_only(ice: IceUdpTransport) -> Transport {
    Transport {
        ice_udp: Some(ice),
        ..Transport::default()
    }
}

fn refused(error: &SourceError) -> StanzaError {
    StanzaError::new(Condition::BadRequest).with_text(error.to_string())
}
