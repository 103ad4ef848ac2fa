//! RTP packets as bytes with known offsets.
//!
//! Nothing here owns a packet or allocates: [`Header`] is a small copyable set of fields and offsets
//! into a datagram, [`Extensions`] walks the header extensions where they lie, and the setters in
//! [`rewrite`] change fields in place. Parsing never panics and never reads past the given slice.
//! Encryption is not this module's business; padding can only be judged after
//! decryption, so it is asked for separately.
//!
//! RFC 3550 section 5.1, RFC 8285 (one- and two-byte extension forms), RFC 5761 (RTCP demultiplex).

mod extension;
mod header;
pub mod rewrite;

pub use extension::{Extension, ExtensionForm, Extensions};
pub use header::{Header, HeaderError, MIN_HEADER_LENGTH};
pub use rewrite::{HeaderFields, WriteError, write_header};

/// What a datagram on a media socket is, by its first bytes (RFC 7983, RFC 5761 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramKind {
    /// First byte 0..=3.
    Stun,
    /// First byte 20..=63.
    Dtls,
    /// First byte 128..=191 and a second byte outside 192..=223.
    Rtp,
    /// First byte 128..=191 and a second byte of 192..=223.
    Rtcp,
    /// Anything else, the empty datagram included.
    Unknown,
}

/// Tells STUN, DTLS, RTP and RTCP apart on a shared socket.
#[must_use]
pub fn classify(datagram: &[u8]) -> DatagramKind {
    match datagram.first() {
        Some(0..=3) => DatagramKind::Stun,
        Some(20..=63) => DatagramKind::Dtls,
        Some(128..=191) => match datagram.get(1) {
            Some(192..=223) => DatagramKind::Rtcp,
            Some(_) => DatagramKind::Rtp,
            None => DatagramKind::Unknown,
        },
        _ => DatagramKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_decide_the_kind() {
        assert_eq!(classify(&[]), DatagramKind::Unknown);
        assert_eq!(classify(&[0x00, 0x01]), DatagramKind::Stun);
        assert_eq!(classify(&[22, 254]), DatagramKind::Dtls);
        assert_eq!(classify(&[0x80, 111]), DatagramKind::Rtp);
        assert_eq!(classify(&[0x90, 0x80 | 0x60]), DatagramKind::Rtp);
        assert_eq!(classify(&[0x80, 200]), DatagramKind::Rtcp);
        assert_eq!(classify(&[0x81, 206]), DatagramKind::Rtcp);
        assert_eq!(classify(&[0x80]), DatagramKind::Unknown);
        assert_eq!(classify(&[64, 0]), DatagramKind::Unknown);
        assert_eq!(classify(&[255, 0]), DatagramKind::Unknown);
    }
}
