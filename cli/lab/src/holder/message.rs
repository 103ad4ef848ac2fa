//! One DNS question and its answer (RFC 1035 section 4), pure.
//!
//! Enough for a name server that knows IPv4 addresses of a few names: it answers the first
//! question of a query, sets the authoritative bit, and ignores EDNS.

use std::net::Ipv4Addr;

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;
const NO_SUCH_NAME: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;
/// Short, because tests change names under running programs.
const TIME_TO_LIVE_SECONDS: u32 = 1;

/// Answers a query; `None` when it is no query at all, and silence is the right answer.
///
/// `look_up` gets the lower-case name without its last dot and says: no such name, or the
/// addresses of the name (none: it exists without any).
pub(super) fn answer(
    query: &[u8],
    look_up: impl FnOnce(&str) -> Option<Vec<Ipv4Addr>>,
) -> Option<Vec<u8>> {
    let header = query.get(..HEADER)?;
    let is_response = header[2] & 0x80 != 0;
    let questions = u16::from_be_bytes([header[4], header[5]]);
    if is_response || questions == 0 {
        return None;
    }
    let operation = (header[2] >> 3) & 0x0f;
    let recursion_desired = header[2] & 0x01;
    let (name, end) = read_name(query)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let class = u16::from_be_bytes([*query.get(end + 2)?, *query.get(end + 3)?]);
    let question = query.get(HEADER..end + 4)?;

    let found = if operation == 0 && class == CLASS_IN {
        look_up(&name)
    } else {
        None
    };
    let code = match (&found, operation) {
        (_, 1..) => NOT_IMPLEMENTED,
        (None, 0) => NO_SUCH_NAME,
        (Some(_), 0) => 0,
    };
    let mut addresses = found.unwrap_or_default();
    if kind != TYPE_A && kind != TYPE_ANY {
        addresses.clear();
    }
    addresses.truncate(20);
    let count = u8::try_from(addresses.len()).unwrap_or(0);

    let mut reply = Vec::with_capacity(HEADER + question.len() + addresses.len() * 16);
    reply.extend_from_slice(&header[..2]);
    // Response, same operation, authoritative; recursion is "available", as stubs expect.
    reply.extend([0x84 | (operation << 3) | recursion_desired, 0x80 | code]);
    reply.extend([0, 1, 0, count, 0, 0, 0, 0]);
    reply.extend_from_slice(question);
    for address in addresses {
        reply.extend([0xc0, 12]); // the question's name (RFC 1035 section 4.1.4)
        reply.extend(TYPE_A.to_be_bytes());
        reply.extend(CLASS_IN.to_be_bytes());
        reply.extend(TIME_TO_LIVE_SECONDS.to_be_bytes());
        reply.extend(4_u16.to_be_bytes());
        reply.extend(address.octets());
    }
    Some(reply)
}

/// The first question's name and the place behind it. Compression is not allowed there.
fn read_name(query: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut place = HEADER;
    loop {
        let length = usize::from(*query.get(place)?);
        place += 1;
        if length == 0 {
            return Some((name, place));
        }
        if length > 63 || name.len() > 254 {
            return None;
        }
        let label = query.get(place..place + length)?;
        place += length;
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0xab, 0xcd, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            bytes.push(u8::try_from(label.len()).unwrap());
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(CLASS_IN.to_be_bytes());
        bytes
    }

    fn zone(name: &str) -> Option<Vec<Ipv4Addr>> {
        (name == "meet.test").then(|| vec![Ipv4Addr::new(10, 77, 0, 11)])
    }

    #[test]
    fn a_known_name_gets_its_address() {
        let reply = answer(&query("Meet.TEST", TYPE_A), zone).unwrap();
        assert_eq!(&reply[..4], [0xab, 0xcd, 0x85, 0x80]);
        assert_eq!(&reply[6..8], [0, 1], "one answer");
        assert_eq!(&reply[reply.len() - 6..], [0, 4, 10, 77, 0, 11]);
    }

    #[test]
    fn a_known_name_without_such_an_address_exists_but_is_empty() {
        let reply = answer(&query("meet.test", 28), zone).unwrap();
        assert_eq!((reply[3] & 0x0f, reply[7]), (0, 0));
    }

    #[test]
    fn an_unknown_name_does_not_exist() {
        let reply = answer(&query("nowhere.test", TYPE_A), zone).unwrap();
        assert_eq!((reply[3] & 0x0f, reply[7]), (NO_SUCH_NAME, 0));
    }

    #[test]
    fn responses_and_fragments_get_silence() {
        let mut response = query("meet.test", TYPE_A);
        response[2] |= 0x80;
        assert_eq!(answer(&response, zone), None);
        let whole = query("meet.test", TYPE_A);
        for end in 0..whole.len() {
            assert_eq!(answer(&whole[..end], zone), None, "{end} bytes");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_datagram_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            answer(&bytes, |_| Some(vec![Ipv4Addr::LOCALHOST; 40]));
        }

        #[test]
        fn no_tail_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let mut query = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            query.extend(bytes);
            if let Some(reply) = answer(&query, |_| Some(vec![Ipv4Addr::LOCALHOST])) {
                proptest::prop_assert!(reply.len() <= query.len() + 16);
            }
        }
    }
}
