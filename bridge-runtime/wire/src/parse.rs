//! Errors and small helpers shared by the typed parsers.

use std::str::FromStr;

use crate::xml::Element;

/// Why an element is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The element is another one.
    #[error("expected <{expected}>, found <{found}>")]
    UnexpectedElement {
        /// Name wanted.
        expected: &'static str,
        /// Name found.
        found: String,
    },
    /// A required attribute is absent or blank.
    #[error("<{element}> has no `{attribute}`")]
    MissingAttribute {
        /// Element that lacks it.
        element: String,
        /// Attribute wanted.
        attribute: &'static str,
    },
    /// An attribute holds a value outside its type.
    #[error("<{element}> has `{attribute}={value}`, which is not {expected}")]
    BadAttribute {
        /// Element that carries it.
        element: String,
        /// Attribute at fault.
        attribute: String,
        /// Value found, cut to 64 characters.
        value: String,
        /// What a right value would be.
        expected: &'static str,
    },
    /// A required child is absent.
    #[error("<{element}> has no <{child}>")]
    MissingChild {
        /// Element that lacks it.
        element: String,
        /// Child wanted.
        child: &'static str,
    },
}

/// Refuses an element of another name or namespace.
pub(crate) fn expect(
    element: &Element,
    name: &'static str,
    namespace: &str,
) -> Result<(), ParseError> {
    if element.is(name, namespace) {
        return Ok(());
    }
    Err(ParseError::UnexpectedElement {
        expected: name,
        found: element.name().to_owned(),
    })
}

/// A required attribute that is not blank.
pub(crate) fn required<'e>(
    element: &'e Element,
    attribute: &'static str,
) -> Result<&'e str, ParseError> {
    element
        .attribute(attribute)
        .filter(|value| !value.trim().is_empty())
        .ok_or_else(|| ParseError::MissingAttribute {
            element: element.name().to_owned(),
            attribute,
        })
}

/// An optional attribute of a parseable type.
pub(crate) fn optional<T: FromStr>(
    element: &Element,
    attribute: &'static str,
    expected: &'static str,
) -> Result<Option<T>, ParseError> {
    let Some(value) = element.attribute(attribute) else {
        return Ok(None);
    };
    value
        .trim()
        .parse()
        .map(Some)
        .map_err(|_| bad(element, attribute, value, expected))
}

/// A required attribute of a parseable type.
pub(crate) fn required_as<T: FromStr>(
    element: &Element,
    attribute: &'static str,
    expected: &'static str,
) -> Result<T, ParseError> {
    let value = required(element, attribute)?;
    value
        .trim()
        .parse()
        .map_err(|_| bad(element, attribute, value, expected))
}

/// A boolean attribute; XML Schema also writes `1` and `0`.
pub(crate) fn boolean(
    element: &Element,
    attribute: &'static str,
    default: bool,
) -> Result<bool, ParseError> {
    Ok(optional_boolean(element, attribute)?.unwrap_or(default))
}

/// A boolean attribute that may be absent.
pub(crate) fn optional_boolean(
    element: &Element,
    attribute: &'static str,
) -> Result<Option<bool>, ParseError> {
    match element.attribute(attribute).map(str::trim) {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(other) => Err(bad(element, attribute, other, "`true` or `false`")),
    }
}

/// The error for an attribute with a value outside its type.
pub(crate) fn bad(
    element: &Element,
    attribute: &str,
    value: &str,
    expected: &'static str,
) -> ParseError {
    ParseError::BadAttribute {
        element: element.name().to_owned(),
        attribute: attribute.to_owned(),
        value: value.chars().take(64).collect(),
        expected,
    }
}
