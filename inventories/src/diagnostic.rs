//! What is wrong with an inventory, where, why, and what to do about it.
//!
//! A [`Diagnostic`] carries everything that a terminal needs to show the source line with a caret
//! (through [`miette::Diagnostic`]) and everything that a program needs (through
//! [`serde::Serialize`]). Offsets are bytes; lines and columns count from 1, columns in characters.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{LabeledSpan, NamedSource};
use serde::Serialize;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing can be deployed.
    Error,
    /// Deployable, but probably not what was meant.
    Warning,
}

/// One finding in an inventory file.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnostic {
    /// The rule, such as `E012`; see [`crate::rules::rule`].
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// One line: what is wrong.
    pub message: String,
    /// The file as the operator named it.
    pub file: String,
    /// The place in the model, such as `hosts.b1.address.public[0]`.
    pub path: Option<String>,
    /// The marked place; none when the whole file is meant.
    pub place: Option<Place>,
    /// Other places that belong to the finding.
    pub related: Vec<Place>,
    /// Why it is wrong.
    pub cause: Option<Cause>,
    /// What to do.
    pub help: Option<String>,
    #[serde(skip)]
    source: Source,
}

/// Why something is wrong, as the source of the error that says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
#[error("{0}")]
pub struct Cause(pub String);

/// A marked range of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Bytes from the start of the file.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What to write beside the mark.
    pub label: Option<String>,
}

/// The text of an inventory and its name, shared by all its diagnostics.
#[derive(Clone)]
pub struct Source(Arc<NamedSource<String>>);

impl Source {
    /// Wraps the text of the file called `name`.
    pub fn new(name: &str, text: &str) -> Self {
        Self(Arc::new(
            NamedSource::new(name, text.to_owned()).with_language("yaml"),
        ))
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        self.0.inner()
    }

    /// The place of a byte range; a range outside the text is moved to its end.
    pub fn place(&self, range: &Range<usize>, label: Option<String>) -> Place {
        let text = self.text();
        let start = floor_boundary(text, range.start);
        let end = floor_boundary(text, range.end).max(start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |position| position + 1);
        Place {
            offset: start,
            length: end - start,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            label,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.name()).finish()
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

impl Diagnostic {
    /// A finding without a place yet.
    pub fn new(
        code: &'static str,
        severity: Severity,
        source: &Source,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            file: source.name().to_owned(),
            path: None,
            place: None,
            related: Vec::new(),
            cause: None,
            help: None,
            source: source.clone(),
        }
    }

    /// Marks `range`.
    #[must_use]
    pub fn at(mut self, range: &Range<usize>, label: impl Into<String>) -> Self {
        self.place = Some(self.source.place(range, Some(label.into())));
        self
    }

    /// Marks a further range.
    #[must_use]
    pub fn also(mut self, range: &Range<usize>, label: impl Into<String>) -> Self {
        let place = self.source.place(range, Some(label.into()));
        self.related.push(place);
        self
    }

    /// Says why.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(Cause(cause.into()));
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Exchanges the marked place and the first related one when the latter comes later; the labels
    /// stay with their roles. Says whether it did.
    pub(crate) fn later_first(&mut self) -> bool {
        if let (Some(place), Some(other)) = (&mut self.place, self.related.first_mut())
            && place.offset < other.offset
        {
            std::mem::swap(&mut place.label, &mut other.label);
            std::mem::swap(place, other);
            return true;
        }
        false
    }

    /// Whether the inventory cannot be used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.place
            .is_some()
            .then_some(&*self.source.0 as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = self.place.iter().map(|place| {
            LabeledSpan::new_primary_with_span(place.label.clone(), (place.offset, place.length))
        });
        let others = self.related.iter().map(|place| {
            LabeledSpan::new_with_span(place.label.clone(), (place.offset, place.length))
        });
        self.place.as_ref()?;
        Some(Box::new(first.chain(others)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_offsets_count_bytes() {
        let source = Source::new("x.yaml", "a: b\nü: x\n");
        let place = source.place(&(9..10), None);
        assert_eq!((place.line, place.column, place.offset), (2, 4, 9));
    }

    #[test]
    fn a_range_outside_the_text_is_moved_to_its_end() {
        let place = Source::new("x.yaml", "ü").place(&(1..99), None);
        assert_eq!((place.offset, place.length), (0, 2));
    }
}
