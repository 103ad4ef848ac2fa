//! Service discovery (XEP-0030) and the capabilities hash over it (XEP-0115 5.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::namespace;
use crate::parse::{ParseError, expect};
use crate::xml::Element;

/// Who an entity is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Category, such as `component`.
    pub category: String,
    /// Type within the category; Jitsi names the service here.
    pub kind: String,
    /// Language of the name.
    pub language: String,
    /// Name; Jitsi puts the address of the service here.
    pub name: String,
}

/// What an entity is and can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiscoInfo {
    /// The node asked about.
    pub node: Option<String>,
    /// Identities, in order.
    pub identities: Vec<Identity>,
    /// Features, in order.
    pub features: Vec<String>,
    /// Data forms that extend the answer (XEP-0128).
    pub forms: Vec<Element>,
}

/// The disco#info request.
pub fn info_query() -> Element {
    Element::new("query", namespace::DISCO_INFO)
}

impl DiscoInfo {
    /// One identity and a list of features.
    pub fn new(category: &str, kind: &str, name: &str, features: &[&str]) -> Self {
        Self {
            identities: vec![Identity {
                category: category.to_owned(),
                kind: kind.to_owned(),
                language: String::new(),
                name: name.to_owned(),
            }],
            features: features
                .iter()
                .map(|feature| (*feature).to_owned())
                .collect(),
            ..Self::default()
        }
    }

    /// Whether a feature is announced.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|announced| announced == feature)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// Another element.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "query", namespace::DISCO_INFO)?;
        let text = |child: &Element, name| child.attribute(name).unwrap_or_default().to_owned();
        Ok(Self {
            node: element.attribute("node").map(str::to_owned),
            identities: element
                .children_named("identity", namespace::DISCO_INFO)
                .map(|child| Identity {
                    category: text(child, "category"),
                    kind: text(child, "type"),
                    language: text(child, "xml:lang"),
                    name: text(child, "name"),
                })
                .collect(),
            features: element
                .children_named("feature", namespace::DISCO_INFO)
                .filter_map(|child| child.attribute("var").map(str::to_owned))
                .collect(),
            forms: element
                .children_named("x", namespace::DATA_FORMS)
                .cloned()
                .collect(),
        })
    }

    /// Builds the answer.
    pub fn to_element(&self) -> Element {
        let not_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        info_query()
            .with_some("node", self.node.as_ref())
            .with_children(self.identities.iter().map(|identity| {
                Element::new("identity", namespace::DISCO_INFO)
                    .with("category", identity.category.clone())
                    .with("type", identity.kind.clone())
                    .with_some("xml:lang", not_empty(&identity.language))
                    .with_some("name", not_empty(&identity.name))
            }))
            .with_children(self.features.iter().map(|feature| {
                Element::new("feature", namespace::DISCO_INFO).with("var", feature.clone())
            }))
            .with_children(self.forms.iter().cloned())
    }

    /// The verification string's SHA-1 in base64 (XEP-0115 5.1).
    pub fn capabilities_hash(&self) -> String {
        let mut text = String::new();
        let mut identities = self.identities.clone();
        identities.sort();
        for identity in &identities {
            for part in [&identity.category, &identity.kind, &identity.language] {
                text.push_str(part);
                text.push('/');
            }
            text.push_str(&identity.name);
            text.push('<');
        }
        let mut features = self.features.clone();
        features.sort();
        for feature in &features {
            text.push_str(feature);
            text.push('<');
        }
        for form in sorted_forms(&self.forms) {
            text.push_str(&form);
        }
        STANDARD.encode(Sha1::digest(text.as_bytes()))
    }

    /// The `<c>` that announces these capabilities in a presence.
    pub fn capabilities(&self, node: &str) -> Element {
        Element::new("c", namespace::CAPS)
            .with("hash", "sha-1")
            .with("node", node)
            .with("ver", self.capabilities_hash())
    }
}

fn sorted_forms(forms: &[Element]) -> Vec<String> {
    let mut texts: Vec<String> = forms.iter().filter_map(form_text).collect();
    texts.sort();
    texts
}

fn form_text(form: &Element) -> Option<String> {
    let mut form_type = None;
    let mut fields = Vec::new();
    for field in form.children_named("field", namespace::DATA_FORMS) {
        let name = field.attribute("var").unwrap_or_default();
        let mut values: Vec<String> = field
            .children_named("value", namespace::DATA_FORMS)
            .map(Element::text)
            .collect();
        if name == "FORM_TYPE" {
            form_type = values.pop();
            continue;
        }
        values.sort();
        // Each value is followed by `<`, so the list ends in one.
        values.push(String::new());
        fields.push(format!("{name}<{}", values.join("<")));
    }
    fields.sort();
    Some(format!("{}<{}", form_type?, fields.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_example_in_the_specification() {
        let info = DiscoInfo::new(
            "client",
            "pc",
            "Exodus 0.9.1",
            &[
                "http://jabber.org/protocol/disco#info",
                "http://jabber.org/protocol/disco#items",
                "http://jabber.org/protocol/muc",
                "http://jabber.org/protocol/caps",
            ],
        );
        assert_eq!(info.capabilities_hash(), "QgayPKawpkPSDYmwT/WM94uAlu0=");
        assert_eq!(DiscoInfo::parse(&info.to_element()).unwrap(), info);
    }
}
