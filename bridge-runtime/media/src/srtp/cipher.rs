//! The two transforms, on bytes in place. Indices and windows are the session's business.

use aes::Aes128;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;

use super::key_derivation::{Label, derive};
use super::{MasterKey, Profile, SrtpError};

const GCM_TAG: usize = 16;
const CM_TAG: usize = 10;
/// Bytes of an RTCP packet that stay readable: header and sender's SSRC.
const RTCP_HEADER: usize = 8;
const RTCP_INDEX: usize = 4;
const ENCRYPTED: u32 = 0x8000_0000;

/// Session keys of one direction under one profile.
#[expect(
    clippy::large_enum_variant,
    reason = "held once per association, never moved about"
)]
pub(super) enum Cipher {
    Gcm { rtp: Gcm, rtcp: Gcm },
    CounterMode { rtp: CounterMode, rtcp: CounterMode },
}

pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

pub(super) struct CounterMode {
    cipher: Aes128,
    salt: [u8; 14],
    authentication: Hmac<Sha1>,
}

impl Cipher {
    pub(super) fn new(profile: Profile, master: &MasterKey) -> Result<Self, SrtpError> {
        let media = [
            Label::RtpEncryption,
            Label::RtpAuthentication,
            Label::RtpSalt,
        ];
        let control = [
            Label::RtcpEncryption,
            Label::RtcpAuthentication,
            Label::RtcpSalt,
        ];
        Ok(match profile {
            Profile::AeadAes128Gcm => Self::Gcm {
                rtp: Gcm::new(derive(master, media[0]), derive(master, media[2]))?,
                rtcp: Gcm::new(derive(master, control[0]), derive(master, control[2]))?,
            },
            Profile::Aes128CmHmacSha1_80 => Self::CounterMode {
                rtp: CounterMode::new(
                    derive(master, media[0]),
                    derive(master, media[2]),
                    derive(master, media[1]),
                )?,
                rtcp: CounterMode::new(
                    derive(master, control[0]),
                    derive(master, control[2]),
                    derive(master, control[1]),
                )?,
            },
        })
    }

    /// Protects `buffer[..length]`, whose first `header` bytes stay readable; returns the new length.
    #[inline]
    pub(super) fn protect_rtp(
        &self,
        buffer: &mut [u8],
        header: usize,
        length: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        match self {
            Self::Gcm { rtp, .. } => rtp.protect_rtp(buffer, header, length, ssrc, index),
            Self::CounterMode { rtp, .. } => rtp.protect_rtp(buffer, header, length, ssrc, index),
        }
    }

    /// Reverses [`Self::protect_rtp`] on a whole packet; returns the plain length.
    #[inline]
    pub(super) fn unprotect_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        match self {
            Self::Gcm { rtp, .. } => rtp.unprotect_rtp(packet, header, ssrc, index),
            Self::CounterMode { rtp, .. } => rtp.unprotect_rtp(packet, header, ssrc, index),
        }
    }

    /// Protects the compound RTCP packet `buffer[..length]`; returns the new length.
    pub(super) fn protect_rtcp(
        &self,
        buffer: &mut [u8],
        length: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<usize, SrtpError> {
        match self {
            Self::Gcm { rtcp, .. } => rtcp.protect_rtcp(buffer, length, ssrc, index),
            Self::CounterMode { rtcp, .. } => rtcp.protect_rtcp(buffer, length, ssrc, index),
        }
    }

    /// The index a protected RTCP packet carries.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Result<u32, SrtpError> {
        let behind = match self {
            Self::Gcm { .. } => 0,
            Self::CounterMode { .. } => CM_TAG,
        };
        let word = packet
            .len()
            .checked_sub(behind)
            .and_then(|end| packet.get(..end))
            .and_then(|bytes| bytes.last_chunk::<RTCP_INDEX>())
            .ok_or(SrtpError::Malformed(packet.len()))?;
        let word = u32::from_be_bytes(*word);
        if word & ENCRYPTED == 0 {
            return Err(SrtpError::NotEncrypted);
        }
        Ok(word & !ENCRYPTED)
    }

    /// Reverses [`Self::protect_rtcp`] on a whole packet; returns the plain length.
    pub(super) fn unprotect_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index: u32,
    ) -> Result<usize, SrtpError> {
        match self {
            Self::Gcm { rtcp, .. } => rtcp.unprotect_rtcp(packet, ssrc, index),
            Self::CounterMode { rtcp, .. } => rtcp.unprotect_rtcp(packet, ssrc, index),
        }
    }
}

/// Splits `buffer` behind `length` and checks that `tail` more bytes follow.
fn room(
    buffer: &mut [u8],
    length: usize,
    tail: usize,
) -> Result<(&mut [u8], &mut [u8]), SrtpError> {
    let available = buffer.len();
    if available < length + tail {
        return Err(SrtpError::Space {
            needed: length + tail,
            length: available,
        });
    }
    let (packet, rest) = buffer.split_at_mut(length);
    Ok((packet, &mut rest[..tail]))
}

