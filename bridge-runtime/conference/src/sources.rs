//! The sources of one participant: checked, stored, stripped for others, told to the bridge.
//!
//! A receiver hears of the first layer of a simulcast group and of its retransmissions only: the
//! bridge projects all layers on it.

use std::collections::{BTreeMap, BTreeSet};

use jitctl_wire::colibri2::MediaSource;
use jitctl_wire::jingle::{Content, OwnedSources};
use jitctl_wire::rtp::MediaKind;
use jitctl_wire::source::{Source, SourceGroup};
use serde::{Deserialize, Serialize};

/// Video type of a screen, in sources and in the `SourceInfo` of presences.
pub(crate) const SCREEN: &str = "desktop";

/// Why sources are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Zero is no SSRC.
    #[error("SSRC 0 is not valid")]
    InvalidSsrc,
    /// Somebody has it already.
    #[error("SSRC {0} is in use")]
    SsrcInUse(u32),
    /// Somebody else's track is called so.
    #[error("another participant's track has the msid `{0}`")]
    MsidInUse(String),
    /// Too many of them.
    #[error("more than {0} SSRCs")]
    TooManySsrcs(usize),
    /// Too many groups.
    #[error("more than {0} SSRC groups")]
    TooManyGroups(usize),
    /// A group names an SSRC that was not announced.
    #[error("group {semantics} names the unknown SSRC {ssrc}")]
    UnknownMember {
        /// The group's semantics.
        semantics: String,
        /// The SSRC.
        ssrc: u32,
    },
    /// A retransmission group that is no pair.
    #[error("a FID group must have two SSRCs, not {0}")]
    FidNotPair(usize),
    /// Members of one group belong to different streams.
    #[error("the SSRCs of a {0} group have different msids")]
    GroupMsid(String),
    /// Removal of what is not there.
    #[error("SSRC {0} is not one of yours")]
    NotYours(u32),
}

/// Limits that sources are held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) ssrcs: usize,
    pub(crate) groups: usize,
}

/// Sources of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kind {
    sources: Vec<Source>,
    groups: Vec<SourceGroup>,
}

/// All sources of one participant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    audio: Kind,
    video: Kind,
}

impl Sources {
    /// Reads the sources out of Jingle contents. Sources without a name get index 0 of `owner`.
    pub fn of_contents(contents: &[Content], owner: &str) -> Self {
        let mut all = Self::default();
        for description in contents
            .iter()
            .filter_map(|content| content.description.as_ref())
        {
            let Some(kind) = description.kind() else {
                continue;
            };
            let letter = if kind == MediaKind::Audio { 'a' } else { 'v' };
            let store = all.kind_mut(kind);
            for source in &description.sources {
                let mut source = source.clone();
                source
                    .name
                    .get_or_insert_with(|| format!("{owner}-{letter}0"));
                source.owner = None;
                store.sources.push(source);
            }
            store.groups.extend(description.groups.iter().cloned());
        }
        all
    }

    /// Every SSRC.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + '_ {
        self.audio
            .sources
            .iter()
            .chain(&self.video.sources)
            .map(|source| source.ssrc)
    }

    /// Names of their tracks, as far as they have any.
    pub(crate) fn msids(&self) -> impl Iterator<Item = &str> {
        let all = self.audio.sources.iter().chain(&self.video.sources);
        all.filter_map(Source::msid)
            .filter(|msid| msid.starts_with(|first: char| first.is_alphanumeric()))
    }

    /// Whether there are any of this kind.
    pub(crate) fn has(&self, kind: MediaKind) -> bool {
        !self.kind(kind).sources.is_empty()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.audio.sources.is_empty() && self.video.sources.is_empty()
    }

    /// Adds sources, all or none.
    pub(crate) fn add(
        &mut self,
        added: &Self,
        taken: &dyn Fn(u32) -> bool,
        limits: Limits,
    ) -> Result<(), SourceError> {
        let mut merged = self.clone();
        let mut known: BTreeSet<u32> = self.ssrcs().collect();
        for ssrc in added.ssrcs() {
            if ssrc == 0 {
                return Err(SourceError::InvalidSsrc);
            }
            if !known.insert(ssrc) || taken(ssrc) {
                return Err(SourceError::SsrcInUse(ssrc));
            }
        }
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let new = added.kind(kind);
            let store = merged.kind_mut(kind);
            store.sources.extend(new.sources.iter().cloned());
            store.groups.extend(new.groups.iter().cloned());
            for group in &new.groups {
                store.check(group)?;
            }
        }
        if known.len() > limits.ssrcs {
            return Err(SourceError::TooManySsrcs(limits.ssrcs));
        }
        if merged.audio.groups.len() + merged.video.groups.len() > limits.groups {
            return Err(SourceError::TooManyGroups(limits.groups));
        }
        *self = merged;
        Ok(())
    }

    /// Removes sources and the groups they were in, all or none.
    pub(crate) fn remove(&mut self, removed: &Self) -> Result<(), SourceError> {
        let own: BTreeSet<u32> = self.ssrcs().collect();
        if let Some(stranger) = removed.ssrcs().find(|ssrc| !own.contains(ssrc)) {
            return Err(SourceError::NotYours(stranger));
        }
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let gone: BTreeSet<u32> = removed
                .kind(kind)
                .sources
                .iter()
                .map(|source| source.ssrc)
                .collect();
            let store = self.kind_mut(kind);
            store.sources.retain(|source| !gone.contains(&source.ssrc));
            store
                .groups
                .retain(|group| !group.ssrcs.iter().any(|ssrc| gone.contains(ssrc)));
        }
        Ok(())
    }

    /// What other participants are told.
    pub(crate) fn for_others(&self) -> OwnedSources {
        let (audio, audio_groups) = self.audio.stripped();
        let (video, video_groups) = self.video.stripped();
        OwnedSources {
            video,
            video_groups,
            audio,
            audio_groups,
        }
    }

    /// What the bridge is told: the full set, by source name.
    pub(crate) fn for_bridge(&self) -> Vec<MediaSource> {
        let mut list = self.audio.for_bridge(MediaKind::Audio);
        list.extend(self.video.for_bridge(MediaKind::Video));
        list
    }

    fn kind(&self, kind: MediaKind) -> &Kind {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
        }
    }

    fn kind_mut(&mut self, kind: MediaKind) -> &mut Kind {
        match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        }
    }
}

