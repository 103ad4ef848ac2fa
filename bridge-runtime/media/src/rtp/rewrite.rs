//! Changing RTP headers where they lie, and writing fresh ones in front of a payload.
//!
//! The setters leave packets that are too short untouched: they are called on packets that
//! [`Header::parse`](super::Header::parse) accepted. Nothing allocates.

use super::extension::ExtensionForm;
use super::header::{Header, MIN_HEADER_LENGTH};

/// Sets the marker bit.
#[inline]
pub fn set_marker(packet: &mut [u8], marker: bool) {
    if let Some(byte) = packet.get_mut(1) {
        *byte = (*byte & 0x7F) | (u8::from(marker) << 7);
    }
}

/// Sets the payload type (its lowest seven bits).
#[inline]
pub fn set_payload_type(packet: &mut [u8], payload_type: u8) {
    if let Some(byte) = packet.get_mut(1) {
        *byte = (*byte & 0x80) | (payload_type & 0x7F);
    }
}

/// Sets the sequence number.
#[inline]
pub fn set_sequence_number(packet: &mut [u8], sequence_number: u16) {
    set(packet, 2, sequence_number.to_be_bytes());
}

/// Sets the RTP timestamp.
#[inline]
pub fn set_timestamp(packet: &mut [u8], timestamp: u32) {
    set(packet, 4, timestamp.to_be_bytes());
}

/// Sets the synchronisation source.
#[inline]
pub fn set_ssrc(packet: &mut [u8], ssrc: u32) {
    set(packet, 8, ssrc.to_be_bytes());
}

/// Clears the padding bit; the caller cuts the padding off.
#[inline]
pub fn clear_padding(packet: &mut [u8]) {
    if let Some(byte) = packet.first_mut() {
        *byte &= !0x20;
    }
}

/// Overwrites `bytes` at `offset` (for extension data found by [`Header::extension`]).
#[inline]
pub fn set<const LENGTH: usize>(packet: &mut [u8], offset: usize, bytes: [u8; LENGTH]) {
    if let Some(place) = packet.get_mut(offset..offset + LENGTH) {
        place.copy_from_slice(&bytes);
    }
}

/// Turns every extension element whose identifier `keep` refuses into padding bytes, in place. The
/// packet keeps its length, so runs of equal sizes stay equal.
pub fn blank_extensions(packet: &mut [u8], header: &Header, keep: impl Fn(u8) -> bool) {
    let element_header = match header.extension_form {
        ExtensionForm::OneByte => 1,
        ExtensionForm::TwoByte => 2,
        ExtensionForm::None | ExtensionForm::Other => return,
    };
    let block = header.extension_block();
    let mut position = block.start;
    loop {
        let rest = position..block.end;
        let found = super::Extensions::new(packet, header.extension_form, rest).next();
        let Some(extension) = found else {
            // What follows is padding or malformed: nothing of it may leave.
            if let Some(rest) = packet.get_mut(position..block.end) {
                rest.fill(0);
            }
            return;
        };
        position = extension.range().end;
        if !keep(extension.id) {
            let start = extension.offset - element_header;
            if let Some(element) = packet.get_mut(start..position) {
                element.fill(0);
            }
        }
    }
}

/// The fixed fields of a header to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderFields {
    /// Payload type, 0..=127.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence_number: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// Why a header could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The buffer is too short.
    #[error("rtp header needs {needed} bytes, the buffer has {length}: give a longer buffer")]
    Space {
        /// Bytes needed.
        needed: usize,
        /// Bytes there are.
        length: usize,
    },
    /// An identifier of 0, or data of more than 255 bytes.
    #[error("rtp header extension {id} with {length} bytes cannot be coded: leave it out")]
    Extension {
        /// Identifier given.
        id: u8,
        /// Length of its data.
        length: usize,
    },
}

/// The form that can carry `extensions`: one-byte unless an identifier or a length forbids it
/// (two-byte elements need `extmap-allow-mixed` from the receiver).
#[must_use]
pub fn form_for(extensions: &[(u8, &[u8])]) -> ExtensionForm {
    if extensions.is_empty() {
        return ExtensionForm::None;
    }
    let one_byte = extensions
        .iter()
        .all(|(id, data)| (1..=14).contains(id) && (1..=16).contains(&data.len()));
    if one_byte {
        ExtensionForm::OneByte
    } else {
        ExtensionForm::TwoByte
    }
}

/// Bytes [`write_header`] will take for `extensions`.
#[must_use]
pub fn header_length(extensions: &[(u8, &[u8])]) -> usize {
    let element_header = match form_for(extensions) {
        ExtensionForm::OneByte => 1,
        ExtensionForm::TwoByte => 2,
        ExtensionForm::None | ExtensionForm::Other => return MIN_HEADER_LENGTH,
    };
    let block: usize = extensions
        .iter()
        .map(|(_, data)| data.len() + element_header)
        .sum();
    MIN_HEADER_LENGTH + 4 + block.next_multiple_of(4)
}

/// Writes a header without contributing sources and padding at the start of `buffer`, with
/// `extensions` as (identifier, data) in the given order. Returns its length; the payload belongs
/// right behind it.
///
/// # Errors
/// [`WriteError`]; `buffer` is then left as it was.
#[inline]
pub fn write_header(
    buffer: &mut [u8],
    fields: &HeaderFields,
    extensions: &[(u8, &[u8])],
) -> Result<usize, WriteError> {
    let form = form_for(extensions);
    let length = header_length(extensions);
    for (id, data) in extensions {
        if *id == 0 || data.len() > 255 {
            return Err(WriteError::Extension {
                id: *id,
                length: data.len(),
            });
        }
    }
    let available = buffer.len();
    let Some(header) = buffer.get_mut(..length) else {
        return Err(WriteError::Space {
            needed: length,
            length: available,
        });
    };
    header[0] = 0x80 | (u8::from(form != ExtensionForm::None) << 4);
    header[1] = (u8::from(fields.marker) << 7) | (fields.payload_type & 0x7F);
    set_sequence_number(header, fields.sequence_number);
    set_timestamp(header, fields.timestamp);
    set_ssrc(header, fields.ssrc);
    if form == ExtensionForm::None {
        return Ok(length);
    }
    let profile: u16 = if form == ExtensionForm::OneByte {
        0xBEDE
    } else {
        0x1000
    };
    let words =
        u16::try_from((length - MIN_HEADER_LENGTH - 4) / 4).map_err(|_| WriteError::Space {
            needed: length,
            length: available,
        })?;
    set(header, 12, profile.to_be_bytes());
    set(header, 14, words.to_be_bytes());
    let mut position = MIN_HEADER_LENGTH + 4;
    for (id, data) in extensions {
        // Lengths were checked above: at most 16 or 255.
        let size = u8::try_from(data.len()).unwrap_or(u8::MAX);
        if form == ExtensionForm::OneByte {
            header[position] = (id << 4) | (size.wrapping_sub(1) & 0x0F);
            position += 1;
        } else {
            header[position] = *id;
            header[position + 1] = size;
            position += 2;
        }
        header[position..position + data.len()].copy_from_slice(data);
        position += data.len();
    }
    header[position..].fill(0);
    Ok(length)
}
