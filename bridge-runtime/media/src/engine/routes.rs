//! Which 5-tuple belongs to which endpoint.
//!
//! Two kinds of entry: *bound* ones, from which an authentic STUN message came and from which
//! media and DTLS are taken; and *asked* ones, to which a check was sent and from which only the
//! answer is taken. Both are bounded per endpoint.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::EndpointKey;
use crate::transport::ice::Route;

/// Bound addresses of one endpoint; the oldest that is not in use goes.
const MAX_BOUND: usize = 16;
/// Asked addresses of one endpoint; the oldest goes.
const MAX_ASKED: usize = 128;

/// A quick hash; entries are made by authenticated peers only, a few each.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct RouteHasher(u64);

impl Hasher for RouteHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(26) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

type Routes = HashMap<Route, EndpointKey, BuildHasherDefault<RouteHasher>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteUse {
    Bound,
    Asked,
    Unknown,
}

#[derive(Debug, Default)]
struct Owned {
    bound: Vec<Route>,
    asked: Vec<Route>,
}

#[derive(Debug, Default)]
pub(super) struct RouteTable {
    bound: Routes,
    asked: Routes,
    owned: HashMap<EndpointKey, Owned>,
}

impl RouteTable {
    /// The endpoint whose media comes on `route`.
    #[inline]
    pub(super) fn find(&self, route: Route) -> Option<EndpointKey> {
        self.bound.get(&route).copied()
    }

    /// The endpoint that may get a STUN answer on `route`.
    pub(super) fn find_or_asked(&self, route: Route) -> Option<EndpointKey> {
        self.asked
            .get(&route)
            .or_else(|| self.bound.get(&route))
            .copied()
    }

    pub(super) fn usage(&self, route: Route) -> RouteUse {
        if self.bound.contains_key(&route) {
            RouteUse::Bound
        } else if self.asked.contains_key(&route) {
            RouteUse::Asked
        } else {
            RouteUse::Unknown
        }
    }

    /// An authentic STUN message of `key` came on `route`: it is the endpoint's, whoever had it.
    /// `in_use` stays bound however many others come: a captured request may be sent again from
    /// anywhere.
    pub(super) fn bind(&mut self, route: Route, key: EndpointKey, in_use: Option<Route>) {
        match self.bound.insert(route, key) {
            Some(owner) if owner == key => return,
            Some(other) => {
                if let Some(owned) = self.owned.get_mut(&other) {
                    owned.bound.retain(|bound| *bound != route);
                }
            }
            None => {}
        }
        let owned = self.owned.entry(key).or_default();
        owned.bound.push(route);
        if owned.bound.len() > MAX_BOUND {
            let oldest = owned.bound.iter().position(|bound| Some(*bound) != in_use);
            let oldest = owned.bound.remove(oldest.unwrap_or(0));
            self.bound.remove(&oldest);
        }
    }

    /// `key` sent a check on `route`.
    pub(super) fn ask(&mut self, route: Route, key: EndpointKey) {
        self.asked.insert(route, key);
        let owned = self.owned.entry(key).or_default();
        owned.asked.push(route);
        if owned.asked.len() > MAX_ASKED {
            let oldest = owned.asked.remove(0);
            self.asked.remove(&oldest);
        }
    }

    pub(super) fn forget(&mut self, key: EndpointKey) {
        let Some(owned) = self.owned.remove(&key) else {
            return;
        };
        for route in owned.bound {
            self.bound.remove(&route);
        }
        for route in owned.asked {
            if self.asked.get(&route) == Some(&key) {
                self.asked.remove(&route);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::engine::ConferenceIndex;
    use crate::identifiers::EndpointIndex;

    fn key(endpoint: u32) -> EndpointKey {
        EndpointKey {
            conference: ConferenceIndex(0),
            endpoint: EndpointIndex(endpoint),
        }
    }

    fn route(port: u16) -> Route {
        Route {
            local: SocketAddr::from(([127, 0, 0, 1], 10_000)),
            remote: SocketAddr::from(([127, 0, 0, 2], port)),
        }
    }

    #[test]
    fn a_bound_address_moves_to_who_authenticates_last() {
        let mut table = RouteTable::default();
        table.bind(route(1), key(1), None);
        table.bind(route(1), key(2), None);
        assert_eq!(table.find(route(1)), Some(key(2)));
        table.forget(key(1));
        assert_eq!(table.find(route(1)), Some(key(2)));
        table.forget(key(2));
        assert_eq!(table.find(route(1)), None);
    }

    #[test]
    fn asked_addresses_do_not_carry_media() {
        let mut table = RouteTable::default();
        table.ask(route(1), key(1));
        assert_eq!(table.find(route(1)), None);
        assert_eq!(table.find_or_asked(route(1)), Some(key(1)));
    }

    #[test]
    fn an_endpoint_cannot_fill_the_table() {
        let mut table = RouteTable::default();
        for port in 1..1000 {
            table.bind(route(port), key(1), Some(route(1)));
            table.ask(route(port), key(1));
        }
        assert_eq!(table.bound.len(), MAX_BOUND);
        assert_eq!(table.asked.len(), MAX_ASKED);
        assert_eq!(table.find(route(1)), Some(key(1)), "in use, so kept");
        table.forget(key(1));
        assert!(table.bound.is_empty() && table.asked.is_empty() && table.owned.is_empty());
    }
}