impl Kind {
    fn check(&self, group: &SourceGroup) -> Result<(), SourceError> {
        if group.semantics == "FID" && group.ssrcs.len() != 2 {
            return Err(SourceError::FidNotPair(group.ssrcs.len()));
        }
        let mut msid = None;
        for ssrc in &group.ssrcs {
            let Some(member) = self.sources.iter().find(|source| source.ssrc == *ssrc) else {
                return Err(SourceError::UnknownMember {
                    semantics: group.semantics.clone(),
                    ssrc: *ssrc,
                });
            };
            if *msid.get_or_insert(member.msid()) != member.msid() {
                return Err(SourceError::GroupMsid(group.semantics.clone()));
            }
        }
        Ok(())
    }

    fn stripped(&self) -> (Vec<Source>, Vec<SourceGroup>) {
        let mut hidden = BTreeSet::new();
        for group in self.groups.iter().filter(|group| group.semantics == "SIM") {
            hidden.extend(group.ssrcs.iter().skip(1).copied());
        }
        for group in self.groups.iter().filter(|group| group.semantics == "FID") {
            if group
                .ssrcs
                .first()
                .is_some_and(|primary| hidden.contains(primary))
            {
                hidden.extend(group.ssrcs.iter().skip(1).copied());
            }
        }
        let sources = self
            .sources
            .iter()
            .filter(|source| !hidden.contains(&source.ssrc))
            .cloned()
            .collect();
        let groups = self
            .groups
            .iter()
            .filter(|group| {
                group.semantics != "SIM" && !group.ssrcs.iter().any(|ssrc| hidden.contains(ssrc))
            })
            .cloned()
            .collect();
        (sources, groups)
    }

    fn for_bridge(&self, kind: MediaKind) -> Vec<MediaSource> {
        let mut by_name: BTreeMap<&str, MediaSource> = BTreeMap::new();
        for source in &self.sources {
            let name = source.name.as_deref().unwrap_or_default();
            let entry = by_name.entry(name).or_insert_with(|| MediaSource {
                kind,
                id: name.to_owned(),
                synthetic: false,
                sources: Vec::new(),
                groups: Vec::new(),
            });
            entry.sources.push(Source {
                parameters: Vec::new(),
                owner: None,
                ..source.clone()
            });
        }
        for entry in by_name.values_mut() {
            let own: BTreeSet<u32> = entry.sources.iter().map(|source| source.ssrc).collect();
            let belongs =
                |group: &&SourceGroup| group.ssrcs.first().is_some_and(|ssrc| own.contains(ssrc));
            entry.groups = self.groups.iter().filter(belongs).cloned().collect();
        }
        by_name.into_values().collect()
    }
}

/// What is told to clients that take one video of a person: the screen while it is shared, else
/// the camera.
pub(crate) fn with_one_video(mut told: OwnedSources, screen_shared: bool) -> OwnedSources {
    let is_screen = |source: &Source| source.video_type.as_deref() == Some(SCREEN);
    let screens = told.video.iter().filter(|one| is_screen(one)).count();
    if (1..told.video.len()).contains(&screens) {
        told.video.retain(|one| is_screen(one) == screen_shared);
        let kept: BTreeSet<u32> = told.video.iter().map(|one| one.ssrc).collect();
        told.video_groups
            .retain(|group| group.ssrcs.iter().all(|ssrc| kept.contains(ssrc)));
    }
    told
}

