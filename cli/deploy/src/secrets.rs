//! Secrets by name, and texts without them.
//!
//! A rendered text names its secrets by markers. [`fill`] puts the values in, for the host alone;
//! [`mask`] takes known values out again, for human eyes.

use jitctl_templates::desired::SecretName;
use secrecy::{ExposeSecret, SecretString};

/// Whoever knows the values.
pub trait SecretValues: Send + Sync {
    /// The value of a secret, if there is one.
    fn value(&self, name: &str) -> Option<SecretString>;
}

impl<T: SecretValues + ?Sized> SecretValues for &T {
    fn value(&self, name: &str) -> Option<SecretString> {
        (**self).value(name)
    }
}

impl SecretValues for jitctl_inventory::secrets::Store {
    fn value(&self, name: &str) -> Option<SecretString> {
        Self::value(self, name).cloned()
    }
}

/// A secret that a text needs and the store lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("secret `{}` is missing; run `jitctl secrets init`", name.0)]
pub struct MissingSecret {
    /// Its name.
    pub name: SecretName,
}

const OPEN: &str = "@@secret:";
const CLOSE: &str = "@@";

/// The names of all markers in a text, without doubles, in order.
pub fn names_in(text: &str) -> Vec<SecretName> {
    let mut names: Vec<SecretName> = Vec::new();
    for rest in text.split(OPEN).skip(1) {
        if let Some((name, _)) = rest.split_once(CLOSE) {
            let name = SecretName(name.to_owned());
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// The text with all values in it.
///
/// # Errors
/// A secret is unknown.
pub fn fill(text: &str, secrets: &dyn SecretValues) -> Result<String, MissingSecret> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        filled.push_str(before);
        let Some((name, tail)) = after.split_once(CLOSE) else {
            filled.push_str(OPEN);
            rest = after;
            continue;
        };
        let value = secrets.value(name).ok_or_else(|| MissingSecret {
            name: SecretName(name.to_owned()),
        })?;
        filled.push_str(value.expose_secret());
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The text with the values of `names` replaced by their markers.
pub fn mask(text: &str, names: &[SecretName], secrets: &dyn SecretValues) -> String {
    let mut known: Vec<(String, String)> = names
        .iter()
        .filter_map(|name| {
            let value = secrets.value(&name.0)?;
            let value = value.expose_secret().to_owned();
            (!value.is_empty()).then(|| (value, name.marker()))
        })
        .collect();
    // A value inside another must not leave the rest of the longer one behind.
    known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    known.iter().fold(text.to_owned(), |text, (value, marker)| {
        text.replace(value.as_str(), marker)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Secrets of a test.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Known(pub(crate) BTreeMap<String, String>);

    impl Known {
        pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
            Self(
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            )
        }
    }

    impl SecretValues for Known {
        fn value(&self, name: &str) -> Option<SecretString> {
            self.0.get(name).cloned().map(SecretString::from)
        }
    }

    #[test]
    fn masking_undoes_filling() {
        let secrets = Known::of(&[("a", "hunter2"), ("b", "hunter22")]);
        let text = "x=@@secret:a@@ y=@@secret:b@@ z=@@secret:a@@";
        let filled = fill(text, &secrets).unwrap();
        assert_eq!(filled, "x=hunter2 y=hunter22 z=hunter2");
        assert_eq!(mask(&filled, &names_in(text), &secrets), text);
    }

    #[test]
    fn an_unknown_secret_is_named() {
        let error = fill("@@secret:gone@@", &Known::default()).unwrap_err();
        assert!(error.to_string().contains("`gone`"));
    }

    #[test]
    fn a_broken_marker_stays_text() {
        assert_eq!(fill("@@secret:x", &Known::default()).unwrap(), "@@secret:x");
    }
}
