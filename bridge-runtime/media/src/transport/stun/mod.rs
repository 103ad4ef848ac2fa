//! STUN messages as ICE uses them, parsed and built without allocation on the way in.
//!
//! [`Message::parse`] is pure and never panics; a message says nothing about its sender until
//! [`Message::has_integrity`] held. Only Binding is spoken; attributes not needed for ICE are
//! skipped, unknown comprehension-required ones make a request unanswerable and are reported.
//!
//! RFC 8489 (STUN), RFC 8445 section 7.1 (ICE attributes).

mod builder;
mod checksum;
mod stranger;

pub use builder::Builder;
pub use stranger::answer_to_stranger;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, Mac};
use sha1::Sha1;

const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const FINGERPRINT_XOR: u32 = 0x5354_554E;
const INTEGRITY_LENGTH: usize = 20;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const SOFTWARE: u16 = 0x8022;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802A;

/// Longest USERNAME this bridge reads: two fragments of at most 256 characters and a colon.
const MAX_USERNAME: usize = 513;

/// The 96 bits that tie an answer to its request.
pub type TransactionId = [u8; 12];

/// A password ready for MESSAGE-INTEGRITY (short-term credentials, RFC 8489 section 9.1).
#[derive(Clone)]
pub struct IntegrityKey(Hmac<Sha1>);

impl std::fmt::Debug for IntegrityKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("IntegrityKey(..)")
    }
}

impl IntegrityKey {
    /// Prepares `password`; `None` only if the key cannot be used, which HMAC never says.
    #[must_use]
    pub fn new(password: &str) -> Option<Self> {
        <Hmac<Sha1> as Mac>::new_from_slice(password.as_bytes())
            .ok()
            .map(Self)
    }

    fn over(&self, length_field: u16, message: &[u8]) -> Hmac<Sha1> {
        let mut mac = self.0.clone();
        // The length field counts the integrity attribute as the last one.
        mac.update(message.get(..2).unwrap_or_default());
        mac.update(&length_field.to_be_bytes());
        mac.update(message.get(4..).unwrap_or_default());
        mac
    }
}

/// Class of a Binding message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A check.
    Request,
    /// A keep-alive nobody answers.
    Indication,
    /// The answer to a check.
    Success,
    /// A refusal, with an error code.
    Error,
}

/// Why a datagram is not a STUN message for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    /// Header, cookie, length or an attribute is malformed.
    #[error("not a stun message: drop the datagram")]
    Malformed,
    /// A method other than Binding.
    #[error("stun method is not binding: drop the datagram")]
    Method,
    /// The FINGERPRINT attribute is wrong.
    #[error("stun fingerprint is wrong: drop the datagram")]
    Fingerprint,
}

/// A parsed Binding message; borrows the datagram.
#[derive(Debug, Clone)]
pub struct Message<'datagram> {
    bytes: &'datagram [u8],
    /// Request, indication, success or error.
    pub class: Class,
    /// Transaction identifier.
    pub transaction_id: TransactionId,
    /// USERNAME: `receiver's fragment:sender's fragment`.
    pub username: Option<&'datagram str>,
    /// PRIORITY of a peer-reflexive candidate learned from this check.
    pub priority: Option<u32>,
    /// Whether USE-CANDIDATE is present.
    pub use_candidate: bool,
    /// Tie-breaker of a sender that believes to be controlling.
    pub controlling: Option<u64>,
    /// Tie-breaker of a sender that believes to be controlled.
    pub controlled: Option<u64>,
    /// Reflexive address in an answer.
    pub mapped_address: Option<SocketAddr>,
    /// Error code, such as 487.
    pub error_code: Option<u16>,
    /// A comprehension-required attribute this parser does not know.
    pub unknown_required: bool,
    integrity: Option<(usize, [u8; INTEGRITY_LENGTH])>,
}

