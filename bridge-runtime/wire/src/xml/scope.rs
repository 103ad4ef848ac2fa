//! Start tags: attributes split off, namespaces declared and resolved.

use std::borrow::Cow;

use quick_xml::escape::unescape;
use quick_xml::events::BytesStart;

use super::element::Element;
use super::error::XmlError;
use crate::namespace;

/// Namespace declarations in force, innermost last.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    declarations: Vec<(String, Cow<'static, str>)>,
    marks: Vec<usize>,
}

impl Scopes {
    /// Leaves the innermost element.
    pub(super) fn leave(&mut self) {
        if let Some(mark) = self.marks.pop() {
            self.declarations.truncate(mark);
        }
    }

    /// Reads the inside of a start tag (`name a='b'`) and enters its scope.
    pub(super) fn enter(
        &mut self,
        content: &str,
        maximum_attributes: usize,
    ) -> Result<Element, XmlError> {
        let name_length = content
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(content.len());
        let qualified = &content[..name_length];
        let tag = BytesStart::from_content(content, name_length);
        self.marks.push(self.declarations.len());

        let mut plain = Vec::new();
        for (count, attribute) in tag.attributes().enumerate() {
            if count >= maximum_attributes {
                return Err(XmlError::TooManyAttributes {
                    element: qualified.to_owned(),
                    limit: maximum_attributes,
                });
            }
            let attribute = attribute.map_err(|error| XmlError::malformed(error.to_string()))?;
            let key: &str = attribute.key.as_ref();
            if attribute.value.contains('<') {
                return Err(XmlError::malformed(format!("`<` in attribute `{key}`")));
            }
            let value = decode_attribute(&attribute.value)?;
            if key == "xmlns" {
                self.declarations
                    .push((String::new(), namespace::intern(&value)));
            } else if let Some(prefix) = key.strip_prefix("xmlns:") {
                self.declarations
                    .push((prefix.to_owned(), namespace::intern(&value)));
            } else {
                plain.push((key.to_owned(), value));
            }
        }

        let (prefix, local) = split_name(qualified)?;
        let mut element = Element::new(intern_name(local), self.resolve(prefix)?);
        for (key, value) in plain {
            let (prefix, local) = split_name(&key)?;
            let key: Cow<'static, str> = match prefix {
                "" => intern_name(local),
                "xml" if local == "lang" => Cow::Borrowed("xml:lang"),
                prefix => Cow::Owned(format!("{{{}}}{local}", self.resolve(prefix)?)),
            };
            element.attributes.push((key, value));
        }
        Ok(element)
    }

    fn resolve(&self, prefix: &str) -> Result<Cow<'static, str>, XmlError> {
        if prefix == "xml" {
            return Ok(Cow::Borrowed(namespace::XML));
        }
        let found = self
            .declarations
            .iter()
            .rev()
            .find(|(declared, _)| declared == prefix);
        match found {
            Some((_, namespace)) => Ok(namespace.clone()),
            None if prefix.is_empty() => Ok(Cow::Borrowed(namespace::NONE)),
            None => Err(XmlError::UndeclaredPrefix {
                prefix: prefix.to_owned(),
            }),
        }
    }
}

/// Splits `prefix:name` and checks both for characters a name may have.
pub(super) fn split_name(qualified: &str) -> Result<(&str, &str), XmlError> {
    let (prefix, local) = qualified.split_once(':').unwrap_or(("", qualified));
    let prefix_fits = prefix.is_empty() != qualified.contains(':');
    if prefix_fits && (prefix.is_empty() || is_name(prefix)) && is_name(local) {
        return Ok((prefix, local));
    }
    let shown: String = qualified.chars().take(64).collect();
    Err(XmlError::malformed(format!("`{shown}` is not a name")))
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    let starts_well = characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii());
    starts_well
        && characters
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') || !c.is_ascii())
}

/// Resolves entities and character references, refusing what XML 1.0 cannot carry.
pub(super) fn decode_text(raw: &str) -> Result<String, XmlError> {
    let text = unescape(raw).map_err(|error| XmlError::malformed(error.to_string()))?;
    let forbidden = |c: char| matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if let Some(character) = text.chars().find(|c| forbidden(*c)) {
        return Err(XmlError::malformed(format!(
            "character U+{:04X}",
            character as u32
        )));
    }
    Ok(text.into_owned())
}

/// White space in an attribute is a space unless it was written as a reference (XML 1.0 3.3.3).
fn decode_attribute(raw: &str) -> Result<String, XmlError> {
    if raw.contains(['\t', '\n', '\r']) {
        let normalised = raw.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
        return decode_text(&normalised);
    }
    decode_text(raw)
}

/// Names that occur all the time, so that a tree of known elements copies none of them.
fn intern_name(name: &str) -> Cow<'static, str> {
    const COMMON: &[&str] = &[
        "iq",
        "presence",
        "message",
        "id",
        "to",
        "from",
        "type",
        "stat",
        "stats",
        "name",
        "value",
        "item",
        "status",
        "code",
        "jid",
        "role",
        "affiliation",
        "x",
        "c",
        "ver",
        "node",
        "hash",
        "query",
        "error",
        "text",
        "endpoint",
        "transport",
        "candidate",
        "fingerprint",
        "sources",
        "source",
        "ssrc",
        "ssrc-group",
        "semantics",
        "media",
        "media-source",
        "payload-type",
        "parameter",
        "rtcp-fb",
        "subtype",
        "rtp-hdrext",
        "uri",
        "feature",
        "var",
        "identity",
        "category",
        "r",
        "a",
        "h",
        "body",
        "priority",
        "clockrate",
        "channels",
        "create",
    ];
    match COMMON.iter().find(|common| **common == name) {
        Some(common) => Cow::Borrowed(common),
        None => Cow::Owned(name.to_owned()),
    }
}
