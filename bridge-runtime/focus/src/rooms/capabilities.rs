//! What clients can do, by the hash in their presence (XEP-0115): whoever has the same client as
//! somebody before is not asked.
//!
//! A hash counts only when it is that of the answer, so that nobody speaks for others.

use std::collections::BTreeMap;

use jitctl_wire::disco::DiscoInfo;
use jitctl_wire::namespace::DISCO_INFO;
use jitctl_wire::{Element, Iq};
use serde_json::Value;

/// Clients kept; there are few versions of a client at a time.
const MOST: usize = 1000;

/// Answers by what was asked about, `NODE#HASH`.
#[derive(Debug, Default)]
pub(super) struct Capabilities {
    known: BTreeMap<String, Element>,
}

impl Capabilities {
    /// The answer to a request, if it is known.
    pub(super) fn answer(&self, request: &Iq) -> Option<Element> {
        self.known.get(node(request)?).cloned()
    }

    /// Keeps an answer.
    pub(super) fn keep(&mut self, node: &str, answer: &Element) {
        let is_true = DiscoInfo::parse(answer).is_ok_and(|info| {
            node.rsplit_once('#')
                .is_some_and(|(_, hash)| hash == info.capabilities_hash())
        });
        if is_true && self.known.len() < MOST {
            self.known.insert(node.to_owned(), answer.clone());
        }
    }

    /// Features by `NODE#HASH`.
    pub(super) fn describe(&self) -> Value {
        let features = |answer: &Element| {
            DiscoInfo::parse(answer).map_or(Value::Null, |info| info.features.into())
        };
        self.known
            .iter()
            .map(|(node, answer)| (node.clone(), features(answer)))
            .collect::<serde_json::Map<String, Value>>()
            .into()
    }
}

/// What a question for features is about.
pub(super) fn node(request: &Iq) -> Option<&str> {
    let query = request.payload.as_ref()?;
    query
        .is("query", DISCO_INFO)
        .then(|| query.attribute("node"))
        .flatten()
}

#[cfg(test)]
mod tests {
    use jitctl_wire::disco::info_query;

    use super::*;

    #[test]
    fn a_hash_stands_for_its_own_features_only() {
        let info = DiscoInfo::new("client", "web", "test", &["urn:a", "urn:b"]);
        let true_node = format!("https://client#{}", info.capabilities_hash());
        let answer = info.to_element();
        let mut known = Capabilities::default();
        known.keep(&true_node, &answer);
        known.keep("https://client#another", &answer);
        let asked = |node: &str| Iq::get(None, info_query().with("node", node.to_owned()));
        assert_eq!(known.answer(&asked(&true_node)), Some(answer));
        assert_eq!(known.answer(&asked("https://client#another")), None);
        assert_eq!(known.answer(&Iq::get(None, info_query())), None);
        assert_eq!(known.describe()[&true_node][1], "urn:b");
    }
}
