//! VP8 payload descriptor (RFC 7741 section 4.2): read and rewritten in place.

/// Facts and offsets of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the flags on the wire"
)]
pub struct Descriptor {
    /// First packet of a frame: start of partition 0.
    pub starts_frame: bool,
    /// First packet of a key frame.
    pub starts_key_frame: bool,
    /// Picture id and its width.
    pub picture_id: Option<PictureId>,
    /// Counter of base layer frames.
    pub tl0_picture_index: Option<u8>,
    /// Temporal layer.
    pub temporal: Option<u8>,
    /// Whether the frame depends on the base layer only.
    pub layer_sync: bool,
    /// No frame depends on this one.
    pub non_reference: bool,
    /// Lines of a key frame's shorter side; 0 when it does not tell.
    pub lines: u16,
    picture_id_offset: u8,
    tl0_offset: u8,
}

/// A picture id of 7 or 15 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// Value.
    pub value: u16,
    /// Whether it has 15 bits.
    pub is_long: bool,
}

impl Descriptor {
    /// Reads the descriptor at the start of `payload`; `None` when it is cut short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut descriptor = Self {
            non_reference: first & 0x20 != 0,
            starts_frame: first & 0x17 == 0x10,
            ..Self::default()
        };
        let mut offset = 1;
        if first & 0x80 != 0 {
            let extension = *payload.get(1)?;
            offset = 2;
            if extension & 0x80 != 0 {
                descriptor.picture_id_offset = offset as u8;
                let high = *payload.get(offset)?;
                let is_long = high & 0x80 != 0;
                let mut value = u16::from(high & 0x7f);
                offset += 1;
                if is_long {
                    value = value << 8 | u16::from(*payload.get(offset)?);
                    offset += 1;
                }
                descriptor.picture_id = Some(PictureId { value, is_long });
            }
            if extension & 0x40 != 0 {
                descriptor.tl0_offset = offset as u8;
                descriptor.tl0_picture_index = Some(*payload.get(offset)?);
                offset += 1;
            }
            if extension & 0x30 != 0 {
                let layers = *payload.get(offset)?;
                if extension & 0x20 != 0 {
                    descriptor.temporal = Some(layers >> 6);
                    descriptor.layer_sync = layers & 0x20 != 0;
                }
                offset += 1;
            }
        }
        // The inverse key frame flag is the lowest bit of the frame header (RFC 6386 section 9.1).
        let frame_header = *payload.get(offset)?;
        descriptor.starts_key_frame = descriptor.starts_frame && frame_header & 1 == 0;
        if descriptor.starts_key_frame {
            descriptor.lines = payload.get(offset..).and_then(lines).unwrap_or(0);
        }
        Some(descriptor)
    }

    /// Writes picture id and TL0PICIDX over those of a payload with this layout.
    pub fn rewrite(&self, payload: &mut [u8], picture_id: u16, tl0_picture_index: u8) {
        if let Some(original) = self.picture_id {
            let offset = usize::from(self.picture_id_offset);
            if original.is_long {
                crate::rtp::rewrite::set(payload, offset, (picture_id | 0x8000).to_be_bytes());
            } else {
                crate::rtp::rewrite::set(payload, offset, [picture_id as u8 & 0x7f]);
            }
        }
        if self.tl0_picture_index.is_some() {
            crate::rtp::rewrite::set(payload, usize::from(self.tl0_offset), [tl0_picture_index]);
        }
    }
}

/// The shorter side of a key frame, after its start code (RFC 6386 section 9.1).
fn lines(frame: &[u8]) -> Option<u16> {
    let side = |low: u8, high: u8| u16::from_le_bytes([low, high]) & 0x3fff;
    match frame.get(3..10)? {
        [0x9d, 0x01, 0x2a, a, b, c, d] => Some(side(*a, *b).min(side(*c, *d))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_frame_tells_its_lines_whichever_way_it_is_held() {
        let mut payload = vec![0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a];
        payload.extend([0x80, 0x02, 0x68, 0x01, 0x00]);
        assert_eq!(Descriptor::parse(&payload).unwrap().lines, 360);
        payload.splice(7..11, [0xd0, 0x02, 0x00, 0x05]);
        assert_eq!(Descriptor::parse(&payload).unwrap().lines, 720);
        payload[4] = 0;
        assert_eq!(Descriptor::parse(&payload).unwrap().lines, 0);
    }
    use proptest::prelude::*;

    #[test]
    fn a_full_descriptor_is_read() {
        // X, S; I L T; long picture id 0x1234; TL0PICIDX 7; TID 2, Y; key frame header.
        let payload = [0x90, 0xe0, 0x92, 0x34, 7, 0xa0, 0x00, 1, 2];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert!(descriptor.starts_frame && descriptor.starts_key_frame && descriptor.layer_sync);
        assert_eq!(
            descriptor.picture_id,
            Some(PictureId {
                value: 0x1234,
                is_long: true
            })
        );
        assert_eq!(descriptor.tl0_picture_index, Some(7));
        assert_eq!(descriptor.temporal, Some(2));
    }

    #[test]
    fn a_later_partition_starts_no_frame() {
        let descriptor = Descriptor::parse(&[0x11, 0x00]).unwrap();
        assert!(!descriptor.starts_frame && !descriptor.starts_key_frame);
    }

    proptest! {
        #[test]
        fn what_is_rewritten_reads_back(
            mut payload in proptest::collection::vec(any::<u8>(), 0..12),
            picture_id in 0_u16..0x8000,
            tl0: u8,
        ) {
            let Some(before) = Descriptor::parse(&payload) else { return Ok(()) };
            before.rewrite(&mut payload, picture_id, tl0);
            let after = Descriptor::parse(&payload).unwrap();
            prop_assert_eq!(after.temporal, before.temporal);
            prop_assert_eq!(after.starts_key_frame, before.starts_key_frame);
            if let Some(original) = before.picture_id {
                let mask = if original.is_long { 0x7fff } else { 0x7f };
                prop_assert_eq!(after.picture_id.unwrap().value, picture_id & mask);
            }
            if before.tl0_picture_index.is_some() {
                prop_assert_eq!(after.tl0_picture_index, Some(tl0));
            }
        }
    }
}