/// What is in `wanted` and not in `told`, and the reverse, by SSRC.
pub(crate) fn difference(
    told: &OwnedSources,
    wanted: &OwnedSources,
) -> (OwnedSources, OwnedSources) {
    (minus(wanted, told), minus(told, wanted))
}

fn minus(all: &OwnedSources, without: &OwnedSources) -> OwnedSources {
    let known: BTreeSet<u32> = without
        .audio
        .iter()
        .chain(&without.video)
        .map(|source| source.ssrc)
        .collect();
    let sources = |list: &[Source]| -> Vec<Source> {
        list.iter()
            .filter(|source| !known.contains(&source.ssrc))
            .cloned()
            .collect()
    };
    let groups = |list: &[SourceGroup]| -> Vec<SourceGroup> {
        list.iter()
            .filter(|group| group.ssrcs.iter().any(|ssrc| !known.contains(ssrc)))
            .cloned()
            .collect()
    };
    OwnedSources {
        video: sources(&all.video),
        video_groups: groups(&all.video_groups),
        audio: sources(&all.audio),
        audio_groups: groups(&all.audio_groups),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        ssrcs: 20,
        groups: 20,
    };

    fn group(semantics: &str, ssrcs: &[u32]) -> SourceGroup {
        SourceGroup {
            semantics: semantics.to_owned(),
            ssrcs: ssrcs.to_vec(),
        }
    }

    fn camera() -> Sources {
        let sources = (1..=6).map(|ssrc| Source::new(ssrc, "aa-v0")).collect();
        let groups = vec![
            group("FID", &[1, 4]),
            group("SIM", &[1, 2, 3]),
            group("FID", &[2, 5]),
            group("FID", &[3, 6]),
        ];
        Sources {
            video: Kind { sources, groups },
            audio: Kind {
                sources: vec![Source::new(7, "aa-a0")],
                groups: Vec::new(),
            },
        }
    }

    #[test]
    fn others_hear_of_the_first_layer_and_its_retransmissions_only() {
        let told = camera().for_others();
        let ssrcs: Vec<u32> = told.video.iter().map(|source| source.ssrc).collect();
        assert_eq!(ssrcs, [1, 4]);
        assert_eq!(told.video_groups, [group("FID", &[1, 4])]);
        assert_eq!(told.audio.len(), 1);
    }

    #[test]
    fn the_bridge_is_told_every_layer_by_source_name() {
        let told = camera().for_bridge();
        assert_eq!(told.len(), 2);
        assert_eq!(told[1].id, "aa-v0");
        assert_eq!(told[1].sources.len(), 6);
        assert_eq!(told[1].groups.len(), 4);
    }

    #[test]
    fn sources_are_added_all_or_none() {
        let mut own = Sources::default();
        let nobody = |_| false;
        own.add(&camera(), &nobody, LIMITS).unwrap();
        let before = own.clone();
        assert_eq!(
            own.add(&camera(), &nobody, LIMITS),
            Err(SourceError::SsrcInUse(7))
        );
        let other = Sources {
            video: Kind {
                sources: vec![Source::new(30, "aa-v1")],
                groups: vec![group("FID", &[30, 31])],
            },
            ..Sources::default()
        };
        assert!(matches!(
            own.add(&other, &nobody, LIMITS),
            Err(SourceError::UnknownMember { ssrc: 31, .. })
        ));
        let tight = Limits {
            ssrcs: 7,
            groups: 20,
        };
        let more = Sources {
            audio: Kind {
                sources: vec![Source::new(40, "aa-a1")],
                groups: Vec::new(),
            },
            ..Sources::default()
        };
        assert_eq!(
            own.add(&more, &nobody, tight),
            Err(SourceError::TooManySsrcs(7))
        );
        assert_eq!(
            own.add(&more, &|ssrc| ssrc == 40, LIMITS),
            Err(SourceError::SsrcInUse(40))
        );
        assert_eq!(own, before);
    }

    #[test]
    fn a_removed_source_takes_its_groups_along() {
        let mut own = camera();
        let mut gone = camera();
        gone.audio = Kind::default();
        own.remove(&gone).unwrap();
        assert!(own.video.sources.is_empty() && own.video.groups.is_empty());
        assert_eq!(own.remove(&gone), Err(SourceError::NotYours(1)));
    }

    #[test]
    fn a_difference_names_what_came_and_what_went() {
        let before = camera().for_others();
        let mut after = before.clone();
        after.audio.clear();
        after.video.push(Source::new(50, "aa-v1"));
        let (added, removed) = difference(&before, &after);
        assert_eq!(added.video.len(), 1);
        assert!(added.audio.is_empty() && added.video_groups.is_empty());
        assert_eq!(removed.audio.len(), 1);
        assert!(removed.video.is_empty());
    }
}
