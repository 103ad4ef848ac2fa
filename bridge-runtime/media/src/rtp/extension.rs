//! Walking RTP header extensions in place (RFC 8285).
//!
//! Elements are reported as offsets into the packet, so that a caller may both read and rewrite
//! them. A malformed element ends the walk; what was read before it stays valid. Padding bytes
//! (identifier 0) are skipped wherever they stand.

use std::ops::Range;

/// How the header extension block is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExtensionForm {
    /// The packet carries no extension block.
    #[default]
    None,
    /// One-byte element headers, profile `0xBEDE` (RFC 8285 section 4.2).
    OneByte,
    /// Two-byte element headers, profile `0x100x` (RFC 8285 section 4.3).
    TwoByte,
    /// Some other profile: opaque, no elements are reported.
    Other,
}

impl ExtensionForm {
    /// The form announced by the 16 bits "defined by profile" (RFC 3550 section 5.3.1).
    #[must_use]
    pub fn from_profile(profile: u16) -> Self {
        match profile {
            0xBEDE => Self::OneByte,
            0x1000..=0x100F => Self::TwoByte,
            _ => Self::Other,
        }
    }
}

/// One header extension element: its identifier and where its data lies in the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Identifier as negotiated in `rtp-hdrext`: 1..=14 in the one-byte form, 1..=255 in the other.
    pub id: u8,
    /// Offset of the first data byte from the start of the packet.
    pub offset: usize,
    /// Number of data bytes; 0 is possible in the two-byte form only.
    pub length: usize,
}

impl Extension {
    /// The bytes of the packet that hold the data.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.length
    }

    /// The data; empty when `packet` is not the packet this element was found in and too short.
    #[must_use]
    pub fn data<'packet>(&self, packet: &'packet [u8]) -> &'packet [u8] {
        packet.get(self.range()).unwrap_or_default()
    }
}

/// Iterator over the elements of one packet's extension block.
#[derive(Debug, Clone)]
pub struct Extensions<'packet> {
    packet: &'packet [u8],
    form: ExtensionForm,
    position: usize,
    end: usize,
}

impl<'packet> Extensions<'packet> {
    /// Walks `block` (offsets into `packet`, without the four bytes of profile and length).
    #[must_use]
    pub fn new(packet: &'packet [u8], form: ExtensionForm, block: Range<usize>) -> Self {
        let end = block.end.min(packet.len());
        Self {
            packet,
            form,
            position: block.start.min(end),
            end,
        }
    }

    fn stop(&mut self) -> Option<Extension> {
        self.position = self.end;
        None
    }

    fn byte(&self, offset: usize) -> Option<u8> {
        if offset < self.end {
            self.packet.get(offset).copied()
        } else {
            None
        }
    }
}

impl Iterator for Extensions<'_> {
    type Item = Extension;

    #[inline]
    fn next(&mut self) -> Option<Extension> {
        loop {
            let first = self.byte(self.position)?;
            let (id, offset, length) = match self.form {
                ExtensionForm::OneByte => {
                    if first == 0 {
                        self.position += 1;
                        continue;
                    }
                    let id = first >> 4;
                    // Identifier 15 ends the walk; identifier 0 with a length is malformed
                    // (RFC 8285 section 4.2).
                    if id == 15 || id == 0 {
                        return self.stop();
                    }
                    (id, self.position + 1, usize::from(first & 0x0F) + 1)
                }
                ExtensionForm::TwoByte => {
                    if first == 0 {
                        self.position += 1;
                        continue;
                    }
                    let Some(length) = self.byte(self.position + 1) else {
                        return self.stop();
                    };
                    (first, self.position + 2, usize::from(length))
                }
                ExtensionForm::None | ExtensionForm::Other => return self.stop(),
            };
            if offset + length > self.end {
                return self.stop();
            }
            self.position = offset + length;
            return Some(Extension { id, offset, length });
        }
    }
}
