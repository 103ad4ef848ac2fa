//! Addresses and elements as text in other formats: an address as it is written, an element as a
//! document of its own.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::jid::Jid;
use crate::xml::Element;

impl Serialize for Jid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Jid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl Serialize for Element {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_xml())
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_elements_come_back_as_they_were() {
        let jid: Jid = "room@conference.meet.test/a'b".parse().unwrap();
        let element = Element::new("message", crate::namespace::CLIENT)
            .with("to", jid.as_str())
            .with_child(Element::new("x", "urn:x").with_text("a < b & \"c\""));
        let text = serde_json::to_string(&(&jid, &element)).unwrap();
        let back: (Jid, Element) = serde_json::from_str(&text).unwrap();
        assert_eq!(back, (jid, element));
        assert!(serde_json::from_str::<Jid>("\"@\"").is_err());
        assert!(serde_json::from_str::<Element>("\"<a\"").is_err());
    }
}