impl<'datagram> Message<'datagram> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`StunError`].
    pub fn parse(bytes: &'datagram [u8]) -> Result<Self, StunError> {
        let header = bytes.first_chunk::<HEADER>().ok_or(StunError::Malformed)?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if kind & 0xC000 != 0
            || header[4..8] != MAGIC_COOKIE
            || length % 4 != 0
            || length + HEADER != bytes.len()
        {
            return Err(StunError::Malformed);
        }
        let class = match kind {
            0x0001 => Class::Request,
            0x0011 => Class::Indication,
            0x0101 => Class::Success,
            0x0111 => Class::Error,
            _ => return Err(StunError::Method),
        };
        let mut message = Self {
            bytes,
            class,
            transaction_id: [0; 12],
            username: None,
            priority: None,
            use_candidate: false,
            controlling: None,
            controlled: None,
            mapped_address: None,
            error_code: None,
            unknown_required: false,
            integrity: None,
        };
        message.transaction_id.copy_from_slice(&header[8..]);
        message.read_attributes()?;
        Ok(message)
    }

    fn read_attributes(&mut self) -> Result<(), StunError> {
        let bytes = self.bytes;
        let mut position = HEADER;
        while position < bytes.len() {
            let Some(&[t0, t1, l0, l1]) = bytes.get(position..position + 4) else {
                return Err(StunError::Malformed);
            };
            let kind = u16::from_be_bytes([t0, t1]);
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let value = bytes
                .get(position + 4..position + 4 + length)
                .ok_or(StunError::Malformed)?;
            if kind == FINGERPRINT {
                let carried = u32::from_be_bytes(fixed(value)?);
                let computed = checksum::crc32(&bytes[..position]) ^ FINGERPRINT_XOR;
                if carried != computed || position + 8 != bytes.len() {
                    return Err(StunError::Fingerprint);
                }
            } else if self.integrity.is_none() {
                // What follows MESSAGE-INTEGRITY is not covered by it (RFC 8489 section 14.5).
                self.read_attribute(kind, value, position)?;
            }
            position += 4 + length.next_multiple_of(4);
        }
        Ok(())
    }

    fn read_attribute(
        &mut self,
        kind: u16,
        value: &'datagram [u8],
        position: usize,
    ) -> Result<(), StunError> {
        match kind {
            USERNAME => {
                if value.len() > MAX_USERNAME {
                    return Err(StunError::Malformed);
                }
                self.username = std::str::from_utf8(value).ok();
            }
            MESSAGE_INTEGRITY => self.integrity = Some((position, fixed(value)?)),
            PRIORITY => self.priority = Some(u32::from_be_bytes(fixed(value)?)),
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLED => self.controlled = Some(u64::from_be_bytes(fixed(value)?)),
            ICE_CONTROLLING => self.controlling = Some(u64::from_be_bytes(fixed(value)?)),
            XOR_MAPPED_ADDRESS => self.mapped_address = self.xor_address(value),
            ERROR_CODE => {
                self.error_code = match value {
                    [_, _, class, number, ..] => {
                        Some(u16::from(class & 0x07) * 100 + u16::from(*number))
                    }
                    _ => return Err(StunError::Malformed),
                };
            }
            // Attributes below 0x8000 must be understood (RFC 8489 section 14), save the ones of
            // the base specification that mean nothing to ICE.
            0x0001 | 0x000A | 0x0014 | 0x0015 | 0x001C..=0x001E => {}
            0..0x8000 => self.unknown_required = true,
            _ => {}
        }
        Ok(())
    }

    fn xor_address(&self, value: &[u8]) -> Option<SocketAddr> {
        let [_, family, p0, p1, address @ ..] = value else {
            return None;
        };
        let port = u16::from_be_bytes([p0 ^ MAGIC_COOKIE[0], p1 ^ MAGIC_COOKIE[1]]);
        let mask = xor_mask(&self.transaction_id);
        let ip: IpAddr = match family {
            1 => {
                let mut bytes: [u8; 4] = address.try_into().ok()?;
                bytes
                    .iter_mut()
                    .zip(mask)
                    .for_each(|(byte, mask)| *byte ^= mask);
                Ipv4Addr::from(bytes).into()
            }
            2 => {
                let mut bytes: [u8; 16] = address.try_into().ok()?;
                bytes
                    .iter_mut()
                    .zip(mask)
                    .for_each(|(byte, mask)| *byte ^= mask);
                Ipv6Addr::from(bytes).into()
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// The two halves of USERNAME: the receiver's fragment and the sender's.
    #[must_use]
    pub fn fragments(&self) -> Option<(&'datagram str, &'datagram str)> {
        self.username?.split_once(':')
    }

    /// Whether MESSAGE-INTEGRITY is present and made with `key`. Constant time in the key.
    #[must_use]
    pub fn has_integrity(&self, key: &IntegrityKey) -> bool {
        let Some((position, tag)) = &self.integrity else {
            return false;
        };
        let length = u16::try_from(position + 4 + INTEGRITY_LENGTH - HEADER).unwrap_or(0);
        let covered = self.bytes.get(..*position).unwrap_or_default();
        key.over(length, covered).verify_slice(tag).is_ok()
    }
}

fn fixed<const LENGTH: usize>(value: &[u8]) -> Result<[u8; LENGTH], StunError> {
    value.try_into().map_err(|_| StunError::Malformed)
}

fn xor_mask(transaction_id: &TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE);
    mask[4..].copy_from_slice(transaction_id);
    mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(password: &str) -> IntegrityKey {
        IntegrityKey::new(password).unwrap()
    }

    /// RFC 5769 section 2.1: request with FINGERPRINT and MESSAGE-INTEGRITY.
    const SAMPLE_REQUEST: &[u8] =
        b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\
\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\
\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

    #[test]
    fn the_request_of_rfc_5769_is_read_and_verified() {
        let message = Message::parse(SAMPLE_REQUEST).unwrap();
        assert_eq!(message.class, Class::Request);
        assert_eq!(message.fragments(), Some(("evtj", "h6vY")));
        assert_eq!(message.priority, Some(0x6e00_01ff));
        assert_eq!(message.controlled, Some(0x932f_f9b1_5126_3b36));
        assert!(message.has_integrity(&key("VOkJxbRl1RmTxUk/WvJxBt")));
        assert!(!message.has_integrity(&key("VOkJxbRl1RmTxUk/WvJxBu")));
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        // The last eight bytes are FINGERPRINT, which integrity does not cover.
        for position in 0..SAMPLE_REQUEST.len() - 8 {
            let mut bytes = SAMPLE_REQUEST.to_vec();
            bytes[position] ^= 1;
            let accepted = Message::parse(&bytes)
                .is_ok_and(|message| message.has_integrity(&key("VOkJxbRl1RmTxUk/WvJxBt")));
            assert!(!accepted, "byte {position}");
        }
    }

    #[test]
    fn a_wrong_fingerprint_is_noticed() {
        let mut bytes = SAMPLE_REQUEST.to_vec();
        bytes[SAMPLE_REQUEST.len() - 1] ^= 1;
        assert_eq!(Message::parse(&bytes).err(), Some(StunError::Fingerprint));
    }

    #[test]
    fn built_messages_read_back() {
        let mapped: SocketAddr = "[2001:db8::7]:4321".parse().unwrap();
        for mapped in [mapped, "192.0.2.1:32853".parse().unwrap()] {
            let mut builder = Builder::new(Class::Success, &[7; 12]);
            builder.xor_mapped_address(mapped);
            let bytes = builder.finish(&key("secret"));
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.mapped_address, Some(mapped));
            assert!(message.has_integrity(&key("secret")));
        }
        let mut builder = Builder::new(Class::Request, &[9; 12]);
        builder
            .username("their", "ours")
            .priority(77)
            .controlling(5)
            .use_candidate();
        let bytes = builder.finish(&key("secret"));
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.fragments(), Some(("their", "ours")));
        assert_eq!(message.priority, Some(77));
        assert_eq!(message.controlling, Some(5));
        assert!(message.use_candidate && !message.unknown_required);
        assert!(message.has_integrity(&key("secret")));
        let mut builder = Builder::new(Class::Error, &[9; 12]);
        builder.error_code(487, "Role Conflict");
        let bytes = builder.finish(&key("secret"));
        assert_eq!(Message::parse(&bytes).unwrap().error_code, Some(487));
    }

    #[test]
    fn attributes_behind_integrity_are_not_believed() {
        let mut builder = Builder::new(Class::Request, &[9; 12]);
        builder.username("a", "b");
        let mut bytes = builder.finish(&key("secret"));
        bytes.truncate(bytes.len() - 8);
        bytes.extend([0x00, 0x25, 0, 0]);
        let length = u16::try_from(bytes.len() - HEADER).unwrap();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let message = Message::parse(&bytes).unwrap();
        assert!(message.has_integrity(&key("secret")));
        assert!(!message.use_candidate);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            header in any::<bool>(),
        ) {
            if header && bytes.len() >= HEADER {
                let length = u16::try_from(bytes.len() - HEADER).unwrap();
                bytes[..2].copy_from_slice(&[0, 1]);
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
                bytes[4..8].copy_from_slice(&MAGIC_COOKIE);
            }
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert!(!message.has_integrity(&key("secret")));
            }
        }
    }
}
