//! STUN and TURN messages as the probes use them: built and read, no sockets (RFC 8489, RFC 8656).
//!
//! A plain Binding request asks a media port whether anybody is there; Allocate and
//! CreatePermission ask a TURN server whether it serves the credentials that people get, and whom
//! it would relay to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, Mac as _};
use md5::{Digest as _, Md5};
use sha1::Sha1;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;

pub(super) const BINDING: u16 = 0x001;
pub(super) const ALLOCATE: u16 = 0x003;
pub(super) const REFRESH: u16 = 0x004;
pub(super) const CREATE_PERMISSION: u16 = 0x008;

const SUCCESS: u16 = 0x100;
const ERROR: u16 = 0x110;

const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const LIFETIME: u16 = 0x000d;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const REQUESTED_TRANSPORT: u16 = 0x0019;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const SOFTWARE: u16 = 0x8022;

/// UDP, as REQUESTED-TRANSPORT counts protocols.
const UDP: u8 = 17;

/// Ties an answer to its request.
pub(super) type TransactionId = [u8; 12];

/// A transaction identifier of hexadecimal digits: no line feed is in it, which a shell would
/// take for the end of a datagram.
pub(super) fn transaction_id() -> TransactionId {
    let digits = jitctl_xmpp::random_hex(12).unwrap_or_default();
    let mut id = *b"jitctldoctor";
    for (place, digit) in id.iter_mut().zip(digits.bytes()) {
        *place = digit;
    }
    id
}

/// A message under construction.
#[derive(Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
    id: TransactionId,
}

/// What the server wants to be told of who asks.
#[derive(Clone, Debug)]
pub(super) struct Login<'l> {
    pub(super) username: &'l str,
    pub(super) password: &'l str,
    pub(super) realm: String,
    pub(super) nonce: Vec<u8>,
}

impl Request {
    pub(super) fn new(method: u16, id: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(method.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(COOKIE);
        bytes.extend(id);
        Self { bytes, id }
    }

    /// A Binding request long enough that no answer is longer; without a line feed.
    pub(super) fn padded_binding(id: TransactionId) -> Vec<u8> {
        let request = Self::new(BINDING, id);
        request
            .with(SOFTWARE, b"jitctl doctor looks at the media port")
            .bytes
    }

    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).unwrap_or_default();
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(value);
        let padded = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(padded, 0);
        self.set_length(0);
        self
    }

    /// Asks for a relay over UDP.
    pub(super) fn for_udp(self) -> Self {
        self.with(REQUESTED_TRANSPORT, &[UDP, 0, 0, 0])
    }

    /// Ends the relay.
    pub(super) fn ending(self) -> Self {
        self.with(LIFETIME, &[0; 4])
    }

    /// Names a peer.
    pub(super) fn for_peer(self, peer: IpAddr) -> Self {
        let mut value = vec![0, if peer.is_ipv4() { 1 } else { 2 }];
        // Any port: permissions are for addresses.
        value.extend([COOKIE[0], COOKIE[1]]);
        let mask = mask(&self.id);
        match peer {
            IpAddr::V4(ip) => value.extend(ip.octets().iter().zip(mask).map(|(a, b)| a ^ b)),
            IpAddr::V6(ip) => value.extend(ip.octets().iter().zip(mask).map(|(a, b)| a ^ b)),
        }
        self.with(XOR_PEER_ADDRESS, &value)
    }

    /// Signs with long-term credentials (RFC 8489 9.2) and returns the bytes.
    pub(super) fn signed(self, login: &Login<'_>) -> Vec<u8> {
        let mut request = self
            .with(USERNAME, login.username.as_bytes())
            .with(REALM, login.realm.as_bytes())
            .with(NONCE, &login.nonce);
        let text = format!("{}:{}:{}", login.username, login.realm, login.password);
        let key = Md5::digest(text.as_bytes());
        request.set_length(24);
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&key) else {
            return request.bytes;
        };
        mac.update(&request.bytes);
        request.with(INTEGRITY, &mac.finalize().into_bytes()).bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn set_length(&mut self, more: usize) {
        let length = u16::try_from(self.bytes.len() - HEADER + more).unwrap_or_default();
        if let Some(field) = self.bytes.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The error's code and words; nothing on success.
    pub(super) error: Option<(u16, String)>,
    pub(super) mapped: Option<SocketAddr>,
    pub(super) realm: Option<String>,
    pub(super) nonce: Vec<u8>,
}

impl Answer {
    /// The answer to request `id`, if these bytes are one.
    pub(super) fn parse(bytes: &[u8], id: &TransactionId) -> Option<Self> {
        let (header, mut rest) = bytes.split_at_checked(HEADER)?;
        let kind = u16::from_be_bytes([*header.first()?, *header.get(1)?]);
        if header.get(4..8)? != COOKIE || header.get(8..20)? != id || kind & SUCCESS == 0 {
            return None;
        }
        let mut answer = Self::default();
        if kind & ERROR == ERROR {
            answer.error = Some((0, String::new()));
        }
        while let Some((head, after)) = rest.split_at_checked(4) {
            let kind = u16::from_be_bytes([*head.first()?, *head.get(1)?]);
            let length = usize::from(u16::from_be_bytes([*head.get(2)?, *head.get(3)?]));
            let value = after.get(..length)?;
            rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
            match kind {
                ERROR_CODE => {
                    let code = u16::from(*value.get(2)? & 7) * 100 + u16::from(*value.get(3)?);
                    let words = String::from_utf8_lossy(value.get(4..)?).into_owned();
                    answer.error = Some((code, words));
                }
                XOR_MAPPED_ADDRESS => answer.mapped = address(value, id),
                REALM => answer.realm = Some(String::from_utf8_lossy(value).into_owned()),
                NONCE => value.clone_into(&mut answer.nonce),
                _ => {}
            }
        }
        Some(answer)
    }
}

