//! The health check IQ of bridges: empty request, empty result, or an error with words.

use crate::namespace;
use crate::xml::Element;

/// The health check request.
pub fn health_check() -> Element {
    Element::new("healthcheck", namespace::HEALTH_CHECK)
}

/// Whether this payload asks for health.
pub fn is_health_check(payload: &Element) -> bool {
    payload.is("healthcheck", namespace::HEALTH_CHECK)
}
