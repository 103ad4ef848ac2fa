//! Sources: those we send, and those that others send as far as the focus told.
//!
//! Remote sources come as XML in contents or as one JSON map; both are merged here by SSRC. The
//! bridge's own feedback sources (owner `jvb`) are left out.

use std::collections::BTreeMap;

use jitctl_wire::jingle::Jingle;
use jitctl_wire::rtp::MediaKind;
use jitctl_wire::source::{Source, SourceGroup};

/// Owner of the sources that a bridge itself may send.
const BRIDGE_OWNER: &str = "jvb";

/// A source of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteSource {
    /// Name, such as `a1b2c3d4-v0`.
    pub name: String,
    /// Endpoint it belongs to.
    pub owner: String,
    /// Audio or video.
    pub kind: MediaKind,
}

/// What the focus told of others' sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteSources {
    by_ssrc: BTreeMap<u32, RemoteSource>,
    /// Primary stream by the stream that repairs it.
    repairs: BTreeMap<u32, u32>,
}

impl RemoteSources {
    /// The source behind an SSRC; a repair stream has that of the stream it repairs.
    pub fn get(&self, ssrc: u32) -> Option<&RemoteSource> {
        self.by_ssrc.get(&self.primary(ssrc))
    }

    /// The stream that `ssrc` repairs, or itself.
    pub fn primary(&self, ssrc: u32) -> u32 {
        self.repairs.get(&ssrc).copied().unwrap_or(ssrc)
    }

    /// Every stream with its source.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, RemoteSource)> + '_ {
        self.by_ssrc
            .iter()
            .map(|(ssrc, source)| (*ssrc, source.clone()))
    }

    /// Primary stream by the stream that repairs it.
    pub fn repairs(&self) -> &BTreeMap<u32, u32> {
        &self.repairs
    }

    /// Sources without those that only repair.
    pub fn len(&self) -> usize {
        self.by_ssrc
            .keys()
            .filter(|ssrc| !self.repairs.contains_key(ssrc))
            .count()
    }

    /// Whether nobody sends anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the sources of a `session-initiate` or `source-add`.
    pub fn add(&mut self, jingle: &Jingle) {
        each(jingle, |owner, kind, sources, groups| {
            for source in sources {
                let owner = owner_of(owner, source);
                if owner == BRIDGE_OWNER {
                    continue;
                }
                let remote = RemoteSource {
                    name: source.name.clone().unwrap_or_default(),
                    owner,
                    kind,
                };
                self.by_ssrc.insert(source.ssrc, remote);
            }
            for group in groups.iter().filter(|group| group.semantics == "FID") {
                if let [primary, repair] = group.ssrcs.as_slice() {
                    self.repairs.insert(*repair, *primary);
                }
            }
        });
    }

    /// Forgets the sources of a `source-remove`.
    pub fn remove(&mut self, jingle: &Jingle) {
        each(jingle, |_, _, sources, groups| {
            let listed = sources.iter().map(|source| source.ssrc);
            let grouped = groups.iter().flat_map(|group| group.ssrcs.iter().copied());
            for ssrc in listed.chain(grouped) {
                self.by_ssrc.remove(&ssrc);
                self.repairs.remove(&ssrc);
            }
        });
    }

    /// Forgets everything of somebody who left; the focus says nothing about it.
    pub fn forget_owner(&mut self, owner: &str) {
        self.by_ssrc.retain(|_, source| source.owner != owner);
        let known = &self.by_ssrc;
        self.repairs
            .retain(|_, primary| known.contains_key(primary));
    }
}

fn owner_of(owner: Option<&str>, source: &Source) -> String {
    let from_name = || {
        let (owner, _) = source.name.as_deref()?.rsplit_once('-')?;
        Some(owner.to_owned())
    };
    owner
        .map(str::to_owned)
        .or_else(|| source.owner.clone())
        .or_else(from_name)
        .unwrap_or_default()
}

/// Visits the sources and groups of an element in both of its forms.
fn each(
    jingle: &Jingle,
    mut visit: impl FnMut(Option<&str>, MediaKind, &[Source], &[SourceGroup]),
) {
    for content in &jingle.contents {
        let Some(description) = &content.description else {
            continue;
        };
        if let Some(kind) = description.kind() {
            visit(None, kind, &description.sources, &description.groups);
        }
    }
    for (owner, owned) in jingle.sources.iter().flat_map(|map| &map.0) {
        let owner = Some(owner.as_str());
        visit(owner, MediaKind::Video, &owned.video, &owned.video_groups);
        visit(owner, MediaKind::Audio, &owned.audio, &owned.audio_groups);
    }
}

/// One encoding of our camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// The stream.
    pub ssrc: u32,
    /// Its retransmissions.
    pub repair: u32,
}

/// What we send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalSources {
    /// Our endpoint identifier.
    pub endpoint: String,
    /// The microphone.
    pub audio: Option<u32>,
    /// The camera, lowest resolution first; several are simulcast.
    pub layers: Vec<Layer>,
}

