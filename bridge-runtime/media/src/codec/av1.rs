//! AV1 dependency descriptor header extension (AV1 RTP specification, appendix A).
//!
//! The mandatory three bytes are rewritten in place; of the template structure only the layers
//! and chains-free facts needed for forwarding are kept. A descriptor that refers to a structure
//! never seen is refused, and its packet goes by generic rules.

use std::sync::Arc;

/// Most templates a structure can have (six bit ids).
const MAXIMUM_TEMPLATES: usize = 64;
/// Most decode targets.
const MAXIMUM_TARGETS: usize = 32;

/// Facts of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the flags on the wire"
)]
pub struct Descriptor {
    /// First packet of a frame.
    pub starts_frame: bool,
    /// Last packet of a frame.
    pub ends_frame: bool,
    /// First packet of a frame that carries a structure: a key frame.
    pub starts_key_frame: bool,
    /// Whether the descriptor carries a structure.
    pub has_structure: bool,
    /// Template id on the wire.
    pub template_id: u8,
    /// Frame counter on the wire.
    pub frame_number: u16,
    /// Spatial layer of the template.
    pub spatial: u8,
    /// Temporal layer of the template.
    pub temporal: u8,
    /// Heights of the spatial layers, when the structure states them.
    pub heights: Option<[u16; 4]>,
    /// Highest spatial layer of the structure.
    pub highest_spatial: u8,
    /// Decode targets (bit per target) for which the frame is not present.
    pub absent_targets: u32,
    /// Decode targets (bit per target) for which this frame is a switching point.
    pub switch_targets: u32,
}

/// Template structure of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    template_id_offset: u8,
    templates: u8,
    targets: u8,
    layers: [(u8, u8); MAXIMUM_TEMPLATES],
    /// Per template: targets without it, and targets it switches.
    absent: [u32; MAXIMUM_TEMPLATES],
    switches: [u32; MAXIMUM_TEMPLATES],
    /// Templates (bit per template) of frames that refer to earlier pictures.
    is_predicted: u64,
    /// Highest layers of each target's frames.
    highest: [Option<(u8, u8)>; MAXIMUM_TARGETS],
    heights: Option<[u16; 4]>,
    highest_spatial: u8,
}

impl Structure {
    /// Number of templates.
    pub const fn templates(&self) -> u8 {
        self.templates
    }

    /// Whether every frame of target `smaller` is also one of target `larger`.
    pub fn is_subset(&self, smaller: u8, larger: u8) -> bool {
        (0..usize::from(self.templates)).all(|template| {
            self.absent[template] >> smaller & 1 == 1 || self.absent[template] >> larger & 1 == 0
        })
    }

    /// Whether the stream has frames of target `from`, other than those of key pictures, at which a
    /// receiver of it may go over to target `to`.
    pub fn has_switch(&self, from: Option<u8>, to: u8) -> bool {
        let Some(from) = from else { return true };
        (0..usize::from(self.templates)).any(|template| {
            self.is_predicted >> template & 1 == 1
                && self.absent[template] >> from & 1 == 0
                && self.switches[template] >> to & 1 == 1
        })
    }

    /// Highest spatial layer of the frames of a target.
    pub fn highest_spatial(&self, target: u8) -> Option<u8> {
        let highest = *self.highest.get(usize::from(target))?;
        highest.map(|(spatial, _)| spatial)
    }

    /// The decode target that shows exactly up to `spatial` and `temporal`: the one with the
    /// most frames whose layers do not exceed them.
    pub fn target_for(&self, spatial: u8, temporal: u8) -> Option<u8> {
        (0_u8..)
            .zip(&self.highest)
            .filter_map(|(target, highest)| Some(((*highest)?, target)))
            .filter(|(highest, _)| highest.0 <= spatial && highest.1 <= temporal)
            .reduce(|best, other| if other.0 > best.0 { other } else { best })
            .map(|(_, target)| target)
    }

