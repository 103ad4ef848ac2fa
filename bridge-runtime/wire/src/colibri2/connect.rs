//! `<connects>`: media sent to a recorder, transcriber or translator.

use std::fmt;

use crate::namespace::COLIBRI2;
use crate::parse::{ParseError, boolean, expect, optional_boolean, required, required_as};
use crate::xml::Element;

/// Keep-alive of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectPing {
    /// Milliseconds between pings.
    pub interval: u64,
    /// Milliseconds until a ping counts as lost.
    pub timeout: u64,
}

/// One export.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Connect {
    /// Key of a change; absent where the complete list is stated each time.
    pub id: Option<String>,
    /// It must not exist yet.
    pub create: bool,
    /// Drop it.
    pub expire: bool,
    /// Where to.
    pub url: Option<String>,
    /// Encoding, such as `mediajson`.
    pub protocol: Option<String>,
    /// `recorder`, `transcriber` or `translator`.
    pub kind: Option<String>,
    /// Send audio.
    pub audio: Option<bool>,
    /// Send video.
    pub video: Option<bool>,
    /// Headers of the request; may hold credentials, so they are not shown in debug output.
    pub http_headers: Vec<(String, String)>,
    /// Keep-alive.
    pub ping: Option<ConnectPing>,
    /// Sources to send; `None` leaves them, empty means all audio.
    pub exports: Option<Vec<String>>,
    /// Sources wanted back.
    pub requests: Option<Vec<String>>,
}

impl Connect {
    pub(super) fn list_of(element: &Element) -> Result<Option<Vec<Self>>, ParseError> {
        let Some(list) = element.child("connects", COLIBRI2) else {
            return Ok(None);
        };
        list.children_named("connect", COLIBRI2)
            .map(Self::parse)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    pub(super) fn list_element(list: &[Self]) -> Element {
        Element::new("connects", COLIBRI2).with_children(list.iter().map(Self::to_element))
    }

    /// Reads a `<connect>`.
    ///
    /// # Errors
    /// Anything missing or outside its type.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "connect", COLIBRI2)?;
        let text = |name| element.attribute(name).map(str::to_owned);
        let ping = match element.child("ping", COLIBRI2) {
            Some(ping) => Some(ConnectPing {
                interval: required_as(ping, "interval", "milliseconds")?,
                timeout: required_as(ping, "timeout", "milliseconds")?,
            }),
            None => None,
        };
        Ok(Self {
            id: text("id"),
            create: boolean(element, "create", false)?,
            expire: boolean(element, "expire", false)?,
            url: text("url"),
            protocol: text("protocol"),
            kind: text("type"),
            audio: optional_boolean(element, "audio")?,
            video: optional_boolean(element, "video")?,
            http_headers: element
                .children_named("http-header", COLIBRI2)
                .map(|header| {
                    let value = header.attribute("value").unwrap_or_default();
                    Ok((required(header, "name")?.to_owned(), value.to_owned()))
                })
                .collect::<Result<_, ParseError>>()?,
            ping,
            exports: names_of(element, "exports", "export")?,
            requests: names_of(element, "requests", "request")?,
        })
    }

    /// Builds the `<connect>`.
    pub fn to_element(&self) -> Element {
        let headers = self.http_headers.iter().map(|(name, value)| {
            Element::new("http-header", COLIBRI2)
                .with("name", name.clone())
                .with("value", value.clone())
        });
        let ping = self.ping.map(|ping| {
            Element::new("ping", COLIBRI2)
                .with("interval", ping.interval.to_string())
                .with("timeout", ping.timeout.to_string())
        });
        Element::new("connect", COLIBRI2)
            .with_some("id", self.id.as_ref())
            .with_flag("create", self.create)
            .with_flag("expire", self.expire)
            .with_some("url", self.url.as_ref())
            .with_some("protocol", self.protocol.as_ref())
            .with_some("type", self.kind.as_ref())
            .with_some("audio", self.audio)
            .with_some("video", self.video)
            .with_children(headers)
            .with_children(ping)
            .with_children(names_element(self.exports.as_deref(), "exports", "export"))
            .with_children(names_element(
                self.requests.as_deref(),
                "requests",
                "request",
            ))
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&str> = self
            .http_headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        formatter
            .debug_struct("Connect")
            .field("id", &self.id)
            .field("create", &self.create)
            .field("expire", &self.expire)
            .field("kind", &self.kind)
            .field("http_headers", &headers)
            .field("exports", &self.exports)
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

fn names_of(
    element: &Element,
    list: &str,
    entry: &'static str,
) -> Result<Option<Vec<String>>, ParseError> {
    let Some(list) = element.child(list, COLIBRI2) else {
        return Ok(None);
    };
    list.children_named(entry, COLIBRI2)
        .map(|entry| Ok(required(entry, "name")?.to_owned()))
        .collect::<Result<_, ParseError>>()
        .map(Some)
}

fn names_element(
    names: Option<&[String]>,
    list: &'static str,
    entry: &'static str,
) -> Option<Element> {
    let names = names?;
    let entries = names
        .iter()
        .map(|name| Element::new(entry, COLIBRI2).with("name", name.clone()));
    Some(Element::new(list, COLIBRI2).with_children(entries))
}
