//! Building Binding messages.

use std::net::{IpAddr, SocketAddr};

use hmac::Mac;

use super::{
    Class, ERROR_CODE, FINGERPRINT, FINGERPRINT_XOR, HEADER, ICE_CONTROLLED, ICE_CONTROLLING,
    INTEGRITY_LENGTH, IntegrityKey, MAGIC_COOKIE, MESSAGE_INTEGRITY, PRIORITY, SOFTWARE,
    TransactionId, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS, checksum, xor_mask,
};

/// A Binding message under construction; attributes appear in the order they are added.
#[derive(Debug)]
pub struct Builder {
    bytes: Vec<u8>,
    transaction_id: TransactionId,
}

impl Builder {
    /// Starts a message.
    #[must_use]
    pub fn new(class: Class, transaction_id: &TransactionId) -> Self {
        let kind: u16 = match class {
            Class::Request => 0x0001,
            Class::Indication => 0x0011,
            Class::Success => 0x0101,
            Class::Error => 0x0111,
        };
        let mut bytes = Vec::with_capacity(160);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(MAGIC_COOKIE);
        bytes.extend(transaction_id);
        Self {
            bytes,
            transaction_id: *transaction_id,
        }
    }

    /// Adds USERNAME.
    pub fn username(&mut self, receiver: &str, sender: &str) -> &mut Self {
        let start = self.open(USERNAME);
        self.bytes.extend(receiver.as_bytes());
        self.bytes.push(b':');
        self.bytes.extend(sender.as_bytes());
        self.close(start)
    }

    /// Adds SOFTWARE; also serves as padding.
    pub fn software(&mut self, name: &str) -> &mut Self {
        self.attribute(SOFTWARE, name.as_bytes())
    }

    /// Adds PRIORITY.
    pub fn priority(&mut self, priority: u32) -> &mut Self {
        self.attribute(PRIORITY, &priority.to_be_bytes())
    }

    /// Adds USE-CANDIDATE.
    pub fn use_candidate(&mut self) -> &mut Self {
        self.attribute(USE_CANDIDATE, &[])
    }

    /// Adds ICE-CONTROLLING.
    pub fn controlling(&mut self, tie_breaker: u64) -> &mut Self {
        self.attribute(ICE_CONTROLLING, &tie_breaker.to_be_bytes())
    }

    /// Adds ICE-CONTROLLED.
    pub fn controlled(&mut self, tie_breaker: u64) -> &mut Self {
        self.attribute(ICE_CONTROLLED, &tie_breaker.to_be_bytes())
    }

    /// Adds ERROR-CODE.
    pub fn error_code(&mut self, code: u16, reason: &str) -> &mut Self {
        let [class, number] = [code / 100, code % 100].map(|part| part.to_be_bytes()[1]);
        let start = self.open(ERROR_CODE);
        self.bytes.extend([0, 0, class, number]);
        self.bytes.extend(reason.as_bytes());
        self.close(start)
    }

    /// Adds XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(&mut self, address: SocketAddr) -> &mut Self {
        let mask = xor_mask(&self.transaction_id);
        let [p0, p1] = address.port().to_be_bytes();
        let start = self.open(XOR_MAPPED_ADDRESS);
        let family = if address.is_ipv4() { 1 } else { 2 };
        self.bytes
            .extend([0, family, p0 ^ MAGIC_COOKIE[0], p1 ^ MAGIC_COOKIE[1]]);
        match address.ip() {
            IpAddr::V4(ip) => {
                self.bytes
                    .extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask));
            }
            IpAddr::V6(ip) => {
                self.bytes
                    .extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask));
            }
        }
        self.close(start)
    }

    /// Adds MESSAGE-INTEGRITY and FINGERPRINT and returns the datagram.
    #[must_use]
    pub fn finish(mut self, key: &IntegrityKey) -> Vec<u8> {
        let length = self.body() + 4 + INTEGRITY_LENGTH;
        let tag = key.over(length as u16, &self.bytes).finalize().into_bytes();
        self.attribute(MESSAGE_INTEGRITY, &tag);
        self.finish_unsigned()
    }

    /// Adds FINGERPRINT alone and returns the datagram.
    #[must_use]
    pub fn finish_unsigned(mut self) -> Vec<u8> {
        self.set_length(self.body() + 8);
        let sum = checksum::crc32(&self.bytes) ^ FINGERPRINT_XOR;
        self.attribute(FINGERPRINT, &sum.to_be_bytes());
        self.bytes
    }

    fn body(&self) -> usize {
        self.bytes.len() - HEADER
    }

    fn set_length(&mut self, length: usize) {
        self.bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let start = self.open(kind);
        self.bytes.extend(value);
        self.close(start)
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend([0, 0]);
        start
    }

    fn close(&mut self, start: usize) -> &mut Self {
        let length = self.bytes.len() - start - 4;
        self.bytes[start + 2..start + 4].copy_from_slice(&(length as u16).to_be_bytes());
        let padded = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(padded, 0);
        self.set_length(self.body());
        self
    }
}
