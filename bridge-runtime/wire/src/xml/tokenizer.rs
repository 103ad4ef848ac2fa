//! Cuts a byte stream into tags and text, without reading further than it has to.
//!
//! Invariant: bytes are looked at once; a token that is not whole yet is resumed where the last
//! look stopped. Content is checked by the callers.

use super::error::XmlError;

/// A piece of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// `<name …>`: the inside.
    Start(String),
    /// `<name …/>`: the inside.
    Empty(String),
    /// `</name>`: the name.
    End(String),
    /// Text between tags, still escaped.
    Text(String),
    /// Text from a CDATA section, to be taken literally.
    Literal(String),
    /// `<?xml …?>`.
    Declaration,
    /// `<!-- … -->`.
    Comment,
}

#[derive(Debug, Default)]
pub(super) struct Tokenizer {
    buffer: Vec<u8>,
    start: usize,
    scanned: usize,
    quote: Option<u8>,
}

impl Tokenizer {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            self.scanned = 0;
        } else if self.start > 64 * 1024 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes held that are not part of a token yet.
    pub(super) fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The next whole token with its length in bytes, or `None` when more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<(Token, usize)>, XmlError> {
        let Some(&first) = self.buffer.get(self.start) else {
            return Ok(None);
        };
        if first != b'<' {
            return self.next_text();
        }
        let rest = &self.buffer[self.start..];
        if rest.len() < 2 {
            return Ok(None);
        }
        match rest[1] {
            b'!' => self.next_exclamation(),
            b'?' => self.next_declaration(),
            _ => self.next_tag(),
        }
    }

    fn next_text(&mut self) -> Result<Option<(Token, usize)>, XmlError> {
        let from = self.scanned.max(self.start);
        let Some(offset) = self.buffer[from..].iter().position(|byte| *byte == b'<') else {
            self.scanned = self.buffer.len();
            return Ok(None);
        };
        let end = from + offset;
        let text = self.slice(self.start, end)?;
        Ok(Some(self.consume(end, Token::Text(text))))
    }

    fn next_tag(&mut self) -> Result<Option<(Token, usize)>, XmlError> {
        let mut position = self.scanned.max(self.start + 1);
        while let Some(&byte) = self.buffer.get(position) {
            match (self.quote, byte) {
                (Some(quote), byte) if byte == quote => self.quote = None,
                (None, b'\'' | b'"') => self.quote = Some(byte),
                (None, b'>') => return self.finish_tag(position),
                (None, b'<') => return Err(XmlError::malformed("`<` inside a tag")),
                (Some(_) | None, _) => {}
            }
            position += 1;
        }
        self.scanned = position;
        Ok(None)
    }

    fn finish_tag(&mut self, close: usize) -> Result<Option<(Token, usize)>, XmlError> {
        let inside = self.slice(self.start + 1, close)?;
        let token = if let Some(name) = inside.strip_prefix('/') {
            Token::End(name.trim_end().to_owned())
        } else if let Some(content) = inside.strip_suffix('/') {
            Token::Empty(content.to_owned())
        } else {
            Token::Start(inside)
        };
        Ok(Some(self.consume(close + 1, token)))
    }

    fn next_exclamation(&mut self) -> Result<Option<(Token, usize)>, XmlError> {
        let rest = &self.buffer[self.start..];
        for (opening, closing) in [(&b"<!--"[..], &b"-->"[..]), (b"<![CDATA[", b"]]>")] {
            if rest.starts_with(opening) {
                return self.next_section(opening.len(), closing);
            }
            if opening.starts_with(rest) {
                return Ok(None);
            }
        }
        Err(XmlError::Restricted {
            what: "a document type",
        })
    }

    fn next_section(
        &mut self,
        opening: usize,
        closing: &[u8],
    ) -> Result<Option<(Token, usize)>, XmlError> {
        let content = self.start + opening;
        let from = self.scanned.saturating_sub(closing.len()).max(content);
        let found = self.buffer[from..]
            .windows(closing.len())
            .position(|bytes| bytes == closing);
        let Some(offset) = found else {
            self.scanned = self.buffer.len();
            return Ok(None);
        };
        let end = from + offset;
        let token = if closing == b"-->" {
            Token::Comment
        } else {
            Token::Literal(self.slice(content, end)?)
        };
        Ok(Some(self.consume(end + closing.len(), token)))
    }

    fn next_declaration(&mut self) -> Result<Option<(Token, usize)>, XmlError> {
        let rest = &self.buffer[self.start..];
        let Some(offset) = rest.windows(2).position(|bytes| bytes == b"?>") else {
            // A declaration is short; anything longer is an attempt to make us hold bytes.
            if rest.len() > 256 {
                return Err(XmlError::Restricted {
                    what: "a processing instruction",
                });
            }
            return Ok(None);
        };
        let is_declaration =
            rest.starts_with(b"<?xml") && rest.get(5).is_some_and(u8::is_ascii_whitespace);
        if !is_declaration {
            return Err(XmlError::Restricted {
                what: "a processing instruction",
            });
        }
        let end = self.start + offset + 2;
        Ok(Some(self.consume(end, Token::Declaration)))
    }

    fn consume(&mut self, end: usize, token: Token) -> (Token, usize) {
        let length = end - self.start;
        self.start = end;
        self.scanned = end;
        self.quote = None;
        (token, length)
    }

    fn slice(&self, from: usize, to: usize) -> Result<String, XmlError> {
        let bytes = self.buffer.get(from..to).unwrap_or_default();
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| XmlError::NotUtf8)
    }
}
