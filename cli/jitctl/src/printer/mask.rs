//! Hiding secrets in whatever is printed.
//!
//! The values arrive when a command opens the secrets; until then there is nothing to hide.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

type Function = Box<dyn Fn(&str) -> String + Send + Sync>;

/// A shared mask; clones hide the same values.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    function: Arc<RwLock<Option<Function>>>,
}

impl Mask {
    /// From now on texts pass through `function`.
    pub(crate) fn set(&self, function: impl Fn(&str) -> String + Send + Sync + 'static) {
        let mut slot = self
            .function
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Box::new(function));
    }

    /// The text without secrets.
    pub(crate) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let slot = self.function.read().unwrap_or_else(PoisonError::into_inner);
        match slot.as_ref() {
            Some(function) => Cow::Owned(function(text)),
            None => Cow::Borrowed(text),
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask")
    }
}

#[cfg(test)]
mod tests {
    use super::Mask;

    #[test]
    fn clones_hide_what_the_first_learns_later() {
        let first = Mask::default();
        let second = first.clone();
        assert_eq!(second.apply("hunter2"), "hunter2");
        first.set(|text| text.replace("hunter2", "****"));
        assert_eq!(second.apply("is hunter2 here"), "is **** here");
    }
}
