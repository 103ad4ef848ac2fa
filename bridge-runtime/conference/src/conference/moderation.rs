//! Moderators: muting others, AV moderation, kicking.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jitctl_wire::colibri2::{Endpoint, ForceMute};
use jitctl_wire::moderation::{AvModeration, Mute, MuteKind};
use jitctl_wire::namespace::MUC_ADMIN;
use jitctl_wire::{Condition, Element, Iq, Jid, StanzaError};
use serde::{Deserialize, Serialize};

use super::participant::Muted;
use super::{Conference, Purpose};
use crate::selector::BridgeSelector;

/// Which kinds need a moderator's leave, and who has it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct AvModerationState {
    enabled: BTreeSet<MuteKind>,
    allowed: BTreeMap<MuteKind, BTreeSet<String>>,
}

impl AvModerationState {
    fn allows(&self, kind: MuteKind, nick: &str) -> bool {
        !self.enabled.contains(&kind)
            || self
                .allowed
                .get(&kind)
                .is_some_and(|nicks| nicks.contains(nick))
    }
}

impl Conference {
    /// A `<mute>` of an occupant: moderators mute others, everybody unmutes nobody but themselves.
    pub(super) fn handle_mute(&mut self, actor: &str, mute: &Mute) -> Result<(), StanzaError> {
        let not_found = || StanzaError::new(Condition::ItemNotFound);
        let by = self.participants.get(actor).ok_or_else(not_found)?;
        let target = match &mute.target {
            Some(target) if target.bare() == self.room.bare() => target.resource(),
            Some(_) => None,
            None => Some(actor),
        };
        let target = target.ok_or_else(not_found)?.to_owned();
        let occupant = self
            .participants
            .get(&target)
            .ok_or_else(not_found)?
            .occupant
            .clone();
        let own = target == actor;
        let permitted = match (own, mute.muted) {
            (true, true) => true,
            (true, false) => by.moderator || self.av_moderation.allows(mute.kind, actor),
            (false, muted) => by.moderator && muted,
        };
        if !permitted {
            return Err(StanzaError::new(Condition::NotAllowed));
        }
        if own {
            return Ok(());
        }
        self.order_mute(mute.kind, occupant, Some(by.occupant.clone()));
        Ok(())
    }

    fn order_mute(&mut self, kind: MuteKind, occupant: Jid, actor: Option<Jid>) {
        let order = Mute {
            kind,
            muted: true,
            target: None,
            actor,
        };
        self.request(
            Purpose::Untracked,
            Iq::set(Some(occupant), order.to_element()),
        );
    }

    /// News of the AV moderation component.
    pub fn handle_av_moderation(
        &mut self,
        now: Instant,
        news: &AvModeration,
        bridges: &mut dyn BridgeSelector,
    ) {
        for (kind, addresses) in &news.whitelists {
            let nicks = addresses
                .iter()
                .filter_map(|address| Some(address.parse::<Jid>().ok()?.resource()?.to_owned()));
            self.av_moderation.allowed.insert(*kind, nicks.collect());
        }
        if let (Some(enabled), Some(kind)) = (news.enabled, news.media_type) {
            let was = self.av_moderation.enabled.contains(&kind);
            if enabled && !was {
                self.av_moderation.enabled.insert(kind);
                self.mute_everybody_but(kind, news.actor.as_deref());
            } else if !enabled {
                self.av_moderation.enabled.remove(&kind);
                self.av_moderation.allowed.remove(&kind);
            }
        }
        self.enforce_mutes();
        self.advance(now, bridges);
    }

    fn mute_everybody_but(&mut self, kind: MuteKind, actor: Option<&str>) {
        let actor: Option<Jid> = actor.and_then(|actor| actor.parse().ok());
        let others: Vec<Jid> = self
            .participants
            .values()
            .filter(|someone| !someone.moderator && Some(&someone.occupant) != actor.as_ref())
            .map(|someone| someone.occupant.clone())
            .collect();
        for occupant in others {
            self.order_mute(kind, occupant, actor.clone());
        }
    }

    /// What the bridge must drop of this participant now.
    fn muted_by_moderation(&self, nick: &str, moderator: bool) -> Muted {
        let allows = |kind| moderator || self.av_moderation.allows(kind, nick);
        Muted {
            audio: !allows(MuteKind::Audio),
            // A screen is video to the bridge: dropped only when neither is allowed.
            video: !allows(MuteKind::Video) && !allows(MuteKind::Desktop),
        }
    }

    pub(super) fn mute_newcomer(&mut self, nick: &str) {
        let Some(moderator) = self.participants.get(nick).map(|someone| someone.moderator) else {
            return;
        };
        let muted = self.muted_by_moderation(nick, moderator);
        if let Some(participant) = self.participants.get_mut(nick) {
            participant.muted = muted;
        }
    }

    pub(super) fn enforce_mutes(&mut self) {
        let changed: Vec<(String, Muted)> = self
            .participants
            .iter()
            .map(|(nick, someone)| {
                (
                    nick,
                    someone,
                    self.muted_by_moderation(nick, someone.moderator),
                )
            })
            .filter(|(_, someone, muted)| someone.muted != *muted)
            .map(|(nick, _, muted)| (nick.clone(), muted))
            .collect();
        let mut endpoints = Vec::new();
        for (nick, muted) in changed {
            if let Some(participant) = self.participants.get_mut(&nick) {
                participant.muted = muted;
            }
            endpoints.extend(self.force_mute_of(&nick));
        }
        self.update_endpoints(endpoints);
    }

    /// What a bridge is told of somebody's mutes.
    pub(super) fn force_mute_of(&self, nick: &str) -> Option<Endpoint> {
        let muted = self.participants.get(nick)?.muted;
        Some(Endpoint {
            force_mute: Some(ForceMute {
                audio: muted.audio,
                video: muted.video,
            }),
            ..Endpoint::new(nick)
        })
    }

    /// Removes somebody from the room. Says whether they were there.
    pub fn kick(&mut self, nick: &str, reason: &str) -> bool {
        if !self.participants.contains_key(nick) {
            return false;
        }
        let item = Element::new("item", MUC_ADMIN)
            .with("nick", nick.to_owned())
            .with("role", "none")
            .with_child(Element::new("reason", MUC_ADMIN).with_text(reason.to_owned()));
        let query = Element::new("query", MUC_ADMIN).with_child(item);
        self.request(Purpose::Untracked, Iq::set(Some(self.room.clone()), query));
        true
    }
}
