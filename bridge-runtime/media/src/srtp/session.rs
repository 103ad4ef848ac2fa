//! One direction of an association: keys, packet indices, windows.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::cipher::Cipher;
use super::window::{Verdict, Window};
use super::{MasterKey, Profile, SrtpError};
use crate::rtp::Header;

/// Sources one direction may use. Beyond it packets are refused: a hostile peer with valid keys
/// gets no more memory than this.
pub const MAX_STREAMS: usize = 512;
/// Sources that may be sent. They are the bridge's own choice, their indices must outlive them, and
/// a long meeting with many comings and goings has many.
pub const MAX_SENT_STREAMS: usize = 16 * 1024;

/// The packet index has 48 bits (RFC 3711 section 3.3.1).
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;
/// The RTCP index has 31 bits (section 3.4).
const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;
const RTCP_HEADER: usize = 8;

/// Spreads SSRCs, which are random already; collisions hurt only the peer that makes them.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SsrcHasher(u64);

impl Hasher for SsrcHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0.rotate_left(8) ^ u64::from(*byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }

    fn write_u32(&mut self, ssrc: u32) {
        self.0 = u64::from(ssrc).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

type SsrcMap<Value> = HashMap<u32, Value, BuildHasherDefault<SsrcHasher>>;

/// Protects what is sent.
pub struct Protector {
    profile: Profile,
    cipher: Cipher,
    rtp: SsrcMap<Window>,
    rtcp: SsrcMap<u32>,
}

/// Verifies and opens what was received.
pub struct Unprotector {
    profile: Profile,
    cipher: Cipher,
    rtp: SsrcMap<Window>,
    rtcp: SsrcMap<Window>,
}

impl std::fmt::Debug for Protector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Protector")
            .field("profile", &self.profile)
            .field("streams", &self.rtp.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Unprotector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Unprotector")
            .field("profile", &self.profile)
            .field("streams", &self.rtp.len())
            .finish_non_exhaustive()
    }
}

impl Protector {
    /// Derives session keys from `master`.
    ///
    /// # Errors
    /// [`SrtpError::KeyLength`].
    pub fn new(profile: Profile, master: &MasterKey) -> Result<Self, SrtpError> {
        Ok(Self {
            profile,
            cipher: Cipher::new(profile, master)?,
            rtp: SsrcMap::default(),
            rtcp: SsrcMap::default(),
        })
    }

    /// The profile in use.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Protects the RTP packet in `buffer[..length]` in place; `buffer` must be longer by
    /// [`Profile::rtp_overhead`]. Returns the length to send.
    ///
    /// # Errors
    /// [`SrtpError`]; [`SrtpError::IndexUsed`] if this SSRC sent this sequence number before.
    /// The packet must then not be sent.
    #[inline]
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let packet = buffer.get(..length).ok_or(SrtpError::Malformed(length))?;
        let header = Header::parse(packet).map_err(|_| SrtpError::Malformed(length))?;
        let ssrc = header.ssrc;
        if !self.rtp.contains_key(&ssrc) && self.rtp.len() >= MAX_SENT_STREAMS {
            return Err(SrtpError::TooManyStreams);
        }
        let window = self.rtp.entry(ssrc).or_default();
        let index = window
            .estimate(header.sequence_number)
            .ok_or(SrtpError::IndexUsed { ssrc })?;
        if index > MAX_RTP_INDEX {
            return Err(SrtpError::Exhausted { ssrc });
        }
        if window.check(index) == Verdict::SeenOrOld {
            return Err(SrtpError::IndexUsed { ssrc });
        }
        // Marked before use: even a failed attempt may have spent the nonce.
        window.mark(index);
        self.cipher
            .protect_rtp(buffer, header.length(), length, ssrc, index)
    }

    /// Protects the compound RTCP packet in `buffer[..length]` in place; `buffer` must be longer by
    /// [`Profile::rtcp_overhead`]. Returns the length to send.
    ///
    /// # Errors
    /// [`SrtpError`].
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(buffer.get(..length).ok_or(SrtpError::Malformed(length))?)?;
        if !self.rtcp.contains_key(&ssrc) && self.rtcp.len() >= MAX_SENT_STREAMS {
            return Err(SrtpError::TooManyStreams);
        }
        let next = self.rtcp.entry(ssrc).or_insert(0);
        let index = *next;
        if index > MAX_RTCP_INDEX {
            return Err(SrtpError::Exhausted { ssrc });
        }
        *next += 1;
        self.cipher.protect_rtcp(buffer, length, ssrc, index)
    }

    /// Forgets nothing: indices of a source must outlive it while the keys live. Returns how many
    /// sources have state.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.rtp.len()
    }
}

impl Unprotector {
    /// Derives session keys from `master`.
    ///
    /// # Errors
    /// [`SrtpError::KeyLength`].
    pub fn new(profile: Profile, master: &MasterKey) -> Result<Self, SrtpError> {
        Ok(Self {
            profile,
            cipher: Cipher::new(profile, master)?,
            rtp: SsrcMap::default(),
            rtcp: SsrcMap::default(),
        })
    }

    /// The profile in use.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Verifies and decrypts an RTP packet in place, `header` being its parsed header. Returns the
    /// plain length; on error the bytes are worthless.
    ///
    /// # Errors
    /// [`SrtpError`].
    #[inline]
    pub fn unprotect_rtp(
        &mut self,
        header: &Header,
        packet: &mut [u8],
    ) -> Result<usize, SrtpError> {
        if packet.len() < header.length() + self.profile.rtp_overhead() {
            return Err(SrtpError::Malformed(packet.len()));
        }
        let ssrc = header.ssrc;
        if let Some(window) = self.rtp.get_mut(&ssrc) {
            let index = window
                .estimate(header.sequence_number)
                .ok_or(SrtpError::Replayed)?;
            if window.check(index) == Verdict::SeenOrOld {
                return Err(SrtpError::Replayed);
            }
            let length = self
                .cipher
                .unprotect_rtp(packet, header.length(), ssrc, index)?;
            window.mark(index);
            return Ok(length);
        }
        let index = u64::from(header.sequence_number);
        if self.rtp.len() >= MAX_STREAMS {
            return Err(SrtpError::TooManyStreams);
        }
        let length = self
            .cipher
            .unprotect_rtp(packet, header.length(), ssrc, index)?;
        self.rtp.entry(ssrc).or_default().mark(index);
        Ok(length)
    }

    /// Verifies and decrypts a compound RTCP packet in place. Returns the plain length; on error
    /// the bytes are worthless.
    ///
    /// # Errors
    /// [`SrtpError`].
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(packet)?;
        let index = self.cipher.rtcp_index(packet)?;
        match self.rtcp.get(&ssrc) {
            Some(window) if window.check(u64::from(index)) == Verdict::SeenOrOld => {
                return Err(SrtpError::Replayed);
            }
            None if self.rtcp.len() >= MAX_STREAMS => return Err(SrtpError::TooManyStreams),
            _ => {}
        }
        let length = self.cipher.unprotect_rtcp(packet, ssrc, index)?;
        self.rtcp.entry(ssrc).or_default().mark(u64::from(index));
        Ok(length)
    }
}

fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    match packet.first_chunk::<RTCP_HEADER>() {
        Some(&[first, _, _, _, a, b, c, d]) if first >> 6 == 2 => {
            Ok(u32::from_be_bytes([a, b, c, d]))
        }
        _ => Err(SrtpError::Malformed(packet.len())),
    }
}