/// Whole length of the message that these bytes begin; `None` while its header is not there yet.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let field: [u8; 2] = bytes.get(2..4)?.try_into().ok()?;
    (bytes.len() >= HEADER).then(|| HEADER + usize::from(u16::from_be_bytes(field)))
}

fn address(value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    let port: [u8; 2] = value.get(2..4)?.try_into().ok()?;
    let port = u16::from_be_bytes(port) ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let mask = mask(id);
    let plain: Vec<u8> = value
        .get(4..)?
        .iter()
        .zip(mask)
        .map(|(a, b)| a ^ b)
        .collect();
    let ip: IpAddr = match value.get(1)? {
        1 => Ipv4Addr::from(<[u8; 4]>::try_from(plain).ok()?).into(),
        2 => Ipv6Addr::from(<[u8; 16]>::try_from(plain).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn mask(id: &TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&COOKIE);
    mask[4..].copy_from_slice(id);
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 2.2: the answer with an IPv4 address.
    const SAMPLE_ANSWER: &[u8] =
        b"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20\
\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\
\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\
\x80\x28\x00\x04\xc0\x7d\x4c\x96";

    /// RFC 5769 2.4: a request with long-term credentials.
    const SAMPLE_SIGNED: &[u8] =
        b"\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e\
\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00\x00\
\x00\x15\x00\x1c\x66\x2f\x2f\x34\x39\x39\x6b\x39\x35\x34\x64\x36\x4f\x4c\x33\x34\x6f\x4c\x39\x46\
\x53\x54\x76\x79\x36\x34\x73\x41\
\x00\x14\x00\x0b\x65\x78\x61\x6d\x70\x6c\x65\x2e\x6f\x72\x67\x00\
\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66";

    #[test]
    fn the_answer_of_rfc_5769_is_read() {
        let id = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
        let answer = Answer::parse(SAMPLE_ANSWER, &id).unwrap();
        assert_eq!(answer.mapped, Some("192.0.2.1:32853".parse().unwrap()));
        assert_eq!(length(SAMPLE_ANSWER), Some(SAMPLE_ANSWER.len()));
        assert!(Answer::parse(SAMPLE_ANSWER, b"another one.").is_none());
        for end in 0..SAMPLE_ANSWER.len() {
            let _ = Answer::parse(&SAMPLE_ANSWER[..end], &id);
        }
    }

    #[test]
    fn the_integrity_is_that_of_rfc_5769() {
        // The sample has its attributes in another order: ours must sign what stands before it.
        let id: TransactionId = SAMPLE_SIGNED[8..20].try_into().unwrap();
        let login = Login {
            username: "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}",
            password: "TheMatrIX",
            realm: "example.org".into(),
            nonce: b"f//499k954d6OL34oL9FSTvy64sA".to_vec(),
        };
        let bytes = Request::new(BINDING, id).signed(&login);
        assert_eq!(bytes.len(), SAMPLE_SIGNED.len());
        let key =
            Md5::digest("\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}:example.org:TheMatrIX");
        let sign = |bytes: &[u8]| {
            let mut mac = Hmac::<Sha1>::new_from_slice(&key).unwrap();
            mac.update(&bytes[..bytes.len() - 24]);
            mac.finalize().into_bytes().to_vec()
        };
        assert_eq!(
            sign(SAMPLE_SIGNED),
            SAMPLE_SIGNED[SAMPLE_SIGNED.len() - 20..]
        );
        assert_eq!(sign(&bytes), bytes[bytes.len() - 20..]);
    }

    #[test]
    fn a_padded_request_has_no_line_feed_and_is_longer_than_any_answer() {
        let bytes = Request::padded_binding(transaction_id());
        assert!(!bytes.contains(&b'\n'));
        // Header, XOR-MAPPED-ADDRESS of IPv6, FINGERPRINT: 20 + 24 + 8 is the longest answer.
        assert!(bytes.len() >= 20 + 24 + 8, "{}", bytes.len());
    }

    #[test]
    fn a_refusal_carries_its_code() {
        let id = *b"abcdefghijkl";
        let mut bytes = Request::new(ALLOCATE, id)
            .with(ERROR_CODE, b"\0\0\x04\x01Unauthorized")
            .with(REALM, b"meet.test")
            .into_bytes();
        bytes[0] = 0x01;
        bytes[1] = 0x13;
        let answer = Answer::parse(&bytes, &id).unwrap();
        assert_eq!(answer.error, Some((401, "Unauthorized".into())));
        assert_eq!(answer.realm.as_deref(), Some("meet.test"));
    }
}
