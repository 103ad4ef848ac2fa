//! Bytes of an XMPP stream in, stream events out (RFC 6120 4).
//!
//! Invariant: whatever arrives, at most `maximum_stanza_bytes` are held for one stanza and the
//! tree is at most `maximum_depth` deep. After an error the parser is of no further use.

use super::element::Element;
use super::error::XmlError;
use super::scope::{Scopes, decode_text};
use super::tokenizer::{Token, Tokenizer};
use crate::namespace;

/// Bounds on what a peer may make us hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one stanza, or of the stream header.
    pub maximum_stanza_bytes: usize,
    /// Levels of elements inside a stanza.
    pub maximum_depth: usize,
    /// Attributes of one element.
    pub maximum_attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // 10 MiB is what a server is configured to relay for focus and bridges.
        Self {
            maximum_stanza_bytes: 10 << 20,
            maximum_depth: 64,
            maximum_attributes: 64,
        }
    }
}

/// The opening tag of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHeader {
    /// Stream identifier.
    pub id: Option<String>,
    /// The host that answers.
    pub from: Option<String>,
    /// Protocol version; absent before XMPP 1.0 and in component streams.
    pub version: Option<String>,
}

/// What a stream brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// The peer opened its stream.
    Opened(StreamHeader),
    /// A whole first-level element.
    Stanza(Element),
    /// The peer closed its stream.
    Closed,
}

/// An incremental parser of one stream direction.
#[derive(Debug, Default)]
pub struct StreamParser {
    limits: Limits,
    tokenizer: Tokenizer,
    scopes: Scopes,
    root: Option<String>,
    /// Open elements with their qualified names, outermost first.
    open: Vec<(String, Element)>,
    stanza_bytes: usize,
    comments_allowed: bool,
}

impl StreamParser {
    /// A parser for a new stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Takes bytes as they arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.tokenizer.push(bytes);
    }

    /// The next event, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// Anything RFC 6120 4.9.3 and 11 refuse, and anything beyond the limits.
    pub fn next_event(&mut self) -> Result<Option<StreamEvent>, XmlError> {
        loop {
            let Some((token, length)) = self.tokenizer.next()? else {
                return self.check_size(self.tokenizer.pending()).map(|()| None);
            };
            self.check_size(length)?;
            self.stanza_bytes += length;
            if let Some(event) = self.handle(token)? {
                return Ok(Some(event));
            }
            if self.open.is_empty() {
                self.stanza_bytes = 0;
            }
        }
    }

    fn check_size(&self, further: usize) -> Result<(), XmlError> {
        let limit = self.limits.maximum_stanza_bytes;
        if self.stanza_bytes + further > limit {
            return Err(XmlError::TooLarge { limit });
        }
        Ok(())
    }

    fn handle(&mut self, token: Token) -> Result<Option<StreamEvent>, XmlError> {
        match token {
            Token::Declaration if self.root.is_none() => Ok(None),
            Token::Declaration => Err(XmlError::Restricted {
                what: "a second XML declaration",
            }),
            Token::Comment if self.comments_allowed => Ok(None),
            Token::Comment => Err(XmlError::Restricted { what: "a comment" }),
            Token::Text(raw) => self.text(&raw, false),
            Token::Literal(text) => self.text(&text, true),
            Token::Start(content) => self.start(&content),
            Token::Empty(content) => self.empty(&content),
            Token::End(name) => self.end(&name),
        }
    }

    fn text(&mut self, raw: &str, literal: bool) -> Result<Option<StreamEvent>, XmlError> {
        let Some((_, innermost)) = self.open.last_mut() else {
            // White space between stanzas keeps the connection alive (RFC 6120 4.6.1).
            if raw.bytes().all(|byte| byte.is_ascii_whitespace()) {
                return Ok(None);
            }
            return Err(XmlError::malformed("text between stanzas"));
        };
        let normalised = if raw.contains('\r') {
            raw.replace("\r\n", "\n").replace('\r', "\n")
        } else {
            raw.to_owned()
        };
        innermost.push_text(if literal {
            normalised
        } else {
            decode_text(&normalised)?
        });
        Ok(None)
    }

    fn start(&mut self, content: &str) -> Result<Option<StreamEvent>, XmlError> {
        let qualified = qualified_name(content).to_owned();
        let element = self.scopes.enter(content, self.limits.maximum_attributes)?;
        if self.root.is_none() {
            self.root = Some(qualified);
            self.stanza_bytes = 0;
            return Ok(Some(StreamEvent::Opened(header(&element)?)));
        }
        if self.open.len() >= self.limits.maximum_depth {
            return Err(XmlError::TooDeep {
                limit: self.limits.maximum_depth,
            });
        }
        self.open.push((qualified, element));
        Ok(None)
    }

    fn empty(&mut self, content: &str) -> Result<Option<StreamEvent>, XmlError> {
        let element = self.scopes.enter(content, self.limits.maximum_attributes)?;
        self.scopes.leave();
        if self.root.is_none() {
            return Err(XmlError::malformed("the stream element is empty"));
        }
        Ok(self.finish(element))
    }

    fn end(&mut self, name: &str) -> Result<Option<StreamEvent>, XmlError> {
        if let Some((qualified, element)) = self.open.pop() {
            if qualified != name {
                return Err(mismatch(&qualified, name));
            }
            self.scopes.leave();
            return Ok(self.finish(element));
        }
        match self.root.as_deref() {
            Some(root) if root == name => Ok(Some(StreamEvent::Closed)),
            Some(root) => Err(mismatch(root, name)),
            None => Err(XmlError::malformed(format!(
                "</{}> closes nothing",
                shorten(name)
            ))),
        }
    }

    fn finish(&mut self, element: Element) -> Option<StreamEvent> {
        if let Some((_, parent)) = self.open.last_mut() {
            parent.push(element);
            return None;
        }
        self.stanza_bytes = 0;
        Some(StreamEvent::Stanza(element))
    }
}

