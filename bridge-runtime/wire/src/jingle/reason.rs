//! Why a session ends (XEP-0166 7.4).

use crate::namespace::JINGLE;
use crate::parse::{ParseError, expect};
use crate::xml::Element;

/// A `<reason>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Defined condition, such as `success`, `gone`, `expired`, `connectivity-error`.
    pub condition: String,
    /// Words for people and logs.
    pub text: Option<String>,
}

impl Reason {
    /// A condition with words.
    pub fn new(condition: &str, text: &str) -> Self {
        Self {
            condition: condition.to_owned(),
            text: Some(text.to_owned()),
        }
    }

    /// Reads a `<reason>`.
    ///
    /// # Errors
    /// Another element.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "reason", JINGLE)?;
        let condition = element
            .children()
            .find(|child| child.namespace() == JINGLE && child.name() != "text");
        Ok(Self {
            condition: condition.map_or("general-error", Element::name).to_owned(),
            text: element.child("text", JINGLE).map(Element::text),
        })
    }

    /// Builds the `<reason>`.
    pub fn to_element(&self) -> Element {
        let text = self
            .text
            .as_ref()
            .map(|text| Element::new("text", JINGLE).with_text(text.clone()));
        Element::new("reason", JINGLE)
            .with_child(Element::new(self.condition.clone(), JINGLE))
            .with_children(text)
    }
}