    /// Highest spatial and temporal layer of the frames of a target, none without frames.
    fn highest_layers(&self, target: u8) -> Option<(u8, u8)> {
        let templates = self.layers.iter().zip(&self.absent);
        templates
            .take(usize::from(self.templates))
            .filter(|(_, absent)| **absent >> target & 1 == 0)
            .map(|(layers, _)| *layers)
            .reduce(|highest, layers| (highest.0.max(layers.0), highest.1.max(layers.1)))
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    fn read(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.position / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        self.read(1).map(|bit| bit == 1)
    }

    /// Non-symmetric unsigned number below `limit` (AV1 specification section 4.10.7).
    fn non_symmetric(&mut self, limit: u32) -> Option<u32> {
        let width = 32 - limit.leading_zeros();
        let shorter = (1_u32 << width) - limit;
        let value = self.read(width.checked_sub(1)? as usize)?;
        if value < shorter {
            return Some(value);
        }
        Some((value << 1 | self.read(1)?) - shorter)
    }
}

impl Descriptor {
    /// Reads the extension element; a structure in it replaces `structure`.
    pub fn parse(bytes: &[u8], structure: &mut Option<Arc<Structure>>) -> Option<Self> {
        let mut bits = Bits { bytes, position: 0 };
        let mut descriptor = Self {
            starts_frame: bits.flag()?,
            ends_frame: bits.flag()?,
            template_id: bits.read(6)? as u8,
            frame_number: bits.read(16)? as u16,
            ..Self::default()
        };
        let (mut custom_targets, mut active_targets) = (false, false);
        if bytes.len() > 3 {
            descriptor.has_structure = bits.flag()?;
            active_targets = bits.flag()?;
            custom_targets = bits.flag()?;
            let _custom_differences = bits.flag()?;
            let _custom_chains = bits.flag()?;
            if descriptor.has_structure {
                *structure = Some(Arc::new(Structure::parse(&mut bits)?));
            }
        }
        let known = structure.as_ref()?;
        if active_targets {
            bits.read(usize::from(known.targets))?;
        }
        let template = (descriptor.template_id + 64 - known.template_id_offset) & 63;
        if template >= known.templates {
            return None;
        }
        let template = usize::from(template);
        (descriptor.spatial, descriptor.temporal) = known.layers[template];
        descriptor.absent_targets = known.absent[template];
        descriptor.switch_targets = known.switches[template];
        if custom_targets {
            (descriptor.absent_targets, descriptor.switch_targets) =
                read_indications(&mut bits, known.targets)?;
        }
        descriptor.heights = known.heights;
        descriptor.highest_spatial = known.highest_spatial;
        descriptor.starts_key_frame = descriptor.starts_frame && descriptor.has_structure;
        Some(descriptor)
    }

    /// Whether the frame is one of a decode target's.
    pub const fn is_present(&self, target: u8) -> bool {
        self.absent_targets >> target & 1 == 0
    }

    /// Whether a decode target can be decoded from this frame on, if this frame can be.
    pub const fn switches_to(&self, target: u8) -> bool {
        self.switch_targets >> target & 1 == 1
    }

