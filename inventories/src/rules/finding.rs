//! What a rule reports, in terms of the model; places are looked up afterwards.

use std::ops::Range;

use super::Rule;
use crate::diagnostic::{Cause, Diagnostic, Source};
use crate::load::{Path, SourceMap};

/// A violation of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    path: Path,
    on_key: bool,
    twins: bool,
    message: String,
    label: String,
    others: Vec<(Path, String)>,
    cause: Option<String>,
    help: Option<String>,
}

impl Finding {
    /// About the value at `path`, with a few words to stand beside it.
    pub(crate) fn new(path: Path, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            path,
            on_key: false,
            twins: false,
            message: message.into(),
            label: label.into(),
            others: Vec::new(),
            cause: None,
            help: None,
        }
    }

    /// Marks the key instead of the value.
    pub(crate) fn on_key(mut self) -> Self {
        self.on_key = true;
        self
    }

    /// Another place that belongs to it.
    pub(crate) fn also(mut self, path: Path, label: impl Into<String>) -> Self {
        self.others.push((path, label.into()));
        self
    }

    /// The same thing said twice, here and at `path`: whichever comes later in the file is marked
    /// as the repetition, because hosts reach the rules in the order of their names.
    pub(crate) fn twin(mut self, path: Path, label: impl Into<String>) -> Self {
        self.twins = true;
        self.also(path, label)
    }

    /// Says why.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether it depends on something that could not be read.
    pub(crate) fn touches(&self, broken: &[Path]) -> bool {
        let others = self.others.iter().map(|(path, _)| path);
        std::iter::once(&self.path)
            .chain(others)
            .any(|path| broken.iter().any(|one| one.overlaps(path)))
    }

    pub(crate) fn diagnostic(&self, rule: &Rule, source: &Source, map: &SourceMap) -> Diagnostic {
        let at = if self.on_key {
            map.key(&self.path)
        } else {
            short(&self.path, source, map)
        };
        let mut diagnostic =
            Diagnostic::new(rule.code, rule.severity, source, &self.message).at(&at, &self.label);
        diagnostic.path = Some(self.path.to_string());
        for (path, label) in &self.others {
            diagnostic = diagnostic.also(&short(path, source, map), label);
        }
        if self.twins
            && diagnostic.later_first()
            && let Some((path, _)) = self.others.first()
        {
            diagnostic.path = Some(path.to_string());
        }
        diagnostic.cause = self.cause.clone().map(Cause);
        diagnostic.help.clone_from(&self.help);
        diagnostic
    }
}

/// The value, or its key when the value goes over several lines: a mark over half the file says
/// nothing.
fn short(path: &Path, source: &Source, map: &SourceMap) -> Range<usize> {
    let value = map.value(path);
    match source.text().get(value.clone()) {
        Some(text) if text.contains('\n') => map.key(path),
        _ => value,
    }
}