fn header(element: &Element) -> Result<StreamHeader, XmlError> {
    if !element.is("stream", namespace::STREAM) {
        return Err(XmlError::malformed(format!(
            "<{}> is no stream",
            shorten(element.name())
        )));
    }
    let attribute = |name| element.attribute(name).map(str::to_owned);
    Ok(StreamHeader {
        id: attribute("id"),
        from: attribute("from"),
        version: attribute("version"),
    })
}

/// Parses one whole document by standing it inside a stream of its own.
pub(super) fn parse_document(document: &str, limits: Limits) -> Result<Element, XmlError> {
    let mut parser = StreamParser::new(limits);
    parser.comments_allowed = true;
    let body = document.trim_start_matches('\u{feff}').trim_start();
    let body = match body.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>").map_or(body, |(_, rest)| rest),
        None => body,
    };
    // An empty default namespace, so that the document's own declarations decide.
    parser.root = Some(String::from("document"));
    parser.push(body.as_bytes());
    let element = match parser.next_event()? {
        Some(StreamEvent::Stanza(element)) => element,
        Some(_) => return Err(XmlError::malformed("no element")),
        None => {
            let element = parser
                .open
                .last()
                .map(|(name, _)| name.clone())
                .unwrap_or_default();
            return Err(XmlError::Unfinished { element });
        }
    };
    // Text after the element stays in the tokenizer until a tag follows it.
    parser.push(b"<end/>");
    match parser.next_event()? {
        Some(StreamEvent::Stanza(end)) if end.is("end", "") => Ok(element),
        _ => Err(XmlError::malformed("more than one element")),
    }
}

fn qualified_name(content: &str) -> &str {
    let end = content
        .find(|c: char| c.is_ascii_whitespace())
        .unwrap_or(content.len());
    &content[..end]
}

fn mismatch(open: &str, close: &str) -> XmlError {
    XmlError::malformed(format!(
        "<{}> is closed by </{}>",
        shorten(open),
        shorten(close)
    ))
}

fn shorten(name: &str) -> String {
    name.chars().take(64).collect()
}
