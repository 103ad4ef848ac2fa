//! `<sources>` of an endpoint or of the bridge itself.

use serde::{Deserialize, Serialize};

use crate::namespace::{COLIBRI2, SOURCES};
use crate::parse::{ParseError, boolean, expect, required};
use crate::rtp::MediaKind;
use crate::source::{Source, SourceGroup};
use crate::xml::Element;

/// `<media-source>`: one camera, screen or microphone with all its SSRCs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaSource {
    /// Audio or video.
    pub kind: MediaKind,
    /// Source name.
    pub id: String,
    /// Made by the server (translation): delivered only to those who ask.
    pub synthetic: bool,
    /// SSRCs.
    pub sources: Vec<Source>,
    /// Groups; the first `SIM` gives the layers in order.
    pub groups: Vec<SourceGroup>,
}

impl MediaSource {
    /// Reads a `<media-source>`.
    ///
    /// # Errors
    /// Anything missing or outside its type.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "media-source", COLIBRI2)?;
        Ok(Self {
            kind: MediaKind::of(element, "type")?,
            id: required(element, "id")?.to_owned(),
            synthetic: boolean(element, "synthetic", false)?,
            sources: element
                .children_named("source", SOURCES)
                .map(Source::parse)
                .collect::<Result<_, _>>()?,
            groups: element
                .children_named("ssrc-group", SOURCES)
                .map(SourceGroup::parse)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Builds the `<media-source>`.
    pub fn to_element(&self) -> Element {
        Element::new("media-source", COLIBRI2)
            .with("type", self.kind.name())
            .with("id", self.id.clone())
            .with_flag("synthetic", self.synthetic)
            .with_children(self.sources.iter().map(Source::to_element))
            .with_children(self.groups.iter().map(SourceGroup::to_element))
    }
}

pub(super) fn list_of(element: &Element) -> Result<Option<Vec<MediaSource>>, ParseError> {
    let Some(list) = element.child("sources", COLIBRI2) else {
        return Ok(None);
    };
    list.children_named("media-source", COLIBRI2)
        .map(MediaSource::parse)
        .collect::<Result<_, _>>()
        .map(Some)
}

pub(super) fn list_element(list: &[MediaSource]) -> Element {
    Element::new("sources", COLIBRI2).with_children(list.iter().map(MediaSource::to_element))
}