impl LocalSources {
    /// Fresh SSRCs for a microphone, if wanted, and `layers` encodings of a camera.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn new(endpoint: &str, audio: bool, layers: usize) -> Result<Self, getrandom::Error> {
        let audio = audio.then(random_ssrc).transpose()?;
        let layer = |_| {
            Ok(Layer {
                ssrc: random_ssrc()?,
                repair: random_ssrc()?,
            })
        };
        Ok(Self {
            endpoint: endpoint.to_owned(),
            audio,
            layers: (0..layers).map(layer).collect::<Result<_, _>>()?,
        })
    }

    /// Name of the microphone.
    pub fn audio_name(&self) -> String {
        format!("{}-a0", self.endpoint)
    }

    /// Name of the camera.
    pub fn video_name(&self) -> String {
        format!("{}-v0", self.endpoint)
    }

    /// The microphone as signalled.
    pub(crate) fn audio_sources(&self) -> Vec<Source> {
        self.audio
            .map(|ssrc| self.source(ssrc, self.audio_name(), None))
            .into_iter()
            .collect()
    }

    /// The camera as signalled: streams and retransmissions.
    pub(crate) fn video_sources(&self) -> Vec<Source> {
        self.layers
            .iter()
            .flat_map(|layer| [layer.ssrc, layer.repair])
            .map(|ssrc| self.source(ssrc, self.video_name(), Some("camera")))
            .collect()
    }

    /// `SIM` over the layers when there are several, and an `FID` for each.
    pub(crate) fn video_groups(&self) -> Vec<SourceGroup> {
        let group = |semantics: &str, ssrcs: Vec<u32>| SourceGroup {
            semantics: semantics.to_owned(),
            ssrcs,
        };
        let primaries: Vec<u32> = self.layers.iter().map(|layer| layer.ssrc).collect();
        let simulcast = (primaries.len() > 1).then(|| group("SIM", primaries));
        let repairs = self
            .layers
            .iter()
            .map(|layer| group("FID", vec![layer.ssrc, layer.repair]));
        simulcast.into_iter().chain(repairs).collect()
    }

    fn source(&self, ssrc: u32, name: String, video_type: Option<&str>) -> Source {
        // The stream is per kind, so that microphone and camera are distinct ones (RFC 8830).
        let kind = if video_type.is_some() {
            "video"
        } else {
            "audio"
        };
        let msid = format!("{0}-{kind}-0-1 {0}-{kind}-track-1", self.endpoint);
        Source {
            ssrc,
            name: Some(name),
            video_type: video_type.map(str::to_owned),
            parameters: vec![(String::from("msid"), msid)],
            owner: None,
        }
    }
}

fn random_ssrc() -> Result<u32, getrandom::Error> {
    // 0 is refused by the focus.
    getrandom::u32().map(|ssrc| ssrc.max(1))
}

#[cfg(test)]
mod tests {
    use jitctl_wire::Element;

    use super::*;

    fn jingle(json: &str, action: &str) -> Jingle {
        let text = format!(
            "<jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='s'>\
             <json-message xmlns='http://jitsi.org/jitmeet'>{json}</json-message></jingle>"
        );
        Jingle::parse(&Element::parse(&text).unwrap()).unwrap()
    }

    const ANN: &str = r#"{"sources":{"ann":[[{"s":1,"n":"ann-v0","m":"x y"},{"s":2,"n":"ann-v0","m":"x y"}],[["f",1,2]],[{"s":3,"n":"ann-a0","m":"p q"}]],"jvb":[[],[],[{"s":9,"n":"jvb-a0","m":"a b"}]]}}"#;

    #[test]
    fn a_repair_stream_counts_for_the_stream_it_repairs_and_the_bridges_own_do_not_count() {
        let mut sources = RemoteSources::default();
        sources.add(&jingle(ANN, "source-add"));
        assert_eq!(sources.len(), 2);
        assert_eq!(sources.get(2).unwrap().name, "ann-v0");
        assert_eq!(sources.primary(2), 1);
        assert_eq!(sources.get(3).unwrap().kind, MediaKind::Audio);
        assert_eq!(sources.get(9), None);
        sources.remove(&jingle(ANN, "source-remove"));
        assert!(sources.is_empty());
        assert_eq!(sources, RemoteSources::default());
    }

    #[test]
    fn somebody_who_leaves_takes_all_sources_along() {
        let mut sources = RemoteSources::default();
        sources.add(&jingle(ANN, "source-add"));
        sources.forget_owner("ann");
        assert_eq!(sources, RemoteSources::default());
    }

    #[test]
    fn three_layers_are_announced_as_browsers_do() {
        let local = LocalSources::new("ann", true, 3).unwrap();
        assert_eq!(local.audio_sources().len(), 1);
        assert_eq!(local.video_sources().len(), 6);
        let groups = local.video_groups();
        let semantics: Vec<&str> = groups.iter().map(|g| g.semantics.as_str()).collect();
        assert_eq!(semantics, ["SIM", "FID", "FID", "FID"]);
        assert_eq!(groups[0].ssrcs.len(), 3);
        let one = LocalSources::new("ann", false, 1).unwrap();
        assert_eq!(one.video_groups().len(), 1);
        assert!(one.audio_sources().is_empty());
    }
}
