//! VP9 payload descriptor (RFC 9628 section 4.2): read and rewritten in place.

use super::vp8::PictureId;

/// Facts and offsets of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the flags on the wire"
)]
pub struct Descriptor {
    /// Picture id and its width.
    pub picture_id: Option<PictureId>,
    /// P: the frame refers to earlier pictures.
    pub inter_picture: bool,
    /// B: first packet of a frame (of one spatial layer).
    pub starts_frame: bool,
    /// E: last packet of a frame.
    pub ends_frame: bool,
    /// Z: no frame of a higher spatial layer of this picture depends on this one.
    pub not_inter_layer_reference: bool,
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// U: frames above this temporal layer may start here.
    pub switching_up_point: bool,
    /// D: depends on the spatial layer below in this picture.
    pub inter_layer: bool,
    /// Counter of base layer pictures; absent in flexible mode.
    pub tl0_picture_index: Option<u8>,
    /// Heights of the spatial layers, when a scalability structure states them.
    pub heights: Option<[u16; 8]>,
    /// Number of spatial layers, when a scalability structure states it.
    pub spatial_layers: Option<u8>,
    has_layers: bool,
    picture_id_offset: u8,
    tl0_offset: u8,
}

impl Descriptor {
    /// Reads the descriptor at the start of `payload`; `None` when it is cut short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut descriptor = Self {
            inter_picture: first & 0x40 != 0,
            starts_frame: first & 0x08 != 0,
            ends_frame: first & 0x04 != 0,
            not_inter_layer_reference: first & 0x01 != 0,
            has_layers: first & 0x20 != 0,
            ..Self::default()
        };
        let is_flexible = first & 0x10 != 0;
        let mut offset = 1;
        if first & 0x80 != 0 {
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
        if descriptor.has_layers {
            let layers = *payload.get(offset)?;
            offset += 1;
            descriptor.temporal = layers >> 5;
            descriptor.switching_up_point = layers & 0x10 != 0;
            descriptor.spatial = (layers >> 1) & 0x07;
            descriptor.inter_layer = layers & 0x01 != 0;
            if !is_flexible {
                descriptor.tl0_offset = offset as u8;
                descriptor.tl0_picture_index = Some(*payload.get(offset)?);
                offset += 1;
            }
        }
        if is_flexible && descriptor.inter_picture {
            // Up to three reference deltas; the lowest bit says whether another follows.
            for _ in 0..3 {
                let reference = *payload.get(offset)?;
                offset += 1;
                if reference & 1 == 0 {
                    break;
                }
            }
        }
        if first & 0x02 != 0 {
            descriptor.parse_structure(payload, offset)?;
        }
        Some(descriptor)
    }

    fn parse_structure(&mut self, payload: &[u8], offset: usize) -> Option<()> {
        let first = *payload.get(offset)?;
        let layers = (first >> 5) + 1;
        self.spatial_layers = Some(layers);
        if first & 0x10 == 0 {
            return Some(());
        }
        let mut heights = [0; 8];
        let sizes = payload.get(offset + 1..offset + 1 + usize::from(layers) * 4)?;
        for (height, size) in heights.iter_mut().zip(sizes.chunks_exact(4)) {
            *height = u16::from_be_bytes([size[2], size[3]]);
        }
        self.heights = Some(heights);
        Some(())
    }

    /// Whether this is the first packet of a picture that needs no other: base spatial layer,
    /// not predicted from earlier pictures.
    pub const fn starts_key_frame(&self) -> bool {
        self.starts_frame && !self.inter_picture && self.spatial == 0
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_picture_with_structure_is_read() {
        // I L B V; long picture id 5; TID 0 U SID 0; TL0PICIDX 9; structure: 2 layers with sizes.
        let payload = [
            0xaa, 0x80, 0x05, 0x10, 0x09, 0x38, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 0,
        ];
        let descriptor = Descriptor::parse(&payload).unwrap();
        assert!(descriptor.starts_key_frame() && descriptor.switching_up_point);
        assert_eq!(descriptor.tl0_picture_index, Some(9));
        assert_eq!(descriptor.spatial_layers, Some(2));
        assert_eq!(&descriptor.heights.unwrap()[..2], &[180, 360]);
    }

    #[test]
    fn an_upper_spatial_layer_starts_no_key_frame() {
        let descriptor = Descriptor::parse(&[0xa8, 0x05, 0x03, 0x09, 0]).unwrap();
        assert_eq!(descriptor.spatial, 1);
        assert!(descriptor.inter_layer);
        assert!(!descriptor.starts_key_frame());
    }

    proptest! {
        #[test]
        fn what_is_rewritten_reads_back(
            mut payload in proptest::collection::vec(any::<u8>(), 0..40),
            picture_id in 0_u16..0x8000,
            tl0: u8,
        ) {
            let Some(before) = Descriptor::parse(&payload) else { return Ok(()) };
            before.rewrite(&mut payload, picture_id, tl0);
            let after = Descriptor::parse(&payload).unwrap();
            prop_assert_eq!((after.spatial, after.temporal), (before.spatial, before.temporal));
            if before.tl0_picture_index.is_some() {
                prop_assert_eq!(after.tl0_picture_index, Some(tl0));
            }
        }
    }
}
