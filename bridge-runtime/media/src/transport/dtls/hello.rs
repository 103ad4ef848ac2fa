//! Looking into a `ClientHello` for the SRTP profiles it offers, before the handshake begins.
//!
//! Pure and panic-free on any input. Fragments (RFC 6347 section 4.2.3) may come in any order and
//! number of datagrams; only what a `ClientHello` without a cookie needs is understood.

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const RECORD_HEADER: usize = 13;
const MESSAGE_HEADER: usize = 12;
const USE_SRTP: u16 = 14;
/// Longest message that is put together.
const MAX_MESSAGE: usize = 8 * 1024;

/// What the datagrams so far amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientHello {
    /// A whole one, offering these SRTP profiles (empty: no `use_srtp` extension).
    Offers(Vec<u16>),
    /// A beginning, or nothing yet.
    Incomplete,
    /// Something else.
    Other,
}

/// Reads the datagrams received so far.
#[must_use]
pub fn read_client_hello(datagrams: &[Vec<u8>]) -> ClientHello {
    let mut fragments: Vec<Fragment<'_>> = Vec::new();
    for datagram in datagrams {
        if collect(datagram, &mut fragments).is_none() {
            return ClientHello::Other;
        }
    }
    let Some(length) = fragments.first().map(|fragment| fragment.length) else {
        return ClientHello::Incomplete;
    };
    if length > MAX_MESSAGE {
        return ClientHello::Other;
    }
    fragments.sort_by_key(|fragment| fragment.offset);
    let mut message: Vec<u8> = Vec::with_capacity(length);
    for fragment in fragments
        .iter()
        .filter(|fragment| fragment.length == length)
    {
        let Some(skip) = message.len().checked_sub(fragment.offset) else {
            return ClientHello::Incomplete;
        };
        message.extend(fragment.body.get(skip..).unwrap_or_default());
    }
    if message.len() < length {
        return ClientHello::Incomplete;
    }
    profiles(&message).map_or(ClientHello::Other, ClientHello::Offers)
}

struct Fragment<'datagram> {
    length: usize,
    offset: usize,
    body: &'datagram [u8],
}

/// Collects the fragments of the first handshake message; `None` if it is no `ClientHello`.
fn collect<'datagram>(
    mut datagram: &'datagram [u8],
    fragments: &mut Vec<Fragment<'datagram>>,
) -> Option<()> {
    while !datagram.is_empty() {
        let header = datagram.get(..RECORD_HEADER)?;
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let mut record = datagram.get(RECORD_HEADER..RECORD_HEADER + length)?;
        datagram = &datagram[RECORD_HEADER + length..];
        if header[0] != HANDSHAKE {
            return None;
        }
        while !record.is_empty() {
            let header = record.get(..MESSAGE_HEADER)?;
            if header[0] != CLIENT_HELLO {
                return None;
            }
            let fragment_length = number(&header[9..12]);
            let body = record.get(MESSAGE_HEADER..MESSAGE_HEADER + fragment_length)?;
            record = &record[MESSAGE_HEADER + fragment_length..];
            let (length, offset) = (number(&header[1..4]), number(&header[6..9]));
            if offset + fragment_length > length {
                return None;
            }
            fragments.push(Fragment {
                length,
                offset,
                body,
            });
        }
    }
    Some(())
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

/// The profiles in `use_srtp` (RFC 5764 section 4.1.1) of a whole `ClientHello`.
fn profiles(message: &[u8]) -> Option<Vec<u16>> {
    // Version and random, then session, cookie, cipher suites, compression methods.
    let rest = message.get(34..)?;
    let (_, rest) = vector::<1>(rest)?;
    let (_, rest) = vector::<1>(rest)?;
    let (_, rest) = vector::<2>(rest)?;
    let (_, rest) = vector::<1>(rest)?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let (mut extensions, _) = vector::<2>(rest)?;
    while !extensions.is_empty() {
        let kind = u16::from_be_bytes([*extensions.first()?, *extensions.get(1)?]);
        let (body, rest) = vector::<2>(&extensions[2..])?;
        extensions = rest;
        if kind == USE_SRTP {
            let (list, _) = vector::<2>(body)?;
            return Some(
                list.chunks_exact(2)
                    .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                    .collect(),
            );
        }
    }
    Some(Vec::new())
}

/// Splits off a vector with a length of `WIDTH` bytes in front.
fn vector<const WIDTH: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = number(bytes.get(..WIDTH)?);
    let rest = &bytes[WIDTH..];
    (rest.len() >= length).then(|| rest.split_at(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello(profiles: &[u16]) -> Vec<u8> {
        let mut extension: Vec<u8> = Vec::new();
        extension.extend(u16::try_from(2 * profiles.len()).unwrap().to_be_bytes());
        extension.extend(profiles.iter().flat_map(|profile| profile.to_be_bytes()));
        extension.push(0);
        let mut message = vec![0xFE, 0xFD];
        message.extend([7; 32]);
        message.extend([0, 0, 0, 2, 0xC0, 0x2B, 1, 0]);
        message.extend(u16::try_from(extension.len() + 8).unwrap().to_be_bytes());
        message.extend([0, 23, 0, 0, 0, 14]);
        message.extend(u16::try_from(extension.len()).unwrap().to_be_bytes());
        message.extend(extension);
        message
    }

    fn datagram(message: &[u8], offset: usize, length: usize) -> Vec<u8> {
        let three = |number: usize| [0, (number >> 8) as u8, number as u8];
        let mut datagram = vec![HANDSHAKE, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0];
        datagram.extend(
            u16::try_from(length + MESSAGE_HEADER)
                .unwrap()
                .to_be_bytes(),
        );
        datagram.push(CLIENT_HELLO);
        datagram.extend(three(message.len()));
        datagram.extend([0, 0]);
        datagram.extend(three(offset));
        datagram.extend(three(length));
        datagram.extend(&message[offset..offset + length]);
        datagram
    }

    #[test]
    fn profiles_are_found() {
        let message = hello(&[1, 7]);
        let whole = datagram(&message, 0, message.len());
        assert_eq!(read_client_hello(&[whole]), ClientHello::Offers(vec![1, 7]));
    }

    #[test]
    fn fragments_in_any_order_are_put_together() {
        let message = hello(&[1, 8, 7]);
        let (first, second) = (datagram(&message, 0, 40), datagram(&message, 30, 10));
        let third = datagram(&message, 40, message.len() - 40);
        assert_eq!(
            read_client_hello(std::slice::from_ref(&third)),
            ClientHello::Incomplete
        );
        assert_eq!(
            read_client_hello(&[third.clone(), second.clone()]),
            ClientHello::Incomplete
        );
        assert_eq!(
            read_client_hello(&[third, second, first]),
            ClientHello::Offers(vec![1, 8, 7])
        );
    }

    #[test]
    fn other_records_are_told_apart() {
        assert_eq!(read_client_hello(&[]), ClientHello::Incomplete);
        assert_eq!(read_client_hello(&[vec![21; 20]]), ClientHello::Other);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            message in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = read_client_hello(&[bytes]);
            let _ = read_client_hello(&[datagram(&message, 0, message.len())]);
        }
    }
}
