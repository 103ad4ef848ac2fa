//! Sources as compact JSON, for clients that announce `json-encoded-sources`.
//!
//! `{"sources":{OWNER:[video, video groups, audio, audio groups]}}`, trailing empty lists left
//! out; a source is `{"s":ssrc,"n":name,"m":msid,"v":"d"}` with `v` only for a desktop, a group
//! is `["f"|"s", ssrc, …]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::source::{Source, SourceGroup};

/// Why a text is no map of sources.
#[derive(Debug, thiserror::Error)]
pub enum SourceMapError {
    /// Not JSON of that shape.
    #[error("the sources are not JSON of the expected shape: {0}")]
    Json(#[from] serde_json::Error),
    /// A group that is not `["f"|"s", ssrc, …]`.
    #[error("a source group is malformed")]
    Group,
}

/// The sources of one owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedSources {
    /// Video SSRCs.
    pub video: Vec<Source>,
    /// Groups among the video SSRCs.
    pub video_groups: Vec<SourceGroup>,
    /// Audio SSRCs.
    pub audio: Vec<Source>,
    /// Groups among the audio SSRCs.
    pub audio_groups: Vec<SourceGroup>,
}

impl OwnedSources {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.video.is_empty() && self.audio.is_empty()
    }
}

/// Sources by the endpoint that owns them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMap(pub BTreeMap<String, OwnedSources>);

#[derive(Serialize, Deserialize)]
struct Envelope {
    sources: BTreeMap<String, Vec<Vec<Value>>>,
}

#[derive(Serialize, Deserialize)]
struct CompactSource {
    s: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    m: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<String>,
}

impl SourceMap {
    /// Reads the text of a `<json-message>`.
    ///
    /// # Errors
    /// Text of another shape.
    pub fn parse(text: &str) -> Result<Self, SourceMapError> {
        let envelope: Envelope = serde_json::from_str(text)?;
        let owners = envelope.sources.into_iter().map(|(owner, lists)| {
            let mut lists = lists.into_iter();
            Ok((
                owner,
                OwnedSources {
                    video: expand(lists.next())?,
                    video_groups: expand_groups(lists.next())?,
                    audio: expand(lists.next())?,
                    audio_groups: expand_groups(lists.next())?,
                },
            ))
        });
        owners.collect::<Result<_, _>>().map(Self)
    }

    /// The text of a `<json-message>`.
    pub fn to_json(&self) -> String {
        let sources = self.0.iter().map(|(owner, owned)| {
            let mut lists = vec![
                compact(&owned.video),
                compact_groups(&owned.video_groups),
                compact(&owned.audio),
                compact_groups(&owned.audio_groups),
            ];
            while lists.last().is_some_and(Vec::is_empty) {
                lists.pop();
            }
            (owner.clone(), lists)
        });
        let envelope = Envelope {
            sources: sources.collect(),
        };
        // Strings and numbers only: this cannot fail, and an empty text would be ignored.
        serde_json::to_string(&envelope).unwrap_or_default()
    }
}

fn expand(list: Option<Vec<Value>>) -> Result<Vec<Source>, SourceMapError> {
    list.unwrap_or_default()
        .into_iter()
        .map(|value| {
            let compact: CompactSource = serde_json::from_value(value)?;
            Ok(Source {
                ssrc: compact.s,
                name: compact.n,
                video_type: compact.v.map(|_| "desktop".to_owned()),
                parameters: compact
                    .m
                    .map(|msid| ("msid".to_owned(), msid))
                    .into_iter()
                    .collect(),
                owner: None,
            })
        })
        .collect()
}

fn expand_groups(list: Option<Vec<Value>>) -> Result<Vec<SourceGroup>, SourceMapError> {
    let group = |value: Value| {
        let Value::Array(items) = value else {
            return Err(SourceMapError::Group);
        };
        let semantics = match items.first().and_then(Value::as_str) {
            Some("f") => "FID",
            Some("s") => "SIM",
            _ => return Err(SourceMapError::Group),
        };
        let ssrcs = items
            .iter()
            .skip(1)
            .map(|item| {
                item.as_u64()
                    .and_then(|ssrc| u32::try_from(ssrc).ok())
                    .ok_or(SourceMapError::Group)
            })
            .collect::<Result<_, _>>()?;
        Ok(SourceGroup {
            semantics: semantics.to_owned(),
            ssrcs,
        })
    };
    list.unwrap_or_default().into_iter().map(group).collect()
}

fn compact(sources: &[Source]) -> Vec<Value> {
    let value = |source: &Source| {
        let desktop = source.video_type.as_deref() == Some("desktop");
        serde_json::to_value(CompactSource {
            s: source.ssrc,
            n: source.name.clone(),
            m: source.msid().map(str::to_owned),
            v: desktop.then(|| "d".to_owned()),
        })
    };
    sources
        .iter()
        .filter_map(|source| value(source).ok())
        .collect()
}

fn compact_groups(groups: &[SourceGroup]) -> Vec<Value> {
    groups
        .iter()
        .filter_map(|group| {
            let letter = match group.semantics.as_str() {
                "FID" => "f",
                "SIM" => "s",
                _ => return None,
            };
            let mut items = vec![Value::from(letter)];
            items.extend(group.ssrcs.iter().copied().map(Value::from));
            Some(Value::Array(items))
        })
        .collect()
}
