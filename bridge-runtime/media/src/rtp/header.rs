//! The RTP header as fields and offsets (RFC 3550 section 5.1).

use std::ops::Range;

use super::extension::{Extension, ExtensionForm, Extensions};

/// Bytes of an RTP header without contributing sources and extensions.
pub const MIN_HEADER_LENGTH: usize = 12;

/// Why a datagram is not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The datagram ends inside the header.
    #[error("rtp header needs {needed} bytes, the datagram has {length}: drop it")]
    Truncated {
        /// Bytes the header announces.
        needed: usize,
        /// Bytes there are.
        length: usize,
    },
    /// The version field is not 2.
    #[error("rtp version {0} is not 2: drop the datagram")]
    Version(u8),
    /// The padding count is zero or exceeds the payload (known only after decryption).
    #[error("rtp padding of {padding} bytes in a payload of {payload}: drop the packet")]
    Padding {
        /// Last byte of the packet.
        padding: usize,
        /// Bytes after the header.
        payload: usize,
    },
}

/// Fields and offsets of one RTP packet. Copyable, 24 bytes, borrows nothing.
///
/// The offsets are valid for the packet it was parsed from and for any copy whose header bytes have
/// the same layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Synchronisation source.
    pub ssrc: u32,
    /// RTP timestamp, in units of the codec's clock.
    pub timestamp: u32,
    /// Sequence number.
    pub sequence_number: u16,
    /// Payload type, 0..=127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Padding bit; the amount is [`Header::payload`]'s to find.
    pub has_padding: bool,
    /// Number of contributing sources, 0..=15.
    pub csrc_count: u8,
    /// Coding of the extension block.
    pub extension_form: ExtensionForm,
    payload_offset: u32,
}

impl Header {
    /// Reads the header at the start of `packet`. Works on protected packets too: it looks neither
    /// at payload nor at padding.
    ///
    /// # Errors
    /// [`HeaderError::Truncated`] or [`HeaderError::Version`].
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<Self, HeaderError> {
        let Some(fixed) = packet.first_chunk::<MIN_HEADER_LENGTH>() else {
            return Err(HeaderError::Truncated {
                needed: MIN_HEADER_LENGTH,
                length: packet.len(),
            });
        };
        if fixed[0] >> 6 != 2 {
            return Err(HeaderError::Version(fixed[0] >> 6));
        }
        let csrc_count = fixed[0] & 0x0F;
        let mut header_length = MIN_HEADER_LENGTH + 4 * usize::from(csrc_count);
        let mut extension_form = ExtensionForm::None;
        if fixed[0] & 0x10 != 0 {
            let Some(&[p0, p1, l0, l1]) = packet.get(header_length..header_length + 4) else {
                return Err(HeaderError::Truncated {
                    needed: header_length + 4,
                    length: packet.len(),
                });
            };
            extension_form = ExtensionForm::from_profile(u16::from_be_bytes([p0, p1]));
            header_length += 4 + 4 * usize::from(u16::from_be_bytes([l0, l1]));
        }
        if header_length > packet.len() {
            return Err(HeaderError::Truncated {
                needed: header_length,
                length: packet.len(),
            });
        }
        Ok(Self {
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            sequence_number: u16::from_be_bytes([fixed[2], fixed[3]]),
            payload_type: fixed[1] & 0x7F,
            marker: fixed[1] & 0x80 != 0,
            has_padding: fixed[0] & 0x20 != 0,
            csrc_count,
            extension_form,
            // At most 12 + 60 + 4 + 4 * 65535.
            payload_offset: u32::try_from(header_length).unwrap_or(u32::MAX),
        })
    }

    /// Bytes of the header, contributing sources and extensions included: the payload's offset.
    #[inline]
    #[must_use]
    pub fn length(&self) -> usize {
        self.payload_offset as usize
    }

    /// Where the extension elements lie, without profile and length; empty when there are none.
    #[inline]
    #[must_use]
    pub fn extension_block(&self) -> Range<usize> {
        let end = self.length();
        if self.extension_form == ExtensionForm::None {
            return end..end;
        }
        MIN_HEADER_LENGTH + 4 * usize::from(self.csrc_count) + 4..end
    }

    /// The extension elements of `packet`, which must be the one this header was read from.
    #[inline]
    #[must_use]
    pub fn extensions<'packet>(&self, packet: &'packet [u8]) -> Extensions<'packet> {
        Extensions::new(packet, self.extension_form, self.extension_block())
    }

    /// The first element with identifier `id`.
    #[inline]
    #[must_use]
    pub fn extension(&self, packet: &[u8], id: u8) -> Option<Extension> {
        self.extensions(packet).find(|extension| extension.id == id)
    }

    /// The contributing sources of `packet`.
    pub fn csrcs<'packet>(&self, packet: &'packet [u8]) -> impl Iterator<Item = u32> + 'packet {
        let end = MIN_HEADER_LENGTH + 4 * usize::from(self.csrc_count);
        packet
            .get(MIN_HEADER_LENGTH..end)
            .unwrap_or_default()
            .chunks_exact(4)
            .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Where the payload of the decrypted `packet` lies, padding excluded. An empty range means a
    /// packet of padding only.
    ///
    /// # Errors
    /// [`HeaderError::Padding`] when the padding count cannot be true, [`HeaderError::Truncated`]
    /// when `packet` is shorter than the header.
    #[inline]
    pub fn payload(&self, packet: &[u8]) -> Result<Range<usize>, HeaderError> {
        let start = self.length();
        let Some(payload) = packet.len().checked_sub(start) else {
            return Err(HeaderError::Truncated {
                needed: start,
                length: packet.len(),
            });
        };
        if !self.has_padding {
            return Ok(start..packet.len());
        }
        let padding = packet.last().map_or(0, |count| usize::from(*count));
        if padding == 0 || padding > payload {
            return Err(HeaderError::Padding { padding, payload });
        }
        Ok(start..packet.len() - padding)
    }
}