    /// Writes the frame number over that of an element.
    pub fn rewrite_frame_number(element: &mut [u8], frame_number: u16) {
        crate::rtp::rewrite::set(element, 1, frame_number.to_be_bytes());
    }
}

/// Reads two bits per target: 0 not present, 1 discardable, 2 switch, 3 required.
fn read_indications(bits: &mut Bits<'_>, targets: u8) -> Option<(u32, u32)> {
    let (mut absent, mut switches) = (0, 0);
    for target in 0..targets {
        match bits.read(2)? {
            0 => absent |= 1 << target,
            2 => switches |= 1 << target,
            _ => {}
        }
    }
    Some((absent, switches))
}

impl Structure {
    fn parse(bits: &mut Bits<'_>) -> Option<Self> {
        let mut structure = Self {
            template_id_offset: bits.read(6)? as u8,
            templates: 0,
            targets: bits.read(5)? as u8 + 1,
            layers: [(0, 0); MAXIMUM_TEMPLATES],
            absent: [0; MAXIMUM_TEMPLATES],
            switches: [0; MAXIMUM_TEMPLATES],
            is_predicted: 0,
            highest: [None; MAXIMUM_TARGETS],
            heights: None,
            highest_spatial: 0,
        };
        structure.parse_layers(bits)?;
        for template in 0..usize::from(structure.templates) {
            (structure.absent[template], structure.switches[template]) =
                read_indications(bits, structure.targets)?;
        }
        for target in 0..structure.targets {
            structure.highest[usize::from(target)] = structure.highest_layers(target);
        }
        for template in 0..structure.templates {
            while bits.flag()? {
                let distance = bits.read(4)? + 1;
                // Frames of the same picture are no further off than there are layers below.
                let (spatial, _) = structure.layers[usize::from(template)];
                structure.is_predicted |= u64::from(distance > u32::from(spatial)) << template;
            }
        }
        structure.skip_chains(bits)?;
        if bits.flag()? {
            let mut heights = [0; 4];
            for height in heights
                .iter_mut()
                .take(usize::from(structure.highest_spatial) + 1)
            {
                let _width = bits.read(16)?;
                *height = (bits.read(16)? + 1).min(65_535) as u16;
            }
            structure.heights = Some(heights);
        }
        Some(structure)
    }

    fn parse_layers(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let (mut spatial, mut temporal) = (0_u8, 0_u8);
        loop {
            *self.layers.get_mut(usize::from(self.templates))? = (spatial, temporal);
            self.templates += 1;
            match bits.read(2)? {
                0 => {}
                1 => temporal += 1,
                2 => {
                    temporal = 0;
                    spatial += 1;
                }
                _ => break,
            }
        }
        self.highest_spatial = spatial;
        (spatial < 4 && temporal < 8).then_some(())
    }

