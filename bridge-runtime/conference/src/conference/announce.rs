//! Who is told of whose sources, and when.
//!
//! Whoever changes what somebody sends, or which of it counts, says so with
//! [`Conference::sources_changed`]. Only these people are compared with what each client was told,
//! so that the cost follows the changes and not the size of the room. What a client was not told
//! stays with its session ([`OpenSession::untold`](super::participant::OpenSession::untold)) until
//! it has accepted and the time of gathering is over.

use std::time::{Duration, Instant};

use jitctl_wire::Iq;
use jitctl_wire::jingle::{
    Action, Application, Content, Creator, Description, Jingle, OwnedSources, SourceMap,
};
use jitctl_wire::rtp::{MediaDescription, MediaKind};

use super::participant::Participant;
use super::{Conference, Purpose};
use crate::sources::difference;

impl Conference {
    /// What others may be told of this person is no longer what it was.
    pub(super) fn sources_changed(&mut self, owner: &str) {
        self.changed.insert(owner.to_owned());
    }

    /// Tells each client what changed in the others' sources since it was told last.
    pub(super) fn announce_due(&mut self, now: Instant) {
        self.compare_changed();
        let delay = self.source_delay();
        let mut due = Vec::new();
        for (nick, someone) in &mut self.participants {
            let Some(open) = someone.session.open_mut().filter(|open| open.accepted) else {
                continue;
            };
            if open.untold.is_empty() {
                open.tell_at = None;
            } else if *open.tell_at.get_or_insert(now + delay) <= now {
                due.push(nick.clone());
            }
        }
        for nick in due {
            self.announce(&nick);
        }
    }

    /// Notes with each session which of the changed sources its client was told otherwise.
    fn compare_changed(&mut self) {
        let nothing = OwnedSources::default();
        for owner in std::mem::take(&mut self.changed) {
            let all = self.shown_of(&owner, false);
            let one_video = self.shown_of(&owner, true);
            for (nick, someone) in &mut self.participants {
                if *nick == owner || someone.rewrites(self.settings.ssrc_rewriting) {
                    continue;
                }
                let wanted = if someone.takes_one_video() {
                    &one_video
                } else {
                    &all
                };
                let Some(open) = someone.session.open_mut() else {
                    continue;
                };
                if open.told.0.get(&owner).unwrap_or(&nothing) == wanted {
                    open.untold.remove(&owner);
                } else {
                    open.untold.insert(owner.clone());
                }
            }
        }
    }

    fn source_delay(&self) -> Duration {
        let people = self.participants.len();
        let reached = self
            .settings
            .source_delays
            .iter()
            .filter(|(size, _)| *size <= people);
        reached
            .max_by_key(|(size, _)| *size)
            .map_or(Duration::ZERO, |(_, delay)| *delay)
    }

    fn announce(&mut self, nick: &str) {
        let Some(receiver) = self.participants.get(nick) else {
            return;
        };
        let one_video = receiver.takes_one_video();
        let untold = receiver.session.open().map(|open| &open.untold);
        let wanted: Vec<(String, OwnedSources)> = untold
            .into_iter()
            .flatten()
            .map(|owner| (owner.clone(), self.shown_of(owner, one_video)))
            .collect();
        let Some(open) = self
            .participants
            .get_mut(nick)
            .and_then(|someone| someone.session.open_mut())
        else {
            return;
        };
        open.untold.clear();
        open.tell_at = None;
        let mut added = SourceMap::default();
        let mut removed = SourceMap::default();
        for (owner, after) in wanted {
            let before = open.told.0.remove(&owner).unwrap_or_default();
            let (came, went) = difference(&before, &after);
            if !came.is_empty() {
                added.0.insert(owner.clone(), came);
            }
            if !went.is_empty() {
                removed.0.insert(owner.clone(), went);
            }
            if !after.is_empty() {
                open.told.0.insert(owner, after);
            }
        }
        for (action, map) in [(Action::SourceRemove, removed), (Action::SourceAdd, added)] {
            if !map.0.is_empty() {
                self.send_sources(nick, action, map);
            }
        }
    }

    fn send_sources(&mut self, nick: &str, action: Action, map: SourceMap) {
        let Some(participant) = self.participants.get(nick) else {
            return;
        };
        let Some(open) = participant.session.open() else {
            return;
        };
        let mut jingle = Jingle::new(action, open.sid.clone());
        if participant
            .features
            .is_some_and(|features| features.json_sources)
        {
            jingle.sources = Some(map);
        } else {
            jingle.contents = [MediaKind::Audio, MediaKind::Video]
                .map(|kind| {
                    let media = MediaDescription::new(kind);
                    Content {
                        description: Some(Description::new(Application::Rtp(media))),
                        ..Content::new(kind.name(), Creator::Initiator)
                    }
                })
                .into();
            spread_over_contents(&mut jingle.contents, &map);
            jingle.contents.retain(|content| {
                content
                    .description
                    .as_ref()
                    .is_some_and(|one| !one.sources.is_empty())
            });
        }
        let iq = Iq::set(Some(participant.occupant.clone()), jingle.to_element());
        self.request(Purpose::Untracked, iq);
    }

    /// What others are shown of this person: nothing when they are gone.
    fn shown_of(&self, owner: &str, one_video: bool) -> OwnedSources {
        let owner = self.participants.get(owner);
        owner.map_or_else(OwnedSources::default, |someone| someone.shown(one_video))
    }

    /// What a participant is to know of the others' sources.
    pub(super) fn sources_for(&self, nick: &str) -> SourceMap {
        let receiver = self.participants.get(nick);
        if receiver.is_some_and(|someone| someone.rewrites(self.settings.ssrc_rewriting)) {
            return SourceMap::default();
        }
        let one_video = receiver.is_some_and(Participant::takes_one_video);
        let others = self.participants.iter().filter(|(other, _)| *other != nick);
        SourceMap(
            others
                .map(|(other, someone)| (other.clone(), someone.shown(one_video)))
                .filter(|(_, sources)| !sources.is_empty())
                .collect(),
        )
    }
}

/// Puts sources into the descriptions of their kind, for clients that read XML only.
pub(super) fn spread_over_contents(contents: &mut [Content], map: &SourceMap) {
    for description in contents
        .iter_mut()
        .filter_map(|content| content.description.as_mut())
    {
        let Some(kind) = description.kind() else {
            continue;
        };
        for (owner, owned) in &map.0 {
            let (sources, groups) = match kind {
                MediaKind::Audio => (&owned.audio, &owned.audio_groups),
                MediaKind::Video => (&owned.video, &owned.video_groups),
            };
            description
                .sources
                .extend(sources.iter().cloned().map(|mut source| {
                    source.owner = Some(owner.clone());
                    source
                }));
            description.groups.extend(groups.iter().cloned());
        }
    }
}
