//! Being in the room: joining, the owner's form, members, ownership, our own presence.

use std::time::Instant;

use jitctl_wire::disco::{DiscoInfo, info_query};
use jitctl_wire::muc::{self, Occupancy, STATUS_SELF};
use jitctl_wire::namespace::{
    CAPS, DATA_FORMS, FOCUS, JITSI_MEET, MUC_ADMIN, MUC_OWNER, START_MUTED,
};
use jitctl_wire::rtp::MediaKind;
use jitctl_wire::{Element, Iq, Jid, Presence, PresenceKind};

use super::participant::{Muted, Participant, Sending, Session};
use super::{Conference, Purpose, State};
use crate::features::Features;
use crate::output::{Answer, EndReason, Event, Output, RequestId};
use crate::rate::RateLimit;
use crate::selector::BridgeSelector;
use crate::sources::Sources;

/// Announced so that clients may ask for new sessions.
const TERMINATE_RESTART: &str = "https://jitsi.org/meet/jicofo/terminate-restart";
const CAPS_NODE: &str = "https://jitctl.dev/focus";

impl Conference {
    /// What the focus answers to a disco#info of its occupant.
    pub fn disco_info() -> DiscoInfo {
        DiscoInfo::new(
            "client",
            "bot",
            "focus",
            &[
                "http://jabber.org/protocol/caps",
                "http://jabber.org/protocol/disco#info",
                TERMINATE_RESTART,
                "http://jitsi.org/json-encoded-sources",
                "urn:xmpp:jingle:1",
                "urn:xmpp:jingle:apps:dtls:0",
                "urn:xmpp:jingle:apps:rtp:1",
                "urn:xmpp:jingle:apps:rtp:audio",
                "urn:xmpp:jingle:apps:rtp:video",
                "urn:xmpp:jingle:transports:ice-udp:1",
            ],
        )
    }

    pub(super) fn join(&mut self) {
        let presence = Presence::available(Some(self.occupant.clone()))
            .with_payload(muc::join_request(None))
            .with_payload(Self::disco_info().capabilities(CAPS_NODE));
        self.outputs.push_back(Output::Presence(presence));
    }

    pub(super) fn leave_room(&mut self) {
        let presence = Presence::unavailable(Some(self.occupant.clone()));
        self.outputs.push_back(Output::Presence(presence));
    }

    /// A presence from the room.
    pub fn handle_presence(
        &mut self,
        now: Instant,
        presence: &Presence,
        bridges: &mut dyn BridgeSelector,
    ) {
        let Some(from) = presence.from.clone() else {
            return;
        };
        if self.state == State::Ended || from.bare() != self.room.bare() {
            return;
        }
        let occupancy = Occupancy::of(presence).unwrap_or_default();
        if from == self.occupant || occupancy.has(STATUS_SELF) {
            self.own_presence(presence, &occupancy);
            return;
        }
        let Some(nick) = from.resource().map(str::to_owned) else {
            return;
        };
        match presence.kind {
            PresenceKind::Available => self.member_present(&from, &nick, presence, &occupancy),
            PresenceKind::Unavailable => self.member_gone(&nick),
            PresenceKind::Error | PresenceKind::Other => {}
        }
        if self.participants.is_empty() && self.seen > 0 && self.empty_deadline.is_none() {
            self.end(EndReason::Empty);
            return;
        }
        self.advance(now, bridges);
    }

    fn own_presence(&mut self, presence: &Presence, occupancy: &Occupancy) {
        match presence.kind {
            PresenceKind::Error => {
                let words = presence
                    .error
                    .as_ref()
                    .map_or_else(String::new, |error| error.condition.name().to_owned());
                self.end(EndReason::JoinRefused(words));
            }
            PresenceKind::Unavailable => self.end(EndReason::RemovedFromRoom),
            PresenceKind::Available => {
                let owner = occupancy
                    .items
                    .iter()
                    .any(|item| item.affiliation == "owner");
                if !owner {
                    self.end(EndReason::NotOwner);
                } else if self.state == State::Joining {
                    self.state = State::Configuring;
                    self.ask_room_form();
                }
            }
            PresenceKind::Other => {}
        }
    }