impl Gcm {
    pub(super) fn new(key: [u8; 16], salt: [u8; 12]) -> Result<Self, SrtpError> {
        let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| SrtpError::KeyLength {
            key: key.len(),
            salt: salt.len(),
        })?;
        Ok(Self {
            key: LessSafeKey::new(key),
            salt,
        })
    }

    /// RFC 7714 section 8.1: two zero bytes, SSRC, 48-bit index, all XOR salt.
    #[inline]
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut nonce = self.salt;
        for (byte, value) in nonce[2..6].iter_mut().zip(ssrc.to_be_bytes()) {
            *byte ^= value;
        }
        for (byte, value) in nonce[6..].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *byte ^= value;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// RFC 7714 section 9.1: two zero bytes, SSRC, two zero bytes, 31-bit index, all XOR salt.
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        self.rtp_nonce(ssrc, u64::from(index))
    }

    #[inline]
    fn protect_rtp(
        &self,
        buffer: &mut [u8],
        header: usize,
        length: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let (packet, tag) = room(buffer, length, GCM_TAG)?;
        let (header, payload) = packet.split_at_mut(header);
        let computed = self
            .key
            .seal_in_place_separate_tag(self.rtp_nonce(ssrc, index), Aad::from(&*header), payload)
            .map_err(|_| SrtpError::Malformed(length))?;
        tag.copy_from_slice(computed.as_ref());
        Ok(length + GCM_TAG)
    }

    #[inline]
    fn unprotect_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let (aad, payload) = packet.split_at_mut(header);
        let plain = self
            .key
            .open_in_place(self.rtp_nonce(ssrc, index), Aad::from(&*aad), payload)
            .map_err(|_| SrtpError::Authentication)?;
        Ok(header + plain.len())
    }

    fn rtcp_aad(header: &[u8], word: u32) -> [u8; RTCP_HEADER + RTCP_INDEX] {
        let mut aad = [0; RTCP_HEADER + RTCP_INDEX];
        aad[..RTCP_HEADER].copy_from_slice(header);
        aad[RTCP_HEADER..].copy_from_slice(&word.to_be_bytes());
        aad
    }

    fn protect_rtcp(
        &self,
        buffer: &mut [u8],
        length: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<usize, SrtpError> {
        let word = ENCRYPTED | index;
        let (packet, tail) = room(buffer, length, GCM_TAG + RTCP_INDEX)?;
        let (header, payload) = packet.split_at_mut(RTCP_HEADER);
        let aad = Aad::from(Self::rtcp_aad(header, word));
        let tag = self
            .key
            .seal_in_place_separate_tag(self.rtcp_nonce(ssrc, index), aad, payload)
            .map_err(|_| SrtpError::Malformed(length))?;
        tail[..GCM_TAG].copy_from_slice(tag.as_ref());
        tail[GCM_TAG..].copy_from_slice(&word.to_be_bytes());
        Ok(length + GCM_TAG + RTCP_INDEX)
    }

    fn unprotect_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, SrtpError> {
        let length = packet.len();
        if length < RTCP_HEADER + GCM_TAG + RTCP_INDEX {
            return Err(SrtpError::Malformed(length));
        }
        let (header, rest) = packet.split_at_mut(RTCP_HEADER);
        let (sealed, _) = rest.split_at_mut(length - RTCP_HEADER - RTCP_INDEX);
        let aad = Aad::from(Self::rtcp_aad(header, ENCRYPTED | index));
        let plain = self
            .key
            .open_in_place(self.rtcp_nonce(ssrc, index), aad, sealed)
            .map_err(|_| SrtpError::Authentication)?;
        Ok(RTCP_HEADER + plain.len())
    }
}

impl CounterMode {
    pub(super) fn new(
        key: [u8; 16],
        salt: [u8; 14],
        authentication: [u8; 20],
    ) -> Result<Self, SrtpError> {
        let authentication =
            <Hmac<Sha1> as Mac>::new_from_slice(&authentication).map_err(|_| {
                SrtpError::KeyLength {
                    key: key.len(),
                    salt: salt.len(),
                }
            })?;
        Ok(Self {
            cipher: Aes128::new(&key.into()),
            salt,
            authentication,
        })
    }

