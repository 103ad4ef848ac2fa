//! An owned XML element with a builder and look-ups.

use std::borrow::Cow;
use std::fmt;

use super::error::XmlError;
use super::stream::{Limits, parse_document};
use super::write;

/// A child of an element: another element, or text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A child element.
    Element(Element),
    /// Character data, unescaped.
    Text(String),
}

/// An XML element with its namespace resolved.
///
/// Attributes keep the order they were written in; comparison of two elements respects it. The
/// attribute `xml:lang` is stored under that name, any other prefixed attribute as
/// `{namespace}name`.
#[derive(Clone, PartialEq, Eq)]
pub struct Element {
    pub(super) name: Cow<'static, str>,
    pub(super) namespace: Cow<'static, str>,
    pub(super) attributes: Vec<(Cow<'static, str>, String)>,
    pub(super) nodes: Vec<Node>,
}

impl Element {
    /// An empty element.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        namespace: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            attributes: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// Parses one whole document; comments and an XML declaration around it are skipped.
    ///
    /// # Errors
    /// Anything that is not exactly one well-formed element within the default [`Limits`].
    pub fn parse(document: &str) -> Result<Self, XmlError> {
        parse_document(document, Limits::default())
    }

    /// Sets an attribute, replacing one of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets an attribute when there is a value; writes it with its `Display`.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value.to_string()),
            None => self,
        }
    }

    /// Sets an attribute to `true` when `value` holds; otherwise leaves it out.
    #[must_use]
    pub fn with_flag(self, name: &'static str, value: bool) -> Self {
        if value { self.with(name, "true") } else { self }
    }

    /// Appends a child element.
    #[must_use]
    pub fn with_child(mut self, child: Self) -> Self {
        self.push(child);
        self
    }

    /// Appends child elements.
    #[must_use]
    pub fn with_children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.nodes.extend(children.into_iter().map(Node::Element));
        self
    }

    /// Appends text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.push_text(text);
        self
    }

    /// Sets an attribute, replacing one of the same name.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        let name = name.into();
        let value = value.into();
        match self
            .attributes
            .iter_mut()
            .find(|(existing, _)| *existing == name)
        {
            Some((_, existing)) => *existing = value,
            None => self.attributes.push((name, value)),
        }
    }

    /// Removes an attribute and returns its value.
    pub fn unset(&mut self, name: &str) -> Option<String> {
        let position = self
            .attributes
            .iter()
            .position(|(existing, _)| existing == name)?;
        Some(self.attributes.remove(position).1)
    }

    /// Appends a child element.
    pub fn push(&mut self, child: Self) {
        self.nodes.push(Node::Element(child));
    }

    /// Appends text; joins it to text that is already last.
    pub fn push_text(&mut self, text: impl Into<String>) {
        let text = text.into();
        if text.is_empty() {
            return;
        }
        if let Some(Node::Text(last)) = self.nodes.last_mut() {
            last.push_str(&text);
        } else {
            self.nodes.push(Node::Text(text));
        }
    }

    /// Moves this element and those below it from one namespace to another; foreign subtrees are
    /// left alone.
    #[must_use]
    pub fn moved(mut self, from: &str, to: &'static str) -> Self {
        if self.namespace != from {
            return self;
        }
        self.namespace = Cow::Borrowed(to);
        for node in &mut self.nodes {
            if let Node::Element(child) = node {
                *child = std::mem::replace(child, Self::new("", "")).moved(from, to);
            }
        }
        self
    }

    /// Local name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Namespace, empty when there is none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether name and namespace are these.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    /// Value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All attributes, in order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes
            .iter()
            .map(|(key, value)| (key.as_ref(), value.as_str()))
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Child elements, in order.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) => None,
        })
    }

    /// Child elements of one name and namespace.
    pub fn children_named<'e>(
        &'e self,
        name: &'e str,
        namespace: &'e str,
    ) -> impl Iterator<Item = &'e Self> {
        self.children()
            .filter(move |child| child.is(name, namespace))
    }

    /// First child element of this name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<&Self> {
        self.children().find(|child| child.is(name, namespace))
    }

    /// First child element.
    pub fn first_child(&self) -> Option<&Self> {
        self.children().next()
    }

    /// Takes the first child element out, dropping the rest.
    pub fn into_first_child(self) -> Option<Self> {
        self.nodes.into_iter().find_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) => None,
        })
    }

    /// The element's own text, without that of its children.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            if let Node::Text(part) = node {
                text.push_str(part);
            }
        }
        text
    }

    /// Writes the element as a document of its own: its namespace is always declared.
    pub fn to_xml(&self) -> String {
        self.to_xml_within("")
    }

    /// Writes the element for a place where `default_namespace` is already the default, as a
    /// stanza inside a stream.
    pub fn to_xml_within(&self, default_namespace: &str) -> String {
        let mut out = String::with_capacity(256);
        write::write(self, default_namespace, &mut out);
        out
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_xml())
    }
}
