//! Ping (XEP-0199).

use crate::namespace;
use crate::xml::Element;

/// The ping request.
pub fn ping() -> Element {
    Element::new("ping", namespace::PING)
}

/// Whether this payload is a ping.
pub fn is_ping(payload: &Element) -> bool {
    payload.is("ping", namespace::PING)
}
