//! SRTP and SRTCP in place, without allocation per packet.
//!
//! [`Protector`] and [`Unprotector`] hold one direction of one DTLS association each: session keys
//! derived once, and per synchronisation source the packet index and a window of indices already
//! seen. State for a source is created only after one of its packets authenticated, and the number
//! of sources is bounded, so a peer cannot grow it at will. A packet index is never used twice for
//! sending: with AES-GCM that would reveal the authentication key.
//!
//! RFC 3711 (AES-CM, HMAC-SHA1-80), RFC 7714 (AES-GCM), RFC 5764 section 4.2 (keys from DTLS).
//! Not done: key derivation rates, master key identifiers, `E = 0` RTCP (refused).

mod cipher;
mod key_derivation;
mod session;
mod window;

pub use session::{MAX_SENT_STREAMS, MAX_STREAMS, Protector, Unprotector};

use zeroize::Zeroizing;

/// Bytes to keep free behind a packet so that any profile can append its tag (and RTCP index).
pub const MAX_OVERHEAD: usize = 20;

/// Exporter label of RFC 5764 section 4.2.
pub const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// Protection profiles this bridge speaks, in the order it prefers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `AEAD_AES_128_GCM`, RFC 7714 (`DTLS` identifier `0x0007`).
    AeadAes128Gcm,
    /// `AES128_CM_HMAC_SHA1_80`, RFC 3711 (`DTLS` identifier `0x0001`).
    Aes128CmHmacSha1_80,
}

impl Profile {
    /// Bytes of a master key.
    pub const KEY_LENGTH: usize = 16;

    /// Bytes of a master salt.
    #[must_use]
    pub const fn salt_length(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// Bytes to export from DTLS: two keys and two salts.
    #[must_use]
    pub const fn keying_material_length(self) -> usize {
        2 * (Self::KEY_LENGTH + self.salt_length())
    }

    /// Bytes a protected RTP packet is longer than the plain one.
    #[must_use]
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
        }
    }

    /// Bytes a protected RTCP packet is longer than the plain one.
    #[must_use]
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + 4
    }
}

/// Master key and salt of one direction. Wiped when dropped.
#[derive(Clone)]
pub struct MasterKey {
    key: Zeroizing<[u8; Profile::KEY_LENGTH]>,
    salt: Zeroizing<[u8; 14]>,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MasterKey(..)")
    }
}

impl MasterKey {
    /// Takes a key and a salt; a salt shorter than 14 bytes is padded with zeros (RFC 7714
    /// section 11).
    ///
    /// # Errors
    /// [`SrtpError::KeyLength`] when a length does not fit `profile`.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        let wrong = SrtpError::KeyLength {
            key: key.len(),
            salt: salt.len(),
        };
        if salt.len() != profile.salt_length() {
            return Err(wrong);
        }
        let key: [u8; Profile::KEY_LENGTH] = key.try_into().map_err(|_| wrong)?;
        let mut padded = Zeroizing::new([0; 14]);
        padded[..salt.len()].copy_from_slice(salt);
        Ok(Self {
            key: Zeroizing::new(key),
            salt: padded,
        })
    }

    /// Splits exported keying material into the client's and the server's keys (RFC 5764
    /// section 4.2).
    ///
    /// # Errors
    /// [`SrtpError::KeyLength`] when `material` is not [`Profile::keying_material_length`] long.
    pub fn split(profile: Profile, material: &[u8]) -> Result<DirectionKeys, SrtpError> {
        let salt = profile.salt_length();
        if material.len() != profile.keying_material_length() {
            return Err(SrtpError::KeyLength {
                key: material.len(),
                salt,
            });
        }
        let (client_key, rest) = material.split_at(Profile::KEY_LENGTH);
        let (server_key, rest) = rest.split_at(Profile::KEY_LENGTH);
        let (client_salt, server_salt) = rest.split_at(salt);
        Ok(DirectionKeys {
            client: Self::new(profile, client_key, client_salt)?,
            server: Self::new(profile, server_key, server_salt)?,
        })
    }
}

/// The keys with which the DTLS client and the DTLS server protect what they send.
#[derive(Debug, Clone)]
pub struct DirectionKeys {
    /// Used by the DTLS client for sending.
    pub client: MasterKey,
    /// Used by the DTLS server for sending.
    pub server: MasterKey,
}

/// Why a packet was not protected or not accepted. Each is a reason to drop and count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// Keying material of the wrong length: a fault of the caller.
    #[error("srtp keying material of {key} and salt of {salt} bytes: export what the profile asks")]
    KeyLength {
        /// Bytes of key given.
        key: usize,
        /// Bytes of salt given or wanted.
        salt: usize,
    },
    /// Too short, or not RTP or RTCP at all.
    #[error("packet of {0} bytes is not srtp: drop it")]
    Malformed(usize),
    /// The buffer has no room for the tag.
    #[error("no room for the srtp tag: {needed} bytes needed, {length} there")]
    Space {
        /// Bytes needed.
        needed: usize,
        /// Bytes there are.
        length: usize,
    },
    /// The authentication tag is wrong.
    #[error("srtp authentication failed: drop the packet")]
    Authentication,
    /// The packet index was seen before or is older than the window.
    #[error("srtp packet was seen before or is too old: drop it")]
    Replayed,
    /// The index to send with was used before.
    #[error("srtp index was used before for ssrc {ssrc}: do not send it again")]
    IndexUsed {
        /// Synchronisation source of the packet.
        ssrc: u32,
    },
    /// RTCP without encryption.
    #[error("srtcp packet is not encrypted: drop it")]
    NotEncrypted,
    /// The peer uses more sources than [`MAX_STREAMS`], or more than [`MAX_SENT_STREAMS`] were sent.
    #[error("more than {MAX_STREAMS} ssrcs received or {MAX_SENT_STREAMS} sent: drop the packet")]
    TooManyStreams,
    /// The key was used for as many packets as it may be.
    #[error("srtp index space of ssrc {ssrc} is used up: the association must end")]
    Exhausted {
        /// Synchronisation source of the packet.
        ssrc: u32,
    },
}