    /// Keystream of RFC 3711 section 4.1.1 over `bytes`.
    #[inline]
    fn apply(&self, bytes: &mut [u8], ssrc: u32, index: u64) {
        let mut vector = [0u8; 16];
        vector[..14].copy_from_slice(&self.salt);
        for (byte, value) in vector[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
            *byte ^= value;
        }
        for (byte, value) in vector[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *byte ^= value;
        }
        let core = CtrCore::<&Aes128, Ctr128BE>::inner_iv_init(&self.cipher, (&vector).into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(bytes);
    }

    /// HMAC over `bytes` and, for RTP, the roll-over counter behind them (section 4.2).
    #[inline]
    fn authenticate(&self, bytes: &[u8], roll_over: Option<[u8; 4]>) -> Hmac<Sha1> {
        let mut mac = self.authentication.clone();
        mac.update(bytes);
        if let Some(roll_over) = roll_over {
            mac.update(&roll_over);
        }
        mac
    }

    fn roll_over(index: u64) -> Option<[u8; 4]> {
        index.to_be_bytes()[2..].first_chunk().copied()
    }

    #[inline]
    fn protect_rtp(
        &self,
        buffer: &mut [u8],
        header: usize,
        length: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let (packet, tag) = room(buffer, length, CM_TAG)?;
        self.apply(&mut packet[header..], ssrc, index);
        let mac = self
            .authenticate(packet, Self::roll_over(index))
            .finalize()
            .into_bytes();
        tag.copy_from_slice(&mac[..CM_TAG]);
        Ok(length + CM_TAG)
    }

    #[inline]
    fn unprotect_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let length = packet.len();
        let Some(plain) = length.checked_sub(CM_TAG).filter(|plain| *plain >= header) else {
            return Err(SrtpError::Malformed(length));
        };
        let (packet, tag) = packet.split_at_mut(plain);
        self.authenticate(packet, Self::roll_over(index))
            .verify_truncated_left(tag)
            .map_err(|_| SrtpError::Authentication)?;
        self.apply(&mut packet[header..], ssrc, index);
        Ok(plain)
    }

    fn protect_rtcp(
        &self,
        buffer: &mut [u8],
        length: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<usize, SrtpError> {
        room(buffer, length, RTCP_INDEX + CM_TAG)?;
        self.apply(&mut buffer[RTCP_HEADER..length], ssrc, u64::from(index));
        let authenticated = length + RTCP_INDEX;
        buffer[length..authenticated].copy_from_slice(&(ENCRYPTED | index).to_be_bytes());
        let mac = self
            .authenticate(&buffer[..authenticated], None)
            .finalize()
            .into_bytes();
        buffer[authenticated..authenticated + CM_TAG].copy_from_slice(&mac[..CM_TAG]);
        Ok(authenticated + CM_TAG)
    }

    fn unprotect_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, SrtpError> {
        let length = packet.len();
        if length < RTCP_HEADER + RTCP_INDEX + CM_TAG {
            return Err(SrtpError::Malformed(length));
        }
        let (authenticated, tag) = packet.split_at_mut(length - CM_TAG);
        self.authenticate(authenticated, None)
            .verify_truncated_left(tag)
            .map_err(|_| SrtpError::Authentication)?;
        let plain = authenticated.len() - RTCP_INDEX;
        self.apply(
            &mut authenticated[RTCP_HEADER..plain],
            ssrc,
            u64::from(index),
        );
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn gcm() -> Gcm {
        let key = bytes("000102030405060708090a0b0c0d0e0f")
            .try_into()
            .unwrap();
        Gcm::new(key, bytes("517569642070726f2071756f").try_into().unwrap()).unwrap()
    }

    /// RFC 7714 section 16.1.1.
    #[test]
    fn gcm_rtp_matches_the_rfc() {
        let mut packet = bytes(
            "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
             69736120 696e2070 61727465 73207472 6573",
        );
        let plain = packet.clone();
        packet.resize(plain.len() + 16, 0);
        let length = gcm()
            .protect_rtp(&mut packet, 12, plain.len(), 0x5501_a0b2, 0xf17b)
            .unwrap();
        assert_eq!(length, packet.len());
        assert_eq!(
            packet,
            bytes(
                "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
                 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439
                 0cce"
            )
        );
        let length = gcm()
            .unprotect_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b)
            .unwrap();
        assert_eq!(packet[..length], plain);
    }

    /// RFC 7714 section 17.1.
    #[test]
    fn gcm_rtcp_matches_the_rfc() {
        let mut packet = bytes(
            "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
             deadbeef deadbeef deadbeef deadbeef deadbeef",
        );
        let plain = packet.clone();
        packet.resize(plain.len() + 20, 0);
        gcm()
            .protect_rtcp(&mut packet, plain.len(), 0x4d61_7273, 0x5d4)
            .unwrap();
        assert_eq!(
            packet,
            bytes(
                "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
                 c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
                 45d9eade 800005d4"
            )
        );
        let length = gcm()
            .unprotect_rtcp(&mut packet, 0x4d61_7273, 0x5d4)
            .unwrap();
        assert_eq!(packet[..length], plain);
    }

    /// RFC 3711 appendix B.2.
    #[test]
    fn counter_mode_keystream_matches_the_rfc() {
        let cipher = CounterMode::new(
            bytes("2B7E151628AED2A6ABF7158809CF4F3C")
                .try_into()
                .unwrap(),
            bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap(),
            [0; 20],
        )
        .unwrap();
        let mut keystream = [0u8; 48];
        cipher.apply(&mut keystream, 0, 0);
        assert_eq!(
            keystream.as_slice(),
            bytes(
                "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
                 41E95B3BB0A2E8DD477901E4FCA894C0"
            )
        );
    }
}
