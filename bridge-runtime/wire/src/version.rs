//! Software version (XEP-0092).

use crate::namespace;
use crate::parse::{ParseError, expect};
use crate::xml::Element;

/// Name and version of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoftwareVersion {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Operating system, when told.
    pub os: Option<String>,
}

/// The request.
pub fn version_query() -> Element {
    Element::new("query", namespace::VERSION)
}

/// Whether this payload asks for the version.
pub fn is_version_query(payload: &Element) -> bool {
    payload.is("query", namespace::VERSION)
}

impl SoftwareVersion {
    /// Reads an answer.
    ///
    /// # Errors
    /// Another element.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "query", namespace::VERSION)?;
        let text = |name| element.child(name, namespace::VERSION).map(Element::text);
        Ok(Self {
            name: text("name").unwrap_or_default(),
            version: text("version").unwrap_or_default(),
            os: text("os"),
        })
    }

    /// Builds the answer.
    pub fn to_element(&self) -> Element {
        let child =
            |name: &'static str, text: &str| Element::new(name, namespace::VERSION).with_text(text);
        version_query()
            .with_child(child("name", &self.name))
            .with_child(child("version", &self.version))
            .with_children(self.os.iter().map(|os| child("os", os)))
    }
}