    fn skip_chains(&self, bits: &mut Bits<'_>) -> Option<()> {
        let chains = bits.non_symmetric(u32::from(self.targets) + 1)?;
        if chains == 0 {
            return Some(());
        }
        for _ in 0..self.targets {
            bits.non_symmetric(chains)?;
        }
        for _ in 0..self.templates {
            for _ in 0..chains {
                bits.read(4)?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes bits for a test.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn put(&mut self, value: u32, count: u32) {
            self.0
                .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        }

        fn bytes(&self) -> Vec<u8> {
            self.0
                .chunks(8)
                .map(|chunk| {
                    chunk
                        .iter()
                        .enumerate()
                        .fold(0, |byte, (bit, set)| byte | u8::from(*set) << (7 - bit))
                })
                .collect()
        }
    }

    /// One spatial and two temporal layers, two targets, no chains, one resolution.
    pub(crate) fn key_frame(frame_number: u16) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.put(0b11, 2);
        writer.put(5, 6);
        writer.put(u32::from(frame_number), 16);
        writer.put(0b1_0000, 5);
        writer.put(5, 6);
        writer.put(1, 5);
        writer.put(1, 2);
        writer.put(3, 2);
        // Template 0: switch for both; template 1: absent for target 0, discardable for 1.
        writer.put(0b1010, 4);
        writer.put(0b0001, 4);
        // Frame differences: none, then one.
        writer.put(0, 1);
        writer.put(0b1, 1);
        writer.put(0, 4);
        writer.put(0, 1);
        // No chains: non-symmetric number below 3, value 0 in one bit.
        writer.put(0, 1);
        writer.put(1, 1);
        writer.put(639, 16);
        writer.put(359, 16);
        writer.bytes()
    }

    /// Layers of the scalable stream below: three spatial and three temporal ones.
    const LAYERS: u32 = 3;

    /// Descriptor of a frame of a stream of nine layers, with inter-layer prediction everywhere or
    /// on key pictures only. Templates, targets and indications are those of the AV1 RTP
    /// specification's examples (appendix A.8) for `L3T3` and `L3T3_KEY`.
    pub(crate) fn scalable_frame(
        (frame_number, spatial, temporal): (u16, u8, u8),
        is_key: bool,
        is_key_scalable: bool,
        (starts, ends): (bool, bool),
    ) -> Vec<u8> {
        let template = u32::from(spatial) * 4 + if is_key { 0 } else { 1 + u32::from(temporal) };
        let mut writer = Writer::default();
        writer.put(u32::from(starts) << 1 | u32::from(ends), 2);
        writer.put(template, 6);
        writer.put(u32::from(frame_number), 16);
        if !(is_key && spatial == 0 && starts) {
            return writer.bytes();
        }
        writer.put(0b1_0000, 5);
        writer.put(0, 6);
        writer.put(LAYERS * LAYERS - 1, 5);
        for template in 0..LAYERS * 4 {
            let next = match template % 4 {
                0 => 0,
                3 if template == LAYERS * 4 - 1 => 3,
                3 => 2,
                _ => 1,
            };
            writer.put(next, 2);
        }
        for template in 0..LAYERS * 4 {
            let (spatial, kind) = (template / 4, template % 4);
            for target in 0..LAYERS * LAYERS {
                let wanted = (target / LAYERS, target % LAYERS);
                writer.put(indication((spatial, kind), wanted, is_key_scalable), 2);
            }
        }
        for template in 0..LAYERS * 4 {
            // Inter-layer on key pictures, else as far back as the pattern has it.
            let distance = [u32::from(template > 0), 12, 6, 3][template as usize % 4];
            if distance > 0 {
                writer.put(0b1_0000 | (distance - 1), 5);
            }
            writer.put(0, 1);
        }
        // No chains (non-symmetric number below ten), no resolutions.
        writer.put(0, 3);
        writer.put(0, 1);
        writer.bytes()
    }

    fn indication(template: (u32, u32), target: (u32, u32), is_key_scalable: bool) -> u32 {
        const ABSENT: u32 = 0;
        const DISCARDABLE: u32 = 1;
        const SWITCH: u32 = 2;
        const REQUIRED: u32 = 3;
        let (spatial, kind) = template;
        let temporal = kind.saturating_sub(1);
        let is_left_out = if is_key_scalable && kind > 0 {
            target.0 != spatial
        } else {
            target.0 < spatial
        };
        if is_left_out || target.1 < temporal {
            ABSENT
        } else if kind == 0 {
            SWITCH
        } else if target.0 > spatial {
            REQUIRED
        } else if temporal > 0 && target.1 == temporal {
            DISCARDABLE
        } else {
            SWITCH
        }
    }

    #[test]
    fn a_key_frame_brings_the_structure_for_the_frames_after_it() {
        let mut structure = None;
        assert_eq!(Descriptor::parse(&[0xc6, 0, 1], &mut structure), None);
        let key = Descriptor::parse(&key_frame(7), &mut structure).unwrap();
        assert!(key.starts_key_frame);
        assert_eq!(key.frame_number, 7);
        assert_eq!(key.heights.unwrap()[0], 360);
        let next = Descriptor::parse(&[0xc6, 0, 8], &mut structure).unwrap();
        assert_eq!((next.spatial, next.temporal, next.frame_number), (0, 1, 8));
        assert_eq!(next.absent_targets, 0b01);
        let structure = structure.unwrap();
        assert_eq!(structure.target_for(0, 0), Some(0));
        assert_eq!(structure.target_for(3, 7), Some(1));
    }

    proptest! {
        #[test]
        fn any_element_is_judged_without_panic(
            first in proptest::collection::vec(any::<u8>(), 0..80),
            second in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            let mut structure = None;
            let _ = Descriptor::parse(&first, &mut structure);
            let _ = Descriptor::parse(&second, &mut structure);
            if let Some(structure) = structure {
                let _ = structure.target_for(2, 2);
            }
        }
    }
}