    pub(super) fn ask_room_form(&mut self) {
        let query = Element::new("query", MUC_OWNER);
        self.request(Purpose::RoomForm, Iq::get(Some(self.room.clone()), query));
    }

    /// Reads the meeting id out of the form, then makes real addresses visible to all.
    pub(super) fn room_form_answered(&mut self, answer: &Answer) {
        if let Answer::Result(Some(query)) = answer
            && let Some(id) = form_value(query, "muc#roominfo_meetingId")
        {
            self.meeting_id = id;
        }
        let form = muc::show_addresses_form();
        self.request(Purpose::RoomConfig, Iq::set(Some(self.room.clone()), form));
    }

    pub(super) fn room_configured(&mut self, _now: Instant) {
        if self.state == State::Configuring {
            self.state = State::Ready;
            self.event(Event::Ready);
        }
    }

    fn member_present(
        &mut self,
        from: &Jid,
        nick: &str,
        presence: &Presence,
        occupancy: &Occupancy,
    ) {
        let Some(item) = occupancy.items.first() else {
            return;
        };
        let Some(real) = item.jid.clone() else {
            return;
        };
        if real.bare() == self.focus.bare() {
            return;
        }
        let moderator = item.role == "moderator";
        let text = |name: &str| {
            presence
                .payload
                .iter()
                .find(|child| child.name() == name)
                .map(|child| child.text().trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let region = text("jitsi_participant_region");
        let stats_id = text("stats-id");
        let sending = Sending::of(presence);
        self.empty_deadline = None;
        if moderator && let Some(wish) = presence.child("startmuted", START_MUTED) {
            let wanted = |name| wish.attribute(name) == Some("true");
            self.start_muted = Muted {
                audio: wanted("audio"),
                video: wanted("video"),
            };
        }
        if let Some(known) = self.participants.get_mut(nick)
            && known.real == real
        {
            let promoted = known.moderator != moderator;
            let screen_came_or_went = known.sending.screen != sending.screen;
            known.moderator = moderator;
            known.region = region;
            known.sending = sending;
            if screen_came_or_went {
                self.sources_changed(nick);
            }
            if promoted {
                self.enforce_mutes();
            }
            return;
        }
        // A nickname taken over by another connection is another person.
        self.member_gone(nick);
        let participant = Participant {
            occupant: from.clone(),
            real,
            moderator,
            owner_asked: false,
            region,
            stats_id,
            features: None,
            capabilities: capabilities(presence),
            features_asked: None,
            position: self.participants.len(),
            sources: Sources::default(),
            muted: Muted::default(),
            sending,
            invited_before: false,
            session: Session::None,
            restarts: RateLimit::default(),
            ice_restarts: RateLimit::default(),
        };
        self.seen += 1;
        self.participants.insert(nick.to_owned(), participant);
        self.mute_newcomer(nick);
        self.event(Event::Joined {
            participant: nick.to_owned(),
        });
    }

    fn member_gone(&mut self, nick: &str) {
        let Some(participant) = self.participants.remove(nick) else {
            return;
        };
        self.sources_changed(nick);
        if let Some(bridge) = participant.session.bridge().cloned() {
            self.expire_endpoint(nick, &bridge);
        }
    }

    /// Asks each client once what it can do.
    pub(super) fn ask_features(&mut self) {
        let unasked: Vec<(String, Jid, Option<String>)> = self
            .participants
            .iter()
            .filter(|(_, participant)| {
                participant.features.is_none() && participant.features_asked.is_none()
            })
            .map(|(nick, participant)| {
                let node = participant.capabilities.clone();
                (nick.clone(), participant.occupant.clone(), node)
            })
            .collect();
        for (nick, occupant, node) in unasked {
            let iq = Iq::get(Some(occupant), info_query().with_some("node", node));
            let id = self.request(Purpose::Features { nick: nick.clone() }, iq);
            if let Some(participant) = self.participants.get_mut(&nick) {
                participant.features_asked = Some(id);
            }
        }
    }

    pub(super) fn features_answered(&mut self, nick: &str, id: RequestId, answer: &Answer) {
        let Some(participant) = self.participants.get_mut(nick) else {
            return;
        };
        if participant.features_asked != Some(id) {
            return;
        }
        let info = match answer {
            Answer::Result(Some(query)) => DiscoInfo::parse(query).ok(),
            _ => None,
        };
        participant.features = Some(info.as_ref().map_or(Features::ASSUMED, Features::of));
    }

    /// Makes the first person owner, or everybody with an account in a secure domain.
    pub(super) fn grant_owner(&mut self) {
        let authenticated = self.settings.authenticated_domain.clone();
        let due: Vec<String> = if let Some(domain) = authenticated {
            self.participants
                .iter()
                .filter(|(_, participant)| {
                    !participant.moderator
                        && !participant.owner_asked
                        && (participant.real.domain() == domain
                            || self.authenticated.contains(participant.real.bare()))
                })
                .map(|(nick, _)| nick.clone())
                .collect()
        } else if self.settings.auto_owner
            && !self
                .participants
                .values()
                .any(|someone| someone.moderator || someone.owner_asked)
        {
            let first = self
                .participants
                .iter()
                .min_by_key(|(_, someone)| someone.position);
            first.map(|(nick, _)| nick.clone()).into_iter().collect()
        } else {
            Vec::new()
        };
        for nick in due {
            let Some(participant) = self.participants.get_mut(&nick) else {
                continue;
            };
            participant.owner_asked = true;
            let item = Element::new("item", MUC_ADMIN)
                .with("affiliation", "owner")
                .with("jid", participant.real.bare());
            let query = Element::new("query", MUC_ADMIN).with_child(item);
            self.request(Purpose::GrantOwner, Iq::set(Some(self.room.clone()), query));
        }
    }

    /// Sends our presence when what it says changed.
    pub(super) fn publish_presence(&mut self) {
        let property = |key: &str, value: String| {
            Element::new("property", FOCUS)
                .with("key", key.to_owned())
                .with("value", value)
        };
        let bridge_count = self.bridges.len();
        let full = |kind| self.sender_limit_reached(kind, None);
        let limit = |kind: MediaKind| {
            full(kind)
                .then(|| property(&format!("{}-limit-reached", kind.name()), true.to_string()))
        };
        let properties = Element::new("conference-properties", FOCUS)
            .with_child(property("support-terminate-restart", "true".to_owned()))
            .with_children(
                (bridge_count > 0).then(|| property("bridge-count", bridge_count.to_string())),
            )
            .with_children(limit(MediaKind::Audio))
            .with_children(limit(MediaKind::Video));
        let missing = self
            .bridge_missing
            .then(|| Element::new("bridgeNotAvailable", FOCUS));
        let component = Element::new("component", JITSI_MEET)
            .with("name", "focus")
            .with_text(self.settings.version.clone());
        let versions = Element::new("versions", JITSI_MEET).with_child(component);
        let said = Element::new("presence", "")
            .with_child(versions)
            .with_child(properties)
            .with_children(missing);
        if self.presence_sent.as_ref() == Some(&said) {
            return;
        }
        let mut presence = Presence::available(Some(self.occupant.clone()));
        presence.payload.extend(said.children().cloned());
        presence
            .payload
            .push(Self::disco_info().capabilities(CAPS_NODE));
        self.presence_sent = Some(said);
        self.outputs.push_back(Output::Presence(presence));
    }
}

/// The node to ask about, `NODE#HASH`, when the presence announces capabilities.
fn capabilities(presence: &Presence) -> Option<String> {
    let announced = presence.child("c", CAPS)?;
    let (node, hash) = (announced.attribute("node")?, announced.attribute("ver")?);
    (announced.attribute("hash") == Some("sha-1")).then(|| format!("{node}#{hash}"))
}

/// Value of a field in the first form of an answer.
fn form_value(query: &Element, var: &str) -> Option<String> {
    query
        .child("x", DATA_FORMS)?
        .children_named("field", DATA_FORMS)
        .find(|field| field.attribute("var") == Some(var))?
        .child("value", DATA_FORMS)
        .map(|value| value.text().trim().to_owned())
        .filter(|value| !value.is_empty())
}
